"""publishNotReadyAddresses: a Pod that is not ready gets traffic only where that is wanted."""

from itertools import product

from svcproof.testing import App, Clients, Judge, Measure, Pair

APPS = ()


def test_not_ready(echo_app: App, clients: Clients, measure: Measure, judge: Judge) -> None:
    """A Pod that is not ready answers with publishNotReadyAddresses, and without it never."""

    def pairs_to(service: str) -> list[Pair]:
        return [
            *product(clients.everywhere("pod"), echo_app.targets("cluster-ip", service)),
            *product(clients.everywhere("outside"), echo_app.targets("node-port", service)),
        ]

    measure(pairs_to("published-svc"), failing=pairs_to("unpublished-svc"))
    judge()
