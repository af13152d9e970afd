"""Rows of a history: what a culprit is found by."""

from pathlib import Path

import msgspec
import pytest

from svcproof.cells import CellLine, cell_lines, endpoints_lines
from svcproof.checkers import judge
from svcproof.culprit import culprits
from svcproof.events import EndpointsSeen
from svcproof.evidence import explained, read_run
from svcproof.history import History, Outcome, PositionDeclared, TargetDeclared, encode
from svcproof.results import CaseResult, Culprit, RunResult, case_result, decode_run


def rows(history: History) -> tuple[CellLine, ...]:
    return cell_lines(history, judge(history))


def test_who_answered_and_who_did_not(story):
    story.expect("a", "b").answers("a", "a", "a").ends(Outcome.TIMED_OUT, 2)
    (row,) = rows(story.history)
    assert (row.kind, row.node, row.client) == ("pod", "n1", "client-n1")
    assert (row.service, row.form, row.promised) == ("svc", "cluster-ip", ("answered",))
    assert row.endings == {"answered": 3, "timed-out": 2}
    assert [(b.pod, b.node, b.answers, b.expected) for b in row.backends] == [
        ("a", "n1", 3, True),
        ("b", "n1", 0, True),
    ]
    assert (row.verdict, row.checks["responders"]) == ("FAIL", "INCONCLUSIVE")


def test_a_stranger_is_none_that_had_to_answer(story):
    story.expect("a", "b").answers("a", "a", "a").answers("b", run="another")
    (row,) = rows(story.history)
    assert [(b.pod, b.expected) for b in row.backends] == [("a", True), ("b", False)]
    assert row.checks["responders"] == "FAIL"


def test_a_finding_is_of_the_cell_that_has_its_evidence(story):
    """The same pair before and after a change: only one of its cells is red."""
    story.expect("a").answers("a", "a", "a", "a")
    story.expect("a").answers("a", "a", "a").ends(Outcome.REFUSED)
    assert [row.verdict for row in rows(story.history)] == ["PASS", "FAIL"]


def test_late_connections_and_wrong_sources(story):
    story.expect("a", sources=("10.0.0.9",))
    story.answers(*"aaaa", source_address="10.0.0.9", connect_us=1_010_000)
    story.answers("a", source_address="10.0.0.1", connect_us=300)
    (row,) = rows(story.history)
    (backend,) = row.backends
    assert (backend.answers, backend.slow, backend.wrong_source) == (5, 4, 1)
    assert row.checks["sources"] == "FAIL"


@pytest.mark.parametrize(
    ("query", "records", "outcome", "is_lacking"),
    [
        ("AAAA", (), Outcome.ANSWERED, True),
        ("A", ("alias. CNAME nobody.",), Outcome.ANSWERED, True),
        ("CNAME", ("alias. CNAME nobody.",), Outcome.ANSWERED, False),
        ("A", ("web. A 10.0.0.1",), Outcome.ANSWERED, False),
        ("A", (), Outcome.NAME_FAILED, False),  # there is no such name
        ("", None, Outcome.ANSWERED, False),
    ],
)
def test_what_the_name_does_not_have(story, query, records, outcome, is_lacking):
    story.dials("q", form="dns", query=query).expect(answers=records, outcome=outcome)
    (row,) = rows(story.history)
    assert row.lacking == is_lacking


def test_endpoints_are_listed_missing_or_unexpected(story):
    story.event(EndpointsSeen(service="s", listed=("a 1", "x 3"), ready=("a 1", "b 2")))
    story.event(EndpointsSeen(service="t", listed=("a 1",), ready=("a 1",)))
    wrong, right = endpoints_lines(story.history)
    assert (wrong.service, wrong.listed, wrong.missing, wrong.unexpected) == (
        "s",
        ("a 1",),
        ("b 2",),
        ("x 3",),
    )
    assert (right.service, right.missing, right.unexpected) == ("t", (), ())


@pytest.fixture
def broken(story) -> History:
    """Two Services of one Pod: one is refused, by a client on each of two nodes."""
    for node in ("n1", "n2"):
        story.client(f"a Pod on {node}", node=node)
        story.dials(f"right from {node}", service="right").expect("a").answers(*"aaaa")
        story.dials(f"wrong from {node}", service="wrong").expect("a").ends(Outcome.REFUSED, 10)
    return story.history


