"""Situations that others have reported of their tools and clusters, and what is right there.

Each row names the report (``owner/project#number``); the input is our own and minimal. Rows that
were judged wrongly once stand beside those that never were: both must stay right.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from svcproof.clusters import objects
from svcproof.clusters.kubeconfig import load_access
from svcproof.clusters.placing import tolerations
from svcproof.clusters.proxies import proxy_of
from svcproof.deviations import Deviation, applying
from svcproof.drift import drift
from svcproof.errors import NotSupported, SvcproofError, UsageError
from svcproof.events import Sign
from svcproof.expect import Promise, endpoint_lists, promise
from svcproof.history import Outcome, Position, Target
from svcproof.manifest_files import load, of_run
from svcproof.places import TargetSpec, resolve_target
from svcproof.profiles import PROFILES, profile_of
from svcproof.snapshot import Endpoint, EndpointSlice, Node, Pod, Service, ServicePort, Snapshot
from svcproof.workloads import lacking


def rows(*found: tuple[Any, ...]) -> list[Any]:
    """Parameters out of (source, what it is, …): both are the row's name."""
    return [pytest.param(*row[2:], id=f"{row[0]} {row[1]}") for row in found]


# files

ACCOUNT = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: s}}"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"


@pytest.mark.parametrize(
    ("text", "names"),
    rows(
        ("KanishJebaMathewM/Truxify#7678", "a byte order mark", "\ufeff" + CONFIG_MAP % "a", ["a"]),
        (
            "KanishJebaMathewM/Truxify#7678",
            "files with byte order marks, one after the other",
            f"\ufeff{CONFIG_MAP % 'a'}---\n\ufeff{CONFIG_MAP % 'b'}",
            ["a", "b"],
        ),
        (
            "Shopify/krane#618",
            "a list of a kind whose items say it again",
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleList\nitems:\n"
            "- {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r}}",
            ["r"],
        ),
        (
            "kubernetes-sigs/kustomize#688",
            "a list of a kind whose items do not",
            "{apiVersion: v1, kind: ConfigMapList, items: [{metadata: {name: a}}]}",
            ["a"],
        ),
        (
            "k0sproject/k0s#1211",
            "a List without metadata",
            f"apiVersion: v1\nkind: List\nitems:\n- {ACCOUNT}",
            ["s"],
        ),
        (
            "kubernetes/kubectl#837",
            "a List that was exported, with metadata of its own",
            "apiVersion: v1\nkind: List\nmetadata: {resourceVersion: ''}\nitems:\n"
            "- {apiVersion: example.com/v1, kind: CronTab, metadata: {name: c, uid: 1-2}}",
            ["c"],
        ),
    ),
)
def test_files(tmp_path: Path, text: str, names: list[str]) -> None:
    path = tmp_path / "objects.yaml"
    path.write_text(text, encoding="utf-8")
    assert [item["metadata"]["name"] for item in load(path)] == names


@pytest.mark.parametrize(
    ("text", "message"),
    rows(
        (
            "KanishJebaMathewM/Truxify#7678",
            "a key that is there twice",
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports: [{port: 80}]\n"
            "  ports: [{port: 81}]",
            "the key ports is there twice.* line 6",
        ),
        (
            "stackrox/kube-linter#596",
            "a List whose objects stand under another key",
            "apiVersion: v1\nkind: List\nmetadata: {}\nlist: []",
            "line 1: a List without items",
        ),
        (
            "linuxacademy/content-kubernetes-security#1",
            "a tab",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: c\n"
            "\tcommand: [a]",
            "tab.* line 7",
        ),
        (
            "istio/istio#1733",
            "a Deployment of a version that is gone",
            "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: a}\nspec: {}",
            "line 1: Deployment a is of extensions/v1beta1",
        ),
    ),
)
def test_files_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "objects.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=f"(?s)objects.yaml.*{message}"):
        load(path)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}\n' * 2, [{}, {}]),
        (
            '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"d":"\\ud83d\\ude00"}',
            [{"d": "\N{GRINNING FACE}"}],
        ),
        ("{apiVersion: v1, kind: Secret, metadata: {name: a}, d: 1}", [{"d": 1}]),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nd: {e: =}", [{"d": {"e": "="}}]),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nd: [3.0, 1e2, y]",
            [{"d": [3, 100, True]}],
        ),
        (
            "apiVersion: v1\nkind: List\nitems:\n---\n"
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a}",
            [{}],
        ),
    ],
)
def test_files_are_read_as_go_reads_them(tmp_path: Path, text: str, read: list[object]) -> None:
    path = tmp_path / "objects.yaml"
    path.write_text(text)
    known = {"apiVersion", "kind", "metadata"}
    found = [{key: each[key] for key in each.keys() - known} for each in load(path)]
    assert found == read
    assert "." not in str(read)  # 3 is an integer to the API server


