"""What machines read of a run: each report in its schema, or in its reader, of bad runs too."""

import json
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema
from markdown_it import MarkdownIt

from svcproof import __version__
from svcproof.clusters import fake, fake_defects, registry
from svcproof.clusters.fake import FakeCluster
from svcproof.errors import MissingTool
from svcproof.fixtures.reports import command_line
from svcproof.limits import Limits
from svcproof.reporters.markdown import summary
from svcproof.results import (
    CaseResult,
    FindingLine,
    Problem,
    RunResult,
    decode_run,
    published_schema,
)

HERE = Path(__file__).parent
PUBLISHED = HERE.parents[1] / "docs" / "schema" / "results-2.json"
SUITES = str(files("svcproof") / "suites")
#: One that fails, one that passes, one that is not supported, in a few seconds.
CASES = "test_load_balancer and test_cluster or test_clusterip.py and node-1 and FQDN"
BESIDE = """
import pytest

def test_skipped(): pytest.skip("not today")
def test_broken(cluster): raise RuntimeError("no <verdict> & no &#0; \\x1b[31m either")
@pytest.fixture
def dead(cluster): raise OSError("in set-up")
def test_dead(dead): pass
"""


@pytest.fixture
def ran(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Runs the chosen suites on a fake cluster with a defect; gives the evidence directory."""

    def run(*arguments: str, defect: str = "Defect()", code: int = 1) -> Path:
        broken = eval(defect, vars(fake_defects))  # noqa: S307  (it stands in this file)
        limits = Limits(workload_ready=0.3, endpoints=0.3, convergence=0.2)
        monkeypatch.setattr(registry, "open_cluster", lambda *_: FakeCluster(defects=[broken]))
        monkeypatch.setattr(fake, "LIMITS", limits)
        result = pytester.runpytest(
            "-p", "no:cacheprovider", "-q", "--svc-cluster=fake", "--svc-slow", *arguments
        )
        assert result.ret == code
        (directory,) = (pytester.path / ".svcproof" / "evidence").iterdir()
        return directory

    return run


class TestResults:
    def test_the_schema_is_published(self):
        generated = json.loads(json.dumps(published_schema(), default=list))
        assert json.loads(PUBLISHED.read_text()) == generated, (
            "make it anew: python -m svcproof.results > docs/schema/results-2.json"
        )

    @pytest.mark.parametrize(
        ("defect", "code"), [("Defect()", 0), ("DeadEndpoint()", 1), ("LostExec(after=10)", 3)]
    )
    def test_they_are_in_their_schema(self, ran, defect, code):
        results = json.loads(
            (ran(SUITES, "-k", CASES, defect=defect, code=code) / "results.json").read_text()
        )
        jsonschema.validate(results, json.loads(PUBLISHED.read_text()))
        assert results["svcproof"] == __version__
        assert results["command"].startswith("pytest -p no:cacheprovider ")
        assert f" -k '{CASES}'" in results["command"]
        assert results["began"].endswith("+00:00")
        assert results["seconds"] >= 0
        assert results["exit_code"] == code

    def test_older_ones_are_read(self):
        old = b'{"schema": 1, "cluster": null, "cases": [], "problems": [], "evidence": "e"}'
        run = decode_run(old, source="old")
        assert (run.svcproof, run.command, run.began, run.seconds) == ("", "", "", 0)

    def test_what_was_typed(self):
        ini = Path(str(files("svcproof") / "cli" / "run.ini"))
        arguments = ["--config-file=x", "--rootdir=y", "suites", "-k", "a or b"]
        assert command_line(arguments, ini=ini) == "svcproof run -k 'a or b'"
        assert command_line(["-k", "a or b"], ini=None) == "pytest -k 'a or b'"


class TestJUnit:
    def test_it_is_valid_and_whole(self, ran, pytester):
        pytester.makepyfile(BESIDE)
        pytester.makeconftest("")
        ran(SUITES, ".", "-k", f"{CASES} or test_clusterip_shares or {BESIDE_NAMES}",
            "--junitxml=out.xml", defect="DeadEndpoint()")  # fmt: skip
        xmlschema.XMLSchema(HERE / "data" / "junit-10.xsd").validate("out.xml")
        junit = ElementTree.parse("out.xml")
        cases = {case.get("name", ""): case for case in junit.iter("testcase")}
        assert cases["test_dead"].find("error") is not None
        assert cases["test_skipped"].find("skipped").get("message") == "not today"  # type: ignore[union-attr]
        lacking = [case for name, case in cases.items() if name.startswith("test_cluster")]
        assert any("stay pending" in (skip.get("message") or "")
                   for case in lacking for skip in case.iter("skipped"))  # fmt: skip
        told = {item.get("name", ""): item.get("value", "") for item in junit.iter("property")}
        assert any("p-value" in name for name in told)
        assert any("share" in name for name in told)

    def test_after_a_set_up_that_died(self, pytester, monkeypatch):
        monkeypatch.setattr(registry, "open_cluster", refuse)
        pytester.makepyfile("def test_it(cluster): pass")
        pytester.runpytest("--svc-cluster=fake", "--junitxml=out.xml", "-p", "no:cacheprovider")
        xmlschema.XMLSchema(HERE / "data" / "junit-10.xsd").validate("out.xml")
        told = [item.get("value") for item in ElementTree.parse("out.xml").iter("property")]
        assert told == ["ERROR", "nft is missing", "apt-get install nftables"]


BESIDE_NAMES = "test_skipped or test_broken or test_dead"


def refuse(*_):
    raise MissingTool("nft is missing", remedy="apt-get install nftables")


class TestWhatIsWritten:
    def test_a_set_up_that_died_leaves_all_reports(self, pytester, monkeypatch, tmp_path):
        step = tmp_path / "step.md"
        step.write_text("before\n")
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
        monkeypatch.setattr(registry, "open_cluster", refuse)
        pytester.makepyfile("def test_it(cluster): pass")
        result = pytester.runpytest("-q", "--svc-cluster=fake", "-p", "no:cacheprovider")
        assert result.ret == 4
        (directory,) = (pytester.path / ".svcproof" / "evidence").iterdir()
        assert {"results.json", "report.html", "summary.md"} <= {
            path.name for path in directory.iterdir()
        }
        for text in ((directory / "report.html").read_text(), step.read_text()):
            assert "nft is missing" in text
            assert "apt-get install nftables" in text
        assert step.read_text().startswith("before\n## svcproof: ")
        result.stdout.fnmatch_lines(["report * .svcproof/evidence/*/report.html"])

    def test_a_reporter_that_crashes_takes_nothing_from_the_verdict(self, ran, monkeypatch):
        def crash(*_):
            raise ZeroDivisionError("in a reporter")

        monkeypatch.setattr("svcproof.fixtures.reports._write_page", crash)
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/nowhere/at/all")
        directory = ran(SUITES, "-k", CASES, code=0)
        assert (directory / "results.json").exists()
        assert (directory / "summary.md").exists()
        assert not (directory / "report.html").exists()

    def test_no_half_of_a_file_stays(self, ran):
        directory = ran(SUITES, "-k", CASES, code=0)
        assert not [path for path in directory.iterdir() if path.name.startswith(".")]


NASTY = "<script>alert(1)</script> **b** [x](y) | `c` \n# head @someone ![i](u) $$x$$"


class TestMarkdown:
    def render(self, run: RunResult) -> str:
        return MarkdownIt("gfm-like", {"linkify": False}).render(summary(run))

    def run(self, *, findings: int = 1, cases: int = 1) -> RunResult:
        found = FindingLine(
            status="FAIL", summary=NASTY, where=NASTY, expected=NASTY, seen=NASTY, remedy=NASTY
        )
        case = CaseResult(
            case="a.py::test_b[x|y`z]", promise=NASTY, positions=(), forms=(), targets=(),
            judged=1234, failed=1, verdict="FAIL", history="h.jsonl",
            findings=(found,) * findings,
        )  # fmt: skip
        lack = Problem(case="a.py::test_c", word="not supported", reason=NASTY, remedy="r")
        return RunResult(
            cluster=None, cases=(case,) * cases, problems=(lack,), evidence="e", exit_code=1
        )

    def test_it_says_what_where_expected_seen_and_next(self):
        text = self.render(self.run())
        for label in ("where: ", "expected: ", "seen: ", "next: "):
            assert label in text
        assert '<td style="text-align:right">1,234</td>' in text
        assert "<h2>svcproof: 1 FAIL (exit code 1)</h2>" in text
        assert "not supported" in text

    def test_text_of_the_network_stays_text(self):
        text = self.render(self.run())
        assert "<script" not in text
        assert "<img" not in text
        assert "<a " not in text
        assert "<h1" not in text
        # Each row has five cells: no text broke out of its own.
        rows = [line for line in summary(self.run()).splitlines() if line.startswith("| ❌")]
        assert len(rows) == 1
        assert text.count("<td") == 5

    def test_it_stays_below_what_is_shown(self):
        long = summary(self.run(findings=500, cases=500))
        assert len(long.encode()) < 1 << 20
        assert "And 480 more" in long
        assert "And 495 more" in long
