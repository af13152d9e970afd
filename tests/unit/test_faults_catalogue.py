"""Every fault, on a lab of plain values: broken off at any step, nothing of it is left."""

import contextlib
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from svcproof.battery.measurements import MEASUREMENTS
from svcproof.battery.objects import battery_manifests
from svcproof.battery.topics import Topic
from svcproof.checkers import CHECKS
from svcproof.errors import ClusterProblem
from svcproof.faults import CATALOGUE, Scene, planted
from svcproof.faults import scene as scene_module
from svcproof.faults.model import Undo
from svcproof.faults.rules import TABLE, Chain, dnat, of_family, packets_to, plant
from svcproof.ports import ClusterFacts
from svcproof.recorder import Recorder
from svcproof.snapshot import (
    Endpoint,
    EndpointSlice,
    Node,
    Pod,
    Service,
    ServicePort,
    Snapshot,
)

NODES = ("node-1", "node-2", "node-3")
SAVED = "/run/svcproof-saved-rules"


def _pod(app: str, number: int, host: int) -> Pod:
    return Pod(
        name=f"{app}-{number}",
        namespace="ns",
        uid=f"uid-{app}-{number}",
        node=f"node-{number}",
        addresses=(f"10.0.{64 + number}.{host}", f"fd00::{number}:{host}"),
        labels={"app": app, "pod-template-hash": "right"},
        phase="Running",
        ready=True,
    )


def _service(name: str, number: int, *ports: str, node_port: int = 0) -> Service:
    return Service(
        name=name,
        namespace="ns",
        type="NodePort" if node_port else "ClusterIP",
        cluster_ips=(f"10.0.128.{number}", f"fd00::ffff:{number}"),
        ports=tuple(
            ServicePort(8080 + i, 80, name=port, node_port=node_port and node_port + i)
            for i, port in enumerate(ports)
        ),
    )


def _name_servers() -> Snapshot:
    """The cluster DNS with two Pods."""
    pods = tuple(_pod("dns", number, 53) for number in (1, 2))
    ports = (ServicePort(53, 53, "UDP", name="dns"),)
    service = Service("kube-dns", "kube-system", "ClusterIP", ("10.0.128.10",), ports)
    endpoints = tuple(
        Endpoint(pod.addresses[:1], True, True, False, node=pod.node, pod=pod.name) for pod in pods
    )
    slices = (EndpointSlice("kube-dns-1", "kube-dns", "IPv4", {"dns": 53}, endpoints),)
    return Snapshot((), pods, (service,), slices)


class LabFails(ClusterProblem):
    pass


