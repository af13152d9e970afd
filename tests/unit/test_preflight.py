"""What is found out of an existing cluster before anything is made, by an API server's answers."""

import json

import pytest

from svcproof.clusters.existing.opening import _asks_proxies
from svcproof.clusters.existing.preflight import survey
from svcproof.clusters.kubernetes_api import Api
from svcproof.clusters.options import ExistingOptions
from svcproof.errors import EnvironmentProblem
from tests.unit.api_server import ApiServer, closing, kubeconfig, reply

NODE = {
    "metadata": {"name": "node-1"},
    "status": {
        "addresses": [
            {"type": "InternalIP", "address": "fd00::1"},
            {"type": "InternalIP", "address": "192.0.2.1"},
        ],
        "conditions": [{"type": "Ready", "status": "True"}],
        "nodeInfo": {"architecture": "amd64", "operatingSystem": "linux", "kubeletVersion": "v1"},
    },
}


class Cluster(ApiServer):
    """Lets everybody do everything, but read system namespaces."""

    def __init__(self) -> None:
        super().__init__()
        self.families: list[str] = []
        self.refuses_services = False

    def answer(self, request):
        path = request.path.partition("?")[0]
        if path.endswith("/version"):
            return reply(200, {"gitVersion": "v1.36.4"})
        if path.endswith("/nodes"):
            return reply(200, {"items": [NODE]})
        if path.endswith("reviews"):
            return reply(201, {"status": {"allowed": True}})
        if path.endswith("/services") and not self.refuses_services:
            assert request.path.endswith("?dryRun=All")
            return reply(201, {"spec": {"ipFamilies": self.families}})
        return reply(403, {"message": f"{path} is forbidden"})


@pytest.fixture
def cluster():
    with Cluster() as server:
        yield server


def surveyed(server: Cluster, tmp_path, **options):
    with closing(Api(kubeconfig(tmp_path / "k", server.url))) as api:
        return survey(api, ExistingOptions(**options))


class TestFamilies:
    @pytest.mark.parametrize(
        ("told", "families"),
        [
            (["IPv4"], ("ipv4",)),
            (["IPv6"], ("ipv6",)),
            (["IPv4", "IPv6"], ("ipv4", "ipv6")),
            (["IPv6", "IPv4"], ("ipv6", "ipv4")),
        ],
    )
    def test_those_of_services_whatever_nodes_have(self, cluster, tmp_path, told, families):
        cluster.families = told
        assert surveyed(cluster, tmp_path).families == families

    def test_those_of_nodes_where_services_are_refused(self, cluster, tmp_path):
        cluster.refuses_services = True
        assert surveyed(cluster, tmp_path).families == ("ipv6", "ipv4")

    def test_a_namespace_that_stays_is_the_one_that_is_asked(self, cluster, tmp_path):
        cluster.families = ["IPv4"]
        listed = cluster.answer
        cluster.answer = lambda request: (
            reply(201, {}) if "/pods?dryRun" in request.path else listed(request)
        )
        surveyed(cluster, tmp_path, namespace="mine")
        asked = [request.path for request in cluster.asked if "/services" in request.path]
        assert asked == ["/api/v1/namespaces/mine/services?dryRun=All"]


@pytest.mark.parametrize(
    ("data_plane", "asked"), [("", True), ("iptables", False), ("cilium", False)]
)
def test_who_is_told_the_data_plane_does_not_ask(cluster, tmp_path, data_plane, asked):
    cluster.families = ["IPv4"]
    options = {"data_plane": data_plane} if data_plane else {}
    found = surveyed(cluster, tmp_path, **options)
    assert found.data_plane.name == (data_plane or "unknown")
    assert _asks_proxies(ExistingOptions(**options), found) is asked


def test_dry_runs_are_all_that_is_asked_to_be_made(cluster, tmp_path):
    cluster.families = ["IPv4"]
    surveyed(cluster, tmp_path)
    made = [each for each in cluster.asked if each.method != "GET" and "reviews" not in each.path]
    assert made
    assert all(each.path.endswith("?dryRun=All") for each in made), json.dumps(
        [each.path for each in made]
    )


def test_a_namespace_that_is_not_there_is_named(cluster, tmp_path):
    listed = cluster.answer
    cluster.answer = lambda request: (
        reply(404, {"message": 'namespaces "typo" not found'})
        if "/namespaces/typo/pods" in request.path
        else listed(request)
    )
    with pytest.raises(EnvironmentProblem, match="there is no namespace typo") as told:
        surveyed(cluster, tmp_path, namespace="typo")
    assert "kubectl create namespace typo" in str(told.value)
