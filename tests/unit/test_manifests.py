"""What is applied: the notes' own names, and the run's mark on everything."""

from importlib.resources import files

import pytest

from svcproof.errors import UsageError
from svcproof.manifest_files import RUN_LABEL, load, of_run, packaged_manifests

SUITES = [
    entry.name.removeprefix("test_").removesuffix(".py")
    for entry in (files("svcproof") / "suites").iterdir()
    if entry.name.startswith("test_")
]


WEB_SERVICES = [
    ("clusterip", "hostname-svc-clusterip", "ClusterIP"),
    ("endpoints", "hostname-svc-endpoints", "ClusterIP"),
    ("nodeport", "hostname-svc-nodeport", "NodePort"),
]


@pytest.mark.parametrize("stem", SUITES)
def test_each_suite_has_a_manifest_of_its_stem(stem):
    assert packaged_manifests(stem)


def test_the_notes_deployment():
    (deployment,) = packaged_manifests("webserver")
    assert deployment["metadata"]["name"] == "hostname-deployment"
    assert deployment["spec"]["replicas"] == 3
    template = deployment["spec"]["template"]
    assert template["metadata"]["labels"] == {"app": "webserver"}
    (container,) = template["spec"]["containers"]
    assert container["name"] == "my-webserver"


@pytest.mark.parametrize(("stem", "service", "kind"), WEB_SERVICES)
def test_the_notes_services(stem, service, kind):
    (item,) = packaged_manifests(stem)
    spec = item["spec"]
    assert (item["kind"], item["metadata"]["name"], spec["type"]) == ("Service", service, kind)
    assert spec["selector"] == {"app": "webserver"}
    (port,) = spec["ports"]
    assert (port["name"], port["port"], port["targetPort"]) == ("web-port", 8080, 80)


def test_clients_in_the_host_network_ask_the_clusters_dns():
    for item in packaged_manifests("clients"):
        spec = item["spec"]["template"]["spec"]
        if spec.get("hostNetwork"):
            assert spec["dnsPolicy"] == "ClusterFirstWithHostNet"


def test_everything_of_a_run_is_marked():
    original = (*packaged_manifests("webserver"), *packaged_manifests("clusterip"))
    for item in of_run(original, "r1"):
        assert item["metadata"]["labels"][RUN_LABEL] == "r1"
        template = item["spec"].get("template")
        if template:
            assert template["metadata"]["labels"][RUN_LABEL] == "r1"
            assert RUN_LABEL not in item["spec"]["selector"]["matchLabels"]
    assert all(RUN_LABEL not in item["metadata"].get("labels", {}) for item in original)


def test_there_is_no_manifest_of_any_other_name():
    assert packaged_manifests("nonesuch") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "while parsing"),
        ("just words", "no Kubernetes object"),
        ("---\n---\n", "no Kubernetes object"),
    ],
)
def test_a_broken_manifest_is_refused_with_its_name(tmp_path, text, message):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=rf"(?s)manifest .*broken.yaml.*{message}"):
        load(path)
