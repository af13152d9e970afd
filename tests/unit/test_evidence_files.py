"""No two cases write one file, whatever they are called: evidence is never overwritten."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from svcproof.clusters import fake
from svcproof.files import new_file
from svcproof.limits import Limits

pytest_plugins = ["pytester"]

CASES = '''
"""Cases whose names differ in what a file name does not keep."""
import pytest
from svcproof.history import Outcome

LONG = "a" * 300
NAMES = ["10.0.0.0/24", "10.1.0.0/24", "Ж", "日", LONG + "1", LONG + "2"]

@pytest.mark.parametrize("of", NAMES, ids=NAMES)
def test_same(run, judge, of):
    place, *_ = run.clients.everywhere("pod")
    pairs, controls = [[(place, run.app.targets(form)[0])] for form in ("cluster-ip", "fqdn")]
    if of in ("10.0.0.0/24", "Ж"):
        run.measure_ending(pairs, (Outcome.REFUSED,), "it must fail", controls=controls)
    else:
        run.measure(pairs)
    judge()
'''


def test_whatever_cases_are_called_each_has_a_file_of_its_own(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fake, "LIMITS", Limits(convergence=0.2))
    for directory in ("a", "b"):
        file = pytester.path / directory / "test_same.py"
        file.parent.mkdir()
        (file.parent / "__init__.py").touch()
        file.write_text(CASES)
    pytester.runpytest("-p", "no:cacheprovider", "--svc-cluster=fake", "-q")
    (results,) = Path(pytester.path, ".svcproof").rglob("results.json")
    cases = json.loads(results.read_bytes())["cases"]
    files = [case["history"] for case in cases]
    assert len(set(files)) == len(cases) == 12
    for case in cases:
        first, *_, last = Path(case["history"]).read_text().splitlines()
        assert json.loads(first)["case"] == case["case"]
        assert json.loads(last)["verdict"] == case["verdict"]
    judged = pytester.run(Path(sys.prefix, "bin", "svcproof"), "judge", ".svcproof/evidence")
    assert judged.ret == 1
    judged.stdout.fnmatch_lines(["*FAIL*"])


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path):
    names = [new_file(tmp_path / "run", "case", ".jsonl").name for _ in range(3)]
    assert names == ["case.jsonl", "case-2.jsonl", "case-3.jsonl"]
