"""Where node ports are refused, what can be asked without them is asked."""

import pytest

from svcproof.app import App, Taken
from svcproof.clusters.fake import FakeCluster
from svcproof.errors import ApplyFailed, NotSupported
from svcproof.limits import Limits
from svcproof.manifest_files import packaged_manifests, without_node_ports

QUOTA = "exceeded quota: q, requested: services.nodeports=1, used: 0, limited: 0"


class Refusing(FakeCluster):
    """A quota lets no Service have node ports; ``refused`` are Services that it lets not be."""

    refused: frozenset[str] = frozenset()

    def apply(self, manifests, *, namespace):
        for item in manifests:
            name = item["metadata"]["name"]
            if item["kind"] == "Service" and item["spec"].get("type") == "NodePort":
                raise ApplyFailed(f"services {name} is forbidden: {QUOTA}", is_forbidden=True)
            if name in self.refused:
                raise ApplyFailed(f"{name} is wrong")
        return super().apply(manifests, namespace=namespace)


class Noting(FakeCluster):
    """``asked`` are the names of what it was asked to apply."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def apply(self, manifests, *, namespace):
        self.asked += [item["metadata"]["name"] for item in manifests]
        return super().apply(manifests, namespace=namespace)


def app_of(cluster, stem, taken=None):
    cluster.create_namespace("ns")
    manifests = [*packaged_manifests("webserver"), *packaged_manifests(stem)]
    app = App(cluster, "ns", manifests, run="r", limits=Limits(), taken=taken)
    app.apply_all()
    return app


def test_a_service_with_node_ports_is_made_without():
    app = app_of(Refusing(), "nodeport")
    service = app.snapshot().service("hostname-svc-nodeport")
    assert service.type == "ClusterIP"
    assert list(app.refused) == []
    assert app.admitted("hostname-svc-nodeport", app.snapshot()) == []
    assert app.targets("cluster-ip", "hostname-svc-nodeport")


def test_what_is_asked_of_its_node_ports_is_not_supported_in_the_api_servers_words():
    app = app_of(Refusing(), "nodeport")
    with pytest.raises(NotSupported) as told:
        app.targets("node-port", "hostname-svc-nodeport")
    assert told.value.is_prevented
    assert told.value.what == (
        "the API server refuses node ports, first of Service hostname-svc-nodeport: "
        f"services hostname-svc-nodeport is forbidden: {QUOTA}"
    )


def test_the_missing_part_is_named_in_one_way():
    taken, cluster = Taken(), Refusing()
    first, second = (app_of(cluster, stem, taken) for stem in ("nodeport", "distribution"))
    (of_first, of_second) = (
        app.why_no_node_ports(name)
        for app, name in ((first, "hostname-svc-nodeport"), (second, "hostname-svc-shares"))
    )
    assert of_first == of_second != ""


def test_where_they_may_be_had_nothing_changes():
    app = app_of(FakeCluster(), "nodeport")
    assert app.snapshot().service("hostname-svc-nodeport").type == "NodePort"
    assert app.why_no_node_ports("hostname-svc-nodeport") == ""
    app.refuse_no_node_ports("hostname-svc-nodeport")


def test_what_is_refused_for_another_reason_is_so():
    cluster = Refusing()
    cluster.refused = frozenset({"hostname-svc-nodeport"})
    ((kind, name, error),) = app_of(cluster, "nodeport").refused
    assert (kind, name, error.is_forbidden) == ("Service", "hostname-svc-nodeport", True)


def test_a_service_that_is_wrong_is_not_made_another():
    class Wrong(FakeCluster):
        def apply(self, manifests, *, namespace):
            if any(item["spec"].get("type") == "NodePort" for item in manifests):
                raise ApplyFailed("spec.ports[0].nodePort: Invalid value")
            return super().apply(manifests, namespace=namespace)

    ((kind, name, error),) = app_of(Wrong(), "nodeport").refused
    assert (kind, name, error.is_forbidden) == ("Service", "hostname-svc-nodeport", False)


def test_of_a_load_balancer_it_is_the_refusal_that_counts():
    """It is what the case is about."""
    cluster = Refusing()
    cluster.refused = frozenset({"hostname-svc-lb", "hostname-svc-lb-local"})
    refused = {name for _, name, _ in app_of(cluster, "load_balancer").refused}
    assert "hostname-svc-lb" in refused


def test_what_was_added_goes_and_what_was_deleted_can_come_again():
    taken, cluster = Taken(), FakeCluster()
    app, other = (app_of(cluster, stem, taken) for stem in ("nodeport", "clusterip"))
    added = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "added"}}
    app.add({**added, "spec": {"ports": [{"port": 80}]}})
    app.delete("Deployment", "hostname-deployment")
    app.remove_all(but=other.manifests)
    assert "added" not in {service.name for service in app.snapshot().services}
    other.apply_all()
    assert len([pod for pod in other.wait_ready().pods if not pod.terminating]) == 3


def test_what_one_app_applied_another_does_not_apply_again():
    taken, cluster = Taken(), Noting()
    app_of(cluster, "nodeport", taken)
    before = len(cluster.asked)
    app_of(cluster, "clusterip", taken)
    assert cluster.asked[before:] == ["hostname-svc-clusterip"]


def test_what_is_removed_may_be_applied_again_and_what_stays_is_changed_back():
    taken, cluster = Taken(), FakeCluster()
    app = app_of(cluster, "nodeport", taken)
    (service,) = (item for item in app.manifests if item["kind"] == "Service")
    going = app.remove_all(but=[service])
    assert len(going) == 3
    left = app.snapshot()
    assert left.service("hostname-svc-nodeport").type == "NodePort"
    assert [pod for pod in left.pods if not pod.terminating] == []
    assert taken.objects == {}
    app.apply_all()
    assert len(app.wait_ready().pods) >= 3


@pytest.mark.parametrize("stem", ["clusterip", "webserver", "external_name"])
def test_of_what_has_none_nothing_is_left_out(stem):
    assert [without_node_ports(item, "why") for item in packaged_manifests(stem)] == [
        None for _ in packaged_manifests(stem)
    ]


def test_what_only_makes_sense_outside_is_left_out():
    port = {"name": "web", "port": 80, "nodePort": 30_080}
    service = {
        "kind": "Service",
        "metadata": {"name": "x"},
        "spec": {
            "type": "NodePort",
            "externalTrafficPolicy": "Local",
            "sessionAffinity": "ClientIP",
            "ports": [port],
        },
    }
    assert without_node_ports(service, "why") == {
        "kind": "Service",
        "metadata": {"name": "x", "annotations": {"svcproof.dev/no-node-ports": "why"}},
        "spec": {
            "type": "ClusterIP",
            "sessionAffinity": "ClientIP",
            "ports": [{"name": "web", "port": 80}],
        },
    }
    assert port["nodePort"] == 30_080  # the one that was given is as it was
    odd = {"type": "NodePort", "ports": None}
    made = without_node_ports(
        {"kind": "Service", "metadata": {"name": "x", "annotations": None}, "spec": odd}, "why"
    )
    assert made["metadata"]["annotations"] == {"svcproof.dev/no-node-ports": "why"}
    assert without_node_ports({"kind": "Service", "metadata": {"name": "x"}}, "why") is None
