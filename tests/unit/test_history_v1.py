"""Histories of format 1, which earlier versions wrote: they are judged as they were."""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from svcproof import events
from svcproof.cli.judge import judge_file, judge_files
from svcproof.errors import BadHistory
from svcproof.history import Backend, Expectation, Outcome, Promise
from svcproof.history_reader import decode_lines
from svcproof.history_v1 import EventV1, ExpectationV1, upgrade
from svcproof.verdict import Status

DATA = Path(__file__).parent / "data"
PASSED = DATA / "format-1-pass.jsonl"
FAILED = DATA / "format-1-fail.jsonl"


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def upgraded(kind: str, **facts: object) -> events.Event:
    return upgrade(EventV1(index=3, at_ns=5, kind=kind, facts=facts))


@pytest.mark.parametrize(
    ("path", "status", "checks"),
    [
        (PASSED, Status.PASS, ("reachability", "convergence", "answers")),
        (FAILED, Status.FAIL, ("reachability", "responders", "convergence")),
    ],
)
def test_the_verdict_is_the_one_that_was_noted(path, status, checks):
    judged = judge_file(path)
    assert judged.comparison == "as in the run"
    assert judged.verdict.status is status
    assert [noted.asked for noted in judged.noted] == [checks]


def test_the_findings_are_those_of_the_version_that_wrote_it():
    (lost, silent, unsettled) = judge_file(FAILED).verdict.findings
    where = "backend lonely-0000a on node-1 → web-local by ClusterIP"
    assert {found.where for found in (lost, silent, unsettled)} == {where}
    assert lost.summary == "reachability: 66 of 66 connections ended refused"
    assert lost.expected == "every connection answered (every ready endpoint)"
    assert lost.indices == tuple(range(4, 70))
    assert silent.seen == "0 answers, none by lonely-0000a on node-1"
    assert unsettled.summary == "convergence: did not settle within 60.0 s"
    assert unsettled.indices == (2,)


def test_a_promise_is_what_the_expectation_said():
    history = decode_lines(lines(FAILED))
    (cell,) = history.cells
    assert cell.promise.outcome is Outcome.ANSWERED
    assert cell.promise.rule == "every ready endpoint"
    assert [backend.pod for backend in cell.promise.allowed] == ["lonely-0000a"]
    assert cell.expectation.minimum == 66
    assert len(cell.observations) == 66
    assert [event.word for event in history.events] == [
        "fault-injected", "endpoints-seen", "not-converged", "judged",
    ]  # fmt: skip


def test_a_torn_last_line_is_dropped(tmp_path):
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes(FAILED.read_bytes()[:-20])
    said = CliRunner().invoke(judge_files, [str(torn)]).output
    assert "its last line is cut" in said
    assert len(decode_lines(lines(torn)).entries) == 70


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            upgraded("endpoints", service="s", listed=["a"], due=["b"]),
            events.EndpointsSeen(service="s", listed=("a",), ready=("b",)),
        ),
        (
            upgraded("api-answer", request="r", due="d", said="s"),
            events.ApiAnswer(request="r", expected="d", answer="s"),
        ),
        (
            upgraded("promise-changed", position="p", target="t", before="b", after="a"),
            events.PromiseChanged(position="p", target="t", before="b", after="a"),
        ),
        (
            upgraded("judged", verdict="PASS", checks=["a"]),
            events.Judged(verdict="PASS", checks=("a",)),
        ),
        (
            upgraded("fault-healed", number=3, slug="s", seconds=1, leftovers=["x"]),
            events.FaultHealed(number=3, slug="s", seconds=1.0, leftovers=("x",)),
        ),
        (upgraded("idle", seconds=2, why="w"), events.Idle(seconds=2.0, why="w")),
        (
            upgraded("scaled-begin", replicas=3),
            events.Other(kind="scaled-begin", facts={"replicas": 3}),
        ),
        # of a test of one's own, by a name that has a meaning now
        (upgraded("idle", reason="r"), events.Other(kind="idle", facts={"reason": "r"})),
        (upgraded("patched", object="o"), events.Other(kind="patched", facts={"object": "o"})),
    ],
)
def test_an_event_is_of_the_type_that_its_kind_has_now(event, expected):
    assert event == msgspec.structs.replace(expected, index=3, at_ns=5)


@pytest.mark.parametrize(
    ("kind", "facts", "missing"),
    [
        ("endpoints", {"service": "s", "listed": ["a"]}, "ready"),
        ("api-answer", {"request": "r"}, "expected"),
        ("not-converged", {"position": "p"}, "target"),
        ("judged", {"verdict": "PASS"}, "checks"),
    ],
)
def test_an_event_that_is_judged_and_damaged_is_refused_with_its_place(kind, facts, missing):
    event = msgspec.json.encode(EventV1(index=0, at_ns=1, kind=kind, facts=facts)) + b"\n"
    with pytest.raises(BadHistory, match=rf"^h, line 2: {kind}: .*`{missing}`"):
        decode_lines([lines(FAILED)[0], event], source="h")


def test_records_of_todays_format_are_none_of_the_old_one():
    newer = b'{"type":"converged","index":0,"at_ns":1}\n'
    history = decode_lines([lines(PASSED)[0], newer])
    assert [str(each) for each in history.unread] == ["record of type 'converged' (line 2)"]


@pytest.mark.parametrize(
    ("kind", "bears"), [("expectation", True), ("observation", True), ("event", True)]
)
def test_a_field_that_the_old_format_never_had_is_named(kind, bears):
    old = lines(PASSED)
    at = next(n for n, line in enumerate(old) if f'"type":"{kind}"'.encode() in line)
    old[at] = msgspec.json.encode(msgspec.json.decode(old[at]) | {"payload": 1}) + b"\n"
    (unread,) = decode_lines(old).unread
    assert (unread.what, unread.line, unread.bears) == (f"field `payload` of {kind}", at + 1, bears)


def test_every_field_of_an_old_expectation_is_taken_over():
    """And what came later has its default."""
    fields = {
        "index": 1, "at_ns": 2, "position": "p", "target": "t", "outcome": Outcome.REFUSED,
        "also": (Outcome.RESET,), "allowed": (Backend(pod="a"),), "cover": False, "minimum": 7,
        "rule": "r", "choice": "random", "affinity": "pin", "affinity_ms": 8, "sources": ("s",),
        "not_sources": ("n",), "control": "c", "answers": ("x",), "rcode": "NXDOMAIN",
        "unsettled": True, "outage_ms": 9, "trouble_ms": 10, "rate": 11.0,
    }  # fmt: skip
    assert set(fields) == set(ExpectationV1.__struct_fields__)
    promise = {name: fields.pop(name) for name in Promise.__struct_fields__ if name in fields}
    assert upgrade(ExpectationV1(**fields, **promise)) == Expectation(
        promise=Promise(**promise), **fields
    )
