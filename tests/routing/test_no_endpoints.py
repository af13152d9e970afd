"""No endpoints: a Service without Pods refuses, at once and everywhere, and never answers."""

from itertools import product

from svcproof.testing import App, Clients, Judge, Measure, Pair


def test_no_endpoints(echo_app: App, clients: Clients, measure: Measure, judge: Judge) -> None:
    """A Service without Pods refuses every connection; the same client is served elsewhere."""

    def pairs_to(service: str) -> list[Pair]:
        inside = clients.everywhere("pod", "host-network")
        return [
            *product(inside, echo_app.targets("cluster-ip", service)),
            *product(clients.everywhere("outside"), echo_app.targets("node-port", service)),
        ]

    measure(pairs_to("hostname-svc-control"), failing=pairs_to("nobody-svc"))
    judge()
