"""publishNotReadyAddresses: a Pod that is not ready gets traffic only where that is wanted."""

from svcproof.testing import App, Clients, Judge, Measure

APPS = ()


def test_not_ready(echo_app: App, clients: Clients, measure: Measure, judge: Judge) -> None:
    """A Pod that is not ready answers with publishNotReadyAddresses, and without it never."""
    inside, (outside,) = clients.everywhere("pod"), clients.everywhere("outside")
    measure(
        [
            *((p, t) for p in inside for t in echo_app.targets("cluster-ip", "published-svc")),
            *((outside, t) for t in echo_app.targets("node-port", "published-svc")),
        ],
        failing=[
            *((p, t) for p in inside for t in echo_app.targets("cluster-ip", "unpublished-svc")),
            *((outside, t) for t in echo_app.targets("node-port", "unpublished-svc")),
        ],
    )
    judge()
