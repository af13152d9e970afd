"""Ports: each leads to its own port of the Pods, by name or by number, over TCP or UDP."""

from itertools import product

import pytest

from svcproof.testing import Judge, Run, from_outside_to

APPS = ()
PORTS = ["by-name", "by-number", "over-udp"]


@pytest.mark.parametrize("port", PORTS)
def test_ports(port: str, run: Run, judge: Judge) -> None:
    """Every port of a Service leads to its target port on every Pod, over TCP and over UDP."""
    run.measure(
        product(
            run.clients.everywhere("pod", "host-network"),
            run.app.targets("cluster-ip", port_name=port),
        )
    )
    judge()


@pytest.mark.parametrize("port", PORTS[1:])
def test_ports_from_outside(port: str, run: Run, judge: Judge) -> None:
    """Each port of a Service has a node port that answers from outside at every node."""
    run.measure(from_outside_to(run.app, run.clients, port_name=port))
    judge()
