"""A Service whose selector is edited, under load: its traffic moves to other Pods, and back."""

import pytest

from svcproof.testing import Judge, Run, everywhere_to

APPS = ("webserver", "lonely")

SERVICE = "hostname-svc-edited"
#: Connections of each client, a second.
RATE = 60.0


@pytest.mark.svc_slow
def test_edited_selector(run: Run, judge: Judge) -> None:
    """An edited selector moves all traffic to other Pods and back, without a lost connection."""
    pairs = everywhere_to(run.app, run.clients, SERVICE, "pod", "outside")
    with run.settled_traffic(pairs, rate=RATE) as traffic:
        for app in ("lonely", "webserver"):
            with traffic.changing():
                run.patch("Service", SERVICE, {"spec": {"selector": {"app": app}}})
    judge()
