"""Known deviations: exactly what a row says is known; more, less and elsewhere fails."""

from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from svcproof.cli.accept import accept, deviations_of
from svcproof.deviations import (
    Deviation,
    applying,
    beside_shipped,
    decode,
    excusing,
    shipped,
    sign_of,
)
from svcproof.errors import UsageError
from svcproof.events import KnownDeviation, Sign
from svcproof.results import CaseResult, ClusterLine, FindingLine, RunResult
from svcproof.verdict import Fact, Finding, Status, Verdict, judged

SILENT = "reachability: all connections ended timed-out"
PAIRS = ["a Pod on node-1 → svc", "a Pod on node-2 → svc"]
ROW = KnownDeviation(slug="udp", seen="silence", findings=(Sign(summary=SILENT, where="* → svc"),))


class FakeCell:
    def __init__(self, where: str, made: int = 5) -> None:
        self.where, self.attempts = where, range(made)
        self.expectation = SimpleNamespace(minimum=5)


class FakeHistory:
    """As much of a history as rows look at."""

    def __init__(self, *rows: KnownDeviation, last: int = 5) -> None:
        self.events = rows
        self.cells = [*map(FakeCell, PAIRS), FakeCell(PAIRS[-1], last)]


def silent(where: str, *, of: str = "5 of 5") -> Finding:
    summary = f"reachability: {of} connections ended timed-out"
    return Finding(status=Status.FAIL, summary=summary, where=where)


def late(where: str) -> Finding:
    return Finding(
        status=Status.INCONCLUSIVE, summary="convergence: did not settle within 10.2 s", where=where
    )


def verdict(*found: Finding, rows: tuple[KnownDeviation, ...] = (ROW,)) -> Verdict:
    check = excusing(lambda _: judged(10, found))
    return check(FakeHistory(*rows))  # type: ignore[arg-type]


def test_what_a_row_says_at_every_place_is_known():
    given = verdict(*map(silent, PAIRS))
    assert given.status is Status.KNOWN
    assert {found.status for found in given.findings} == {Status.KNOWN}
    assert "known as udp: silence" in given.findings[0].remedy
    assert Fact("known deviation", "udp: silence") in given.facts


def test_without_a_row_it_fails():
    assert verdict(*map(silent, PAIRS), rows=()).status is Status.FAIL


def test_that_it_did_not_settle_there_belongs_to_it():
    assert verdict(*map(silent, PAIRS), *map(late, PAIRS)).status is Status.KNOWN


@pytest.mark.parametrize(
    "more",
    [
        Finding(status=Status.FAIL, summary="responders: a stranger answered", where=PAIRS[0]),
        silent("a Pod on node-1 → other"),
        Finding(status=Status.FAIL, summary="api: refused"),
    ],
    ids=["otherwise", "elsewhere", "of no pair"],
)
def test_more_than_a_row_says_fails(more: Finding):
    given = verdict(*map(silent, PAIRS), more)
    assert given.status is Status.FAIL
    assert [found.summary for found in given.findings if found.status is Status.FAIL] == [
        more.summary
    ]


def test_what_could_not_be_told_beside_it_is_not_known():
    assert verdict(*map(silent, PAIRS), late("a Pod on node-1 → other")).status is (
        Status.INCONCLUSIVE
    )


@pytest.mark.parametrize(
    "less",
    [[silent(PAIRS[0])], [silent(PAIRS[0]), silent(PAIRS[1], of="2 of 5")]],
    ids=["at one place of two", "some connections of a place"],
)
def test_less_than_a_row_says_fails(less: list[Finding]):
    given = verdict(*less)
    assert given.status is Status.FAIL
    assert set(less) <= set(given.findings)
    assert "only a part of what udp says" in given.findings[-1].summary
    assert given.findings[-1].where == PAIRS[1]


def test_that_its_backend_never_answered_belongs_to_it():
    summary = "responders: never answered: web-1 (but 48 answers are too few to tell)"
    beside = Finding(status=Status.INCONCLUSIVE, summary=summary, where=PAIRS[0])
    assert verdict(*map(silent, PAIRS), beside).status is Status.KNOWN
    certain = replace(beside, status=Status.FAIL, summary="responders: never answered: web-1")
    assert verdict(*map(silent, PAIRS), certain).status is Status.FAIL


