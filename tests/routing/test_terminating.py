"""Terminating Pods: the last resort while they serve, and none once they do not."""

import pytest

from svcproof.places import PositionKind
from svcproof.testing import Judge, Run, everywhere_to

pytestmark = pytest.mark.svc_slow
OWN_NAMESPACE = True  # its Pods are ended
IN_ORDER = True
REFUSED = True
APPS = ("webserver", "no_endpoints")  # the control
CONTROL = "hostname-svc-control"
EVERYWHERE: tuple[PositionKind, ...] = ("pod", "host-network", "outside")


@pytest.mark.parametrize("serving", [True, False], ids=["still serving", "no longer ready"])
def test_terminating(serving: bool, run: Run, judge: Judge) -> None:
    """When all Pods are terminating, those that still serve get the traffic, else nobody does.

    A Pod is deleted with a grace period in which it goes on; it is ready until its
    readiness probe says otherwise (KEP-1669).
    """
    kind = "serving-to-the-end" if serving else "leaving-at-once"
    pairs = everywhere_to(run.app, run.clients, f"{kind}-svc", *EVERYWHERE)
    run.measure(pairs)
    run.scale(0, deployment=f"{kind}-deployment")
    if serving:
        run.measure(pairs)
    else:
        run.measure(everywhere_to(run.app, run.clients, CONTROL, *EVERYWHERE), failing=pairs)
    judge()
