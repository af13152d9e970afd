"""Kinds of objects beside Deployments and Services, as users have them in their files."""

import contextlib
import json
import re

import pytest
import yaml

from svcproof.app import App
from svcproof.clusters.existing.cluster import ExistingCluster, delete_run
from svcproof.clusters.existing.fitting import PROGRAM, Fitting
from svcproof.clusters.fake import LIMITS, FakeCluster
from svcproof.errors import ApplyFailed, ClusterProblem, UsageError
from svcproof.images import ECHO_HOSTNAME_REFERENCE
from svcproof.manifest_files import RUN_LABEL, load, of_run
from svcproof.ports import ClusterFacts
from svcproof.snapshot import Endpoint, EndpointSlice, Node, Pod, Snapshot
from svcproof.workloads import lacking
from tests.unit.test_kubernetes_api import kubeconfig, serving

FILE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: side}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      initContainers:
        - {name: wait, image: busybox}
        - name: side
          image: envoy
          restartPolicy: Always
          ports: [{containerPort: 15006, name: side}]
      containers: [{name: web, image: svcproof.dev/echo-hostname:1}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: m, image: busybox}]}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 0 * * *"
  jobTemplate: {spec: {template: {spec: {containers: [{name: clean, image: busybox}]}}}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web},
 spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 5}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: "", port: 80}]
