"""Change under load: whatever changes, every connection is answered, and soon by the right Pods.

Steady traffic flows from a Pod on every node and from outside through every node
while Pods come and go. How long a change takes to reach each of them is told. Two
changes are part of every run; the others take their time (``--svc-slow``).
"""

from collections.abc import Callable

import pytest

from svcproof.errors import NotSupported
from svcproof.events import Other
from svcproof.ports import CanRunInPods
from svcproof.testing import App, Clients, Judge, Load, Patch, Routing, everywhere_to
from svcproof.waits import wait_for

OWN_NAMESPACE = True  # its Pods come and go
APPS = ()

DEPLOYMENT, SERVICE = "hostname-deployment", "hostname-svc-change"
#: Connections of each client, a second.
RATE = 120.0


#: Runs a change under steady traffic.
Run = Callable[[Callable[[Load], None]], None]


@pytest.fixture
def load(echo_app: App, clients: Clients, routing: Routing) -> Run:
    """Runs a change under steady traffic: before, during and after are judged."""

    def run(change: Callable[[Load], None]) -> None:
        pairs = everywhere_to(echo_app, clients, SERVICE, "pod", "outside")
        routing.settle(pairs)
        with routing.steady(pairs, rate=RATE) as traffic:
            traffic.expect()
            traffic.gather()
            change(traffic)

    return run


def test_scale_up_and_down(load: Run, routing: Routing, judge: Judge) -> None:
    """Scaling up and down loses no connection; new Pods get traffic, old ones no more."""

    def change(traffic: Load) -> None:
        for replicas in (5, 3):
            with traffic.changing():
                routing.scale(replicas, deployment=DEPLOYMENT)

    load(change)
    judge()


def test_roll_out(load: Run, echo_app: App, routing: Routing, judge: Judge) -> None:
    """Rolling out a well-behaved app loses no connection, and ends with new Pods only."""

    def change(traffic: Load) -> None:
        with traffic.changing():
            routing.change("rolled-out", lambda: echo_app.roll_out(deployment=DEPLOYMENT))

    load(change)
    judge()


@pytest.mark.svc_slow
def test_readiness_flip(load: Run, echo_app: App, routing: Routing, judge: Judge) -> None:
    """A Pod that says it is not ready gets no more traffic, and gets it again when it is."""
    cluster = echo_app.cluster
    if not isinstance(cluster, CanRunInPods):
        raise NotSupported(
            "commands cannot be run in this cluster's Pods",
            remedy="judge a cluster behind an API server",
        )
    victim = echo_app.pods(DEPLOYMENT)[0]

    def flip(traffic: Load, value: str, ready: int) -> None:
        with traffic.changing(await_app=False):
            routing.recorder.event(
                Other(kind="readiness-switched", facts={"pod": victim.name, "ready": value})
            )
            code, _, errors = cluster.run_in_pod(
                victim.namespace, victim.name, ["/echo-hostname", "ready", value]
            )
            assert code == 0, errors
            wait_for(f"{ready} ready endpoints", lambda: _not_yet(echo_app, ready), limit=30)

    def change(traffic: Load) -> None:
        flip(traffic, "false", 2)
        flip(traffic, "true", 3)

    load(change)
    judge()


def _not_yet(app: App, ready: int) -> str:
    """What is still to come until so many endpoints are ready; "" if they are."""
    snapshot = app.snapshot()
    per_family = [
        sum(endpoint.ready for endpoint in item.endpoints) for item in snapshot.slices_of(SERVICE)
    ]
    return "" if per_family and all(n == ready for n in per_family) else f"ready: {per_family}"


@pytest.mark.svc_slow
def test_edited_selector(load: Run, patch: Patch, judge: Judge) -> None:
    """An edited selector moves all traffic to other Pods and back, without a lost connection."""

    def change(traffic: Load) -> None:
        for app in ("other", "webserver"):
            with traffic.changing():
                patch("Service", SERVICE, {"spec": {"selector": {"app": app}}})

    load(change)
    judge()


@pytest.mark.svc_slow
def test_switched_policy(load: Run, echo_app: App, patch: Patch, judge: Judge) -> None:
    """externalTrafficPolicy switched under traffic: the client's address shows, then hides."""
    if {pod.node for pod in echo_app.pods(DEPLOYMENT)} != set(echo_app.cluster.facts.node_names):
        raise NotSupported(
            "some node has no Pod: under policy Local it loses connections, rightly",
            remedy="give it as many nodes as the app has Pods: --svc-nodes 3",
        )

    def change(traffic: Load) -> None:
        for policy in ("Local", "Cluster"):
            with traffic.changing():
                patch("Service", SERVICE, {"spec": {"externalTrafficPolicy": policy}})

    load(change)
    judge()


@pytest.mark.svc_slow
def test_relabelled_pod(
    load: Run,
    echo_app: App,
    patch: Patch,
    judge: Judge,
) -> None:
    """A Pod whose label no longer matches gets no more traffic; its replacement does."""
    victim = echo_app.pods(DEPLOYMENT)[0]

    def change(traffic: Load) -> None:
        with traffic.changing():
            patch("Pod", victim.name, {"metadata": {"labels": {"app": "on-its-own"}}})

    load(change)
    judge()
