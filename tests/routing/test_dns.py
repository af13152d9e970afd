"""DNS: the names of Services, asked for with few dots and with many, from every node."""

import pytest

from svcproof.questions import ADDRESS_QUERIES, Query, Written, name_target
from svcproof.testing import Judge, Pair, Run

NAMED, HEADLESS = "hostname-svc-named", "hostname-svc-headless"


def asked(run: Run, service: str, written: Written, *, port: str = "") -> list[Pair]:
    """The name asked for by a Pod on every node: SRV of a port, else A or AAAA or both."""
    app = run.app
    found = app.snapshot().service(service)
    domain = app.cluster.facts.cluster_domain
    queries: list[Query] = ["SRV"] if port else [ADDRESS_QUERIES[f] for f in app.families]
    return [
        (
            position,
            name_target(found, query, written=written, port_name=port, cluster_domain=domain),
        )
        for position in run.clients.everywhere("pod")
        for query in queries
    ]


@pytest.mark.parametrize(
    "written", ["short", "with namespace", "with svc", "full", "full with dot"]
)
def test_address_of_a_service(written: Written, run: Run, judge: Judge) -> None:
    """A Service's name gives its ClusterIP on every node, with however few dots it is written."""
    run.measure(asked(run, NAMED, written))
    judge()


def test_addresses_of_a_headless_service(run: Run, judge: Judge) -> None:
    """The name of a headless Service gives the addresses of exactly its ready Pods."""
    run.measure(asked(run, HEADLESS, "full with dot"))
    judge()


@pytest.mark.parametrize("service", [NAMED, HEADLESS], ids=["ClusterIP", "headless"])
def test_ports_by_name(service: str, run: Run, judge: Judge) -> None:
    """The SRV record of a named port gives its number, and who serves it."""
    run.measure(asked(run, service, "full with dot", port="web-port"))
    judge()
