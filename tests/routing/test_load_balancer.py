"""LoadBalancer: an address outside the cluster that leads to its Pods, by either policy."""

import socket
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import pytest

from svcproof.errors import NotSupported, WaitExpired
from svcproof.limits import Limits
from svcproof.ports import CanBalanceLoad
from svcproof.testing import App, Judge, Pair, Run
from svcproof.waits import wait_for

# An implementation is brought up first.
pytestmark = pytest.mark.svc_slow
SERVICES = {
    "Cluster": "hostname-svc-lb",
    "Local": "hostname-svc-lb-local",
    "barred": "hostname-svc-lb-barred",
}


@pytest.fixture(scope="module", autouse=True)
def balanced(echo_app: App, limits: Limits, load_balancer: Callable[[], None]) -> None:
    """All Services have their external addresses; where nobody gives any, not supported."""
    able = isinstance(echo_app.cluster, CanBalanceLoad)
    load_balancer()
    try:
        wait_for(
            "the external addresses of LoadBalancer Services",
            partial(_pending, echo_app),
            limit=limits.workload_ready if able else limits.endpoints,
        )
    except WaitExpired as expired:
        if able:
            raise
        raise NotSupported(
            f"LoadBalancer Services stay pending in this cluster ({expired.last_state})",
            remedy="install an implementation, such as MetalLB or the cloud's",
        ) from expired
    if echo_app.cluster.outside_positions():  # a new name takes minutes until the DNS has it
        wait_for(
            "the names of the load balancers",
            partial(_unresolved, echo_app),
            limit=limits.workload_ready,
            interval=1.0,
            remedy="see whether the DNS that this machine asks knows the load balancer's name",
        )


def _pending(app: App) -> str:
    services = map(app.snapshot().service, SERVICES.values())
    pending = [
        each.name
        for each in services
        if not (each.load_balancer_addresses or each.load_balancer_names)
    ]
    return f"pending: {', '.join(pending)}" if pending else ""


def _unresolved(app: App) -> str:
    for service in map(app.snapshot().service, SERVICES.values()):
        for name in () if service.load_balancer_addresses else service.load_balancer_names[:1]:
            try:
                socket.getaddrinfo(name, None)
            except OSError as error:
                return f"{name}: {error.strerror}"
    return ""


def from_outside(run: Run, which: str) -> Iterator[Pair]:
    """The client outside, at a Service's external address."""
    return product(
        run.clients.everywhere("outside"), run.app.targets("load-balancer", SERVICES[which])
    )


def test_cluster(run: Run, judge: Judge) -> None:
    """The external address leads to every Pod; with policy Cluster the client is hidden."""
    run.measure(from_outside(run, "Cluster"))
    judge()


def test_local(run: Run, judge: Judge) -> None:
    """With policy Local the Pods behind the external address see the client's own address."""
    run.measure(from_outside(run, "Local"), about_sources=True)
    judge()


def test_source_ranges(run: Run, judge: Judge) -> None:
    """A client that is not in loadBalancerSourceRanges gets nothing, and others do."""
    run.measure(
        from_outside(run, "Cluster"),
        failing=from_outside(run, "barred"),
    )
    judge()


def test_from_inside(run: Run, judge: Judge) -> None:
    """Inside, the external address of either policy leads to every Pod, by a short circuit."""
    run.measure(
        product(
            run.clients.everywhere("pod", "host-network"),
            [
                target
                for which in ("Cluster", "Local")
                for target in run.app.targets("load-balancer", SERVICES[which])
            ],
        )
    )
    judge()
