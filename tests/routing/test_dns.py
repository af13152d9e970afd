"""DNS: the names of Services, asked for with few dots and with many, from every node."""

from itertools import product
from typing import get_args

import pytest

from svcproof.own_services import dns_service
from svcproof.questions import (
    ADDRESS_QUERIES,
    Query,
    Written,
    asked_of,
    nobodys_target,
    over_tcp,
    reverse_target,
)
from svcproof.testing import Judge, Pair, Run, Target
from svcproof.ways import name_of

NAMED, HEADLESS, MANY = (f"hostname-svc-{word}" for word in ("named", "headless", "many-ports"))
WRITTEN: tuple[Written, ...] = get_args(Written)
#: Before a port's name these have more dots than resolvers wait for (ndots), and fewer.
WITH_MANY_DOTS: tuple[Written, ...] = ("with svc", "full", "full with dot")
#: A Service that is made, and deleted, by a case.
NEW = "hostname-svc-new"
#: A name that was asked for before it was there, or that is gone, may be remembered by a cache of
#: kubeadm's for so long (``cache 30``, until 1.29; measured: 29.9 s).
CACHED_SECONDS = 33.0


def name(
    run: Run, service: str, query: Query, *, written: Written = "full with dot", port: str = ""
) -> Target:
    """A Service's name, or that of one of its ports."""
    return name_of(run.app, service, query, written=written, port_name=port)


def addresses(run: Run, service: str, *, written: Written = "full with dot") -> list[Target]:
    """The addresses of each family of the cluster; by the full name of both, whichever it has.

    Of the one that a Service has not, the answer is that there is none; some resolvers take
    anything else for a name that is not there.
    """
    families = ADDRESS_QUERIES if written == "full with dot" else run.app.families
    return [name(run, service, ADDRESS_QUERIES[each], written=written) for each in families]


def by_pods(run: Run, *targets: Target) -> list[Pair]:
    """Each question asked by a Pod on every node."""
    return list(product(run.clients.everywhere("pod"), targets))


def test_address_of_a_service(run: Run, judge: Judge) -> None:
    """A Service's name gives its ClusterIP on every node, with however few dots it is written."""
    asked = [each for written in WRITTEN for each in addresses(run, NAMED, written=written)]
    run.measure(by_pods(run, *asked))
    judge()


def test_addresses_of_a_headless_service(run: Run, judge: Judge) -> None:
    """The name of a headless Service gives the addresses of exactly its ready Pods."""
    run.measure(by_pods(run, *addresses(run, HEADLESS)))
    judge()


@pytest.mark.parametrize("service", [NAMED, HEADLESS], ids=["ClusterIP", "headless"])
def test_ports_by_name(service: str, run: Run, judge: Judge) -> None:
    """The SRV record of a named port gives its number, and who serves it, with many dots or few."""
    run.measure(
        by_pods(
            run,
            *(
                name(run, service, "SRV", written=written, port="web-port")
                for written in WITH_MANY_DOTS
            ),
        )
    )
    judge()


def test_name_of_an_address(run: Run, judge: Judge) -> None:
    """A ClusterIP, asked for in reverse, gives the Service's name."""
    service = run.app.snapshot().service(NAMED)
    run.measure(by_pods(run, *(reverse_target(service, each) for each in service.cluster_ips)))
    judge()


def test_over_tcp(run: Run, judge: Judge) -> None:
    """The cluster's DNS answers over TCP as well, on every node."""
    run.measure(by_pods(run, *map(over_tcp, addresses(run, NAMED))))
    judge()


def test_long_answer(run: Run, judge: Judge) -> None:
    """An answer that fits into no datagram comes whole: the resolver asks for it again by TCP."""
    run.measure(by_pods(run, name(run, MANY, "SRV")))
    judge()


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
def test_each_server(protocol: str, run: Run, judge: Judge) -> None:
    """Each Pod of the cluster's DNS answers by its own address, and so does its Service, on every
    node."""
    dns = dns_service(run.app.cluster)
    question = name(run, NAMED, "A")
    if protocol == "TCP":
        question = over_tcp(question)
    servers = [asked_of(question, each, f"Service {dns.name}") for each in dns.addresses]
    servers += [
        asked_of(question, address, f"Pod {pod.name}", pod=pod) for pod, address in dns.pods
    ]
    run.measure(by_pods(run, *servers))
    judge()


def test_new_and_deleted_name(run: Run, judge: Judge) -> None:
    """A name that was asked for in vain is there soon after its Service, and gone soon after it."""
    app = run.app
    domain = app.cluster.facts.cluster_domain
    before = by_pods(run, nobodys_target(NEW, app.namespace, "A", cluster_domain=domain))
    run.measure(before)
    port = {"name": "web-port", "port": 8080, "targetPort": 80}
    spec = {"selector": {"app": "webserver"}, "ports": [port]}
    metadata = {"name": NEW}
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    run.request(f"Service {NEW}", manifest)
    run.measure(by_pods(run, name(run, NEW, "A")), within=CACHED_SECONDS)
    run.delete("Service", NEW)
    run.measure(before, within=CACHED_SECONDS)
    judge()
