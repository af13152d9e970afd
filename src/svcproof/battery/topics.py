"""What the battery asks about, in words: faults are declared in them, reports print them."""

from __future__ import annotations

import enum
from typing import Final

__all__ = ["BETWEEN_NODES", "NAMES_BY_LUCK", "Topic"]


class Topic(enum.StrEnum):
    """One question of the battery."""

    POD_TO_POD = "pod to pod"
    ENDPOINTS = "endpoints"
    CLUSTER_IP = "ClusterIP"
    SHARES = "shares"
    NODE_PORT = "NodePort"
    OTHER_ADDRESSES = "other addresses"
    LARGE = "large payloads"
    REFUSAL = "refusal"
    LOCAL = "Local"
    POD_LESS = "pod-less node"
    AFFINITY = "affinity"
    HAIRPIN = "hairpin"
    HEADLESS = "headless"
    EXTERNAL_NAME = "ExternalName"
    NO_RECORD = "no record"
    OVER_TCP = "names over TCP"
    NAME_SERVERS = "name servers"
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
        Topic.OTHER_ADDRESSES,
        Topic.LARGE,
        Topic.REFUSAL,
        Topic.AFFINITY,
        Topic.NAME_SERVERS,
        Topic.CHANGE,
        Topic.OUTAGES,
    }
)

#: What one of several name servers can still answer.
NAMES_BY_LUCK: Final = frozenset(
    {Topic.HEADLESS, Topic.EXTERNAL_NAME, Topic.NO_RECORD, Topic.OVER_TCP}
)
