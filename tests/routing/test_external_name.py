"""ExternalName: a Service that is nothing but an alias in the cluster's DNS."""

from collections.abc import Iterator
from itertools import product

import pytest

from svcproof.questions import Query, Written, name_target
from svcproof.testing import App, Clients, Judge, Measure, Pair, Patch

ALIAS, TARGET, DANGLING = "externalname-svc", "externalname-target", "externalname-dangling"


def asked(
    app: App,
    clients: Clients,
    query: Query,
    *,
    service: str = ALIAS,
    written: Written = "full with dot",
) -> Iterator[Pair]:
    """The name of a Service, asked for by a Pod on every node."""
    target = name_target(
        app.snapshot().service(service),
        query,
        written=written,
        cluster_domain=app.cluster.facts.cluster_domain,
    )
    return ((position, target) for position in clients.everywhere("pod"))


@pytest.mark.parametrize("written", ["short", "full", "full with dot"])
def test_alias(
    written: Written, echo_app: App, clients: Clients, measure: Measure, judge: Judge
) -> None:
    """An ExternalName Service is an alias of exactly the external name, asked from every node."""
    measure(asked(echo_app, clients, "CNAME", written=written))
    judge()


@pytest.mark.parametrize("query", ["A", "AAAA"])
def test_alias_leads_to_addresses(
    query: Query, echo_app: App, clients: Clients, measure: Measure, judge: Judge
) -> None:
    """Whoever asks for an address gets the alias and the external name's own addresses."""
    measure(asked(echo_app, clients, query))
    judge()


def test_edited_alias(
    echo_app: App, clients: Clients, patch: Patch, measure: Measure, judge: Judge
) -> None:
    """An edited externalName is what the name leads to from then on, inside or outside."""
    domain = echo_app.cluster.facts.cluster_domain
    inside = f"{TARGET}.{echo_app.namespace}.svc.{domain}"
    patch("Service", ALIAS, {"spec": {"externalName": inside}})
    measure([*asked(echo_app, clients, "CNAME"), *asked(echo_app, clients, "A")])
    patch("Service", ALIAS, {"spec": {"externalName": "my.database.com"}})
    measure(asked(echo_app, clients, "CNAME"))
    judge()


def test_to_cluster_ip_and_back(
    echo_app: App, clients: Clients, patch: Patch, measure: Measure, judge: Judge
) -> None:
    """An alias that becomes a ClusterIP Service routes; made an alias again it is one."""
    port = {"name": "web-port", "port": 8080, "targetPort": 80}
    families = {"ipFamilyPolicy": "PreferDualStack"}
    proxied = {"type": "ClusterIP", "externalName": None, "ports": [port], **families}
    patch("Service", ALIAS, {"spec": {**proxied, "selector": {"app": "webserver"}}})
    measure(
        [
            *asked(echo_app, clients, "CNAME"),
            *asked(echo_app, clients, "A"),
            *product(clients.everywhere("pod"), echo_app.targets("fqdn", ALIAS)),
        ]
    )
    alias = {"type": "ExternalName", "externalName": "my.database.com"}
    gone = {"clusterIP": None, "clusterIPs": None, "ipFamilies": None, "ipFamilyPolicy": None}
    patch("Service", ALIAS, {"spec": {**alias, **gone, "selector": None, "ports": None}})
    measure([*asked(echo_app, clients, "CNAME"), *asked(echo_app, clients, "A")])
    judge()


def test_dangling_alias(echo_app: App, clients: Clients, measure: Measure, judge: Judge) -> None:
    """An alias of a name that is not in the cluster gives no address, and says no other name."""
    domain = echo_app.cluster.facts.cluster_domain
    nobody = f"nobody.{echo_app.namespace}.svc.{domain}"
    echo_app.cluster.patch(
        "Service", DANGLING, {"spec": {"externalName": nobody}}, namespace=echo_app.namespace
    )
    measure(
        [
            *asked(echo_app, clients, "CNAME", service=DANGLING),
            *asked(echo_app, clients, "A", service=DANGLING),
        ]
    )
    judge()


def test_alias_of_an_address(
    echo_app: App, clients: Clients, measure: Measure, judge: Judge
) -> None:
    """An externalName that looks like an address leads nowhere: it is documented as unsupported."""
    measure(asked(echo_app, clients, "A", service="externalname-address"))
    judge()
