"""A load balancer on a running cluster: provided once or twice, it gives addresses that answer."""

from collections.abc import Iterator

import pytest

from svcproof.clusters.embedded import open_cluster
from svcproof.clusters.options import ClusterOptions
from svcproof.history import Outcome
from svcproof.manifest_files import of_run, packaged_manifests
from svcproof.ports import CanBalanceLoad, Cluster, ProbePlan
from svcproof.snapshot import Service
from svcproof.waits import wait_for

SERVICE = "hostname-svc-lb"


@pytest.fixture
def embedded() -> Iterator[Cluster]:
    cluster = open_cluster(ClusterOptions(), lambda _: None)
    yield cluster
    cluster.close()


def test_provided_twice_is_provided_once(embedded: Cluster) -> None:
    """The second time finds it there; an address is given and leads to the Pods."""
    assert isinstance(embedded, CanBalanceLoad)
    embedded.provide_load_balancer()
    embedded.provide_load_balancer()
    embedded.create_namespace("balanced")
    objects = [*packaged_manifests("webserver"), *packaged_manifests("load_balancer")]
    embedded.apply(of_run(objects, "contract"), namespace="balanced")

    def service() -> Service:
        return embedded.snapshot("balanced").service(SERVICE)

    wait_for(
        "an external address",
        lambda: "" if service().load_balancer_addresses else "pending",
        limit=30,
    )
    plan = ProbePlan(host=service().load_balancer_addresses[0], port=8080, count=1)
    (outside,) = embedded.outside_positions()

    def answer() -> str:
        (attempt,) = embedded.probe(outside, plan)
        return "" if attempt.outcome is Outcome.ANSWERED else f"{attempt.outcome} {attempt.detail}"

    wait_for("an answer at the external address", answer, limit=30)
