"""All experiments, in the notes' order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from svcproof.errors import UsageError
from svcproof.notes import beyond, keepers, pods, policies, services
from svcproof.notes.stage import Stage

__all__ = ["EXPERIMENTS", "Experiment", "chosen"]


@dataclass(frozen=True, slots=True)
class Experiment:
    """One of the notes' experiments; ``script`` takes its steps."""

    number: int
    slug: str
    title: str
    script: Callable[[Stage], None]


EXPERIMENTS: Final = (
    Experiment(1, "pod", "Pod", pods.pod),
    Experiment(2, "sidecar", "Sidecar: two containers in one Pod", pods.sidecar),
    Experiment(3, "replicaset", "ReplicaSet: a number of Pods is kept", keepers.replicaset),
    Experiment(4, "deployment", "Deployment", keepers.deployment),
    Experiment(5, "rollout", "Roll-out and undo", keepers.rollout),
    Experiment(6, "clusterip", "ClusterIP: one address for all Pods", services.cluster_ip),
    Experiment(7, "endpoints", "Endpoints, and EndpointSlices", services.endpoints),
    Experiment(8, "nodeport", "NodePort: a port on every node", services.node_port),
    Experiment(9, "affinity", "Session affinity", services.affinity),
    Experiment(10, "policy-cluster", "externalTrafficPolicy: Cluster", policies.policy_cluster),
    Experiment(11, "policy-local", "externalTrafficPolicy: Local", policies.policy_local),
    Experiment(12, "loadbalancer", "LoadBalancer", beyond.load_balancer),
    Experiment(13, "externalname", "ExternalName: an alias", beyond.external_name),
)


def chosen(only: str) -> Sequence[Experiment]:
    """The experiments with these numbers or names, in the notes' order; without any, all."""
    words = [word.strip() for word in only.split(",") if word.strip()]
    known = {str(e.number): e for e in EXPERIMENTS} | {e.slug: e for e in EXPERIMENTS}
    unknown = [word for word in words if word not in known]
    if unknown:
        there_are = ", ".join(f"{each.number} {each.slug}" for each in EXPERIMENTS)
        raise UsageError(f"there is no experiment {', '.join(unknown)}; there are: {there_are}")
    wanted = [known[word] for word in words] or list(EXPERIMENTS)
    return [each for each in EXPERIMENTS if each in wanted]
