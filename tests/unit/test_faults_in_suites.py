"""Planting faults under the default suites: what is pure of it, and the barrier."""

import contextlib
import re
import tempfile
from dataclasses import replace
from itertools import count
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcproof.errors import ApiRefused, ApplyFailed
from svcproof.faults import CATALOGUE, Scene, Undo, planted
from svcproof.manifest_files import packaged_manifests
from svcproof.recorder import Recorder
from tests.faults import extra
from tests.faults.barrier_server import Barrier, Held
from tests.faults.measured import (
    ABSENT,
    BEGIN,
    END,
    HEALTHY,
    Measured,
    Run,
    Stated,
    differences,
    is_red,
    judgement,
    plain,
    statements,
    table,
    verdicts,
    with_table,
)
from tests.faults.planter import SuiteScene, contains
from tests.faults.plantings import EXPERIMENTS, PLANTINGS, SUITES
from tests.faults.test_faults import CLUES
from tests.unit.test_faults_catalogue import Lab, LabFails

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "tests" / "faults" / "barrier"
ALL = [*PLANTINGS.values(), *EXPERIMENTS.values()]

MANIFESTS = [
    item
    for path in (ROOT / "manifests").glob("*.yaml")
    if path.stem != "battery"
    for item in packaged_manifests(path.stem)
]
SERVICES = {
    item["metadata"]["name"]: item["spec"] for item in MANIFESTS if item["kind"] == "Service"
}


def test_all_of_the_catalogue_and_three_more_are_planted():
    assert len(PLANTINGS) == len(CATALOGUE) + 3
    assert set(CATALOGUE) < set(PLANTINGS)
    assert set(CLUES) == set(CATALOGUE)
    assert not set(PLANTINGS) & set(EXPERIMENTS)


@pytest.mark.parametrize("planting", ALL, ids=lambda planting: planting.slug)
def test_the_objects_of_a_planting_are_the_suites_own(planting):
    assert planting.anchor in SERVICES
    names = planting.names
    for service in (names.web, names.web_port, names.web_local, names.web_sticky, names.alias):
        assert service in SERVICES
    assert SERVICES[names.web]["selector"] == {"app": names.web_app}
    assert SERVICES[names.web_local]["externalTrafficPolicy"] == "Local"
    assert SERVICES[names.web_local]["selector"] == {"app": names.lonely}
    assert SERVICES[names.web_sticky]["sessionAffinity"] == "ClientIP"
    assert planting.culprit


def test_what_is_planted_before_a_run_asks_for_none_of_its_objects():
    """Their namespace would not be there: the Lab has the battery's names only."""
    lab = Lab()
    for planting in ALL:
        if planting.when == "before":
            with planted(planting.fault, scene_of(lab)):
                pass
    assert lab.leftovers == []


def scene_of(lab: Lab) -> Scene:
    return Scene(
        cluster=lab,
        namespace="default",
        run="r1",
        recorder=Recorder(None, run="r1", case="faults"),
        manifests=(),
        home="node-1",
        node="node-3",
        names=SUITES,
    )


@pytest.mark.parametrize(
    "fault", [getattr(extra, name) for name in extra.__all__], ids=lambda fault: fault.slug
)
def test_nothing_is_left_of_the_other_faults_wherever_they_break_off(fault):
    for fails_at in count(1):
        lab = Lab()
        lab.fails_at = fails_at
        with contextlib.suppress(LabFails), planted(fault, scene_of(lab)):
            assert lab.leftovers
            lab.fails_at = 0
        assert lab.leftovers == []
        if lab.fails_at == 0:
            return


def test_dns_is_dropped_in_both_directions_and_as_translated():
    lab = Lab()
    with planted(extra.DNS_DROPPED, scene_of(lab)):
        rules = lab.tables["node-3"]
    assert "hook forward priority -300" in rules
    for match in ("th dport 53", "th sport 53", "ct original proto-dst 53"):
        assert f"{match} drop" in rules


