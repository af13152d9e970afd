"""What other versions of svcproof have written: what is known of it is used, the rest is named."""

import json
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from svcproof import checkers, deviations, events, evidence
from svcproof.checkers import judge as judged
from svcproof.cli.diff import diff
from svcproof.cli.judge import judge_file, judge_files
from svcproof.cli.report import report
from svcproof.comparison import compare
from svcproof.culprit import culprits
from svcproof.errors import BadHistory, SvcproofError
from svcproof.events import UNJUDGED, AnyEvent, Idle, Judged
from svcproof.history import Outcome, Record, encode
from svcproof.history_reader import decode_lines
from svcproof.matrix import decode_matrix
from svcproof.reporters.differences import describe_differences
from svcproof.reporters.markdown import summary
from svcproof.reporters.page import render, view_of
from svcproof.reporters.side_by_side import Ran, describe
from svcproof.reporters.terminal import render as render_text
from svcproof.results import RunResult, decode_run
from svcproof.saved import read_history
from svcproof.unread import known_part
from svcproof.verdict import Status
from tests.unit.test_comparison import LOST, case, run
from tests.unit.test_history import DECLARED, PROMISE, observed
from tests.unit.test_saved import EXPECTATION

HEADER, POSITION, TARGET = DECLARED
PASSED = encode(Judged(index=4, at_ns=9, verdict="PASS", checks=("reachability",)))
#: A case of three connections, as the run judged it.
LINES = [
    *DECLARED,
    encode(EXPECTATION),
    *(observed(index, backend=PROMISE.allowed[0]) for index in (1, 2, 3)),
    PASSED,
]
JUDGED_AT = len(LINES) - 1


def changed(line: bytes, **fields: object) -> bytes:
    """A line that says something else, or more."""
    return msgspec.json.encode(msgspec.json.decode(line) | fields) + b"\n"


def inserted(at: int, **record: object) -> list[bytes]:
    """The case with another record in it, and the indices of what comes after it."""
    lines = [*LINES[:at], msgspec.json.encode(record) + b"\n"]
    shift = "index" in record
    for line in LINES[at:]:
        index = msgspec.json.decode(line)["index"]
        lines.append(changed(line, index=index + shift))
    return lines


def invoked(tmp_path: Path, lines: list[bytes]):
    path = tmp_path / "h.jsonl"
    path.write_bytes(b"".join(lines))
    done = CliRunner().invoke(judge_files, [str(path)])
    assert done.exception is None or isinstance(done.exception, SystemExit | SvcproofError)
    return done


