"""What the battery asks about, in words: faults are declared in them, reports print them."""

from __future__ import annotations

import enum
from typing import Final

__all__ = ["BETWEEN_NODES", "Topic"]


class Topic(enum.StrEnum):
    """One question of the battery."""

    POD_TO_POD = "pod to pod"
    ENDPOINTS = "endpoints"
    CLUSTER_IP = "ClusterIP"
    SHARES = "shares"
    NODE_PORT = "NodePort"
    REFUSAL = "refusal"
    LOCAL = "Local"
    POD_LESS = "pod-less node"
    AFFINITY = "affinity"
    HAIRPIN = "hairpin"
    HEADLESS = "headless"
    EXTERNAL_NAME = "ExternalName"
    CHANGE = "change"
    LATENCY = "latency"
    OUTAGES = "outages"
    API = "API"


#: What cannot be right where Pods of one node and of others do not reach each other.
BETWEEN_NODES: Final = frozenset(
    {
        Topic.POD_TO_POD,
        Topic.CLUSTER_IP,
        Topic.SHARES,
        Topic.NODE_PORT,
        Topic.REFUSAL,
        Topic.AFFINITY,
        Topic.HEADLESS,
        Topic.EXTERNAL_NAME,
        Topic.CHANGE,
        Topic.OUTAGES,
    }
)
