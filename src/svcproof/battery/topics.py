"""What the battery asks about, in words: faults are declared in them, reports print them."""

from __future__ import annotations

import enum

__all__ = ["Topic"]


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