endpoints: [{addresses: [10.0.0.9]}]
---
{apiVersion: v1, kind: Secret, metadata: {name: key}, stringData: {a: b}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: b}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: web}}
"""


def loaded(tmp_path, text):
    path = tmp_path / "objects.yaml"
    path.write_text(text)
    return load(path)


def test_what_pods_need_is_applied_first_and_all_else_in_its_order(tmp_path):
    items = of_run(loaded(tmp_path, FILE), "r1")
    assert [item["kind"] for item in items] == [
        "Secret",
        "ConfigMap",
        "ServiceAccount",
        "Service",
        "Deployment",
        "Job",
        "CronJob",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
        "EndpointSlice",
    ]


def test_all_of_them_and_all_their_pods_are_marked_as_the_runs(tmp_path):
    for item in of_run(loaded(tmp_path, FILE), "r1"):
        assert item["metadata"]["labels"][RUN_LABEL] == "r1"
        if item["kind"] in ("Deployment", "Job"):
            assert item["spec"]["template"]["metadata"]["labels"][RUN_LABEL] == "r1"
        if item["kind"] == "CronJob":
            template = item["spec"]["jobTemplate"]["spec"]["template"]
            assert template["metadata"]["labels"][RUN_LABEL] == "r1"


def test_the_whole_file_is_ready_and_deleted_with_the_namespace(tmp_path):
    cluster = FakeCluster()
    cluster.create_namespace("ns")
    app = App(cluster, "ns", loaded(tmp_path, FILE), run="r1", limits=LIMITS)
    app.apply()
    shown = app.wait_ready()  # neither Job nor CronJob is waited for
    (slice_,) = shown.slices_of("web")
    assert slice_.ports == {"": 15006}, "a sidecar's port has a name as any other"
    cluster.delete_namespace("ns")
    assert cluster._model._objects == {}


# what is waited for

POD_SPEC = {"containers": [{"name": "c"}]}


def job(labels=None, **spec):
    template = {"metadata": {"labels": labels or {}}, "spec": POD_SPEC}
    return {"kind": "Job", "metadata": {"name": "j"}, "spec": {"template": template, **spec}}


def service(selector):
    return {"kind": "Service", "metadata": {"name": "s"}, "spec": {"selector": selector}}


def pod(name, *, ready=True, phase="Running", label="batch.kubernetes.io/job-name"):
    labels = {label: "j", "app": "web"}
    return Pod(name, "ns", f"u-{name}", "n1", ("10.0.0.1",), labels, phase, ready)


def shown(*pods, slices=()):
    return Snapshot((Node("n1", ("192.0.2.1",), ready=True),), pods, (), slices)


@pytest.mark.parametrize(
    ("item", "selector", "pods", "lack"),
    [
        (job(), {"app": "web"}, [], ""),
        (job({"app": "other"}), {"app": "web"}, [], ""),
        (job({"app": "web"}), {}, [], ""),
        (job({"app": "web"}), {"app": "web"}, [], "Job j: 0 of 1 Pods ready"),
        (job({"app": "web"}), {"app": "web"}, [pod("a")], ""),
        (job({"app": "web"}), {"app": "web"}, [pod("a", label="job-name")], ""),
        (job({"app": "web"}, parallelism=2), {"app": "web"}, [pod("a")], "Job j: 1 of 2 Pods"),
        (
            job({"app": "web"}),
            {"app": "web"},
            [pod("a", ready=False, phase="Succeeded")],
            "a on n1 is Succeeded",
        ),
        (job({"app": "web"}), {"app": "web"}, [pod("a", label="app2")], "Job j: 0 of 1"),
    ],
)
def test_a_job_is_waited_for_only_where_a_service_selects_its_pods(item, selector, pods, lack):
    said = lacking([item, service(selector)], shown(*pods), but=("Service",))
    assert lack in said
    assert bool(lack) == bool(said)


def test_a_job_without_labels_in_its_template_is_no_error():
    bare = {"kind": "Job", "metadata": {"name": "j"}, "spec": {"template": {"spec": POD_SPEC}}}
    assert lacking([bare, service({"app": "web"})], shown(), but=("Service",)) == ""


def test_endpoints_are_waited_for_until_they_are_mirrored():
    item = {
        "kind": "Endpoints",
        "metadata": {"name": "db"},
        "subsets": [{"addresses": [{"ip": "10.0.0.9"}], "ports": [{"port": 80}]}],
    }
    assert lacking([item], shown()) == "Endpoints db: not mirrored to an EndpointSlice"
    mirrored = EndpointSlice(
        "m", "db", "IPv4", {"": 80}, (Endpoint(("10.0.0.9",), True, True, False),)
    )
    assert lacking([item], shown(slices=(mirrored,))) == ""
    assert lacking([{**item, "subsets": None}], shown()) == ""


# what is refused


@pytest.mark.parametrize("kind", ["ClusterRole", "CustomResourceDefinition", "PersistentVolume"])
def test_what_belongs_to_the_whole_cluster_is_refused_with_its_line(tmp_path, kind):
    text = f"# mine\n---\n{{apiVersion: x/v1, kind: {kind}, metadata: {{name: a}}}}"
    with pytest.raises(UsageError, match=rf"objects.yaml, line 3: {kind} a: .*whole cluster"):
        loaded(tmp_path, text)


def test_a_network_policy_is_refused_with_its_line_and_the_reason(tmp_path):
    policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\n"
    text = f"{FILE}---\n{policy}"
    line = text[: text.index(policy)].count("\n") + 1
    with pytest.raises(UsageError, match=rf"line {line}: NetworkPolicy deny: it bars svcproof's"):
        loaded(tmp_path, text)


def test_one_name_in_two_namespaces_is_refused(tmp_path):
    text = "\n---\n".join(
        f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c, namespace: {each}}}}}"
        for each in "ab"
    )
    with pytest.raises(
        UsageError, match=r"line 3: ConfigMap c is in this file for namespace b and"
    ):
        loaded(tmp_path, text)


# what was exported


def test_what_a_controller_made_is_left_to_it(tmp_path):
    owned = [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "controller": True}]
    items = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "spec": yaml.safe_load(DEPLOYED)},
        {"apiVersion": "v1", "kind": "Pod", "spec": POD_SPEC},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4"},
    ]
    for number, item in enumerate(items):
        item["metadata"] = {"name": "web", "uid": "1"}
        item["metadata"] |= {"ownerReferences": owned} if number else {}
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    assert [item["kind"] for item in loaded(tmp_path, text)] == ["Deployment"]


DEPLOYED = "{selector: {matchLabels: {a: b}}, template: {spec: {containers: [{name: c}]}}}"


def test_an_exported_job_is_one_that_the_api_server_takes(tmp_path):
    labels = {"batch.kubernetes.io/controller-uid": "u", "controller-uid": "u", "app": "m"}
    item = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "uid": "u", "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}},
            "template": {"metadata": {"labels": labels}, "spec": POD_SPEC},
        },
    }
    (job,) = loaded(tmp_path, json.dumps(item))
    assert "selector" not in job["spec"]
    assert (
        job["metadata"]["labels"] == job["spec"]["template"]["metadata"]["labels"] == {"app": "m"}
    )
    del item["metadata"]["uid"]  # somebody's own, with manualSelector
    (job,) = loaded(tmp_path, json.dumps(item))
    assert "selector" in job["spec"]


# as a guest


def fitted(**options):
    pod_spec = {
        "initContainers": [
            {"name": "first", "image": ECHO_HOSTNAME_REFERENCE, "command": [PROGRAM, "dial"]},
            {"name": "side", "image": "envoy", "restartPolicy": "Always"},
        ],
        "containers": [
            {"name": "nginx", "image": "nginx"},
            {"name": "web", "image": ECHO_HOSTNAME_REFERENCE},
        ],
    }
    item = {"kind": "Pod", "metadata": {"name": "p"}, "spec": pod_spec}
    return Fitting(**options).fit(item)["spec"]


def test_only_containers_of_our_image_are_fitted_the_first_ones_too():
    spec = fitted(image="mine:1")
    images = [each["image"] for each in [*spec["initContainers"], *spec["containers"]]]
    assert images == ["mine:1", "envoy", "nginx", "mine:1"]
    nginx, web = spec["containers"]
    assert "securityContext" not in nginx  # it may need to be root
    assert web["securityContext"]["runAsNonRoot"]
    assert "runAsNonRoot" not in spec["securityContext"]


def test_the_program_is_there_before_anybody_needs_it():
    spec = fitted(carrier="shell:1", parts={"amd64": ["p"]})
    program, first, side = spec["initContainers"]
    assert (program["name"], first["image"], side["image"]) == ("program", "shell:1", "envoy")
    assert program["securityContext"]["runAsNonRoot"]
    assert [each["mountPath"] for each in first["volumeMounts"]] == [PROGRAM]
    assert "volumeMounts" not in side


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.fixture
def guest(server, tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig(f"http://127.0.0.1:{server.server_port}"))
    facts = ClusterFacts("t", "existing", "1.36", "iptables", ("ipv4",), ("n1",), namespace="mine")
    cluster = ExistingCluster(path, facts, fitting=Fitting(image="mine:1"))
    yield cluster
    cluster.close()


SERVICES = "/api/v1/namespaces/mine/services"
OWN = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "labels": {RUN_LABEL: "r1"}},
}


def ready_to_make(server):
    kinds = [("Service", "services"), ("Secret", "secrets"), ("ConfigMap", "configmaps")]
    listed = [{"kind": kind, "name": name, "namespaced": True} for kind, name in kinds]
    server.answer("GET", "/api/v1", (200, {"resources": listed}))
    for kind in ("services/web", "secrets/key", "configmaps/svcproof-run-r1"):
        server.answer("PATCH", f"/api/v1/namespaces/mine/{kind}", (201, OWN))


def test_what_is_there_already_is_neither_changed_nor_deleted(guest, server):
    ready_to_make(server)
    server.answer("GET", SERVICES, (200, {"items": [{"metadata": {"name": "web"}}]}))
    with pytest.raises(ApplyFailed, match="Service web is in namespace mine already"):
        guest.apply([OWN], namespace="mine")
    assert f"{SERVICES}/web" not in " ".join(server.calls("PATCH"))


def test_what_the_run_has_made_is_changed(guest, server):
    ready_to_make(server)
    server.answer("GET", SERVICES, (200, {"items": [OWN]}))
    guest.apply([OWN], namespace="mine")
    guest.apply([OWN], namespace="mine")
    looked = [each for each in server.calls("GET") if each.startswith(SERVICES)]
    assert len(looked) == 1


def test_all_that_was_made_is_deleted_from_a_namespace_that_stays(guest, server):
    ready_to_make(server)
    secret = {**OWN, "kind": "Secret", "metadata": {**OWN["metadata"], "name": "key"}}
    server.answer("GET", SERVICES, (200, {"items": []}))
    guest.apply([secret, OWN], namespace="mine")
    for kind in ("pods", "configmaps"):
        server.answer("GET", f"/api/v1/namespaces/mine/{kind}", (200, {"items": []}))
    for kind in ("deployments", "daemonsets"):
        server.answer("GET", f"/apis/apps/v1/namespaces/mine/{kind}", (200, {"items": []}))
    jobs = "/apis/batch/v1/namespaces/mine/jobs"
    server.answer("GET", jobs, (200, {"items": [{"metadata": {"name": "j"}}]}))
    for path in (f"{jobs}/j", f"{SERVICES}/web", "/api/v1/namespaces/mine/secrets/key"):
        server.answer("DELETE", path, (200, {}))
    card = next(path for path in server.calls("PATCH") if "/configmaps/" in path).partition("?")[0]
    server.answer("DELETE", card, (200, {}))
    guest.delete_namespace("mine")
    assert {f"{jobs}/j", f"{SERVICES}/web", "/api/v1/namespaces/mine/secrets/key", card} <= set(
        server.calls("DELETE")
    )


def test_what_cannot_be_listed_of_what_every_run_makes_is_told(guest, server):
    server.answer("GET", SERVICES, (403, {"message": "no"}))
    with pytest.raises(ClusterProblem, match=re.escape(f"{SERVICES}: no")):
        delete_run(guest.api, "mine", "r1")


def test_endpointslices_that_a_controller_made_go_with_their_service(guest, server):
    """They have the Service's labels, and a guest may not delete them."""
    slices = "/apis/discovery.k8s.io/v1/namespaces/mine/endpointslices"
    owned = {"name": "web-x2x9z", "ownerReferences": [{"kind": "Service", "name": "web"}]}
    items = [{"metadata": owned}, {"metadata": {"name": "by-hand"}}]
    server.answer("GET", slices, (200, {"items": items}))
    with contextlib.suppress(ClusterProblem):  # of the other kinds nothing is answered here
        delete_run(guest.api, "mine", "r1")
    assert [path for path in server.calls("DELETE") if "slices" in path] == [f"{slices}/by-hand"]
