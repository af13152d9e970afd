"""Two runs compared."""

import msgspec
import pytest
from click.testing import CliRunner

from svcproof.cli.diff import diff
from svcproof.comparison import compare
from svcproof.reporters.differences import describe_differences
from svcproof.results import CaseResult, ClusterLine, FactLine, FindingLine, Problem, RunResult

LOST = FindingLine(
    status="FAIL",
    summary="reachability: 1 of 3 lost",
    where="here → there",
    expected="answered",
    seen="timed-out",
    indices=tuple(range(4, 20)),
    remedy="look",
)


def case(name: str, verdict: str = "PASS", **fields) -> CaseResult:
    return CaseResult(
        case=name,
        promise=f"{name} holds.",
        positions=(),
        forms=(),
        targets=(),
        judged=3,
        failed=0,
        verdict=verdict,
        history=f"{name}.jsonl",
        **fields,
    )


def run(*cases: CaseResult, name: str = "a", problems=(), code: int = 0, **cluster) -> RunResult:
    line = {
        "name": "c",
        "kind": "embedded",
        "kubernetes_version": "1.36.4",
        "proxy_mode": "iptables",
        "families": ("ipv4",),
        "nodes": 3,
    }
    return RunResult(
        run=name,
        exit_code=code,
        cluster=ClusterLine(**(line | cluster)),
        cases=cases,
        problems=problems,
        evidence="e",
    )


def test_the_same_is_the_same():
    found = compare(run(case("x")), run(case("x")))
    assert (found.same, found.worse, found.better, found.moves) == (1, (), (), ())
    assert not found.got_worse


def test_what_got_worse_comes_with_its_evidence():
    found = compare(run(case("x")), run(case("x", "FAIL", findings=(LOST,)), name="b"))
    assert found.got_worse
    text = describe_differences(found).splitlines()
    assert text[0] == "from run a to run b"
    assert text[1:4] == [
        "worse: PASS → FAIL: x",
        "    promise   x holds.",
        "    FAIL  reachability: 1 of 3 lost",
    ]
    assert "      where     here → there" in text
    assert "      evidence  #4 #5 #6 #7 #8 #9 #10 #11 #12 #13 #14 #15 and 4 more" in text
    assert text[-1] == "1 worse, 0 better, 0 the same, 0 new, 0 gone; 0 measures moved"


def test_what_got_better_keeps_what_it_was():
    found = compare(run(case("x", "FAIL", findings=(LOST,))), run(case("x")))
    assert not found.got_worse
    assert found.better[0].findings == (LOST,)


@pytest.mark.parametrize(
    ("before", "after", "worse"),
    [
        ("PASS", "INCONCLUSIVE", True),
        ("INCONCLUSIVE", "FAIL", True),
        ("INCONCLUSIVE", "PASS", False),
        ("FAIL", "INCONCLUSIVE", False),
        ("PASS", "a word of the future", True),
    ],
)
def test_the_order_of_verdicts(before, after, worse):
    assert compare(run(case("x", before)), run(case("x", after))).got_worse is worse


def test_what_can_no_longer_be_asked_is_worse():
    lack = Problem(case="x", word="not supported", reason="no outside client")
    found = compare(run(case("x")), run(problems=(lack,)))
    assert found.got_worse
    assert "no outside client" in describe_differences(found)


def test_an_error_beside_a_verdict_outweighs_it():
    late = Problem(case="x", word="error", reason="teardown")
    assert compare(run(case("x")), run(case("x"), problems=(late,))).got_worse


def test_new_and_gone():
    found = compare(run(case("x"), case("y")), run(case("y"), case("z")))
    assert [each.case for each in found.gone] == ["x"]
    assert [each.case for each in found.new] == ["z"]
    assert not found.got_worse
    assert compare(run(), run(case("z", "FAIL"))).got_worse


def test_a_case_is_the_same_from_wherever_its_module_was_installed():
    before = run(case("tests/routing/test_x.py::test_a[at a/b]"), case("own/test_y.py::test_c"))
    after = run(
        case("../.venv/lib/suites/test_x.py::test_a[at a/b]", "FAIL"),
        case("other/test_y.py::test_c"),
        case("test_y.py::test_c"),
    )
    found = compare(before, after)
    assert [each.case for each in found.worse] == ["../.venv/lib/suites/test_x.py::test_a[at a/b]"]
    assert [each.case for each in found.gone] == [
        "own/test_y.py::test_c"
    ]  # of two it may be either
    assert len(found.new) == 2


