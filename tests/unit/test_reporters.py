"""Reports: data in, text out."""

import msgspec

from svcproof.history import Outcome
from svcproof.reporters.facts import told
from svcproof.reporters.findings import describe
from svcproof.reporters.grid import grid_lines
from svcproof.reporters.markdown import summary
from svcproof.reporters.terminal import render
from svcproof.results import (
    CaseResult,
    CellLine,
    ClusterLine,
    FactLine,
    Problem,
    RunResult,
    case_result,
    unjudged,
)
from svcproof.verdict import Finding, Status, Verdict


def case(verdict: str = "PASS", *, node: int = 1, promise: str = "It answers.", failed: int = 0):
    return CaseResult(
        case=f"test_x[{node}]",
        promise=promise,
        positions=(("pod", f"a Pod on node-{node}"),),
        forms=("cluster-ip",),
        targets=("svc by ClusterIP",),
        judged=1000,
        failed=failed,
        verdict=verdict,
        history="h.jsonl",
    )


CLUSTER = ClusterLine(
    name="c1",
    kind="embedded",
    kubernetes_version="1.36.3",
    proxy_mode="nftables",
    families=("ipv4", "ipv6"),
    nodes=3,
    start_seconds=4.26,
)


def run(*cases: CaseResult, cluster: ClusterLine | None = CLUSTER, problems=()):
    return RunResult(cluster=cluster, cases=cases, problems=problems, evidence="dir")


def test_a_promise_is_one_row_over_all_its_cases():
    text = render(run(case(node=1), case(node=2)), width=72)
    assert text.splitlines() == [
        "cluster        embedded c1: Kubernetes 1.36.3, kube-proxy nftables, 3",
        "               nodes, IPv4 and IPv6; started in 4.3 s",
        "PASS           It answers.",
        "               from 2 Pods to ClusterIP: 2,000 connections, 0 failed",
        "evidence       dir (2 histories)",
    ]


def test_the_worst_case_gives_the_verdict():
    text = render(run(case(), case("INCONCLUSIVE"), case("FAIL", failed=3)), width=120)
    assert "FAIL           It answers." in text
    assert "3,000 connections, 3 failed; cases: 1 FAIL, 1 INCONCLUSIVE, 1 PASS" in text
    assert "INCONCLUSIVE   It answers." in render(run(case(), case("INCONCLUSIVE")))


def test_promises_are_apart():
    text = render(run(case(), case(promise="It also sings."), cluster=None))
    assert "It answers." in text
    assert "It also sings." in text
    assert "cluster" not in text


def test_the_unsupported_are_told():
    lack = Problem(
        case="a.py::test_y", word="not supported", reason="no outside client", remedy="add one"
    )
    text = render(run(problems=(lack,)))
    assert "not supported  test_y: no outside client; what to do: add one" in text
    assert "evidence" not in text


def test_no_line_is_wider_than_the_terminal():
    text = render(run(case(promise="word " * 60)), width=60)
    assert max(map(len, text.splitlines())) <= 60


def test_findings_say_everything():
    finding = Finding(
        status=Status.FAIL,
        summary="1 of 3 lost",
        where="here → there",
        expected="all",
        seen="2",
        indices=tuple(range(20)),
        remedy="look",
    )
    doubt = Finding(status=Status.INCONCLUSIVE, summary="who knows")
    verdict = Verdict(Status.FAIL, 3, (doubt, finding))
    assert describe(verdict, case="test_x[a]", history="h.jsonl").splitlines() == [
        "FAIL: test_x[a] (3 connections judged)",
        "  FAIL  1 of 3 lost",
        "    expected  all",
        "    seen      2",
        "    where     here → there",
        "    evidence  #0 #1 #2 #3 #4 #5 #6 #7 #8 #9 #10 #11 and 8 more",
        "    next      look",
        "  INCONCLUSIVE  who knows",
        "history: h.jsonl",
    ]


def test_a_case_reduced_to_a_row(story):
    story.expect("a").answers("a", "a")
    row = case_result(story.history, Verdict(Status.PASS, 2), case="t", promise="p", path="h.jsonl")
    assert row.positions == (("pod", "a Pod on n1"),)
    assert (row.judged, row.failed, row.verdict) == (2, 0, "PASS")


def test_unknown_attempts_are_not_counted_as_failed(story):
    from svcproof.history import Outcome

    story.expect("a").answers("a").ends(Outcome.UNKNOWN, 2).ends(Outcome.RESET, 3)
    row = case_result(story.history, Verdict(Status.FAIL, 6), case="t", promise="p", path="")
    assert (row.judged, row.failed) == (6, 3)


