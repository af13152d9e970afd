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
        ("---\n---\n", "it has no objects"),
        ("# nothing\n", "it has no objects"),
        ("a: 1\n---\nkind: Pod", "line 1: a document that is no Kubernetes object"),
        (
            "---\n---\n# x\nkind: Pod\nmetadata: {name: a}",
            "line 4: Pod: .* missing required field `apiVersion`",
        ),
        ("{apiVersion: v1, kind: Pod, metadata: {generateName: a}}", "without metadata.name"),
        (
            "{apiVersion: v1, kind: Pod, metadata: [a]}",
            "Pod: .*`array` - at `metadata`",
        ),
        (
            "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: 1}",
            "Pod a: .*got `int`",
        ),
        ("{apiVersion: v1, kind: List, items: [1]}", "item 1: a document that is no"),
    ],
)
def test_a_broken_manifest_is_refused_with_its_name(tmp_path, text, message):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=rf"(?s)manifest .*broken.yaml.*{message}"):
        load(path)


def test_whatever_kubectl_takes_is_taken(tmp_path):
    path = tmp_path / "all.yaml"
    path.write_text("""
# A namespace of theirs
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: one, namespace: shop}}
- apiVersion: v1
  kind: ServiceList
  items: [{metadata: {name: two}, spec: {ports: [{port: 80}]}}]
---
apiVersion: v1
kind: Service
metadata:
  name: exported
  namespace: shop
  uid: 1-2-3
  resourceVersion: "77"
  creationTimestamp: "2026-01-01T00:00:00Z"
  managedFields: [{manager: kubectl}]
  annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}", own: "yes"}
spec: {clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7], ports: [{port: 80}]}
status: {loadBalancer: {}}
---
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "headless", "uid": "4"},
 "spec": {"clusterIP": "None", "clusterIPs": ["None"]}}
""")
    one, two, exported, headless = load(path)
    assert one == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}
    assert (two["apiVersion"], two["kind"], two["metadata"]["name"]) == ("v1", "Service", "two")
    assert exported == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "exported", "annotations": {"own": "yes"}},
        "spec": {"ports": [{"port": 80}]},
    }
    assert headless["spec"] == {"clusterIP": "None", "clusterIPs": ["None"]}


def loaded(tmp_path, text: str):
    path = tmp_path / "objects.yaml"
    path.write_text(text)
    return load(path)


def test_text_that_only_python_takes_for_something_else_stays_text(tmp_path):
    (item,) = loaded(
        tmp_path,
        """
apiVersion: v1
kind: ConfigMap
metadata: {name: c, annotations: {made: 2026-01-01, port: 22:22, 8080: "yes"}, labels: null}
data: {octal: 0o17, hex: 0x10, number: 12, real: 1.5, power: 1e3, plain: 1_000}
""",
    )
    assert item["metadata"] == {
        "name": "c",
        "annotations": {"made": "2026-01-01", "port": "22:22", "8080": "yes"},
    }
    assert item["data"] == {
        "octal": 15,
        "hex": 16,
        "number": 12,
        "real": 1.5,
        "power": 1000.0,
        "plain": 1000,
    }


DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec: {{selector: {selector}, template: {template}, replicas: {replicas}}}
"""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replicas": '"2"'}, "Deployment web: Expected `int.*`, got `str` - at `spec.replicas`"),
        ({"selector": "{matchLabels: {app: 1}}"}, "Expected `str`, got `int` - at `spec.selector"),
        (
            {"template": "{spec: {}}"},
            "field `containers` - at `spec.template.spec`",
        ),
        ({"template": "null"}, "Expected `object`, got `null` - at `spec.template`"),
    ],
)
def test_what_is_of_another_type_is_refused_where_it_is(tmp_path, changes, message):
    right = {
        "selector": "{matchLabels: null}",
        "template": "{metadata: {labels: null}, spec: {containers: [{name: c, resources: null}]}}",
        "replicas": "null",
    }
    (taken,) = loaded(tmp_path, DEPLOYMENT.format(**right))
    assert taken["spec"]["selector"] == {}
    assert "replicas" not in taken["spec"]
    with pytest.raises(UsageError, match=rf"(?s)objects.yaml, line 2: .*{message}"):
        loaded(tmp_path, DEPLOYMENT.format(**right | changes))


def test_a_kind_of_the_same_name_in_another_group_is_not_taken_for_ours(tmp_path):
    with pytest.raises(UsageError, match=r"Service s is of serving\.example/v1, and"):
        loaded(tmp_path, "{apiVersion: serving.example/v1, kind: Service, metadata: {name: s}}")


@pytest.mark.parametrize("value", ["!!binary AAAA", "!!set {a}", "{? [1] : 2}", "&a [*a]"])
def test_what_json_cannot_say_is_refused(tmp_path, value):
    text = f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c}}, data: {value}}}"
    with pytest.raises(UsageError, match=r"manifest .*objects.yaml"):
        loaded(tmp_path, text)
