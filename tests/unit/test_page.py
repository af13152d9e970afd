"""The HTML page: what it shows of results and histories."""

import re

import msgspec
import pytest
from click.testing import CliRunner

from svcproof.cli.report import report
from svcproof.errors import BadHistory, UsageError
from svcproof.events import Converged, NotConverged, Patched
from svcproof.evidence import read_run
from svcproof.history import Outcome, PositionDeclared, TargetDeclared, encode
from svcproof.reporters.page import render, view_of
from svcproof.reporters.page.heat import heat, interval
from svcproof.reporters.page.moments import percent
from svcproof.reporters.page.reproduce import again
from svcproof.reporters.page.timeline import timeline
from svcproof.results import (
    CaseResult,
    ClusterLine,
    FindingLine,
    Problem,
    RunResult,
    case_result,
    finding_lines,
)
from svcproof.verdict import Finding, Status, Verdict

CLUSTER = ClusterLine(
    name="c1",
    kind="embedded",
    kubernetes_version="1.36.4",
    proxy_mode="nftables",
    families=("ipv4",),
    nodes=3,
)

CONVERGED = Converged(
    position="a Pod on n1",
    target="svc by ClusterIP",
    seconds=0.5,
    attempts=30,
    streak=30,
    limit_seconds=60.0,
)
NOT_CONVERGED = NotConverged(
    position="a Pod on n1", target="svc by ClusterIP", limit_seconds=60.0, last_state="1 lost"
)


@pytest.fixture
def broken(story):
    """Eight answers, a change, two time-outs, one answer by a stranger to the promise."""
    story.expect("a", "b", minimum=6, choice="random").answers(*"abababab")
    story.at(2).event(Patched(object="Service svc", changes="{'x': 1}"))
    story.at(3).ends(Outcome.TIMED_OUT, 2, detail="<script>alert(1)</script>")
    story.answers("c")
    story.client("a Pod on n2", node="n2").expect("a", "b").answers("a", "b")
    return story


def verdict(*indices: int, status: Status = Status.FAIL, where: str = "") -> Verdict:
    found = Finding(
        status=status,
        summary="reachability: 2 connections ended timed-out",
        where=where or "a Pod on n1 → svc by ClusterIP",
        expected="answered",
        seen="timed-out (2)",
        indices=indices,
        remedy="look at the node",
    )
    return Verdict(status, 13, (found,))


def view(story, judged: Verdict, **fields):
    case = case_result(
        story.history, judged, case="tests/routing/test_x.py::test_y[z]", promise="P.", path="h"
    )
    run = RunResult(run="r", exit_code=1, cluster=CLUSTER, cases=(case,), problems=(), evidence="e")
    return view_of(msgspec.structs.replace(run, **fields), lambda _: story.history)