def test_attempts_whose_end_is_not_known_have_neither_failed_nor_passed(story):
    def shown(*endings: tuple[Outcome, int]) -> str:
        told = type(story)().expect("a")
        for outcome, times in endings:
            told.ends(outcome, times)
        verdict = Verdict(Status.INCONCLUSIVE, 1)
        row = case_result(told.history, verdict, case="t", promise="p", path="")
        return render(run(row), width=120)

    assert "66 connections, 0 of 66 known; cases" in shown((Outcome.UNKNOWN, 66))
    assert "66 connections, 2 failed, 6 of 66 known;" in shown(
        (Outcome.UNKNOWN, 60), (Outcome.RESET, 2), (Outcome.ANSWERED, 4)
    )
    assert "3 connections, 1 failed;" in shown((Outcome.ANSWERED, 2), (Outcome.RESET, 1))


def fact(name: str, value: str, where: str = "", size: float = 0.0) -> FactLine:
    return FactLine(name=name, value=value, where=where, size=size)


def test_of_many_facts_of_a_name_the_largest_is_told():
    facts = [fact("outage", "0.2 s", "a", 0.2), fact("outage", "3 s", "b", 3.0)]
    assert list(told(facts)) == ["outage: 3 s (b)"]


def test_what_is_said_of_all_places_together_stands_for_each():
    facts = [fact("shares", "40 %", "a"), fact("shares", "34 %", "all 2 places together")]
    assert list(told(facts)) == ["shares: 34 %"]


