"""ExternalName: a Service that is nothing but an alias in the cluster's DNS."""

from collections.abc import Iterator
from itertools import product

import pytest

from svcproof.questions import Query, Written
from svcproof.testing import Judge, Pair, Run
from svcproof.ways import name_of

ALIAS, TARGET, DANGLING = "externalname-svc", "externalname-target", "externalname-dangling"
#: Of the same name as the alias, for the cases that change it.
EDITED, TURNED = "externalname-edited", "externalname-turned"


def asked(
    run: Run,
    query: Query,
    *,
    service: str = ALIAS,
    written: Written = "full with dot",
) -> Iterator[Pair]:
    """The name of a Service, asked for by a Pod on every node."""
    target = name_of(run.app, service, query, written=written)
    return ((position, target) for position in run.clients.everywhere("pod"))


@pytest.mark.parametrize("written", ["short", "full", "full with dot"])
def test_alias(written: Written, run: Run, judge: Judge) -> None:
    """An ExternalName Service is an alias of exactly the external name, asked from every node."""
    run.measure(asked(run, "CNAME", written=written))
    judge()


@pytest.mark.parametrize("query", ["A", "AAAA"])
def test_alias_leads_to_addresses(query: Query, run: Run, judge: Judge) -> None:
    """Whoever asks for an address gets the alias and the external name's own addresses."""
    run.measure(asked(run, query))
    judge()


def test_edited_alias(run: Run, judge: Judge) -> None:
    """An edited externalName is what the name leads to from then on, inside or outside."""
    domain = run.app.cluster.facts.cluster_domain
    inside = f"{TARGET}.{run.app.namespace}.svc.{domain}"
    run.patch("Service", EDITED, {"spec": {"externalName": inside}})
    run.measure([*asked(run, "CNAME", service=EDITED), *asked(run, "A", service=EDITED)])
    run.patch("Service", EDITED, {"spec": {"externalName": "my.database.com"}})
    run.measure(asked(run, "CNAME", service=EDITED))
    judge()


def test_to_cluster_ip_and_back(run: Run, judge: Judge) -> None:
    """An alias that becomes a ClusterIP Service routes; made an alias again it is one."""
    port = {"name": "web-port", "port": 8080, "targetPort": 80}
    families = {"ipFamilyPolicy": "PreferDualStack"}
    proxied = {"type": "ClusterIP", "externalName": None, "ports": [port], **families}
    run.patch("Service", TURNED, {"spec": {**proxied, "selector": {"app": "webserver"}}})
    run.measure(
        [
            *asked(run, "CNAME", service=TURNED),
            *asked(run, "A", service=TURNED),
            *product(run.clients.everywhere("pod"), run.app.targets("fqdn", TURNED)),
        ]
    )
    alias = {"type": "ExternalName", "externalName": "my.database.com"}
    gone = {"clusterIP": None, "clusterIPs": None, "ipFamilies": None, "ipFamilyPolicy": None}
    run.patch("Service", TURNED, {"spec": {**alias, **gone, "selector": None, "ports": None}})
    run.measure([*asked(run, "CNAME", service=TURNED), *asked(run, "A", service=TURNED)])
    judge()


def test_dangling_alias(run: Run, judge: Judge) -> None:
    """An alias of a name that is not in the cluster gives no address, and says no other name."""
    domain = run.app.cluster.facts.cluster_domain
    nobody = f"nobody.{run.app.namespace}.svc.{domain}"
    run.patch("Service", DANGLING, {"spec": {"externalName": nobody}})
    run.measure(
        [
            *asked(run, "CNAME", service=DANGLING),
            *asked(run, "A", service=DANGLING),
        ]
    )
    judge()


def test_alias_of_an_address(run: Run, judge: Judge) -> None:
    """An externalName that looks like an address leads nowhere: it is documented as unsupported."""
    run.measure(asked(run, "A", service="externalname-address"))
    judge()
