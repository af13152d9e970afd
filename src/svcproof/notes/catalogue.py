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
    """One of the notes' experiments: what they say, and ``script``, which takes its steps."""

    number: int
    slug: str
    title: str
    says: str
    script: Callable[[Stage], None]


EXPERIMENTS: Final = (
    Experiment(
        1,
        "pod",
        "Pod",
        "a Pod is applied from a file; `describe` shows its node, that it runs, and an address"
        " inside the cluster; `logs` shows what its container wrote; `delete -f` removes it.",
        pods.pod,
    ),
    Experiment(
        2,
        "sidecar",
        "Sidecar: two containers in one Pod",
        "the containers of a Pod share Linux namespaces, the network above all: one reaches the"
        " other on localhost, and both have the same address.",
        pods.sidecar,
    ),
    Experiment(
        3,
        "replicaset",
        "ReplicaSet: a number of Pods is kept",
        "a Pod that is deleted, relabelled or lost with its node is replaced; without a ReplicaSet"
        " a lost Pod stays lost.",
        keepers.replicaset,
    ),
    Experiment(
        4,
        "deployment",
        "Deployment",
        "a Deployment creates a ReplicaSet, and that its Pods.",
        keepers.deployment,
    ),
    Experiment(
        5,
        "rollout",
        "Roll-out and undo",
        "a new image that cannot run stops the rolling update half-way, with 2 old Pods ready and"
        " 2 new ones in CrashLoopBackOff; `rollout history` lists the revisions, and `rollout undo`"
        " brings all back.",
        keepers.rollout,
    ),
    Experiment(
        6,
        "clusterip",
        "ClusterIP: one address for all Pods",
        "a Service is reached by its address and by its name from inside the cluster; repeated"
        " requests reach different Pods, so balancing the load is automatic.",
        services.cluster_ip,
    ),
    Experiment(
        7,
        "endpoints",
        "Endpoints, and EndpointSlices",
        "they are made automatically where a selector and labels match.",
        services.endpoints,
    ),
    Experiment(
        8,
        "nodeport",
        "NodePort: a port on every node",
        "the same port answers on every node from outside; it is picked at random or chosen; the"
        " Service has a ClusterIP as well.",
        services.node_port,
    ),
    Experiment(
        9,
        "affinity",
        "Session affinity",
        "with `sessionAffinity: ClientIP` a client's requests go to one and the same Pod.",
        services.affinity,
    ),
    Experiment(
        10,
        "policy-cluster",
        "externalTrafficPolicy: Cluster",
        "by default a request may hop to another node; the source address changes, so the client's"
        " is lost.",
        policies.policy_cluster,
    ),
    Experiment(
        11,
        "policy-local",
        "externalTrafficPolicy: Local",
        "there is no hop and the client's address is kept; a request to a node without a Pod"
        " fails.",
        policies.policy_local,
    ),
    Experiment(
        12,
        "loadbalancer",
        "LoadBalancer",
        "it is provided by a cloud and reached from outside; without a provider it stays pending.",
        beyond.load_balancer,
    ),
    Experiment(
        13,
        "externalname",
        "ExternalName: an alias",
        "a request to the Service's name is answered by the DNS with a CNAME to the external name.",
        beyond.external_name,
    ),
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