Json = st.recursive(
    st.none() | st.integers() | st.text(max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def merged(item, changes):
    """RFC 7386, as it is written there."""
    if not isinstance(changes, dict):
        return changes
    result = dict(item) if isinstance(item, dict) else {}
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


@given(Json.filter(lambda item: item is not None), Json.filter(lambda item: isinstance(item, dict)))
def test_an_object_contains_what_it_was_patched_with(item, changes):
    assert contains(merged(item, changes), changes)


@given(st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)), st.data())
def test_what_a_patch_would_change_is_not_contained(item, data):
    changes = data.draw(
        st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(0, 2), min_size=1)
    )
    assert contains(item, changes) == (merged(item, changes) == item)


def test_an_object_that_is_gone_contains_nothing():
    assert not contains(None, {"spec": {"selector": {"app": "webb"}}})


class Api:
    """One object, which a run may change back or delete."""

    def __init__(self) -> None:
        self.service = {"spec": {"selector": {"app": "webb"}}}

    def path(self, kind: str, name: str, namespace: str) -> str:
        return name

    def get(self, path: str):
        if path != "web":
            raise ApiRefused(404, "not there")
        return self.service


class LabWithApi(Lab):
    def __init__(self) -> None:
        super().__init__()
        self.api = Api()
        self.gone: set[str] = set()

    def snapshot(self, namespace: str):
        full = super().snapshot(namespace)
        return replace(full, pods=tuple(pod for pod in full.pods if pod.name not in self.gone))

    def patch(self, kind: str, name: str, changes: object, *, namespace: str) -> None:
        if kind == "Pod":
            raise ApplyFailed("not there")
        super().patch(kind, name, changes, namespace=namespace)


@pytest.fixture
def suite_scene() -> SuiteScene:
    lab = LabWithApi()
    return SuiteScene(
        cluster=lab,
        namespace="ns",
        run="r1",
        recorder=Recorder(None, run="r1", case="faults"),
        manifests=(),
        home="node-1",
        node="node-3",
    )


def test_a_fault_has_drifted_when_what_it_changed_is_changed_back(suite_scene):
    undo = Undo()
    suite_scene.patch(undo, "Service", "web", {"spec": {"selector": {"app": "webb"}}}, back={})
    assert suite_scene.drift() == ""
    suite_scene.cluster.api.service["spec"]["selector"] = {"app": "web"}
    assert suite_scene.drift() == "changed back: Service web"


def test_a_fault_has_drifted_when_a_pod_that_it_chose_is_gone(suite_scene):
    pod = suite_scene.pod("web", "node-3")
    assert suite_scene.drift() == ""
    suite_scene.cluster.gone.add(pod.name)
    assert suite_scene.drift() == f"gone: {pod.name}"
    suite_scene.settled()
    assert suite_scene.drift() == "", "the injection itself has replaced it"


def test_a_pod_that_a_test_has_deleted_needs_no_patch_back(suite_scene):
    undo = Undo()
    with pytest.raises(ApplyFailed):
        suite_scene.cluster.patch("Pod", "web-1", {}, namespace="ns")
    suite_scene.patch(undo, "Pod", "web-1", {"metadata": {}}, back={})
    assert undo.heal() == []


# ── What a run says ──


def test_a_line_is_what_its_last_redrawing_left():
    assert plain("\r\x1b[2K\x1b[1A\x1b[2K\x1b[1;31mFAIL         \x1b[0m  It is.\n") == (
        "FAIL           It is."
    )


@pytest.mark.parametrize(
    ("line", "red"),
    [
        ("FAIL           A Service answers.", True),
        ("✗ not so far:    a Pod on node-1 → hostname-svc: refused", True),
        ("━━━━╺━━━━━ 2 of 11 cases 1 passed, 1 FAIL 0:06", False),
        ("INCONCLUSIVE   A Service answers.", False),
        ("PASS", False),
    ],
)
def test_a_red_line_says_that_something_failed(line, red):
    assert is_red(line) is red


