"""Experiments 10 and 11: what becomes of a request at a node, and of the client's address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from svcproof.app import App
from svcproof.notes.ground import DEPLOYMENT
from svcproof.notes.services import served
from svcproof.notes.stage import Stage
from svcproof.waits import wait_for
from svcproof.ways import from_outside_to

__all__ = ["policy_cluster", "policy_local"]


def policy_cluster(stage: Stage) -> None:
    """Every node answers; the request may hop, and the client's address is lost."""
    app = served(stage, "hostname-svc-nodeport")
    _policy(stage, "hostname-svc-nodeport", "Cluster")
    with _one_pod(stage, app) as node:
        stage.measure(
            "From the client outside to every node.",
            app,
            from_outside_to(app, stage.ground.clients),
            expected="every node answers, and the Pod never sees the client's own address",
            look=f"the address that the Pod saw. The Pod is on {node}.",
        )
    stage.correct(
        "The notes say that the source address changes. To which: a request that hops comes with"
        " the address of the **node that was entered**; one that was entered at the Pod's own"
        " node comes with that node's address on the Pod network's side. The client's own is"
        f" {_outside(stage)}."
    )


def policy_local(stage: Stage) -> None:
    """No hop and the client's own address; a node without a Pod does not answer."""
    stage.manifest(
        "hostname-svc-nodeport-local.yaml",
        "The same Service with the other policy.",
        look="`externalTrafficPolicy: Local`.",
    )
    app = served(stage, "hostname-svc-nodeport-local")
    _policy(stage, "hostname-svc-nodeport-local", "Local")
    clients = stage.ground.clients
    stage.measure(
        "With a Pod on every node, from the client outside.",
        app,
        from_outside_to(app, clients),
        expected="each node's own Pod answers, and sees the client's own address",
        look=f"one Pod in each line, and the client's address {_outside(stage)}.",
        about_sources=True,
    )
    with _one_pod(stage, app) as node:
        pairs = from_outside_to(app, clients)
        stage.measure(
            f"Now only {node} has a Pod.",
            app,
            [(client, target) for client, target in pairs if target.entry_node == node],
            failing=[(client, target) for client, target in pairs if target.entry_node != node],
            expected=f"{node} answers; every request to another node fails",
            look="the nodes without a Pod.",
        )
    stage.say(
        "So: if neither the hop nor the client's address matters, use Cluster, which answers"
        " everywhere; else Local, and see to it that clients ask only nodes with a Pod, as load"
        " balancers do by the Service's health check."
    )


def _policy(stage: Stage, service: str, policy: str) -> None:
    stage.kubectl(
        f"get service {service} -o yaml",
        "The policy, as the API server has it.",
        only="^  externalTrafficPolicy",
        shows=f"externalTrafficPolicy: {policy}$",
        expected=f"policy {policy}",
    )


@contextmanager
def _one_pod(stage: Stage, app: App) -> Iterator[str]:
    """A single Pod, so that the other nodes have none; the node that has it."""
    _scaled(stage, app, 1)
    try:
        yield app.pods(DEPLOYMENT)[0].node
    finally:
        _scaled(stage, app, 3)


def _scaled(stage: Stage, app: App, replicas: int) -> None:
    stage.kubectl(
        f"scale deployment {DEPLOYMENT} --replicas={replicas}",
        "All but one Pod are taken away." if replicas == 1 else "And back again.",
        shows="scaled",
        expected="it is scaled",
    )
    app.scale(replicas)
    # A Pod that is ending still gets what would otherwise fail.
    wait_for(
        f"{replicas} web servers, and nothing left of others",
        lambda: _others(app, replicas),
        limit=stage.ground.limits.workload_ready,
    )


def _others(app: App, replicas: int) -> str:
    snapshot = app.snapshot()
    pods = [pod.name for pod in snapshot.pods_matching({"app": "webserver"})]
    listed = {end.pod for item in snapshot.slices for end in item.endpoints}
    if len(pods) == replicas and listed == set(pods):
        return ""
    return f"Pods: {', '.join(pods)}; listed: {', '.join(sorted(listed))}"


def _outside(stage: Stage) -> str:
    return ", ".join(stage.ground.clients.everywhere("outside")[0].addresses)
