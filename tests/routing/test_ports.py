"""Ports: each leads to its own port of the Pods, by name or by number, over TCP or UDP."""

from itertools import product

import pytest

from svcproof.testing import App, Clients, Judge, Measure, from_outside_to

APPS = ()
PORTS = ["by-name", "by-number", "over-udp"]


@pytest.mark.parametrize("port", PORTS)
def test_ports(port: str, echo_app: App, clients: Clients, measure: Measure, judge: Judge) -> None:
    """Every port of a Service leads to its target port on every Pod, over TCP and over UDP."""
    measure(
        product(
            clients.everywhere("pod", "host-network"),
            echo_app.targets("cluster-ip", port_name=port),
        )
    )
    judge()


def test_udp_from_outside(echo_app: App, clients: Clients, measure: Measure, judge: Judge) -> None:
    """A UDP node port answers from outside at every node."""
    measure(from_outside_to(echo_app, clients, port_name="over-udp"))
    judge()