def case_of(history: History) -> CaseResult:
    return case_result(history, judge(history), case="t.py::t", promise="p", path="h.jsonl")


class TestSaved:
    """What a run left, read again."""

    def write(self, directory: Path, history: History, run: RunResult) -> None:
        declared = [
            *map(PositionDeclared, history.positions.values()),
            *map(TargetDeclared, history.targets.values()),
        ]
        lines = map(encode, (history.header, *declared, *history.entries))
        (directory / "h.jsonl").write_bytes(b"".join(lines))
        (directory / "results.json").write_bytes(msgspec.json.encode(run))

    def run(self, history: History, **fields: object) -> RunResult:
        case = case_of(history)
        return RunResult(
            cluster=None, cases=(case,), problems=(), evidence="e", exit_code=1, **fields
        )

    def test_the_same_from_the_rows_and_from_the_history(self, broken, tmp_path):
        found = culprits([case_of(broken)])
        assert [each.objects for each in found] == [("wrong",)]
        run = self.run(broken)
        self.write(tmp_path, broken, run)
        assert explained(read_run(tmp_path), tmp_path).culprits == found

    def test_files_of_version_1_get_their_rows_from_the_histories(self, broken, tmp_path):
        old = msgspec.to_builtins(self.run(broken, schema=1))
        del old["culprits"]
        for case in old["cases"]:
            case["cells"], _ = [], case.pop("endpoints")
        self.write(tmp_path, broken, msgspec.convert(old, RunResult))
        (tmp_path / "results.json").write_bytes(msgspec.json.encode(old))
        found = explained(read_run(tmp_path), tmp_path).culprits
        assert [each.objects for each in found] == [("wrong",)]

    def test_without_its_history_an_old_case_is_no_evidence(self, broken, tmp_path):
        run = self.run(broken, schema=1)
        (tmp_path / "results.json").write_bytes(msgspec.json.encode(run))
        assert explained(read_run(tmp_path), tmp_path).cases == run.cases


FOUND = Culprit(
    statement="Names <do> not resolve for Pods on node-2",
    nodes=("node-2",),
    objects=(),
    layer="DNS",
    explains=9,
    of=11,
    cases=3,
    of_cases=4,
    unexplained=("outside → svc by node-port (test_x)",),
    look=("kubectl get pods -o wide --a-long-argument-that-is-not-to-be-broken-in-two",),
)


class TestEveryReportBeginsWithIt:
    run = RunResult(cluster=None, cases=(), problems=(), evidence="e", culprits=(FOUND,))

    def test_the_terminal(self):
        from svcproof.reporters.terminal import render

        first, *lines = render(self.run, width=60).splitlines()
        assert first == "culprit        Names <do> not resolve for Pods on node-2."
        text = " ".join(" ".join(lines).split())
        assert "explains 9 of 11 red pairs of client and address, in 3 of 4 red cases" in text
        assert "not: outside → svc by node-port (test_x) and 1 more" in text
        assert f"look at        {FOUND.look[0]}" in lines

    def test_markdown(self):
        from svcproof.reporters.markdown import summary

        head, _, first, *_ = summary(self.run).splitlines()
        assert head.startswith("## svcproof")
        assert first == r"**Names \<do\> not resolve for Pods on node-2.**"

    def test_the_page(self):
        from svcproof.reporters.page import render, view_of

        page = render(view_of(self.run, lambda _: "gone"))
        assert "Names &lt;do&gt; not resolve for Pods on node-2." in page
        assert page.index("Names &lt;do&gt;") < page.index('id="findings"')

    def test_two_runs(self):
        from svcproof.comparison import compare
        from svcproof.reporters.differences import describe_differences

        healthy = RunResult(cluster=None, cases=(), problems=(), evidence="e")
        worse = describe_differences(compare(healthy, self.run))
        assert worse.startswith(f"culprit        {FOUND.statement}.")
        better = describe_differences(compare(self.run, healthy))
        assert better.startswith(f"solved         {FOUND.statement}.")

    def test_it_is_data(self):
        content = msgspec.json.encode(self.run)
        assert decode_run(content, source="here").culprits == (FOUND,)