def test_equal_facts_are_told_once_and_many_are_counted():
    facts = [fact("address", str(number // 2)) for number in range(10)]
    assert list(told(facts)) == ["address: 0; 1; 2; and 2 more"]


def test_connect_times_are_for_the_results_only():
    assert list(told([fact("connect time", "1 ms")])) == []


def test_addresses_of_all_places_are_told_without_their_counts():
    facts = [fact("source address seen", f"10.0.0.{n % 2} (66), 10.0.1.1 (3)") for n in range(4)]
    assert list(told(facts)) == ["source address seen: 10.0.0.0, 10.0.1.1, 10.0.0.1"]


def test_what_belongs_to_the_shares_is_on_their_line():
    facts = [
        fact("choice", "random"),
        fact("shares", "a 50 %, b 50 %"),
        fact("p-value of equal shares", "0.8"),
        fact("smallest skew seen with 99 % power", "none"),
    ]
    assert list(told(facts)) == [
        "choice: random",
        "shares: a 50 %, b 50 %; p-value of equal shares: 0.8; "
        "smallest skew seen with 99 % power: none",
    ]


def test_cases_that_lack_the_same_are_told_together():
    lacks = [
        Problem(case=f"a.py::test_{n}", word="not supported", reason="r", remedy="m")
        for n in range(6)
    ]
    failed = Problem(case="a.py::test_0", word="inconclusive", reason="late")
    nothing = Problem(case="", word="error", reason="nft is missing")
    assert render(
        run(problems=(*lacks, failed, nothing), cluster=None), width=120
    ).splitlines() == [
        "not supported  test_0, test_1, test_2, test_3 and 2 more: r; what to do: m",
        "INCONCLUSIVE   test_0: late",
        "ERROR          nft is missing",
    ]


def test_what_was_kept_from_being_judged_is_in_the_first_lines():
    """Of a family of which nothing was judged, and not because the cluster cannot have it."""
    judged = msgspec.structs.replace(case(), case="s/test_a.py::test_x")
    problems = [
        Problem(case=name, word="not supported", reason=reason, is_prevented=is_prevented)
        for name, reason, is_prevented in (
            ("s/test_a.py::test_y", "a quota", True),
            ("s/test_b.py::test_x", "a quota", True),
            ("s/test_c.py::test_x", "a quota", True),
            ("s/test_d.py::test_x", "one node", False),
        )
    ]
    whole = run(judged, problems=tuple(problems))
    assert unjudged(whole.cases, whole.problems) == {"test_b": "a quota", "test_c": "a quota"}
    assert render(whole, width=120).splitlines()[1] == "not judged     test_b, test_c: a quota"
    assert "- `test_b` was not judged: a quota" in summary(whole)


def test_rules_that_are_not_those_of_the_data_plane_are_named():
    line = msgspec.structs.replace(CLUSTER, proxy_mode="ebpf", profile="unknown data plane")
    assert "ebpf: unknown data plane, 3 nodes" in render(run(cluster=line), width=120)


def test_nodes_that_were_left_out_are_named_in_the_first_lines():
    gone = {"n1": "cordoned", **{f"w{number}": "a Windows node" for number in range(6)}}
    line = msgspec.structs.replace(CLUSTER, left_out=gone)
    assert render(run(case(), cluster=line), width=120).splitlines()[1:3] == [
        "left out       n1: cordoned",
        "left out       w0, w1, w2, w3 and 2 more: a Windows node",
    ]


def test_a_path_is_not_broken():
    path = "/" + "long/" * 40
    text = describe(Verdict(Status.FAIL, 3), case="t", history=path, width=80)
    assert f"history: {path}" in text.splitlines()


def test_a_long_finding_is_wrapped_below_its_words():
    finding = Finding(status=Status.FAIL, summary="s", remedy="look " * 40)
    verdict = Verdict(Status.FAIL, 3, (finding,))
    lines = describe(verdict, case="t", history="", width=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[3].startswith(" " * 14 + "look")


def test_questions_are_not_called_connections():
    text = render(run(msgspec.structs.replace(case(), forms=("dns",))), width=120)
    assert "from 1 Pod to DNS: 1,000 questions, 0 failed" in text


def test_what_only_the_api_server_was_asked():
    asked = msgspec.structs.replace(case(), positions=(), forms=(), judged=0)
    assert "asked of the API server" in render(run(asked), width=120)


class TestGrid:
    def cell(self, verdict="PASS", *, node="node-1", kind="pod", form="cluster-ip", **fields):
        values = {"entry_node": "", "judged": 10, "failed": 0} | fields
        return CellLine(kind=kind, node=node, form=form, verdict=verdict, **values)

    def lines(self, *cells: CellLine, width: int = 80) -> list[str]:
        one = msgspec.structs.replace(case(), cells=cells)
        lines = grid_lines(run(one), width=width)
        assert not lines or lines[-1].startswith("✓ as promised")
        assert all(len(line) <= width for line in lines)
        return lines[:-1]

    def test_what_each_client_saw_of_each_entry(self):
        ports = [
            self.cell(kind="outside", node="", form="node-port", entry_node=f"node-{n}")
            for n in (1, 2)
        ]
        lines = self.lines(self.cell(), self.cell("INCONCLUSIVE", form="fqdn"), *ports)
        assert [line.split() for line in lines] == [
            ["port", "of", "port", "of"],
            ["ClusterIP", "name", "node-1", "node-2"],
            ["Pod", "on", "node-1", "✓", "?"],
            ["outside", "✓", "✓"],
        ]

    def test_where_there_is_no_room_the_ports_of_all_nodes_are_one_column(self):
        ports = [self.cell(form="node-port", entry_node=f"node-{n}") for n in (1, 2, 3)]
        others = [
            self.cell(form=form)
            for form in (
                "cluster-ip",
                "fqdn",
                "external-ip",
                "health-check",
                "connect",
                "pod-ip",
                "dns",
            )
        ]
        assert self.lines(*ports)[1].split() == ["node-1", "node-2", "node-3"]
        assert self.lines(*ports, *others)[0].split() == [
            "ClusterIP", "name", "node", "port", "external", "health", "API", "Pod", "DNS",
        ]  # fmt: skip

    def test_what_is_known_has_a_mark_and_a_line_of_its_own(self):
        one = msgspec.structs.replace(case("KNOWN"), cells=(self.cell("KNOWN", failed=3),))
        *_, row, legend, known = grid_lines(run(one))
        assert row.split() == ["Pod", "on", "node-1", "!"]
        assert known == "! not as promised, and known"
        assert legend.startswith("✓ as promised")

    def test_the_worst_stands_for_all(self):
        (_, row) = self.lines(self.cell(), self.cell("FAIL", failed=3), self.cell("INCONCLUSIVE"))
        assert row.split("  ")[-1].strip() == "✗ 3"
        (_, row) = self.lines(self.cell("FAIL"))
        assert row.endswith("✗")
        (_, row) = self.lines(self.cell(), self.cell("INCONCLUSIVE", form="fqdn"))
        assert row.split() == ["Pod", "on", "node-1", "✓", "?"]

    def test_node_ports_are_apart_while_they_fit(self):
        def ports(names):
            return [
                self.cell(kind="outside", node="", form="node-port", entry_node=name)
                for name in names
            ]

        few = self.lines(*ports(["node-1", "node-2"]))
        assert few[0].split() == ["port", "of", "port", "of"]
        assert few[1].split() == ["node-1", "node-2"]
        for names in ([f"n{n}" for n in range(9)], ["ip-10-0-1-23.internal", "b"]):
            assert self.lines(*ports(names))[0].split() == ["node", "port"]

    def test_of_many_clients_those_that_are_not_as_promised(self):
        cells = [self.cell(node=f"node-{n}") for n in range(60)]
        lines = self.lines(*cells, self.cell("FAIL", node="node-7", failed=2))
        assert lines[1:] == ["Pod on node-7  ✗ 2", "and 59 more clients, all of them ✓"]

    def test_no_cells(self):
        assert grid_lines(run(case())) == []

    def test_each_cell_has_the_verdict_of_its_findings(self, story):
        story.expect("a").answers("a").client("bad").expect("a").ends(Outcome.REFUSED, 2)
        where = story.history.cells[1].where
        found = Finding(status=Status.FAIL, summary="s", where=where, remedy="r")
        row = case_result(
            story.history, Verdict(Status.FAIL, 3, (found,)), case="t", promise="p", path=""
        )
        assert [(cell.judged, cell.failed, cell.verdict) for cell in row.cells] == [
            (1, 0, "PASS"),
            (2, 2, "FAIL"),
        ]