def test_a_pair_that_was_not_measured_to_the_end_lacks_nothing():
    """Whoever kills a run must not turn what is known into a failure."""
    check = excusing(lambda _: judged(10, [silent(PAIRS[0])]))
    assert check(FakeHistory(ROW, last=4)).status is Status.KNOWN  # type: ignore[arg-type]


def test_a_row_that_is_no_longer_seen_is_told():
    given = verdict()
    assert given.status is Status.PASS
    assert given.facts == (Fact("known deviation no longer seen", "udp: remove it (silence)"),)


def test_whether_it_is_seen_is_not_told_where_nothing_could_be():
    assert verdict(late(PAIRS[0])).facts == ()


@given(
    st.lists(st.sampled_from(["all", "some", "none", "stranger"]), min_size=2, max_size=2),
    st.booleans(),
)
def test_known_only_if_every_place_shows_it_and_nothing_else(states, has_row):
    found = []
    for where, state in zip(PAIRS, states, strict=True):
        if state in ("all", "some"):
            found.append(silent(where, of="5 of 5" if state == "all" else "3 of 5"))
        elif state == "stranger":
            found.append(Finding(status=Status.FAIL, summary="x: y", where=where))
    given_ = verdict(*found, rows=(ROW,) if has_row else ())
    wanted = Status.FAIL if found else Status.PASS
    if has_row and states == ["all", "all"]:
        wanted = Status.KNOWN
    assert given_.status is wanted


def applies(row: Deviation, **fields: str) -> bool:
    asked = {"case": "tests/test_a.py::test_b[x]", "data_plane": "iptables", "version": "1.36.4"}
    return bool(list(applying([row], **(asked | fields))))


def row(**fields) -> Deviation:
    values = {"slug": "s", "seen": "x", "case": "test_a.py::test_b", "findings": ()}
    return Deviation(**(values | fields))


def test_a_row_is_for_its_case_from_any_directory_and_with_any_parameters():
    assert applies(row())
    assert applies(row(case="test_a.py::test_b[x]"))
    assert applies(row(case="tests/test_a.py::test_b[x]"))
    assert not applies(row(case="test_a.py::test_b[y]"))
    assert not applies(row(case="a.py::test_b"))
    assert not applies(row(case="test_a.py::test_bc"))


@pytest.mark.parametrize(
    ("data_plane", "due"),
    [
        ("iptables", True),
        ("ipvs", False),
        ("cilium", False),
        ("unknown", True),
        ("iptables on n1; unknown on n2", True),
        ("iptables on n1, n2; nftables on n3", True),
        ("iptables on n1; ipvs on n2", False),
    ],
)
def test_a_row_is_for_its_data_planes_and_for_what_may_be_one(data_plane, due):
    of_kube_proxy = row(data_planes=("iptables", "nftables"))
    assert applies(of_kube_proxy, data_plane=data_plane) is due
    assert applies(row(), data_plane=data_plane)


@pytest.mark.parametrize(
    ("versions", "version", "due"),
    [
        ("", "", True),
        (">=1.32,<1.37", "1.36.4", True),
        (">=1.32,<1.37", "1.37.0", False),
        ("==1.36.*", "v1.36.4+k3s1", True),
        ("==1.36.*", "v1.36.4-gke.100", True),
        (">=1.32", "unknown", False),
    ],
)
def test_a_row_is_for_its_versions(versions, version, due):
    assert applies(row(versions=versions), version=version) is due


def test_a_row_is_for_its_data_planes():
    assert applies(row(data_planes=("iptables", "nftables")), data_plane="nftables")
    assert not applies(row(data_planes=("iptables",)), data_plane="cilium")
    assert applies(row(), data_plane="cilium")


def test_the_rows_that_come_along_can_be_read_and_say_where_they_are_known_from():
    assert {each.slug for each in shipped()} == {
        "udp-flows-of-an-emptied-service",
        "udp-flows-of-a-deleted-service",
    }
    assert all(each.reference.startswith("https://") for each in shipped())