RESULTS = {
    "cases": [
        {"case": "../lib/suites/test_dns.py::test_a[x/y::z]", "verdict": "FAIL"},
        {"case": "suites/test_dns.py::test_b", "verdict": "PASS"},
    ],
    "problems": [
        {"case": "suites/test_dns.py::test_b", "word": "error"},
        {"case": "suites/test_dns.py::test_c", "word": "not supported"},
    ],
}


def test_verdicts_are_by_the_case_alone_wherever_the_suites_are_installed():
    assert verdicts(RESULTS) == {
        "test_dns.py::test_a[x/y::z]": "FAIL",
        "test_dns.py::test_b": "PASS",
        "test_dns.py::test_c": "not supported",
    }


def test_statements_are_read_with_the_places_that_they_blame():
    found = {"statement": "node-3 is.", "nodes": ["node-3"], "objects": ["a"], "layer": "DNS"}
    assert statements({**RESULTS, "culprits": [found]}) == (Stated("node-3 is.", ("node-3", "a")),)
    assert statements(RESULTS) == ()


@pytest.mark.parametrize(
    ("stated", "right", "wrong"),
    [
        ([], False, ()),
        ([Stated("Pods on node-3 reach nobody", ("node-3",))], True, ()),
        ([Stated("from node-1 to node-3", ("node-1", "node-3"))], True, ()),
        ([Stated("see", ("node-2",))], False, ("see",)),
        ([Stated("something is wrong", ())], False, ()),
        ([Stated("a", ("node-3",)), Stated("b", ("node-1",))], True, ("b",)),
        ([Stated("a", ("node-31",))], False, ("a",)),
        ([Stated("a", ("other-svc",))], False, ("a",)),
        ([Stated("to Pod web-5d-x", ("web-5d-x",))], True, ()),
    ],
)
def test_a_statement_is_right_or_wrong_by_what_it_names(stated, right, wrong):
    assert judgement(stated, ("node-3", "svc", "web")) == (right, wrong)


def run(slug: str, **fields) -> Run:
    defaults = {
        "seconds": 60.0,
        "first_red": None,
        "paused": 0.0,
        "exit_code": 0,
        "ended": True,
        "verdicts": {},
        "passed": ("a", "b"),
    }
    return Run(slug=slug, **{**defaults, **fields})


def measured(*runs: Run, mode: str = "iptables") -> Measured:
    return Measured(
        svcproof="0",
        proxy_mode=mode,
        nodes=("node-1", "node-2", "node-3"),
        node="node-3",
        home="node-1",
        arguments=(),
        runs=runs,
    )


def test_builds_are_compared_case_by_case_where_both_have_the_fault():
    old = measured(
        run(HEALTHY),
        run("proxy-frozen", verdicts={"a": "FAIL", "c": "INCONCLUSIVE"}, passed=("b",)),
        run("node-dies", verdicts={"a": "FAIL"}),
    )
    new = measured(
        run("proxy-frozen", verdicts={"a": "INCONCLUSIVE", "d": "FAIL"}, passed=("b",)),
        run(HEALTHY),
    )
    assert list(differences(old, new)) == [
        ("proxy-frozen", "a", "FAIL", "INCONCLUSIVE"),
        ("proxy-frozen", "c", "INCONCLUSIVE", ABSENT),
        ("proxy-frozen", "d", ABSENT, "FAIL"),
    ]


