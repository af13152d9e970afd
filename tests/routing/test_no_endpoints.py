"""No endpoints: a Service without Pods refuses, at once and everywhere, and never answers."""

from svcproof.testing import App, Clients, Judge, Measure, Pair


def test_no_endpoints(echo_app: App, clients: Clients, measure: Measure, judge: Judge) -> None:
    """A Service without Pods refuses every connection; the same client is served elsewhere."""

    def pairs_to(service: str) -> list[Pair]:
        (outside,) = clients.everywhere("outside")
        return [
            *(
                (position, target)
                for position in clients.everywhere("pod", "host-network")
                for target in echo_app.targets("cluster-ip", service)
            ),
            *((outside, target) for target in echo_app.targets("node-port", service)),
        ]

    measure(pairs_to("hostname-svc-control"), failing=pairs_to("nobody-svc"))
    judge()