@pytest.mark.parametrize("labels", ["", "labels:", "labels: {a: b}"])
def test_a_template_of_a_kind_that_nobody_knows_may_have_empty_labels(
    tmp_path: Path, labels: str
) -> None:
    path = tmp_path / "objects.yaml"
    path.write_text(
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: a}\nspec:\n"
        f"  template:\n    metadata:\n      {labels}\n    spec: {{containers: []}}\n"
    )
    (marked,) = of_run(load(path), "r")
    assert marked["spec"]["template"]["metadata"]["labels"]["svcproof.dev/run"] == "r"


@pytest.mark.parametrize("text", ["!!bool maybe", "!!int ''", "{a: !!timestamp 2024-13-45}"])
def test_tags_that_do_not_fit_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "objects.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=str(path)):
        load(path)


# kubeconfigs

SERVER = "https://127.0.0.1:6443"
TAKEN = f"^{SERVER}$"


def kubeconfig(
    cluster: str = "", user: str = "token: t", current: str = "x", before: str = ""
) -> str:
    more = f", {cluster}" if cluster else ""
    return (
        f"clusters:\n{before}- {{name: c, cluster: {{server: '{SERVER}'{more}}}}}\n"
        "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
        f"current-context: {current}\nusers: [{{name: u, user: {{{user}}}}}]\n"
    )


@pytest.mark.parametrize(
    ("text", "context", "right"),
    rows(
        (
            "kubernetes/kubernetes#21062",
            "a typo",
            kubeconfig(current="typo"),
            "",
            "no context 'typo'; .*: x",
        ),
        ("hjacobs/kube-ops-view#133", "no current one", kubeconfig(current="''"), "x", TAKEN),
        (
            "oracle-terraform-modules/terraform-oci-oke#20",
            "neither kind nor preferences",
            kubeconfig(),
            "",
            TAKEN,
        ),
        (
            "databricks/click#29",
            "another cluster without name and server",
            kubeconfig(before="- {name: '', cluster: {server: ''}}\n"),
            "",
            TAKEN,
        ),
        (
            "sighupio/permission-manager#92",
            "certificate-authority-data without data",
            kubeconfig("certificate-authority-data: "),
            "",
            TAKEN,
        ),
        (
            "kubernetes/kubernetes#126647",
            "a file of another machine",
            kubeconfig("certificate-authority: /none/ca.pem"),
            "",
            "/none/ca.pem",
        ),
        (
            "cyberark/kubeletctl#11",
            "no base64",
            kubeconfig("certificate-authority-data: xyz"),
            "",
            "certificate-authority-data of cluster c is no base64",
        ),
        (
            "kubernetes/client-go#1319",
            "base64 of something else",
            kubeconfig(user="client-certificate-data: aGVsbG8=, client-key-data: aGVsbG8="),
            "",
            "client-certificate-data of user u has no PEM block",
        ),
        (
            "kubernetes/kubectl#1338",
            "a credential plugin that is gone",
            kubeconfig(user="auth-provider: {name: gcp}"),
            "",
            "user u has the auth-provider gcp, which was taken out",
        ),
    ),
)
def test_kubeconfigs(tmp_path: Path, text: str, context: str, right: str) -> None:
    refused_or_read(tmp_path, text, context, right)


