"""externalIPs: any address that is routed to a node leads to the Service's Pods."""

from itertools import product

from svcproof.testing import Judge, Run

SERVICE = "hostname-svc-external-ip"


def test_external_ip(run: Run, judge: Judge) -> None:
    """An address in externalIPs answers Pods and nodes: each ready Pod, and the client is hidden.

    Whether it is routed to the nodes from outside is the network's affair.
    """
    run.patch("Service", SERVICE, {"spec": {"externalIPs": addresses_of(run.app.run)}})
    run.measure(
        product(
            run.clients.everywhere("pod", "host-network"), run.app.targets("external-ip", SERVICE)
        )
    )
    judge()


def addresses_of(run: str) -> list[str]:
    """Of networks that are nobody's (RFC 5737, RFC 3849); another run has others."""
    number = int.from_bytes(run.encode()[:6], "big")
    return [f"203.0.113.{number % 250 + 1}", f"2001:db8:ffff::{number % 65_000 + 1:x}"]
