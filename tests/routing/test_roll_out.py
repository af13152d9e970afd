"""A roll-out under load: every connection is answered, and in the end by new Pods only."""

from svcproof.testing import Judge, Run, everywhere_to

OWN_NAMESPACE = True  # its Pods are replaced
APPS = ()

DEPLOYMENT, SERVICE = "hostname-deployment", "hostname-svc-rolled"
#: Connections of each client, a second: of six clients, one each 3 ms.
RATE = 60.0


def test_roll_out(run: Run, judge: Judge) -> None:
    """Rolling out a well-behaved app loses no connection, and ends with new Pods only."""
    pairs = everywhere_to(run.app, run.clients, SERVICE, "pod", "outside")
    with run.settled_traffic(pairs, rate=RATE) as traffic, traffic.changing():
        run.roll_out(deployment=DEPLOYMENT)
    judge()