def test_a_run_that_broke_off_is_worse():
    found = compare(run(case("x")), run(code=2))
    assert found.got_worse
    assert "the run itself" in describe_differences(found)
    assert "interrupted" in describe_differences(found)


def test_what_differs_between_the_clusters_is_told():
    found = compare(run(), run(proxy_mode="nftables", families=("ipv4", "ipv6")))
    assert found.settings == (
        ("proxy mode", "iptables", "nftables"),
        ("families", "ipv4", "ipv4 and ipv6"),
    )


def fact(name: str, value: str = "v", size: float = 0.0) -> FactLine:
    return FactLine(name=name, value=value, size=size)


@pytest.mark.parametrize(
    ("before", "after", "moves"),
    [
        (fact("outage", size=0.2), fact("outage", size=3.0), True),
        (fact("outage", size=0.001), fact("outage", size=0.2), False),
        (fact("outage", size=3.0), fact("outage", size=4.0), False),
        (fact("shares", "a 33.0%, b 67.0%"), fact("shares", "a 50%, b 50 %"), True),
        (fact("shares", "a 33.0%, b 67.0%"), fact("shares", "a 36%, b 64 %"), False),
        (fact("answer", "one"), fact("answer", "two"), False),
    ],
)
def test_measures_that_moved(before, after, moves):
    found = compare(run(case("x", facts=(before,))), run(case("x", facts=(after,))))
    assert bool(found.moves) is moves
    assert not found.got_worse


def test_the_largest_of_a_name_is_compared():
    old = case("x", facts=(fact("outage", size=1.0), fact("outage", size=9.0)))
    new = case("x", facts=(fact("outage", size=9.0), fact("outage", size=1.0)))
    assert compare(run(old), run(new)).moves == ()


class TestTheCommand:
    @pytest.fixture
    def directories(self, tmp_path):
        for name, verdict in (("good", "PASS"), ("bad", "FAIL")):
            (tmp_path / name).mkdir()
            content = msgspec.json.encode(run(case("x", verdict), name=name))
            (tmp_path / name / "results.json").write_bytes(content)
        return tmp_path

    @pytest.mark.parametrize(
        ("before", "after", "code"), [("good", "bad", 1), ("bad", "good", 0), ("bad", "bad", 0)]
    )
    def test_its_exit_code(self, directories, before, after, code):
        arguments = [str(directories / before), str(directories / after / "results.json")]
        assert CliRunner().invoke(diff, arguments).exit_code == code

    def test_json(self, directories):
        arguments = ["--json", str(directories / "good"), str(directories / "bad")]
        data = msgspec.json.decode(CliRunner().invoke(diff, arguments).stdout)
        assert data["worse"][0]["after"] == "FAIL"


class TestThePage:
    def page(self, tmp_path, before: RunResult, after: RunResult) -> str:
        for name, each in (("a", before), ("b", after)):
            (tmp_path / f"{name}.json").write_bytes(msgspec.json.encode(each))
        output = tmp_path / "new" / "d.html"
        arguments = [str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--html", str(output)]
        CliRunner().invoke(diff, arguments)
        return output.read_text()

    def test_what_got_worse_and_its_evidence(self, tmp_path):
        page = self.page(
            tmp_path,
            run(case("x"), case("old")),
            run(case("x", "FAIL", findings=(LOST,)), case("new"), name="b", proxy_mode="nftables"),
        )
        for text in ("WORSE", "1 of 3 lost", "here → there", "timed-out", "#4", "and 4 more"):
            assert text in page
        assert "nftables" in page
        assert page.index('id="worse"') < page.index('id="new-kept"') < page.index('id="gone"')

    def test_nothing_got_worse(self, tmp_path):
        page = self.page(tmp_path, run(case("x")), run(case("x")))
        assert "NOT WORSE" in page
        assert 'id="worse"' not in page

    def test_text_from_the_network_is_no_markup_and_nothing_is_loaded(self, tmp_path):
        bad = msgspec.structs.replace(LOST, seen="<script>alert(1)</script> \u202e")
        page = self.page(tmp_path, run(case("x")), run(case("x", "FAIL", findings=(bad,))))
        assert "<script" not in page
        assert "\u202e" not in page
        assert "http://" not in page
        assert "https://" not in page