class TestJudge:
    def test_the_case_itself_passes(self, tmp_path):
        done = invoked(tmp_path, LINES)
        assert (done.exit_code, "known" in done.output) == (0, False)

    @pytest.mark.parametrize(
        "record",
        [
            {"type": "node-drained", "index": 3, "at_ns": 5, "node": "n"},
            {"type": "node-drained", "index": 3},
            {"type": "peer", "peer": {"name": "x"}},
        ],
    )
    def test_a_record_of_an_unknown_kind_may_have_been_judged(self, tmp_path, record):
        done = invoked(tmp_path, inserted(6, **record))
        assert done.exit_code == 3
        assert "INCONCLUSIVE: c" in done.output
        assert f"seen      record of type {record['type']!r} (line 7)" in done.output
        assert "the run said PASS: not to be compared" in done.output

    def test_one_after_the_last_verdict_was_not(self, tmp_path):
        line = b'{"type":"node-drained","index":5,"at_ns":5}\n'
        done = invoked(tmp_path, [*LINES, line])
        assert done.exit_code == 0
        assert "as in the run" in done.output
        assert "of no weight: record of type 'node-drained' (line 9)" in done.output

    def test_what_comes_often_is_named_once(self, tmp_path):
        lines = [changed(line, ttl=1) if b"observation" in line else line for line in LINES]
        done = invoked(tmp_path, lines)
        assert "field `ttl` of observation (line 5 and 2 more)" in done.output
        assert done.exit_code == 3

    @pytest.mark.parametrize(
        ("line", "field"),
        [(1, "position"), (2, "target"), (3, "promise"), (4, "backend")],
    )
    def test_a_field_that_is_not_known_in_what_is_judged(self, tmp_path, line, field):
        value = msgspec.json.decode(LINES[line])[field] | {"newer": 1}
        lines = [*LINES[:line], changed(LINES[line], **{field: value}), *LINES[line + 1 :]]
        done = invoked(tmp_path, lines)
        assert done.exit_code == 3
        assert f"field `{field}.newer` of " in done.output
        assert f"(line {line + 1})" in done.output

    def test_a_field_of_the_verdict_itself(self, tmp_path):
        done = invoked(tmp_path, [*LINES[:-1], changed(PASSED, waived=["x"])])
        assert done.exit_code == 3
        assert "field `waived` of judged (line 8)" in done.output

    def test_a_field_of_what_no_check_reads_changes_nothing(self, tmp_path):
        done = invoked(
            tmp_path,
            inserted(6, type="idle", index=3, at_ns=5, seconds=1.0, why="w", until="later"),
        )
        assert done.exit_code == 0
        assert "not known here, and of no weight: field `until` of idle (line 7)" in done.output

    def test_nor_does_a_field_of_the_header(self, tmp_path):
        done = invoked(tmp_path, [changed(HEADER, svcproof="9.9"), *LINES[1:]])
        assert done.exit_code == 0
        assert "of no weight: field `svcproof` of the header (line 1)" in done.output

    def test_an_unknown_ending_is_no_evidence(self, tmp_path):
        lines = [*LINES[:5], changed(LINES[5], outcome="half-open"), *LINES[6:]]
        done = invoked(tmp_path, lines)
        assert done.exit_code == 3
        assert "observation with `outcome` 'half-open'; known are answered, refused," in done.output
        history = decode_lines(lines)
        assert [entry.index for entry in history.entries] == [0, 1, 2, 3, 4]
        assert len(history.observations) == 2

    @pytest.mark.parametrize(
        ("line", "kind", "name"), [(1, "kind", "position"), (2, "form", "target")]
    )
    def test_what_is_said_of_an_unknown_place_is_left_out(self, tmp_path, line, kind, name):
        value = msgspec.json.decode(LINES[line])[name] | {kind: "gateway"}
        lines = [*LINES[:line], changed(LINES[line], **{name: value}), *LINES[line + 1 :]]
        done = invoked(tmp_path, lines)
        assert done.exit_code == 3
        assert f"{name} with `{name}.{kind}` 'gateway'; known are " in done.output
        assert f"observation with a {name} that is not understood (line 5 and 2" in done.output
        # The same name, declared anew as something that is known.
        again = decode_lines([*lines[: line + 1], LINES[line], *lines[line + 1 :]])
        assert (len(again.observations), len(again.unread)) == (3, 1)

    @pytest.mark.parametrize(("noted", "code"), [("FAIL", 1), ("PASS", 3), ("INCONCLUSIVE", 3)])
    def test_a_failure_is_one_only_if_the_run_saw_it_too(self, tmp_path, noted, code):
        """What is not known may be what excuses it."""
        lines = inserted(6, type="excuse", index=3)
        lines[4] = changed(lines[4], outcome="reset")
        lines[-1] = changed(lines[-1], verdict=noted)
        done = invoked(tmp_path, lines)
        assert done.exit_code == code
        assert "record of type 'excuse'" in done.output

    def test_without_a_noted_verdict_it_is_none_at_all(self, tmp_path):
        lines = inserted(6, type="excuse", index=3)[:-1]
        lines[4] = changed(lines[4], outcome="reset")
        assert invoked(tmp_path, lines).exit_code == 3

    @pytest.mark.parametrize(("outcome", "code"), [("answered", 3), ("reset", 3)])
    def test_a_verdict_by_an_unknown_word(self, tmp_path, outcome, code):
        lines = [*LINES[:5], changed(LINES[5], outcome=outcome), *LINES[6:-1]]
        done = invoked(tmp_path, [*lines, changed(PASSED, verdict="WAIVED")])
        assert done.exit_code == code
        assert "noted a verdict that this svcproof does not know" in done.output
        assert "seen      WAIVED" in done.output

    @pytest.mark.parametrize(("noted", "code"), [("PASS", 0), ("INCONCLUSIVE", 3), ("FAIL", 3)])
    def test_what_an_unknown_check_found_is_not_forgotten(self, tmp_path, noted, code):
        asked = ["reachability", "gateways"]
        done = invoked(tmp_path, [*LINES[:-1], changed(PASSED, verdict=noted, checks=asked)])
        assert done.exit_code == code
        assert "not asked here: gateways" in done.output
        assert (f"{noted} by gateways" in done.output) == (noted != "PASS")

    def test_all_of_it_is_in_the_json(self, tmp_path):
        path = tmp_path / "h.jsonl"
        path.write_bytes(b"".join(inserted(6, type="excuse", index=3)))
        (item,) = json.loads(CliRunner().invoke(judge_files, ["--json", str(path)]).output)
        assert item["not known"] == ["record of type 'excuse' (line 7)"]

    @pytest.mark.parametrize(
        "header",
        [
            {"version": 3},
            {"version": 3, "run": ["r"], "case": None, "svcproof": {"version": "9"}},
            {"version": 0},
        ],
    )
    def test_another_format_is_refused_whatever_its_header_says(self, tmp_path, header):
        done = invoked(tmp_path, [changed(HEADER, **header), b'{"anything":"else"}\n'])
        assert isinstance(done.exception, BadHistory)
        assert str(done.exception).startswith(
            f"{tmp_path}/h.jsonl, line 1: format version {header['version']}; "
            "this svcproof reads 1 and 2"
        )
        assert "what to do" in str(done.exception)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "empty"),
            (b"\n", "line 1: "),
            (b"".join(LINES[1:]), "line 1: the first line is not a header"),
            (b"PK\x03\x04\xff\xfe\n\x00\n", "line 1: "),
            (b"\x00" * 64, "empty"),
            (b'{"kind":"Pod"}\n', "line 1: the first line is not a header"),
            (b'{\n "schema": 2\n}\n', "line 1: "),
            (b"[1, 2]\n", "line 1: .*array"),
            (b'{"a":' * 100_000 + b"\n", "line 1: .*recursion"),
            (b"".join([HEADER, b'{"a":' * 100_000, b"\n"]), "line 2: .*recursion"),
            (changed(HEADER, version="2"), "line 1: .*version"),
            (changed(HEADER, version=2**80), "line 1: .*version"),
            (HEADER + b"[]\n", "line 2: .*array"),
            (HEADER + b'{"type":{}}\n', "line 2: "),
            (HEADER + changed(POSITION, position="p"), "line 2: position: .*object"),
            (HEADER + b'{"type":"new","index":7}\n', "line 2: index 7 where 0 was due"),
        ],
    )
    def test_what_is_no_history_is_refused_with_its_place(self, tmp_path, content, message):
        done = invoked(tmp_path, [content])
        assert isinstance(done.exception, BadHistory)
        with pytest.raises(BadHistory, match=rf"^{tmp_path}/h\.jsonl[:,] {message}"):
            raise done.exception