#: A PEM block's first line, in base64 that is broken after it.
WRAPPED: Final = '"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0t\\nLS0t\\n"'


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (kubeconfig(current="2024-01-01").replace("name: x", "name: 2024-01-01"), TAKEN),
        (kubeconfig().replace("https:", "HTTPS:"), TAKEN),
        (kubeconfig(user="auth-provider: text"), "auth-provider of user u is text"),
        (kubeconfig(user="token: t, as: a, as-groups: dev"), "as-groups is text"),
        (kubeconfig(user='token: t, as: "a\\nb"'), "a character that no header may have"),
        (kubeconfig().partition("users:")[0], "no user 'u'; users: none"),
        (kubeconfig().replace("{server: 'https://127.0.0.1:6443'}", ""), "it lacks 'server'"),
        (kubeconfig(f"certificate-authority-data: {WRAPPED}"), TAKEN),
        (
            kubeconfig(
                user="auth-provider: {name: oidc, config: {client-id: a, client-secret: b, "
                "refresh-token: c, idp-issuer-url: 'https://127.0.0.1:1', "
                "id-token: e30.eyJleHAiOjF9.eA}}"
            ),
            "MaxRetryError: .*127.0.0.1",
        ),
    ],
)
def test_kubeconfigs_are_read_as_kubectl_reads_them(tmp_path: Path, text: str, right: str) -> None:
    refused_or_read(tmp_path, text, "", right)


def test_whom_a_kubeconfig_impersonates_is_sent_in_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(kubeconfig(user="token: t, as: jürgen, as-groups: [李]"))
    sent = load_access(path, "", tmp_path).headers()
    names = [
        sent[name].encode("latin-1").decode() for name in ("impersonate-user", "impersonate-group")
    ]
    assert names == ["jürgen", "李"]