class Lab:
    """A cluster of plain values with all powers. The ``fails_at``-th change or command fails."""

    def __init__(self, proxy_mode: str = "iptables") -> None:
        self.facts = ClusterFacts(
            name="lab",
            kind="fake",
            kubernetes_version="1.36.4",
            proxy_mode=proxy_mode,
            families=("ipv4", "ipv6"),
            node_names=NODES,
        )
        self.patches: dict[str, object] = {}
        self.added: set[str] = set()
        self.tables: dict[str, str] = {}
        self.wiped: set[str] = set()
        self.saved: set[str] = set()
        self.policies: set[str] = set()
        self.frozen: set[str] = set()
        self.stopped: set[str] = set()
        self.calls = 0
        self.fails_at = 0

    @property
    def leftovers(self) -> list[object]:
        kinds = (self.added, self.tables, self.wiped, self.saved, self.policies)
        return [*(found for found in (*kinds, self.frozen, self.stopped) if found)]

    def snapshot(self, namespace: str) -> Snapshot:
        if namespace == "kube-system":
            return _name_servers()
        pods = [_pod("web", i, 2) for i in (1, 2, 3)]
        pods += [_pod("lonely", 1, 3), _pod("other", 2, 3)]
        services = (
            _service("web", 1, "http"),
            _service("web-port", 2, "http", node_port=30001),
            _service("web-local", 3, "http", node_port=30002),
            _service("web-sticky", 4, "http-a", "http-b", "http-c", node_port=30003),
            _service("nobody", 5, "http"),
        )
        nodes = tuple(
            Node(name, (f"10.0.0.{i}", f"fd00::{i}"), ready=True) for i, name in enumerate(NODES, 1)
        )
        return Snapshot(nodes, tuple(map(self._as_changed, pods)), services, ())

    def patch(self, kind: str, name: str, changes: object, *, namespace: str) -> None:
        self._count()
        self.patches[f"{kind} {name}"] = changes

    def apply(self, manifests, *, namespace: str) -> None:
        self._count()
        self.added |= {item["metadata"]["name"] for item in manifests}

    def delete(self, kind: str, name: str, *, namespace: str) -> None:
        self.added.discard(name)

    def freeze(self, component: str, node: str) -> None:
        self._count()
        self.frozen.add(f"{component} {node}")

    def thaw(self, component: str, node: str) -> None:
        self.frozen.discard(f"{component} {node}")

    def stop_node(self, node: str) -> None:
        self._count()
        self.stopped.add(node)

    def start_node(self, node: str) -> None:
        self.stopped.discard(node)

    def run_in_node(self, node: str, command) -> tuple[int, str, str]:
        words = " ".join(command)
        if command[0] == "conntrack" or "conntrack" in words:
            return 0, "", ""
        if not words.startswith("nft add table") and "-P FORWARD ACCEPT" not in words:
            self._count() if "if [" not in words else None
        return 0, self._run(node, words), ""

    def _run(self, node: str, words: str) -> str:
        if words == "nft list tables":
            return f"table {TABLE}\n" if node in self.tables else "table ip kube-proxy\n"
        if words.startswith(f"nft table {TABLE}"):
            self.tables[node] = words
        elif words.startswith(f"nft add table {TABLE}"):
            self.tables.pop(node, None)
        elif "-P FORWARD" in words:
            tool, *_, policy = words.split()
            (self.policies.discard if policy == "ACCEPT" else self.policies.add)(tool)
        elif "route show" in words:
            prefix, gateway = (
                ("10.0.65.0/24", "10.0.0.1") if "-4" in words else ("fd01::/64", "fd00::1")
            )
            return f"{prefix} via {gateway} dev eth0\ndefault via 10.0.0.254 dev eth0\n"
        else:
            self._save_wipe_or_restore(words)
        return ""

    def _save_wipe_or_restore(self, words: str) -> None:
        family = "ipv6" if "ip6" in words else "ipv4"
        if "if [" in words:
            if family in self.saved:
                self.wiped.discard(family)
                self.saved.discard(family)
        elif f">{SAVED}" in words:
            self.saved.add(family)
        else:
            assert "grep -v KUBE-" in words or "delete table" in words, words
            assert family in self.saved, "wiped before it was saved"
            self.wiped.add(family)

    def _as_changed(self, pod: Pod) -> Pod:
        if (
            "reject with tcp reset" in self.tables.get(pod.node, "")
            and "filter-output" in (self.tables[pod.node])
        ):
            pod = replace(pod, ready=pod.labels["app"] != "web")
        if "127.0.0.1" in str(self.patches.get("Deployment web", "")):
            pod = replace(pod, labels={**pod.labels, "pod-template-hash": "wrong"})
        return pod

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self.fails_at:
            raise LabFails("here")


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(scene_module.time, "sleep", lambda _: None)


def make_scene(lab: Lab) -> Scene:
    return Scene(
        cluster=lab,
        namespace="ns",
        run="r1",
        recorder=Recorder(None, run="r1", case="faults"),
        manifests=battery_manifests("node-1"),
        home="node-1",
        node="node-3",
    )


def patched_back(lab: Lab) -> bool:
    """Every patch that is in force is the one that says what the manifests say."""
    texts = [str(changes) for changes in lab.patches.values()]
    wrong = (
        "webb",
        "'app': None",
        "127.0.0.1",
        "True",
        "81}",
        "'None'",
        "'timeoutSeconds': 1}",
        "old.",
    )
    return not any(word in text for word in wrong for text in texts)


@pytest.mark.parametrize("mode", ["iptables", "nftables"])
@pytest.mark.parametrize("slug", CATALOGUE)
def test_nothing_is_left_wherever_an_injection_breaks_off(slug, mode):
    for fails_at in count(1):
        lab = Lab(mode)
        lab.fails_at = fails_at
        scene = make_scene(lab)
        complete = False
        with contextlib.suppress(LabFails), planted(CATALOGUE[slug], scene):
            complete = True
            lab.fails_at = 0
            assert lab.leftovers or lab.patches, "nothing was changed"
        assert lab.leftovers == []
        assert patched_back(lab)
        assert not scene.silent
        if complete:
            return