def test_kinds_that_are_not_judged_are_read_by_no_check():
    judges = [Path(deviations.__file__), *Path(checkers.__file__).parent.rglob("*.py")]
    text = "".join(path.read_text() for path in judges)
    assert [kind for kind in UNJUDGED if kind.__name__ in text] == []
    assert set(get_args(AnyEvent)) - set(UNJUDGED) == {
        events.Converged,
        events.NotConverged,
        events.SettledLate,
        events.EndpointsSeen,
        events.ApiAnswer,
        events.PromiseChanged,
        events.ClientMissing,
        events.ServiceAdmitted,
        events.ServiceChanged,
        events.KnownDeviation,
        events.Judged,
    }


@pytest.mark.parametrize("kind", get_args(Record))
def test_no_record_passes_over_a_field_in_silence(kind):
    assert kind.__struct_config__.forbid_unknown_fields


def test_what_a_type_knows_of_a_value():
    value = {
        "type": "observation",
        "outcome": "half-open",
        "backend": {"pod": "a", "zone": "z"},
        "answers": ["x"],
        "weather": {"outcome": "fine"},
    }
    (kind,) = (each for each in get_args(Record) if each.__name__ == "Observation")
    part = known_part(value, kind)
    assert part.value == {
        "type": "observation",
        "outcome": "half-open",
        "backend": {"pod": "a"},
        "answers": ["x"],
    }
    assert part.fields == ("`backend.zone`", "`weather`")
    assert part.words == (
        "`outcome` 'half-open'; known are answered, refused, reset, timed-out, unreachable, "
        "name-failed, unknown",
    )