def refused_or_read(tmp_path: Path, text: str, context: str, right: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    try:
        said = load_access(path, context, tmp_path).server
    except UsageError as error:
        said = str(error)
        assert said.startswith(f"kubeconfig {path}: ")
    assert re.search(right, said)


@pytest.mark.parametrize(
    ("server", "told", "exceptions", "right"),
    rows(
        (
            "fabric8io/kubernetes-client#4832",
            "a short range",
            "https://10.0.100.1",
            "",
            "10.0.0.0/8",
            "",
        ),
        (
            "kubernetes/kubernetes#54407",
            "a range among others",
            "https://10.237.72.166:6443",
            "",
            "localhost,127.0.0.1,.example.com,10.0.0.0/8",
            "",
        ),
        (
            "kubernetes-client/javascript#233",
            "the begin of an address is no range",
            "https://10.96.0.1",
            "",
            "10.96.",
            "http://p:3128",
        ),
        (
            "kubernetes-client/python#1578",
            "a domain",
            "https://api.k.local",
            "",
            ".local,127.0.0.0/8",
            "",
        ),
        (
            "kubernetes/kubectl#1653",
            "proxy-url with SOCKS",
            SERVER,
            "socks5://localhost:8002",
            "*",
            "socks5h://localhost:8002",
        ),
    ),
)
def test_proxies(server: str, told: str, exceptions: str, right: str) -> None:
    environment = {"HTTPS_PROXY": "http://p:3128", "NO_PROXY": exceptions}
    assert proxy_of(server, told, environment) == right


# nodes

READY = [{"type": "Ready", "status": "True"}]
INFO = {"kubeletVersion": "v1.36.4", "operatingSystem": "linux", "architecture": "amd64"}


def node_of(*addresses: tuple[str, str], **spec: Any) -> dict[str, Any]:
    listed = [{"type": kind, "address": address} for kind, address in addresses]
    status = {"addresses": listed, "conditions": READY, "nodeInfo": INFO}
    return {"metadata": {"name": "n"}, "spec": spec, "status": status}


def taint(key: str, effect: str = "NoSchedule", value: str = "") -> dict[str, str]:
    return {"key": key, "effect": effect, **({"value": value} if value else {})}


@pytest.mark.parametrize(
    ("item", "tolerated", "right"),
    rows(
        (
            "kubernetes/kubernetes#48760",
            "an ExternalIP and a name, no InternalIP",
            node_of(("ExternalIP", "10.9.65.204"), ("Hostname", "n.example")),
            "",
            {"addresses": (), "ready": True},
        ),
        (
            "kubernetes/kubernetes#120727",
            "Ready without an address",
            node_of(),
            "",
            {"addresses": ()},
        ),
        (
            "kubernetes/kubernetes#72237",
            "no Hostname",
            node_of(("InternalIP", "10.100.0.249")),
            "",
            {"addresses": ("10.100.0.249",), "schedulable": True},
        ),
        (
            "kubernetes/kubernetes#60163",
            "cordoned: Pods of DaemonSets run there, others do not",
            node_of(unschedulable=True),
            "",
            {"repels": "cordoned"},
        ),
        (
            "kubernetes/kubernetes#29738",
            "a taint of one's own",
            node_of(taints=[taint("role", value="master")]),
            "",
            {"repels": "tainted role=master:NoSchedule"},
        ),
        (
            "kubernetes/kubernetes#29738",
            "the same, tolerated",
            node_of(taints=[taint("role", value="master")]),
            "role=master:NoSchedule",
            {"schedulable": True},
        ),
        (
            "kubernetes/kubernetes#112759",
            "a control plane",
            node_of(taints=[taint("node-role.kubernetes.io/control-plane")]),
            "",
            {"schedulable": True},
        ),
        (
            "vmware/nsx-container-plugin-operator#77",
            "a node whose network is not there yet",
            node_of(taints=[taint("node.kubernetes.io/network-unavailable")]),
            "",
            {"repels": "tainted node.kubernetes.io/network-unavailable:NoSchedule"},
        ),
        (
            "knative/eventing#6291",
            "no zone",
            node_of(("InternalIP", "192.0.2.1")),
            "",
            {"zone": "", "schedulable": True},
        ),
    ),
)
def test_nodes(item: dict[str, Any], tolerated: str, right: dict[str, Any]) -> None:
    node = objects.node(item, tolerations(tolerated))
    assert {name: getattr(node, name) for name in right} == right


# Services, and who answers

NODES = (
    Node("n1", ("192.0.2.1",), ready=True, zone="a"),
    Node("n2", ("192.0.2.2",), ready=True, zone="b"),
)
CLIENT = Position(name="client", kind="pod", node="n1", pod="client", addresses=("10.1.0.9",))
OUTSIDE = Position(name="outside", kind="outside", addresses=("203.0.113.5",))


def endpoint(pod: str, address: str, node: str = "n1", **fields: Any) -> Endpoint:
    values = {"ready": True, "serving": True, "terminating": False} | fields
    uid = f"uid-{pod}" if pod else ""
    return Endpoint((address,), node=node, pod=pod, pod_uid=uid, **values)


def pod_of(name: str, *addresses: str, **fields: Any) -> Pod:
    values = {"phase": "Running", "ready": True, "labels": {"app": "web"}} | fields
    return Pod(name, "ns", f"uid-{name}", "n1", addresses, **values)


def world(
    *endpoints: Endpoint,
    pods: tuple[Pod, ...] = (),
    listed: dict[str, int] | None = None,
    nodes: tuple[Node, ...] = NODES,
    family: Any = "IPv4",
    **fields: Any,
) -> Snapshot:
    values = {
        "type": "NodePort",
        "cluster_ips": ("10.96.0.1",),
        "ports": (ServicePort(80, 8080, node_port=30100),),
        "selector": {"app": "web"},
        "external_traffic_policy": "Cluster",
    } | fields
    service = Service(name="web", namespace="ns", **values)
    numbers = {"": 8080} if listed is None else listed
    slices = (EndpointSlice("w", "web", family, numbers, endpoints),)
    return Snapshot(nodes, pods, (service,), slices)


def to(form: str, host: str = "10.96.0.1", **fields: Any) -> Target:
    return Target(name="t", **({"service": "web", "form": form, "host": host, "port": 80} | fields))


def promised(
    shown: Snapshot, target: Target, position: Position = CLIENT, plane: str = "iptables"
) -> Promise:
    return promise(shown, position, target, run="r", profile=profile_of(plane))


A, B = endpoint("a", "10.1.0.1"), endpoint("b", "10.2.0.1", "n2")
HEADLESS = {"type": "ClusterIP", "cluster_ips": ("None",), "external_traffic_policy": ""}
GOING = {"ready": False, "serving": False, "terminating": True}


@pytest.mark.parametrize(
    ("shown", "position", "target", "outcome", "pods"),
    rows(
        (
            "kubernetes/kubernetes#135266",
            "a Pod that is going still has the address of one that is ready",
            world(endpoint("old", "10.1.0.1", **GOING), A),
            CLIENT,
            to("cluster-ip"),
            "answered",
            ["a"],
        ),
        (
            "kubernetes/kubernetes#121556",
            "an address that is ready in one slice and not in another",
            replace(
                world(endpoint("a", "10.1.0.1", ready=False, serving=False)),
                slices=(
                    *world(endpoint("a", "10.1.0.1", ready=False, serving=False)).slices,
                    *world(A).slices,
                ),
            ),
            CLIENT,
            to("cluster-ip"),
            "answered",
            ["a"],
        ),
        (
            "kubernetes/kubernetes#115907",
            "a hand-written endpoint whose address a Job's Pod had before",
            world(
                endpoint("", "10.1.0.1"),
                pods=(
                    pod_of("done", "10.1.0.1", phase="Succeeded", ready=False),
                    pod_of("now", "10.1.0.1"),
                ),
            ),
            CLIENT,
            to("cluster-ip"),
            "answered",
            ["now"],
        ),
        (
            "cloudnativelabs/kube-router#818",
            "externalTrafficPolicy Local says nothing of the ClusterIP",
            world(B, external_traffic_policy="Local"),
            CLIENT,
            to("cluster-ip"),
            "answered",
            ["b"],
        ),
        (
            "kubernetes/kubernetes#85397",
            "nor does it take anybody away there",
            world(A, B, external_traffic_policy="Local"),
            CLIENT,
            to("cluster-ip"),
            "answered",
            ["a", "b"],
        ),
        (
            "kubernetes/website#29156",
            "Local: where all of a node's own are going they serve, whoever is ready elsewhere",
            world(
                endpoint("a", "10.1.0.1", ready=False, terminating=True),
                B,
                external_traffic_policy="Local",
            ),
            OUTSIDE,
            to("node-port", "192.0.2.1", port=30100, entry_node="n1"),
            "answered",
            ["a"],
        ),
        (
            "gardener/gardener#6718",
            "hints that a webhook has set, without any trafficDistribution",
            world(replace(A, for_zones=("a",), zone="a"), replace(B, for_zones=("b",), zone="b")),
            CLIENT,
            to("cluster-ip"),
            "answered",
            ["a"],
        ),
        (
            "knative/eventing#6291",
            "a node without a zone prefers nobody",
            world(
                replace(A, zone="b"),
                replace(B, zone="b"),
                nodes=(replace(NODES[0], zone=""), NODES[1]),
                traffic_distribution="PreferClose",
            ),
            CLIENT,
            to("cluster-ip"),
            "answered",
            ["a", "b"],
        ),
        (
            "kubernetes/kubernetes#69811",
            "an externalIP with policy Local, from inside: a short circuit",
            world(B, external_traffic_policy="Local", external_ips=("198.51.100.1",)),
            CLIENT,
            to("external-ip", "198.51.100.1"),
            "answered",
            ["b"],
        ),
        (
            "kubernetes/kubernetes#119126",
            "two ports of one number",
            world(A, listed={"tcp": 5001, "udp": 5001}),
            CLIENT,
            to("cluster-ip", port=1234, protocol="udp", port_name="udp"),
            "answered",
            ["a"],
        ),
    ),
)
def test_routes(
    shown: Snapshot, position: Position, target: Target, outcome: str, pods: list[str]
) -> None:
    due = promised(shown, target, position)
    assert (due.outcome, [each.pod for each in due.allowed]) == (Outcome(outcome), pods)


def test_with_policy_local_an_external_ip_keeps_the_client() -> None:
    """kubernetes#97073, kubernetes#62537: externalIPs obey the policy as node ports do."""
    shown = world(A, external_traffic_policy="Local", external_ips=("198.51.100.1",))
    assert promised(shown, to("external-ip", "198.51.100.1"), OUTSIDE).sources == ("203.0.113.5",)


@pytest.mark.parametrize(
    ("shown", "target", "plane", "message"),
    rows(
        (
            "cloudnativelabs/kube-router#455",
            "a data plane whose health checks are its own",
            world(A, health_check_node_port=32534, external_traffic_policy="Local"),
            to("health-check", "192.0.2.1", port=32534, entry_node="n1"),
            "kube-router",
            "what kube-router answers to health checks is not known",
        ),
        (
            "kubernetes/kubernetes#85759",
            "a headless Service is not proxied",
            world(A, **HEADLESS),
            to("fqdn", "web.ns.svc.cluster.local"),
            "iptables",
            "Service web is not proxied: ask the DNS",
        ),
    ),
)
def test_what_nothing_is_promised_of(
    shown: Snapshot, target: Target, plane: str, message: str
) -> None:
    with pytest.raises(NotSupported, match=message):
        promised(shown, target, plane=plane)


def test_who_does_answer_health_checks() -> None:
    """kube-router#455: with kube-proxy a node without a Pod says 503, and is not silent."""
    shown = world(A, health_check_node_port=32534, external_traffic_policy="Local")
    target = to("health-check", "192.0.2.2", port=32534, entry_node="n2")
    for plane in ("iptables", "nftables", "ipvs"):
        assert "status 503" in (promised(shown, target, plane=plane).answers or ())
    assert [name for name, each in PROFILES.items() if each.tells_health] == [
        "iptables",
        "nftables",
        "ipvs",
    ]


@pytest.mark.parametrize(
    ("spec", "changes", "message"),
    rows(
        (
            "kubernetes/kubernetes#104755",
            "a port that speaks SCTP",
            TargetSpec("cluster-ip", "ipv4"),
            {"ports": (ServicePort(80, 80, "SCTP"),)},
            "speaks SCTP, which no client here does",
        ),
        (
            "kubernetes/kubernetes#68270",
            "a node port at a node without an address",
            TargetSpec("node-port", "ipv4", "bare"),
            {},
            "node bare has no IPv4 address; it has: none",
        ),
        (
            "kubernetes/kubernetes#74303",
            "a load balancer that nobody gives",
            TargetSpec("load-balancer", "ipv4"),
            {"type": "LoadBalancer"},
            "Service web has no IPv4 address",
        ),
        (
            "helm/charts#237",
            "one that has a name and no address",
            TargetSpec("load-balancer", "ipv4"),
            {"type": "LoadBalancer", "load_balancer_names": ("lb.example",)},
            "^lb.example$",
        ),
    ),
)
def test_what_is_dialled(spec: TargetSpec, changes: dict[str, Any], message: str) -> None:
    shown = world(A, nodes=(*NODES, Node("bare", (), ready=True)), **changes)
    try:
        said = resolve_target(spec, shown.services[0], shown).host
    except SvcproofError as error:
        said = error.what
    assert re.search(message, said)


# names


def asked(query: Any, name: str = "web.ns.svc.cluster.local", **fields: Any) -> Target:
    return to("dns", name, query=query, port=53, **fields)


NO_SUCH_NAME = ("NXDOMAIN", [])
HTTP = (ServicePort(80, 80, name="http"),)
MONGO = (ServicePort(27017, 27017, name="mongodb"),)
FULL = "web.ns.svc.cluster.local"


@pytest.mark.parametrize(
    ("shown", "target", "right"),
    rows(
        (
            "kubernetes/kubernetes#80175",
            "SRV of a port whose endpoints have no name",
            world(endpoint("", "192.0.2.9"), listed={"": 27017}, ports=MONGO, **HEADLESS),
            asked("SRV", f"_mongodb._tcp.{FULL}", port_name="mongodb"),
            NO_SUCH_NAME,
        ),
        (
            "kubernetes/kubernetes#80175",
            "its addresses, all the same",
            world(endpoint("", "192.0.2.9"), listed={"": 27017}, ports=MONGO, **HEADLESS),
            asked("A"),
            ("", [f"{FULL} A 192.0.2.9"]),
        ),
        (
            "coredns/coredns#6210",
            "headless, and no Pod is ready",
            world(endpoint("a", "10.1.0.1", ready=False, serving=False), **HEADLESS),
            asked("A"),
            NO_SUCH_NAME,
        ),
        (
            "coredns/coredns#4594",
            "headless, and one is not",
            world(A, endpoint("b", "10.2.0.1", ready=False, serving=False), **HEADLESS),
            asked("A"),
            ("", [f"{FULL} A 10.1.0.1"]),
        ),
        (
            "coredns/coredns#4765",
            "not ready, and published",
            world(A, **HEADLESS, publish_not_ready_addresses=True),
            asked("A"),
            ("", [f"{FULL} A 10.1.0.1"]),
        ),
        (
            "kubernetes/kubernetes#85759",
            "SRV of a StatefulSet's Pods",
            world(replace(A, hostname="web-0"), listed={"http": 80}, ports=HTTP, **HEADLESS),
            asked("SRV", f"_http._tcp.{FULL}", port_name="http"),
            ("", [f"_http._tcp.{FULL} SRV 0 100 80 web-0.{FULL}"]),
        ),
        (
            "coredns/coredns#4202",
            "headless with two families: the other one's addresses",
            replace(
                world(A, **HEADLESS),
                slices=(
                    *world(A).slices,
                    *world(endpoint("a", "fd00::1"), family="IPv6").slices,
                ),
            ),
            asked("AAAA"),
            ("", [f"{FULL} AAAA fd00::1"]),
        ),
    ),
)
def test_names(shown: Snapshot, target: Target, right: tuple[str, list[str]]) -> None:
    due = promised(shown, target)
    assert (due.rcode, list(due.answers or ())) == right


# endpoints

BOTH = ("10.1.0.1", "fd00::1")


@pytest.mark.parametrize(
    ("shown", "listed", "ready"),
    rows(
        (
            "kubernetes/kubernetes#94673",
            "headless of IPv6, and the controller lists IPv4",
            world(A, pods=(pod_of("a", *BOTH),), **HEADLESS, ip_families=("IPv6",)),
            ["a 10.1.0.1"],
            ["a fd00::1"],
        ),
        (
            "kube-vip/kube-vip#934",
            "of IPv4 alone, with an endpoint of IPv6",
            world(
                endpoint("a", "fd00::1"),
                pods=(pod_of("a", *BOTH),),
                family="IPv6",
                ip_families=("IPv4",),
            ),
            ["a fd00::1"],
            ["a 10.1.0.1"],
        ),
        (
            "kubernetes/kubernetes#121631",
            "of both, and only one is listed",
            world(
                A,
                pods=(pod_of("a", *BOTH),),
                ip_families=("IPv4", "IPv6"),
                cluster_ips=("10.96.0.1", "fd00:96::1"),
            ),
            ["a 10.1.0.1"],
            ["a 10.1.0.1", "a fd00::1"],
        ),
        (
            "kubernetes/kubernetes#92559",
            "published although not ready; one has no address yet",
            world(
                A,
                pods=(pod_of("a", "10.1.0.1", ready=False), pod_of("b", phase="Pending")),
                publish_not_ready_addresses=True,
            ),
            ["a 10.1.0.1"],
            ["a 10.1.0.1"],
        ),
        (
            "kubernetes/kubernetes#89816",
            "a Pod of the host network that has no address",
            world(pods=(pod_of("a", host_network=True),)),
            [],
            [],
        ),
    ),
)
def test_endpoints(shown: Snapshot, listed: list[str], ready: list[str]) -> None:
    assert endpoint_lists(shown, shown.services[0]) == (listed, ready)


# workloads


def workload(kind: str, **spec: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}}
    return {
        "kind": kind,
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


SCALER = {
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web"},
    "spec": {"scaleTargetRef": {"kind": "StatefulSet", "name": "web"}},
}
PARTITION = {"type": "RollingUpdate", "rollingUpdate": {"partition": 9}}


@pytest.mark.parametrize(
    ("manifests", "pods", "lack"),
    rows(
        (
            "helm/helm#8674",
            "a partition that leaves all as they are",
            [workload("StatefulSet", replicas=2, updateStrategy=PARTITION)],
            (pod_of("web-0"), pod_of("web-1")),
            "",
        ),
        (
            "kubernetes/kubernetes#136831",
            "Ready is ready: minReadySeconds are the controller's",
            [workload("StatefulSet", replicas=1, minReadySeconds=60)],
            (pod_of("web-0"),),
            "",
        ),
        (
            "StarRocks/starrocks-kubernetes-operator#222",
            "an autoscaler decides, whatever replicas says",
            [workload("StatefulSet", replicas=1), SCALER],
            (pod_of("web-0"), pod_of("web-1")),
            "",
        ),
        (
            "kubernetes/kubernetes#58662",
            "a readiness check that always fails",
            [workload("StatefulSet", replicas=2)],
            (pod_of("web-0", ready=False),),
            "StatefulSet web: 0 of 2 Pods ready (web-0 on n1 is Running)",
        ),
    ),
)
def test_workloads(manifests: list[dict[str, Any]], pods: tuple[Pod, ...], lack: str) -> None:
    assert lacking(manifests, world(pods=pods)) == lack


# what others change

PORTS = [
    {"name": "tcp", "port": 31337, "protocol": "TCP", "nodePort": 31337},
    {"name": "udp", "port": 31337, "protocol": "UDP", "nodePort": 31337},
]


def stored(**spec: Any) -> Service:
    return objects.service({"metadata": {"name": "web"}, "spec": spec})


@pytest.mark.parametrize(
    ("left", "seen", "right"),
    rows(
        (
            "argoproj/argo-rollouts#83",
            "a controller narrows the selector",
            {"selector": {"app": "web"}},
            stored(selector={"app": "web", "rollouts-pod-template-hash": "5f74"}),
            ["spec.selector is app=web, rollouts-pod-template-hash=5f74, not app=web"],
        ),
        (
            "kubernetes/kubernetes#105610",
            "of two ports with one number one is lost",
            {"type": "NodePort", "ports": PORTS},
            stored(type="NodePort", externalTrafficPolicy="Cluster", ports=PORTS[:1]),
            ["spec.ports is nothing, not 31337/UDP"],
        ),
        (
            "kubernetes/kubernetes#39188",
            "both there, in another order",
            {"type": "NodePort", "ports": PORTS},
            stored(type="NodePort", externalTrafficPolicy="Cluster", ports=PORTS[::-1]),
            [],
        ),
        (
            "kubernetes/kubernetes#131228",
            "the node port of only one has changed",
            {"type": "NodePort", "ports": PORTS},
            stored(
                type="NodePort",
                externalTrafficPolicy="Cluster",
                ports=[PORTS[0], {**PORTS[1], "nodePort": 30054}],
            ),
            ["spec.ports[port=31337].nodePort is 30054, not 31337"],
        ),
        (
            "kubernetes/kubernetes#23551",
            "a node port that nobody asked for may be any",
            {"type": "NodePort", "ports": [{"port": 80}]},
            stored(
                type="NodePort",
                externalTrafficPolicy="Cluster",
                ports=[{"port": 80, "targetPort": 80, "protocol": "TCP", "nodePort": 31919}],
            ),
            [],
        ),
        (
            "kubernetes/kubernetes#39144",
            "the old port is still there",
            {"ports": [{"port": 8081}]},
            stored(ports=[{"port": 8081}, {"port": 8080}]),
            ["spec.ports is 8080/TCP, not nothing"],
        ),
    ),
)
def test_drifts(left: dict[str, Any], seen: Service, right: list[str]) -> None:
    assert [str(each) for each in drift({"kind": "Service", "spec": left}, seen)] == right


# known deviations: versions as distributions write them

KNOWN = Deviation(
    slug="s", seen="it", case="a.py::test_x", versions=">=1.20", findings=(Sign(summary="all"),)
)


@pytest.mark.parametrize(
    ("version", "applies"),
    rows(
        ("kubernetes/kubernetes#126647", "IKS", "1.29.7_1553", True),
        ("k0sproject/k0s#1211", "k0s", "v1.22.2+k0s.1", True),
        ("kubernetes-client/python#1995", "OpenShift", "v1.23.12+8a6bfe4", True),
        ("coredns/coredns#4594", "IKS, too old", "v1.19.10+IKS", False),
        ("kubernetes/kubernetes#69811", "GKE, too old", "v1.10.7-gke.6", False),
    ),
)
def test_deviations(version: str, applies: bool) -> None:
    case = "a.py::test_x"
    found = applying([KNOWN], case=case, data_plane="iptables", version=version)
    assert bool(list(found)) == applies
