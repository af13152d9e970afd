"""What explains a run: each planted fault is named rightly or not at all, and noise never."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svcproof.culprit import culprits
from svcproof.results import (
    BackendLine,
    CaseResult,
    CellLine,
    ClusterLine,
    Culprit,
    EndpointsLine,
    Problem,
)
from tests.unit.simulated import Cluster, Connection

LOST = "timed-out"
BOTH = ("ipv4", "ipv6")
NODES = ("node-1", "node-2", "node-3")
LONELY = "lonely-77fd-xyz12"
CLUSTER_IP, NODE_PORT = "hostname-svc-clusterip", "hostname-svc-nodeport"
LOCAL, LONELY_LOCAL, SHARES = "hostname-svc-local", "lonely-svc-local", "hostname-svc-shares"


def web(node: str) -> str:
    return f"web-5c9d-{node[-1]}abcd"


@dataclass(frozen=True)
class Planted:
    """A fault: how a connection ends that meets it, and the names that a right statement uses.

    It uses one of ``must``, if there are any, and beside those only ``may``.
    """

    name: str
    fault: Callable[[Connection], str | None]
    must: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()
    families: tuple[str, ...] = ("ipv4",)
    lines: tuple[EndpointsLine, ...] = ()


def through(c: Connection, node: str) -> bool:
    return node in c.forwarded_by


def crosses(c: Connection, node: str) -> bool:
    return c.crosses is not None and node in c.crosses


def comes_in(c: Connection, node: str) -> bool:
    return c.is_node_port and c.entry == node != c.node


def wiped(c: Connection, node: str) -> str | None:
    if c.chosen_at != node:
        return None
    return "refused" if c.is_node_port else LOST


def no_masquerade(c: Connection, node: str) -> str | None:
    if c.hairpin and c.at == node:
        return LOST
    if not (comes_in(c, node) and c.backend):
        return None
    if c.at != node:
        return LOST
    return "source" if c.kind != "host-network" else None


def dead(c: Connection, node: str) -> str | None:
    if c.node == node:
        return "unknown"
    return LOST if node in (c.entry, c.at) else None


#: Fault of a node → the rule, how it ends, and what else may be named.
AT_A_NODE = {
    "DNS of Pods": (lambda c, n: c.lookup and c.kind == "pod" and c.node == n,),
    "all lookups": (lambda c, n: c.lookup and c.node == n,),
    "forwards nothing": (through,),
    "FORWARD is DROP": (lambda c, n: through(c, n) and not (c.is_node_port and c.entry == n),),
    "overlay": (lambda c, n: crosses(c, n) or (c.is_pod and comes_in(c, n)),),
    "into": (lambda c, n: crosses(c, n) and c.at == n,),
    "out of": (lambda c, n: crosses(c, n) and c.at != n,),
    "out of, Pods only": (lambda c, n: crosses(c, n) and c.at != n and c.is_pod,),
    "node ports": (comes_in,),
    "hairpins": (lambda c, n: c.hairpin and c.at == n, LOST, web),
    "backends": (lambda c, n: c.at == n and not c.lookup,),
    "client Pod": (
        lambda c, n: c.kind == "pod" and c.node == n,
        LOST,
        lambda n: f"client-pod-{n}",
    ),
    "UDP through": (lambda c, n: c.protocol == "udp" and through(c, n),),
    "IPv6 through": (lambda c, n: c.family == "ipv6" and through(c, n),),
    "IPv6 rules": (lambda c, n: c.family == "ipv6" and c.chosen_at == n,),
    "large payloads": (
        lambda c, n: c.payload > 1000 and through(c, n),
        LOST,
        "hostname-svc-payload",
    ),
    "node port closed": (lambda c, n: c.service == NODE_PORT and comes_in(c, n), LOST, NODE_PORT),
    "captured": (
        lambda c, n: c.service == CLUSTER_IP and c.chosen_at == n and not c.lookup,
        "stranger other-1",
        CLUSTER_IP,
    ),
    "uneven": (
        lambda c, n: c.service == SHARES and not c.is_node_port and c.chosen_at == n,
        "share",
        SHARES,
    ),
    "silence for refusal": (
        lambda c, n: c.service == "nobody-svc" and not c.is_node_port and c.chosen_at == n,
        LOST,
        "nobody-svc",
    ),
    "hides the client": (
        lambda c, n: c.service == LOCAL and c.entry == n and c.backend,
        "source",
        LOCAL,
    ),
    "leaks": (
        lambda c, n: c.service == LONELY_LOCAL and c.entry == n and not c.backend,
        "answered",
        LONELY_LOCAL,
    ),
    "refusal for silence": (
        lambda c, n: c.service == LONELY_LOCAL and c.entry == n and not c.backend,
        "refused",
        LONELY_LOCAL,
    ),
}
#: Those whose connections do not all end alike.
MIXED = {
    "rules wiped": wiped,
    "proxy dead, its rules of the DNS there": lambda c, n: None if c.lookup else wiped(c, n),
    "no masquerade": no_masquerade,
    "dead": dead,
}


def at(node: str) -> list[Planted]:
    """All faults of one node."""
    found = []
    for name, (rule, *rest) in AT_A_NODE.items():
        ended, may = (*rest, LOST, "")[0], (*rest, "", "")[1]
        found.append(
            Planted(
                f"{name} {node}",
                lambda c, rule=rule, ended=ended: ended if rule(c, node) else None,
                frozenset({node}),
                frozenset({may(node) if callable(may) else may, web(node)}),
                BOTH if "IPv6" in name else ("ipv4",),
            )
        )
    for name, fault in MIXED.items():
        planted = lambda c, fault=fault: fault(c, node)  # noqa: E731
        found.append(Planted(f"{name} {node}", planted, frozenset({node})))
    # Where the single Pod is nobody has to fail.
    return [
        each for each in found if each.name not in ("leaks node-1", "refusal for silence node-1")
    ]


def elsewhere(name: str, rule, *must: str, may: tuple[str, ...] = (), ended: str = LOST) -> Planted:
    return Planted(name, lambda c: ended if rule(c) else None, frozenset(must), frozenset(may))


def broken_service(name: str) -> Planted:
    return elsewhere(name, lambda c: c.service == name and not c.lookup, name, ended="refused")


def broken_pod(pod: str, *may: str) -> Planted:
    return elsewhere(pod, lambda c: pod in (c.backend, c.client), pod, may=may)


def slices(service: str, **fields: str) -> EndpointsLine:
    lists = {name: (f"{value} 10.1.1.1",) for name, value in fields.items()}
    return EndpointsLine(service=service, **lists)


FAULTS = [
    *at("node-1"),
    *at("node-2"),
    *map(broken_service, (CLUSTER_IP, NODE_PORT, "lonely-svc-anywhere")),
    broken_pod(web("node-1"), "node-1"),
    broken_pod(web("node-2"), "node-2"),
    broken_pod(LONELY, "node-1"),
    elsewhere("web on loopback", lambda c: c.backend.startswith("web-"), "web", ended="refused"),
    elsewhere(
        "affinity off",
        lambda c: c.service == "hostname-svc-affinity",
        "hostname-svc-affinity",
        ended="affinity",
    ),
    elsewhere(
        "alias wrong",
        lambda c: c.service == "externalname-svc" and not c.lookup,
        "externalname-svc",
        ended="wrong",
    ),
    elsewhere(
        "lonely cannot reach itself",
        lambda c: c.hairpin and c.backend == LONELY,
        LONELY,
        may=("node-1", "lonely-svc-hairpin"),
    ),
    elsewhere("CoreDNS is down", lambda c: c.lookup),
    elsewhere("nobody comes in", lambda c: c.kind == "outside"),
    elsewhere("no UDP", lambda c: c.protocol == "udp", may=("many-ports-svc",)),
    elsewhere("2 to 3", lambda c: c.crosses == ("node-2", "node-3"), "node-2", "node-3"),
    elsewhere("2 and 3", lambda c: crosses(c, "node-2") and crosses(c, "node-3"), *NODES[1:]),
    Planted(
        "ready Pod excluded",
        lambda _: None,
        frozenset({web("node-2")}),
        frozenset({"node-2"}),
        lines=(
            slices(CLUSTER_IP, missing=web("node-2"), listed=web("node-1")),
            slices(NODE_PORT, missing=web("node-2"), listed=web("node-1")),
            slices("many-ports-svc", listed="ports-5c9d-2abcd"),
        ),
    ),
    Planted(
        "orphan",
        lambda _: None,
        frozenset({CLUSTER_IP}),
        lines=(slices(CLUSTER_IP, unexpected="(no Pod)"), slices(NODE_PORT, listed=web("node-2"))),
    ),
]


def run(fault: Planted, dns: str, **fields: object) -> Cluster:
    return Cluster(fault.fault, families=fault.families, lines=fault.lines, dns=dns, **fields)


def names(found: tuple[Culprit, ...]) -> set[str]:
    return {name for each in found for name in (*each.nodes, *each.objects)}


@pytest.mark.parametrize(
    ("fault", "dns"),
    [(fault, NODES[number % 3]) for number, fault in enumerate(FAULTS)],
    ids=[fault.name for fault in FAULTS],
)
def test_a_whole_run_names_it(fault: Planted, dns: str):
    found = culprits(run(fault, dns).run())
    assert found, "no statement"
    assert names(found) <= fault.must | fault.may, [each.statement for each in found]
    assert names(found) & fault.must or not fault.must, [each.statement for each in found]


@given(
    fault=st.sampled_from(FAULTS),
    dns=st.sampled_from(NODES),
    share=st.floats(0.05, 1.0),
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0.0, 0.003]),
)
@settings(max_examples=40, deadline=None)
def test_part_of_a_run_names_no_other(
    fault: Planted, dns: str, share: float, seed: int, loss: float
):
    found = culprits(run(fault, dns, seed=seed, loss=loss).run(share))
    assert names(found) <= fault.must | fault.may, [each.statement for each in found]


@given(seed=st.integers(0, 2**32), loss=st.sampled_from([0.0, 0.001, 0.01, 0.1]))
@settings(max_examples=8, deadline=None)
def test_noise_says_nothing(seed: int, loss: float):
    assert culprits(Cluster(seed=seed, loss=loss).run()) == ()


def statement(name: str) -> str:
    fault = next(each for each in FAULTS if each.name == name)
    (found,) = culprits(run(fault, "node-3").run())
    return found.statement


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "DNS of Pods node-2",
            "Names do not resolve for Pods on node-2; by address connections are answered; "
            "the host network is fine; no other node shows it",
        ),
        (
            "overlay node-2",
            "Connections get no answer between node-2 and the Pods of other nodes, in both "
            "directions; no other node shows it",
        ),
        (
            "large payloads node-2",
            "Connections get no answer with 4,000 bytes where node-2 forwards them to or from "
            "its Pods; smaller ones pass; no other node shows it",
        ),
        (
            CLUSTER_IP,
            "Connections are refused to Service hostname-svc-clusterip; other Services are fine",
        ),
        (
            "alias wrong",
            "The DNS gives wrong records of Service externalname-svc; other Services are fine",
        ),
    ],
)
def test_the_words(name: str, said: str):
    assert statement(name) == said


OURS = ClusterLine(
    name="mine",
    kind="embedded",
    kubernetes_version="1.36.4",
    proxy_mode="iptables",
    families=("ipv4",),
    nodes=3,
)


class TestWhatItRestsOn:
    fault = next(each for each in FAULTS if each.name == "overlay node-2")

    def test_how_much_it_explains(self):
        cases = run(self.fault, "node-1").run()
        (found,) = culprits(cases)
        red = sum(cell.verdict == "FAIL" for case in cases for cell in case.cells)
        assert (found.explains, found.of) == (red, red)
        assert found.unexplained == ()

    def test_what_it_does_not_explain_is_named(self):
        broken = broken_service("lonely-svc-cluster").fault
        both = Planted("both", lambda c: self.fault.fault(c) or broken(c))
        (found,) = culprits(run(both, "node-1").run())
        assert found.nodes == ("node-2",)
        assert found.explains < found.of
        assert any("lonely-svc-cluster" in each for each in found.unexplained)

    def test_two_culprits(self):
        first, second = broken_service(CLUSTER_IP).fault, broken_service(SHARES).fault
        both = Planted("both", lambda c: first(c) or second(c))
        assert names(culprits(run(both, "node-1").run())) == {CLUSTER_IP, SHARES}

    def test_where_everything_is_broken_no_place_is_named(self):
        everything = Planted("all", lambda _: LOST)
        assert names(culprits(run(everything, "node-1").run())) == set()

    def test_where_to_look(self):
        found, *_ = culprits(run(self.fault, "node-1").run(), cluster=OURS)
        assert found.look == (
            "svcproof shell --name mine node-2 -- nft list ruleset",
            "svcproof shell --name mine node-2 -- ip route",
        )
        found, *_ = culprits(run(self.fault, "node-1").run())
        assert found.look == ("on node-2: nft list ruleset", "on node-2: ip route")

    def test_clients_that_cannot_be_asked(self):
        problems = [
            Problem(
                case=f"test_{n}", word="inconclusive", reason="no client Pod is ready on node-2"
            )
            for n in range(4)
        ]
        healthy = Cluster().run()
        (found,) = culprits(healthy, problems)
        assert found.nodes == ("node-2",)
        assert culprits(healthy, [Problem(case="t", word="not supported", reason="node-2")]) == ()


def asked(node: str, *, failed: int, server: str = "", at: str = "") -> CellLine:
    """Ten questions of a Pod to the DNS, or to one server of it, of which some were lost."""
    endings = {"answered": 10 - failed, "timed-out": failed}
    red = "FAIL" if failed else "PASS"
    return CellLine(
        kind="pod",
        node=node,
        client=f"client-{node}",
        form="dns",
        entry_node=at,
        service="" if server else "hostname-svc-named",
        protocol="udp",
        server_pod=server,
        judged=10,
        failed=failed,
        verdict=red,
        promised=("answered",),
        endings={word: number for word, number in endings.items() if number},
        checks={"answers": "PASS"},
    )


def reached(node: str) -> CellLine:
    """Another Pod beside the first server answers everybody."""
    return CellLine(
        kind="pod",
        node=node,
        client=f"client-{node}",
        form="pod-ip",
        entry_node="node-1",
        judged=66,
        failed=0,
        verdict="PASS",
        promised=("answered",),
        endings={"answered": 66},
        backends=(BackendLine(pod=web("node-1"), node="node-1", answers=66),),
    )


@pytest.mark.parametrize("lost", [(2, 4, 3), (1, 0, 5)], ids=str)
def test_one_silent_name_server_of_two_is_named(lost):
    """Through their Service questions are lost now and then; its own address is always silent."""
    silent, well = "coredns-5d78c-aaaaa", "coredns-5d78c-bbbbb"
    cells = [
        cell
        for node, number in zip(NODES, lost, strict=True)
        for cell in (
            asked(node, failed=10, server=silent, at="node-1"),
            asked(node, failed=0, server=well, at="node-3"),
            asked(node, failed=number),
            reached(node),
        )
    ]
    (found,) = culprits([case_of(cells)])
    assert found.objects == (silent,)
    assert found.nodes == ("node-1",)
    assert "one of the name servers" in found.statement
    assert found.explains == found.of


def test_that_all_name_servers_are_silent_is_no_fault_of_one():
    cells = [
        asked(node, failed=10, server=server, at="node-1")
        for node in NODES
        for server in ("coredns-5d78c-aaaaa", "coredns-5d78c-bbbbb")
    ]
    cells += [asked(node, failed=10) for node in NODES]
    assert all("coredns" not in found.statement for found in culprits([case_of(cells)]))


def lacking(node: str, *, told: str = "answered", family: str = "ipv6") -> CellLine:
    """Ten questions for a record that the name does not have."""
    red = "PASS" if told == "answered" else "FAIL"
    return msgspec.structs.replace(
        asked(node, failed=0 if red == "PASS" else 10),
        family=family,
        lacking=True,
        verdict=red,
        endings={told: 10},
    )


def test_a_node_to_whose_pods_missing_records_are_missing_names_is_named():
    """Whatever kind of record is missing; that names have others is found everywhere."""
    cells = [asked(node, failed=0) for node in NODES]
    cells += [
        lacking(node, told="name-failed" if node == "node-2" else "answered", family=family)
        for node in NODES
        for family in ("ipv4", "ipv6")
    ]
    (found,) = culprits([case_of(cells)])
    assert found.statement == (
        "Lookups that must find no record (NOERROR) fail for clients on node-2; no other node "
        "shows it"
    )
    assert (found.nodes, found.layer) == (("node-2",), "DNS")


def test_where_no_name_resolves_missing_records_are_no_evidence_to_the_contrary():
    cells = [
        each
        for node in NODES
        for each in (
            asked(node, failed=10 * (node == "node-2")),
            lacking(node, told="timed-out" if node == "node-2" else "answered"),
        )
    ]
    (found,) = culprits([case_of(cells)])
    assert found.statement.startswith("Names do not resolve")
    assert (found.nodes, found.explains) == (("node-2",), found.of)


def test_one_lookup_that_fails_is_nobodys_fault():
    once = msgspec.structs.replace(
        lacking("node-2", told="name-failed"), endings={"answered": 9, "name-failed": 1}, failed=1
    )
    cells = [*(asked(node, failed=0) for node in NODES), lacking("node-1"), once, lacking("node-3")]
    assert culprits([case_of(cells)]) == ()


def test_one_question_that_a_name_server_loses_is_not_its_fault():
    cells = [
        asked(node, failed=int(node == "node-2" and server == "one"), server=server, at="node-1")
        for node in NODES
        for server in ("one", "two")
    ]
    assert culprits([case_of(cells)]) == ()


def refusing(cell: CellLine, names: int) -> CellLine:
    """Of its ten questions so many get SERVFAIL."""
    endings = {"answered": 10 - names, "name-failed": names}
    return msgspec.structs.replace(
        cell,
        failed=names,
        verdict="FAIL" if names else "PASS",
        endings={word: number for word, number in endings.items() if number},
    )


def test_a_name_server_that_says_servfail_is_named_by_all_questions():
    cells = []
    for node in NODES:
        cells += [
            refusing(asked(node, failed=0, server="coredns-a-b", at="node-1"), 10),
            asked(node, failed=0, server="coredns-a-c", at="node-3"),
            refusing(asked(node, failed=0), 5),
            refusing(lacking(node), 4),
        ]
    (found,) = culprits([case_of(cells)])
    assert (found.objects, found.explains) == (("coredns-a-b",), found.of)


def test_a_name_that_is_missing_rightly_is_no_sign_that_others_resolve():
    nobody = {"promised": ("name-failed",), "endings": {"name-failed": 10}}
    cells = [
        each
        for node in NODES
        for each in (
            refusing(asked(node, failed=0), 10 * (node == "node-2")),
            msgspec.structs.replace(asked(node, failed=0), **nobody),
        )
    ]
    (found,) = culprits([case_of(cells)])
    assert found.statement == "Names do not resolve on node-2; no other node shows it"


def case_of(cells: list[CellLine]) -> CaseResult:
    return CaseResult(
        case="test_dns.py::test_each_server",
        promise="Names resolve.",
        positions=(),
        forms=("dns",),
        targets=(),
        judged=sum(cell.judged for cell in cells),
        failed=sum(cell.failed for cell in cells),
        verdict="FAIL",
        history="",
        cells=tuple(cells),
    )