#: A byte more, a byte less, another byte; a line twice, one less, two the other way round; and
#: fields that are other ones, less, or more.
spoilt = st.tuples(
    st.sampled_from(["cut", "byte", "drop", "double", "swap", "field", "less", "more"]),
    st.integers(0, 10**6),
    st.sampled_from(
        [None, -1, 2**70, 1.5, True, "", "x", "answered", [], ["x"], {}, {"name": "p"}, "PASS"]
    ),
)
RICH = [
    *LINES[:6],
    encode(Idle(index=3, at_ns=5, seconds=1.0, why="w")),
    *inserted(6, type="idle", index=3)[7:],
]


def mangled(lines: list[bytes], how: str, where: int, value: object) -> list[bytes]:
    """The lines with one thing wrong, or more; what cannot be done there is not done."""
    at = where % len(lines)
    line, rest = lines[at], lines[at + 1 :]
    place = where % max(len(line), 1)
    spoiled = {
        "cut": lambda: [line[:place]],
        "byte": lambda: [line[:place] + bytes([where % 256]) + line[place + 1 :]],
        "drop": list,
        "double": lambda: [line, line],
        "swap": lambda: [*rest[:1], line],
    }
    if how in spoiled:
        return [*lines[:at], *spoiled[how](), *rest[how == "swap" :]]
    try:
        record = msgspec.json.decode(line)
        name = sorted(record)[where % len(record)]
        del record[name]
    except (msgspec.DecodeError, UnicodeError, TypeError, ZeroDivisionError):
        return lines
    if how != "less":
        record[f"{name}-newer" if how == "more" else name] = value
    return [*lines[:at], msgspec.json.encode(record) + b"\n", *rest]


@settings(max_examples=300, deadline=None)
@given(st.lists(spoilt, min_size=1, max_size=3))
def test_a_history_that_was_spoilt_is_read_the_same_in_every_way_or_refused(
    tmp_path_factory, spoils
):
    """And what is not understood in it passes no judge."""
    lines = RICH
    for spoil in spoils:
        lines = mangled(lines, *spoil)
    path = tmp_path_factory.mktemp("h") / "h.jsonl"
    path.write_bytes(b"".join(lines))
    # bytes.splitlines() splits at more than a line feed; a file does not.
    split = [part + b"\n" for part in path.read_bytes().split(b"\n")]
    split[-1] = split[-1][:-1]
    refused = ""
    try:
        history = decode_lines(filter(None, split), source=str(path))
    except BadHistory as error:
        refused = str(error)
    if refused:
        assert refused.startswith(str(path))
        with pytest.raises(BadHistory, match=f"^{re.escape(refused)}$"):
            read_history(path)
        return
    again = read_history(path)
    assert again.entries == history.entries
    assert again.unread == history.unread
    judged(history)
    item = judge_file(path)
    assert item.verdict.status is not Status.PASS or not any(n.strange for n in item.noted)


RUN = run(
    case("a", "PASS"),
    case("b", "FAIL", findings=(LOST,)),
    problems=(),
)


def results(**fields: object) -> dict[str, object]:
    """Results as they are saved."""
    found: dict[str, object] = json.loads(msgspec.json.encode(RUN))
    return found | fields


def shown(found: RunResult) -> None:
    """Everything that is made of results."""
    again = msgspec.structs.replace(found, culprits=culprits(found.cases, found.problems))
    render(view_of(again, lambda _: "gone"))
    summary(again)
    render_text(again)
    describe([Ran(name=n, code=0, seconds=1, result=again, directory="d") for n in "ab"])
    for before, after in ((again, RUN), (RUN, again)):
        describe_differences(compare(before, after))