class TestAFailure:
    def test_what_since_when_from_where_to_where_and_how_sure(self, broken):
        page = view(broken, verdict(10, 11))
        (case,) = page.troubled
        (group,) = case.groups
        (place,) = group.places
        assert (page.verdict, group.status, group.check) == ("FAIL", "FAIL", "reachability")
        assert group.summary == "2 connections ended timed-out"
        assert group.since == (
            "22:13:23.000 UTC, 3.00 s into the case; 1.00 s after “patched Service svc, "
            "changes {'x': 1}”"
        )
        assert place.where == "a Pod on n1 → svc by ClusterIP"
        assert (place.expected, place.seen, place.evidence) == (
            "answered",
            "timed-out (2)",
            (10, 11),
        )
        assert place.often.startswith("2 of 11 (")
        assert group.sure[0].startswith("Observed directly in 2 connections")
        assert any("at least 6 for each client" in said for said in group.sure)
        assert any(said.startswith("1 of the 2 pairs") for said in group.sure)

    def test_the_attempts_with_their_neighbours(self, broken):
        (case,) = view(broken, verdict(10, 11)).troubled
        assert [(row.index, row.odd) for row in case.attempts] == [
            (8, False),
            (10, True),
            (11, True),
            (12, False),
        ]

    def test_many_attempts_are_not_all_shown(self, story):
        story.expect("a").ends(Outcome.RESET, 500)
        (case,) = view(story, verdict(*range(1, 501))).troubled
        assert len(case.attempts) < 20
        assert case.hidden_attempts == 500 - sum(row.odd for row in case.attempts)

    def test_the_truth_table(self, broken):
        (case,) = view(broken, verdict(10, 11)).troubled
        assert case.grid.entries == ("svc by ClusterIP",)
        assert [(row.client, row.cells[0].state) for row in case.grid.rows] == [
            ("a Pod on n1", "bad"),
            ("a Pod on n2", "ok"),
        ]
        cell = case.grid.rows[0].cells[0]
        assert cell.expected == "answered by 2 Pods"
        assert cell.seen == "9 answered by 3 Pods, 2 timed-out"

    def test_who_answered(self, broken):
        (case,) = view(broken, verdict(10, 11)).troubled
        assert [(row.node, row.total) for row in case.heat.rows] == [("n1", 9), ("n2", 2)]
        assert [cell.due for cell in case.heat.rows[0].cells] == [True, True, False]

    def test_an_inconclusive_case_says_that_it_proves_nothing(self, broken):
        page = view(broken, verdict(0, status=Status.INCONCLUSIVE), exit_code=3)
        assert page.verdict == "INCONCLUSIVE"
        assert page.troubled[0].groups[0].sure[0].startswith("Nothing wrong was proven")

    def test_indices_of_nothing_do_no_harm(self, broken):
        assert view(broken, verdict(-1, 9, 10_000)).troubled[0].attempts == ()

    def test_a_history_that_is_gone(self, broken):
        case = case_result(broken.history, verdict(10), case="t", promise="P.", path="h")
        run = RunResult(cluster=None, cases=(case,), problems=(), evidence="e")
        page = view_of(run, lambda _: "h: no such file")
        assert page.troubled[0].unreadable == "h: no such file"
        assert "h: no such file" in render(page)
        assert "look at the node" in render(page)


class TestTheVerdict:
    def page(self, *cases: CaseResult, problems=(), code: int = 0):
        run = RunResult(cluster=None, cases=cases, problems=problems, evidence="e", exit_code=code)
        return view_of(run, lambda _: "gone")

    def test_silence_is_no_pass(self):
        assert self.page().verdict == "INCONCLUSIVE"

    def test_a_run_that_broke_off_is_no_pass(self, broken):
        case = case_result(broken.history, Verdict(Status.PASS, 1), case="t", promise="P", path="h")
        assert self.page(case).verdict == "PASS"
        assert self.page(case, code=2).verdict == "ERROR"
        assert self.page(case, code=1).verdict == "ERROR"

    def test_what_was_not_supported_is_told_once_with_its_cases(self):
        lacks = [
            Problem(case=f"t{n}", word="not supported", reason="no node is free", remedy="add one")
            for n in range(3)
        ]
        page = self.page(problems=tuple(lacks), code=3)
        assert page.lacks[0].cases == ("t0", "t1", "t2")
        assert "no node is free" in render(page)


class TestThePicture:
    def test_a_timeline_marks_the_guilty_and_the_changes(self, broken):
        picture = timeline(broken.history, frozenset({10}))
        states = [part.state for part in picture.strips[0].segments]
        assert states == ["ok", "bad"]
        assert picture.strips[0].where == "a Pod on n1 → svc by ClusterIP"
        assert [mark.text for mark in picture.marks] == ["patched Service svc, changes {'x': 1}"]
        assert 600 < picture.marks[0].at < 700

    def test_of_nothing_there_is_no_timeline(self, story):
        assert timeline(story.history, frozenset()) is None
        assert heat("t", story.history.cells) is None

    def test_times(self, story):
        story.expect("a").answers("a", connect_us=100).answers("a", connect_us=2_000_000)
        story.event(CONVERGED)
        page = view(story, Verdict(Status.PASS, 2))
        (row,) = page.latencies
        assert (row.form, row.count, row.longest) == ("ClusterIP", 2, "2.00 s")
        assert [place for place, height in enumerate(row.bars) if height] == [6, 31]
        assert (page.convergence[0].node, page.convergence[0].longest) == ("n1", 0.5)

    def test_shares_have_intervals(self):
        low, high = interval(0, 100)
        assert (low, round(high, 3)) == (0.0, 0.036)
        low, high = interval(50, 100)
        assert (round(low, 3), round(high, 3)) == (0.398, 0.602)
        assert (percent(0), percent(0.0002), percent(0.5)) == ("0.0%", "< 0.1%", "50.0%")


