"""Change under load: whatever changes, every connection is answered, and soon by the right Pods.

Steady traffic flows from a Pod on every node and from outside through every node
while Pods come and go. How long a change takes to reach each of them is told. This one and
the roll-out (``test_roll_out.py``) are part of every run; the others, and the edited selector
(``test_edited_selector.py``), take their time (``--svc-slow``).
"""

from contextlib import AbstractContextManager
from functools import partial

import pytest

from svcproof.errors import NotSupported
from svcproof.ports import CanRunInPods
from svcproof.testing import App, Judge, Load, Run, everywhere_to
from svcproof.waits import wait_for

OWN_NAMESPACE = True  # its Pods come and go
IN_ORDER = True
APPS = ()

DEPLOYMENT, SERVICE = "hostname-deployment", "hostname-svc-change"
#: Connections of each client, a second: of six clients, one each 3 ms.
RATE = 60.0


def steady_traffic(run: Run) -> AbstractContextManager[Load]:
    """To every Pod of the Service, from a Pod on every node and from outside."""
    pairs = everywhere_to(run.app, run.clients, SERVICE, "pod", "outside")
    return run.settled_traffic(pairs, rate=RATE)


def test_scale_up_and_down(run: Run, judge: Judge) -> None:
    """Scaling up and down loses no connection; new Pods get traffic, old ones no more."""
    with steady_traffic(run) as traffic:
        for replicas in (5, 3):
            with traffic.changing():
                run.scale(replicas, deployment=DEPLOYMENT)
    judge()


@pytest.mark.svc_slow
def test_readiness_flip(run: Run, judge: Judge) -> None:
    """A Pod that says it is not ready gets no more traffic, and gets it again when it is."""
    cluster = run.app.cluster
    if not isinstance(cluster, CanRunInPods):
        raise NotSupported(
            "commands cannot be run in this cluster's Pods",
            remedy="judge a cluster behind an API server",
        )
    victim = run.app.pods(DEPLOYMENT)[0]

    with steady_traffic(run) as traffic:
        for value, ready in (("false", 2), ("true", 3)):
            with (
                traffic.changing(await_app=False),
                run.change("readiness-switched", pod=victim.name, ready=value),
            ):
                code, _, errors = cluster.run_in_pod(
                    victim.namespace, victim.name, ["/echo-hostname", "ready", value]
                )
                assert code == 0, errors
                wait_for(f"{ready} ready endpoints", partial(_not_yet, run.app, ready), limit=30)
    judge()


def _not_yet(app: App, ready: int) -> str:
    """What is still to come until so many endpoints are ready; "" if they are."""
    snapshot = app.snapshot()
    per_family = [
        sum(endpoint.ready for endpoint in item.endpoints) for item in snapshot.slices_of(SERVICE)
    ]
    return "" if per_family and all(n == ready for n in per_family) else f"ready: {per_family}"


@pytest.mark.svc_slow
def test_switched_policy(run: Run, judge: Judge) -> None:
    """externalTrafficPolicy switched under traffic: the client's address shows, then hides."""
    run.app.refuse_no_node_ports(SERVICE)
    if {pod.node for pod in run.app.pods(DEPLOYMENT)} != set(run.app.cluster.facts.node_names):
        raise NotSupported(
            "some node has no Pod: under policy Local it loses connections, rightly",
            remedy="give it as many nodes as the app has Pods: --svc-nodes 3",
        )
    with steady_traffic(run) as traffic:
        for policy in ("Local", "Cluster"):
            with traffic.changing():
                run.patch("Service", SERVICE, {"spec": {"externalTrafficPolicy": policy}})
    judge()


@pytest.mark.svc_slow
def test_relabelled_pod(run: Run, judge: Judge) -> None:
    """A Pod whose label no longer matches gets no more traffic; its replacement does."""
    victim = run.app.pods(DEPLOYMENT)[0]
    with steady_traffic(run) as traffic, traffic.changing():
        run.patch("Pod", victim.name, {"metadata": {"labels": {"app": "on-its-own"}}})
    judge()