class TestResults:
    def test_a_case_that_ended_in_an_unknown_way_is_inconclusive(self):
        data = results()
        data["cases"][0] |= {"verdict": "WAIVED"}
        data["cases"][1]["findings"][0]["status"] = "waived"
        found = decode_run(json.dumps(data).encode(), source="results.json")
        first, second = found.cases
        assert (first.verdict, second.verdict) == ("INCONCLUSIVE", "FAIL")
        (finding,) = first.findings
        assert finding.summary == "the run said 'WAIVED', which this svcproof does not know"
        assert finding.expected == "PASS, KNOWN, INCONCLUSIVE, FAIL"
        assert second.findings[0].status == "INCONCLUSIVE"
        shown(found)

    def test_so_is_a_case_without_a_verdict_for_an_unknown_reason(self):
        data = results(problems=[{"case": "c", "word": "flaky", "reason": "r"}])
        found = decode_run(json.dumps(data).encode(), source="results.json")
        (problem,) = found.problems
        assert problem.word == "inconclusive"
        assert problem.reason == "the run said 'flaky', which this svcproof does not know: r"
        shown(found)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({"schema": 3, "tests": []}, "format version 3; this svcproof reads 1 and 2"),
            ({"schema": 0}, "format version 0; this svcproof reads 1 and 2"),
            ({"schema": "2"}, "not the results of a run: .*schema"),
            ({"kind": "List", "items": []}, "not the results of a run: .*cluster"),
            ([], "not the results of a run: .*array"),
        ],
    )
    def test_what_is_no_run_or_a_newer_one_is_refused(self, content, message):
        with pytest.raises(BadHistory, match=rf"^r\.json: {message}") as refused:
            decode_run(json.dumps(content).encode(), source="r.json")
        assert refused.value.remedy

    @pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"\x00", b'{"a":' * 100_000])
    @pytest.mark.parametrize("decode", [decode_run, decode_matrix])
    def test_what_is_no_json_is_refused(self, decode, content):
        with pytest.raises(BadHistory, match=r"^r\.json: not "):
            decode(content, source="r.json")

    def test_a_newer_proof_is_refused_for_its_version(self):
        with pytest.raises(BadHistory, match=r"^p\.json: format version 9; this svcproof reads"):
            decode_matrix(b'{"schema":9,"trials":[]}', source="p.json")

    @pytest.fixture
    def newer(self, tmp_path) -> Path:
        directory = tmp_path / "newer"
        directory.mkdir()
        data = results(owner={"team": "x"})
        data["cases"][0] |= {"labels": ["a"], "history": "a.jsonl"}
        (directory / "results.json").write_text(json.dumps(data))
        (directory / "a.jsonl").write_bytes(b"".join(inserted(6, type="excuse", index=3)))
        return directory

    def test_the_page_names_what_it_passed_over(self, newer):
        done = CliRunner().invoke(report, [str(newer)])
        assert done.exit_code == 0
        assert (
            f"{newer}/results.json: passed over, because not known to this svcproof: "
            "`cases.labels`, `owner`" in done.stderr
        )
        page = (newer / "report.html").read_text()
        assert "Not known to this svcproof" in page
        assert "record of type &#39;excuse&#39;" in page

    def test_a_history_whose_name_none_can_have_is_not_there(self, tmp_path):
        assert "null" in str(evidence.read_history(tmp_path, case("a\0")))

    def test_so_does_a_comparison(self, newer):
        done = CliRunner().invoke(diff, [str(newer), str(newer)])
        assert done.exit_code == 0
        assert done.stderr.count("passed over") == 2

    @pytest.mark.parametrize("command", [report, diff, judge_files])
    def test_of_an_empty_directory_nothing_can_be_said(self, tmp_path, command):
        arguments = [str(tmp_path)] * (2 if command is diff else 1)
        done = CliRunner().invoke(command, arguments)
        assert isinstance(done.exception, SvcproofError)
        assert str(tmp_path) in done.exception.what
        assert done.exception.remedy


def leaves(value: object, path: tuple[object, ...] = ()):
    """Where in a JSON value something stands."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, (*path, key))


def replaced(path: tuple[object, ...], value: object, *, add: bool) -> dict[str, object]:
    data = results()
    place = data
    for key in path[:-1]:
        place = place[key]
    if add and isinstance(place, dict):
        place[f"{path[-1]}-newer"] = value
    else:
        place[path[-1]] = value
    return data


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(list(leaves(results()))),
    st.sampled_from(
        [None, -1, 0, 2**70, 1e308, True, "", "waived", "KNOWN", "\u2028", [], ["x"], {}, [[]]]
    ),
    st.booleans(),
)
def test_results_that_were_spoilt_are_refused_or_shown(path, value, add):
    content = json.dumps(replaced(path, value, add=add)).encode()
    try:
        found = decode_run(content, source="r.json")
    except BadHistory:
        return
    shown(found)
    assert {each.verdict for each in found.cases} <= set(Status.__members__)


def test_outcomes_are_words_that_never_change():
    assert [outcome.value for outcome in Outcome] == [
        "answered", "refused", "reset", "timed-out", "unreachable", "name-failed", "unknown",
    ]  # fmt: skip
