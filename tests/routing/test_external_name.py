"""ExternalName: a Service that is nothing but an alias in the cluster's DNS."""

from collections.abc import Iterator
from typing import Literal

import pytest

from svcproof.questions import Written, name_target
from svcproof.testing import App, Clients, Judge, Measure, Pair, Patch

ALIAS = "externalname-svc"


def asked(
    app: App,
    clients: Clients,
    query: Literal["A", "AAAA", "CNAME"],
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
    query: Literal["A", "AAAA"], echo_app: App, clients: Clients, measure: Measure, judge: Judge
) -> None:
    """Whoever asks for an address gets the alias and the external name's own addresses."""
    measure(asked(echo_app, clients, query))
    judge()


def test_edited_alias(
    echo_app: App, clients: Clients, patch: Patch, measure: Measure, judge: Judge
) -> None:
    """An edited externalName is what the name leads to from then on."""
    full = (
        f"hostname-svc-clusterip.{echo_app.namespace}.svc.{echo_app.cluster.facts.cluster_domain}"
    )
    patch("Service", ALIAS, {"spec": {"externalName": full}})
    measure([*asked(echo_app, clients, "CNAME"), *asked(echo_app, clients, "A")])
    patch("Service", ALIAS, {"spec": {"externalName": "my.database.com"}})
    measure(asked(echo_app, clients, "CNAME"))
    judge()