class TestTheDocument:
    def test_text_from_the_network_is_no_markup(self, broken):
        text = render(view(broken, verdict(10, 11)))
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
        assert "<script" not in text

    def test_what_is_not_seen_is_spelt_out(self, story):
        story.expect("a").ends(Outcome.RESET, detail="a\x1b[31m\u202eb\ud800").answers("a")
        text = render(view(story, verdict(1)))
        assert "a\\u001b[31m\\u202eb\\ud800" in text
        text.encode()

    def test_nothing_is_loaded(self, broken):
        text = render(view(broken, verdict(10, 11)))
        loaded = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)""", text)
        assert loaded
        assert all(each.startswith(("#", "data:,")) for each in loaded)
        assert "@import" not in text

    def test_each_link_leads_somewhere(self, broken):
        text = render(view(broken, verdict(10, 11)))
        names = re.findall(r' id="([^"]+)"', text)
        assert len(names) == len(set(names))
        assert set(re.findall(r'href="#([^"]+)"', text)) <= set(names)


class TestAgain:
    def line(self, case: str) -> CaseResult:
        return CaseResult(
            case=case,
            promise="",
            positions=(),
            forms=(),
            targets=(),
            judged=0,
            failed=0,
            verdict="FAIL",
            history="",
        )

    @pytest.mark.parametrize(
        ("case", "end"),
        [
            ("tests/routing/test_x.py::test_y[a::b, c]", "--svc-slow -k test_y"),
            ("site-packages/svcproof/suites/test_x.py::test_y", "--svc-slow -k test_y"),
        ],
    )
    def test_a_case_of_the_suites(self, case, end):
        run = RunResult(cluster=CLUSTER, cases=(), problems=(), evidence="e")
        assert again(run, self.line(case)) == (
            "svcproof run --svc-cluster embedded --svc-proxy-mode nftables --svc-ip-families ipv4 "
            f"--svc-nodes 3 --svc-k8s-version 1.36 {end}"
        )

    def test_a_case_of_ones_own_on_a_cluster_of_ones_own(self):
        line = msgspec.structs.replace(CLUSTER, kind="existing")
        run = RunResult(cluster=line, cases=(), problems=(), evidence="e")
        assert again(run, self.line("test_mine.py::test_y[a b]")) == (
            "pytest 'test_mine.py::test_y[a b]' --svc-cluster existing"
        )


class TestTheCommand:
    @pytest.fixture
    def evidence(self, broken, tmp_path, monkeypatch):
        directory = tmp_path / ".svcproof" / "evidence" / "r"
        directory.mkdir(parents=True)
        history = broken.history
        records = [
            history.header,
            *map(PositionDeclared, history.positions.values()),
            *map(TargetDeclared, history.targets.values()),
            *history.entries,
        ]
        (directory / "h.jsonl").write_bytes(b"".join(map(encode, records)))
        case = case_result(history, verdict(10), case="t", promise="P.", path="elsewhere/h.jsonl")
        run = RunResult(run="r", cluster=CLUSTER, cases=(case,), problems=(), evidence="e")
        (directory / "results.json").write_bytes(msgspec.json.encode(run))
        monkeypatch.chdir(tmp_path)
        return directory

    def test_the_latest_run_beside_its_evidence(self, evidence):
        result = CliRunner().invoke(report)
        assert result.exit_code == 0, result.output
        assert "2 connections ended timed-out" in (evidence / "report.html").read_text()

    def test_elsewhere(self, evidence, tmp_path):
        output = tmp_path / "new" / "page.html"
        CliRunner().invoke(report, [str(evidence), "--output", str(output)])
        assert output.exists()

    def test_a_killed_run_says_so_and_shows_what_there_is(self, evidence):
        (evidence / "results.json").unlink()
        with (evidence / "h.jsonl").open("ab") as file:
            file.write(b'{"type":"obs')
        (evidence / "other.jsonl").write_text("no history")
        result = CliRunner().invoke(report, [str(evidence)])
        assert result.exit_code == 0, result.output
        page = (evidence / "report.html").read_text()
        assert "it was killed, or it still runs" in page
        assert "other.jsonl" in page
        assert 'id="case-1' in page
        assert '<div class="verdict PASS">' not in page

    def test_no_run_at_all(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert isinstance(CliRunner().invoke(report).exception, UsageError)
        with pytest.raises(UsageError, match=r"results\.json"):
            read_run(tmp_path)

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 2}', "\xff"])
    def test_what_is_no_result(self, tmp_path, content):
        (tmp_path / "results.json").write_text(content, encoding="latin-1")
        with pytest.raises(BadHistory, match="not the results of a run"):
            read_run(tmp_path)

    def test_another_version(self, evidence):
        file = evidence / "results.json"
        file.write_text(file.read_text().replace('"schema":2', '"schema":3'))
        with pytest.raises(BadHistory, match="format version 3"):
            read_run(evidence)


def test_findings_of_one_kind_are_told_together(broken):
    twice = [verdict(10), verdict(11, where="a Pod on n2 → svc by ClusterIP")]
    lines = tuple(line for each in twice for line in finding_lines(each))
    assert all(isinstance(line, FindingLine) for line in lines)
    judged = Verdict(Status.FAIL, 13, tuple(found for each in twice for found in each.findings))
    (group,) = view(broken, judged).troubled[0].groups
    assert len(group.places) == 2
    assert group.summary.endswith("(at 2 places)")


def test_one_fault_in_many_cases_is_told_once(broken):
    history = broken.history
    cases = tuple(
        case_result(history, verdict(10), case=f"t.py::test_{n}", promise="P.", path="h")
        for n in range(9)
    )
    run = RunResult(cluster=CLUSTER, cases=cases, problems=(), evidence="e", exit_code=1)
    (theme,) = view_of(run, lambda _: history).themes
    assert (theme.check, theme.since) == ("reachability", "22:13:23.000 UTC")
    assert (theme.clients, theme.entries) == ("a Pod on n1", "svc by ClusterIP")
    assert (theme.cases[0], len(theme.cases), theme.hidden) == (("case-1", "test_0"), 6, 3)


def test_a_pod_that_never_answered_is_told_with_what_chance_would_do(story):
    story.expect("a", "b", minimum=66).answers(*"a" * 66)
    found = Finding(
        status=Status.FAIL,
        summary="responders: never answered: b",
        where="a Pod on n1 → svc by ClusterIP",
        indices=(0,),
    )
    (case,) = view(story, Verdict(Status.FAIL, 66, (found,))).troubled
    assert case.groups[0].sure[0].endswith("with a probability of 2.7e-20 at most.")
    assert case.groups[0].places[0].often == ""


def test_whether_a_run_settled_is_no_change(story):
    story.expect("a").event(NOT_CONVERGED).answers("a")
    assert (
        view(story, verdict(2))
        .troubled[0]
        .groups[0]
        .since.endswith("nothing had been changed by then")
    )


def test_of_uneven_shares_no_single_connection_is_guilty(story):
    story.expect("a", "b", choice="random").answers(*"aaaab")
    places = ("a Pod on n1 → svc by ClusterIP", "all 2 places together")
    found = tuple(
        Finding(status=Status.FAIL, summary="distribution: uneven", where=where, indices=(1, 2))
        for where in places
    )
    (case,) = view(story, Verdict(Status.FAIL, 5, found)).troubled
    assert {part.state for part in case.timeline.strips[0].segments} == {"ok"}
    assert case.groups[0].since.startswith("the sample's first connection: ")
    assert any(said.startswith("All places together show it") for said in case.groups[0].sure)


def test_a_history_of_a_header_only_has_no_day(story):
    page = view(story, verdict(0))
    assert (page.began, page.troubled[0].began) == ("", "")
    assert "1970" not in render(page)