@pytest.mark.parametrize("fault", CATALOGUE.values(), ids=str)
def test_each_fault_is_declared(fault):
    assert fault.red
    assert not fault.red & fault.also
    assert fault.found_by
    asked = {
        check
        for each in MEASUREMENTS
        for question in each.questions
        for check in question.checks
        if question.topic in fault.red
    }
    assert fault.found_by <= asked, "a check that no question in red asks cannot find it"
    assert fault.title[0].islower()
    assert not fault.symptom.endswith(".")


def test_the_catalogue_is_in_the_order_of_its_rows():
    numbers = [fault.number for fault in CATALOGUE.values()]
    assert numbers == sorted(numbers)
    assert len(CATALOGUE) == 32


def test_restoring_rules_makes_no_chain_that_was_not_there():
    """Named in the copy, the kernel's own chains would be made by restoring it, without a rule."""

    class Listening(Lab):
        def run_in_node(self, node, command):
            heard.append(" ".join(command))
            return super().run_in_node(node, command)

    heard: list[str] = []
    with planted(CATALOGUE["rules-wiped"], make_scene(Listening("iptables"))):
        pass
    saving = [words for words in heard if f">{SAVED}" in words and "-save" in words]
    assert len(saving) == 2
    assert all("| grep -vE '^:[A-Z]+ ACCEPT ' >" in words for words in saving)


def test_two_faults_cannot_share_the_table_of_a_node():
    lab = Lab()
    lab.tables["node-3"] = "somebody's"
    with pytest.raises(ClusterProblem, match="another fault is planted there") as refused:
        plant(make_scene(lab), Undo(), "node-3", [])
    assert lab.tables == {"node-3": "somebody's"}, "it is not ours to delete"
    assert "nft delete table" in str(refused.value)


def test_a_command_that_fails_says_what_and_why():
    class Failing(Lab):
        def run_in_node(self, node, command):
            return 1, "", "nft: no such\n  thing"

    with pytest.raises(ClusterProblem, match="node-3: `nft list` ended with 1: nft: no such thing"):
        make_scene(Failing()).in_node("node-3", "nft", "list")


def test_rules_as_nft_reads_them():
    chain = Chain("nat", "prerouting", -115, [f"{packets_to('fd00::1', 80)} {dnat('fd00::2', 8)}"])
    assert str(chain) == (
        "chain nat-prerouting { type nat hook prerouting priority -115; policy accept; "
        "ip6 daddr fd00::1 tcp dport 80 dnat ip6 to [fd00::2]:8; }"
    )
    assert of_family(("10.0.0.1", "fd00::1"), "fd00::9") == "fd00::1"


def test_the_documentation_has_every_fault_as_it_is_declared():
    text = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
    for fault in CATALOGUE.values():
        red, also = (
            ", ".join(topic for topic in Topic if topic in topics)
            for topics in (fault.red, fault.also)
        )
        first = f"| {fault.number} | `{fault.slug}`: {fault.title} |"
        (row,) = (line for line in text.splitlines() if line.startswith(first))
        assert row.endswith(f"| {red} | {also} |")


#: Nothing that is planted can make these fail: docs/faults.md says why, for each.
NEVER_RED = {
    "clients",
    "objects",
    "convergence",
    "control",
    "crowd",
    "steadiness",
    "propagation",
}


def test_every_check_that_can_fail_has_a_fault_that_it_must_find():
    assert {check for fault in CATALOGUE.values() for check in fault.found_by} == (
        set(CHECKS) - NEVER_RED
    )


def test_the_documentation_has_every_check_with_the_faults_that_it_must_find():
    text = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
    _, _, table = text.partition("| check | must find |")
    rows = {line.split(" | ")[0].lstrip("| "): line for line in table.splitlines() if line}
    for check in CHECKS:
        due = ", ".join(fault.slug for fault in CATALOGUE.values() if check in fault.found_by)
        assert rows[check].startswith(f"| {check} | {due or '–'} |")
    for check in NEVER_RED:
        assert f"* **{check}** " in text
