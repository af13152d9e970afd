"""KubernetesCluster against an API server of a few lines: its calls, and what of the answers."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from svcproof.clusters.kubernetes import KubernetesCluster
from svcproof.errors import ApiRefused, ApplyFailed, EnvironmentProblem, UsageError, WaitExpired
from svcproof.history import Outcome, Position
from svcproof.limits import Limits
from svcproof.ports import ClusterFacts, ProbePlan

FACTS = ClusterFacts("t", "existing", "1.36", "iptables", ("ipv4",), ("node-1",))

RESOURCES = {
    "/api/v1": [("Namespace", "namespaces", False), ("Service", "services", True)],
    "/apis/apps/v1": [
        ("Deployment", "deployments", True),
        ("Scale", "deployments/scale", True),
    ],
}


class Server(ThreadingHTTPServer):
    """Answers from a table of (method, path) → (status, body); notes what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, str, object]] = []
        self.answers: dict[tuple[str, str], list[tuple[int, object]]] = {}
        for path, kinds in RESOURCES.items():
            listed = [{"kind": k, "name": n, "namespaced": s} for k, n, s in kinds]
            self.answers["GET", path] = [(200, {"resources": listed})]

    def answer(self, method: str, path: str, *answers: tuple[int, object]) -> None:
        self.answers[method, path] = list(answers)

    def calls(self, method: str) -> list[str]:
        return [path for asked, path, _, _ in self.asked if asked == method]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def handle_any(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.asked.append(
            (self.command, self.path, self.headers.get("content-type", ""), body)
        )
        answers = self.server.answers.get((self.command, self.path.partition("?")[0]))
        if not answers:
            answers = [(404, {"message": f"{self.path} not found"})]
        status, answer = answers.pop(0) if len(answers) > 1 else answers[0]
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


def kubeconfig(url: str) -> str:
    return json.dumps(
        {
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {"token": "secret"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )


@contextmanager
def serving() -> Iterator[Server]:
    """An API server that answers what it is told to, until the block ends."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.fixture
def cluster(server, tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig(f"http://127.0.0.1:{server.server_port}"))
    cluster = KubernetesCluster(path, FACTS, limits=Limits(workload_ready=0.2, api_call=5))
    yield cluster
    cluster.close()


DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "svc"}}


def test_apply_is_server_side_and_asks_for_each_group_once(cluster, server):
    web = "/apis/apps/v1/namespaces/ns/deployments/web"
    server.answer("PATCH", web, (201, {}))
    server.answer("PATCH", "/api/v1/namespaces/ns/services/svc", (200, {}))
    for _ in range(2):
        cluster.apply([DEPLOYMENT, SERVICE], namespace="ns")
    assert sorted(server.calls("GET")) == ["/api/v1", "/apis/apps/v1"]
    method, path, content_type, body = server.asked[1]
    assert (method, content_type) == ("PATCH", "application/apply-patch+yaml")
    assert path == f"{web}?fieldManager=svcproof&force=true"
    assert body == DEPLOYMENT


def test_what_the_server_refuses_comes_with_its_own_text(cluster, server):
    path = "/apis/apps/v1/namespaces/ns/deployments/web"
    server.answer("PATCH", path, (422, {"message": "spec.selector: Required value"}))
    with pytest.raises(ApplyFailed, match=r"PATCH .*deployments/web: spec.selector: Required"):
        cluster.apply([DEPLOYMENT], namespace="ns")


def test_a_kind_that_the_server_lacks(cluster):
    unknown = {"apiVersion": "apps/v1", "kind": "Wish", "metadata": {"name": "w"}}
    with pytest.raises(ApplyFailed, match=r"Wish w: the server has no kind 'Wish' in apps/v1"):
        cluster.apply([unknown], namespace="ns")


def test_patch_finds_the_kind_by_its_name(cluster, server):
    path = "/apis/apps/v1/namespaces/ns/deployments/web"
    server.answer("PATCH", path, (200, {}))
    cluster.patch("Deployment", "web", {"spec": {"replicas": 5}}, namespace="ns")
    assert server.asked[-1][2:] == ("application/merge-patch+json", {"spec": {"replicas": 5}})


def test_a_new_namespace_is_usable(cluster, server):
    account = "/api/v1/namespaces/ns/serviceaccounts/default"
    server.answer("POST", "/api/v1/namespaces", (201, {}))
    server.answer("GET", account, (404, {}), (404, {}), (200, {}))
    cluster.create_namespace("ns")
    assert server.calls("GET") == [account] * 3
    labels = server.asked[0][3]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"


def test_a_namespace_that_stays_unusable(cluster, server):
    server.answer("POST", "/api/v1/namespaces", (201, {}))
    with pytest.raises(WaitExpired, match="default service account of namespace ns"):
        cluster.create_namespace("ns")


@pytest.mark.parametrize("status", [200, 404, 409])
def test_deleting_what_is_gone_is_no_error(cluster, server, status):
    server.answer("DELETE", "/api/v1/namespaces/ns", (status, {}))
    cluster.delete_namespace("ns")


def test_deleting_what_one_may_not_delete_is(cluster, server):
    server.answer("DELETE", "/api/v1/namespaces/ns", (403, {"message": "forbidden: you may not"}))
    with pytest.raises(ApplyFailed, match="you may not"):
        cluster.delete_namespace("ns")


def test_a_snapshot_is_four_calls(cluster, server):
    node = {"metadata": {"name": "node-1"}}
    server.answer("GET", "/api/v1/nodes", (200, {"items": [node]}))
    for path in ("/api/v1/namespaces/ns/pods", "/api/v1/namespaces/ns/services"):
        server.answer("GET", path, (200, {"items": []}))
    slices = "/apis/discovery.k8s.io/v1/namespaces/ns/endpointslices"
    server.answer("GET", slices, (200, {"items": []}))
    assert [node.name for node in cluster.snapshot("ns").nodes] == ["node-1"]
    assert len(server.asked) == 4


def test_a_snapshot_that_is_refused(cluster, server):
    server.answer("GET", "/api/v1/nodes", (403, {"message": "nodes is forbidden"}))
    with pytest.raises(ApiRefused, match="nodes is forbidden"):
        cluster.snapshot("ns")


def test_an_answer_that_is_no_status_object(cluster, server):
    server.answer("GET", "/api/v1/nodes", (502, "bad gateway"))
    with pytest.raises(ApiRefused, match=r"HTTP 502: .*bad gateway"):
        cluster.snapshot("ns")


def test_a_login_page_is_no_api_server(cluster, server):
    server.answer("GET", "/api/v1/nodes", (200, "<html>sign in</html>"))
    with pytest.raises(EnvironmentProblem, match="is no API server: it answered"):
        cluster.snapshot("ns")


def test_the_token_goes_along(server, tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig(f"http://127.0.0.1:{server.server_port}"))
    cluster = KubernetesCluster(path, FACTS)
    assert cluster.api.headers() == {"authorization": "Bearer secret"}


def test_an_exec_that_cannot_begin_makes_every_attempt_unknown(cluster, monkeypatch):
    monkeypatch.setattr("svcproof.probes.agent._PAUSE_SECONDS", 0)
    position = Position(name="p", kind="pod", pod="gone", namespace="ns")
    made = list(cluster.probe(position, ProbePlan(host="10.0.0.1", port=80, count=3)))
    assert [attempt.outcome for attempt in made] == [Outcome.UNKNOWN] * 3
    assert re.search("exec could not begin: .*/ns/pods.* not found", made[0].detail)


def test_a_server_that_is_not_there(tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig("http://127.0.0.1:1"))
    cluster = KubernetesCluster(path, FACTS)
    with pytest.raises(
        EnvironmentProblem, match=r"API server http://127\.0\.0\.1:1 does not answer"
    ):
        cluster.snapshot("ns")


def test_a_kubeconfig_that_is_not_there(tmp_path):
    cluster = KubernetesCluster(tmp_path / "none", FACTS)
    with pytest.raises(UsageError, match=r"kubeconfig .*none"):
        cluster.snapshot("ns")


def test_close_ends_the_cluster_once(tmp_path):
    ended = []
    cluster = KubernetesCluster(tmp_path / "k", FACTS, on_close=lambda: ended.append(1))
    cluster.close()
    cluster.close()
    assert ended == [1]
