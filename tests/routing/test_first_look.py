"""A first look: each kind of way once, from everywhere, before anything else is asked.

What is red here is known after seconds, and it says where to look: names, the addresses
of Services, node ports, the network between the Pods, large packets.
"""

from itertools import product

import pytest

from svcproof.questions import ADDRESS_QUERIES, name_target, pod_target
from svcproof.testing import Judge, Pair, Run, everywhere_to, from_outside_to

pytestmark = pytest.mark.svc_quick

SERVICE, DEPLOYMENT = "hostname-svc-first-look", "hostname-deployment"
POD_PORT = 80
#: More than one packet on most networks: where only small ones pass, it is lost.
LARGE = 8_000


def test_cluster_ip(run: Run, judge: Judge) -> None:
    """A Service's address answers from Pods and from nodes, everywhere."""
    run.measure(everywhere_to(run.app, run.clients, SERVICE, "pod", "host-network"))
    judge()


def test_names(run: Run, judge: Judge) -> None:
    """The cluster's DNS says a Service's address to Pods on every node."""
    service = run.app.snapshot().service(SERVICE)
    domain = run.app.cluster.facts.cluster_domain
    run.measure(
        (position, name_target(service, ADDRESS_QUERIES[family], cluster_domain=domain))
        for position in run.clients.everywhere("pod")
        for family in run.app.families
    )
    judge()


def test_by_name(run: Run, judge: Judge) -> None:
    """A Service answers by its name, from Pods everywhere."""
    run.measure(product(run.clients.everywhere("pod"), run.app.targets("short-name", SERVICE)))
    judge()


def test_node_ports(run: Run, judge: Judge) -> None:
    """A node port answers from outside, at every node."""
    run.measure(from_outside_to(run.app, run.clients, SERVICE))
    judge()


def pod_to_pod(run: Run) -> list[Pair]:
    """From a Pod on every node to each Pod of the app at its own address."""
    return [
        (position, pod_target(pod, POD_PORT, family))
        for position in run.clients.everywhere("pod")
        for pod in run.app.pods(DEPLOYMENT)
        for family in run.app.families
    ]


def test_pod_to_pod(run: Run, judge: Judge) -> None:
    """Pods reach each other at their own addresses, on and between all nodes."""
    run.measure(pod_to_pod(run))
    judge()


def test_large_payload(run: Run, judge: Judge) -> None:
    """Large requests and answers arrive, from Pod to Pod and through a Service."""
    run.measure(
        [*pod_to_pod(run), *everywhere_to(run.app, run.clients, SERVICE, "pod")], payload=LARGE
    )
    judge()