def test_the_table_has_a_row_for_each_fault_and_columns_for_each_mode():
    iptables = measured(
        run(HEALTHY, seconds=40.0),
        run(
            "proxy-frozen",
            seconds=60.0,
            first_red=7.4,
            verdicts={"a": "FAIL", "b": "INCONCLUSIVE"},
            statements=("node-3: no | rules",),
            right=True,
        ),
        run("node-dies", ended=False, seconds=400.0, statements=("see node-1",), wrong=("x",)),
        run("external-name-wrong", seconds=44.0),
    )
    nftables = measured(run("proxy-frozen", seconds=50.0), mode="nftables")
    head, _, *rows = table([iptables, nftables], PLANTINGS)
    assert head.startswith("| fault | iptables: s | × healthy | first red | red | named | nftables")
    assert rows == [
        "| healthy | 40 | 1.0 | – | 0 | none |  |  |  |  |  |  |",
        "| `proxy-frozen` | 60 | 1.5 | 7 | 1 | yes | 50 |  | – | 0 | no | node-3: no \\| rules |",
        "| `node-dies` | >400 | >10.0 | – | 0 | **wrong** |  |  |  |  |  | see node-1 |",
        "| `external-name-wrong` | 44 | 1.1 | – | 0 | no |  |  |  |  |  |  |",
    ]


def test_the_table_goes_between_its_marks():
    page = f"# A\n\n{BEGIN}\nold\n{END}\n\nB\n"
    once = with_table(page, ["| new |"])
    assert once == f"# A\n\n{BEGIN}\n\n| new |\n\n{END}\n\nB\n"
    assert with_table(once, ["| new |"]) == once
    with pytest.raises(ValueError, match="lacks"):
        with_table("# A\n", [])


# ── The barrier ──

SUITE = """
import pytest

@pytest.fixture(scope="module")
def echo_app():
    (Path := __import__("pathlib").Path)("log").open("a").write("applied ")

def test_a(echo_app):
    __import__("pathlib").Path("log").open("a").write("test ")

def test_b(echo_app):
    __import__("pathlib").Path("log").open("a").write("test ")
"""


@pytest.fixture
def short_path():
    """The kernel takes 107 bytes of a socket's path, and pytest's directories are longer."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "barrier"


def test_a_run_is_held_at_each_moment_until_what_is_to_be_done_is_done(
    pytester, monkeypatch, short_path
):
    pytester.makepyfile(SUITE)
    log = pytester.path / "log"

    def act() -> None:
        with log.open("a") as file:
            file.write("planted ")

    def fail() -> None:
        raise RuntimeError("no")

    path = short_path
    monkeypatch.setenv("SVCPROOF_BARRIER", str(path))
    monkeypatch.setenv("PYTHONPATH", str(PLUGIN))
    with Barrier(path, {"measuring": act, "applied": fail}) as barrier:
        result = pytester.runpytest_subprocess("-p", "svcproof_barrier", "-p", "no:svcproof")
    result.assert_outcomes(passed=2)
    assert log.read_text() == "applied planted test test "
    assert [held.moment for held in barrier.held] == ["joined", "applying", "applied", "measuring"]
    assert barrier.problem == "applied: RuntimeError: no"
    assert not path.exists()


def test_time_that_a_run_was_held_counts_up_to_a_moment():
    barrier = Barrier(Path("unused"), {})
    barrier.held = [Held("joined", 1.0, 1.5), Held("measuring", 3.0, 7.0)]
    assert barrier.paused() == 4.5
    assert barrier.paused(until=2.0) == 0.5
    assert barrier.paused(until=5.0) == 2.5
    assert barrier.reached("joined") == 1.5
    assert barrier.reached("applied") is None


# ── The documentation ──


def test_the_documentation_has_the_table_of_the_saved_runs():
    saved = sorted((ROOT / "tests" / "faults" / "saved").glob("*.json"))
    assert saved
    read = [msgspec.json.decode(path.read_bytes(), type=Measured) for path in saved]
    page = (ROOT / "docs" / "faults.md").read_text()
    assert with_table(page, table(read, PLANTINGS)) == page
    assert not re.search(r"/(root|home|tmp|work)/", "".join(path.read_text() for path in saved))