def test_a_row_of_the_users_own_takes_the_place_of_one_that_comes_along():
    own = row(slug="mine", case="test_emptied_service.py::test_emptied_service")
    assert [each.slug for each in beside_shipped([own])] == [
        "mine",
        "udp-flows-of-a-deleted-service",
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("slug: x", "Expected `array | null`"),
        ("- slug: x", "missing required field"),
        ("- {slug: x, seen: y, case: z, findings: [], sen: w}", "unknown field `sen`"),
        ("- {slug: x, seen: y, case: z, findings: [], versions: new}", "Invalid specifier"),
        ("- {slug: x, seen: y, case: z, findings: []}\n" * 2, "more than one"),
        ("- [", "not a list of known deviations"),
        ("- {slug: !!int ''}", "not a list of known deviations"),
        ("- {slug: !!bool maybe}", "not a list of known deviations"),
    ],
)
def test_what_is_no_list_of_rows_is_refused_by_name(content, words):
    with pytest.raises(UsageError) as told:
        decode(content, source="known.yaml")
    assert str(told.value).startswith("known.yaml: ")
    assert words in str(told.value)


def test_an_empty_file_has_no_rows():
    assert decode("# nothing\n", source="known.yaml") == ()


@pytest.mark.parametrize(
    ("summary", "seen"),
    [
        ("reachability: 12 of 66 connections ended refused", "some connections"),
        ("reachability: 66 of 66 connections ended refused", "all connections"),
        ("outages: no answer for 4.51 s", "for # s"),
        ("responders: never answered: web-7d4b9c6f5d-x2x9z on node-2", "web-* on node-2"),
        ("responders: answered by a Pod that should not get traffic: a on node-1", "traffic: *"),
    ],
)
def test_what_of_a_finding_is_the_same_each_time(summary, seen):
    assert seen in sign_of(summary, "").summary


def test_what_a_run_showed_is_known_in_the_next(tmp_path):
    lines = tuple(
        FindingLine(status="FAIL", summary=f.summary, where=f.where) for f in map(silent, PAIRS)
    )
    (accepted,) = deviations_of(run(lines))
    again = decode(
        msgspec.yaml.encode([msgspec.to_builtins(accepted)]).decode(), source="known.yaml"
    )
    assert again == (accepted,)
    (event,) = applying(
        again,
        case="x/svcproof/suites/test_a.py::test_b[c]",
        data_plane="nftables",
        version="1.36.9",
    )
    assert verdict(*map(silent, PAIRS), rows=(event,)).status is Status.KNOWN
    assert verdict(silent(PAIRS[0]), rows=(event,)).status is Status.FAIL


def test_what_is_no_list_of_rows_is_named_and_not_written_over(tmp_path):
    """Whatever it is: the wrong file was named, or a newer version wrote it."""
    line = FindingLine(status="FAIL", summary=SILENT, where=PAIRS[0])
    (tmp_path / "results.json").write_bytes(msgspec.json.encode(run((line,))))
    for content in (b"\xff\xfe", b"slug: x", b"- slug: x\n  newer: 1"):
        known = tmp_path / "known.yaml"
        known.write_bytes(content)
        done = CliRunner().invoke(accept, [str(tmp_path), "--output", str(known)])
        assert isinstance(done.exception, UsageError)
        assert f"{known}: not a list of known deviations: " in done.exception.what
        assert known.read_bytes() == content


def test_only_failures_are_accepted():
    passed = replace_verdict(run(()), "PASS")
    undecided = replace_verdict(run(()), "INCONCLUSIVE")
    assert not list(deviations_of(passed))
    assert not list(deviations_of(undecided))


def run(lines: tuple[FindingLine, ...]) -> RunResult:
    case = CaseResult(
        case="../venv/svcproof/suites/test_a.py::test_b[c]",
        promise="It answers.",
        positions=(),
        forms=(),
        targets=(),
        judged=10,
        failed=10,
        verdict="FAIL",
        history="h.jsonl",
        findings=lines,
    )
    cluster = ClusterLine(
        name="c",
        kind="embedded",
        kubernetes_version="1.36.4",
        proxy_mode="nftables",
        families=("ipv4",),
        nodes=3,
    )
    return RunResult(cluster=cluster, cases=(case,), problems=(), evidence="dir")


def replace_verdict(result: RunResult, word: str) -> RunResult:
    cases = tuple(msgspec.structs.replace(case, verdict=word) for case in result.cases)
    return msgspec.structs.replace(result, cases=cases)
