"""Modes × versions: the plan, one run after the other, one table, the worst exit code."""

import os
import signal
import subprocess
import sys
import time

import pytest

from svcproof.reporters.side_by_side import Ran, describe, differing, worst_code
from svcproof.results import Problem
from tests.unit.test_comparison import case, run

FAKE = ("--", "--svc-cluster=fake", "-q", "-p", "no:cacheprovider", "-k")


def matrix(*words: str, directory) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "svcproof", "matrix", *words],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ran(name: str, *cases, code: int = 0, problems=()) -> Ran:
    result = run(*cases, name=name, problems=problems, code=code)
    return Ran(name=name, code=code, seconds=2.4, result=result, directory=f"e/{name}")


def died(name: str) -> Ran:
    return Ran(name=name, code=-9, seconds=1, result=None, directory=f"e/{name}")


def test_the_plan_starts_nothing(tmp_path):
    done = matrix("--list", "--kubernetes", "1.36,1.35", directory=tmp_path)
    assert done.stdout.splitlines() == [
        "Kubernetes 1.36, iptables",
        "Kubernetes 1.36, nftables",
        "Kubernetes 1.35, iptables",
        "Kubernetes 1.35, nftables",
    ]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--kubernetes", "1.36,1.20"), ("1.20", "1.35")),
        (("--proxy-mode", "ipvs"), ("ipvs", "nftables")),
        (("--nodes", "99"), ("99",)),
        (("--proxy-mode", "iptables,"), ("nftables",)),
    ],
)
def test_a_wrong_value_is_told_before_anything_runs(words, named, tmp_path):
    done = matrix(*words, directory=tmp_path)
    assert done.returncode == 4
    assert all(each in done.stderr for each in named)
    assert not list(tmp_path.iterdir())


def test_each_mode_is_run_and_told(tmp_path):
    done = matrix(*FAKE, "clusterip and node-1 and FQDN", directory=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout[done.stdout.rindex("exit code") :]
    assert "1.36-iptables" in table
    assert "1.36-nftables" in table
    assert "0 (pass)" in table
    assert "every promise came out alike" in table
    for mode in ("iptables", "nftables"):
        assert list(tmp_path.glob(f".svcproof/matrix/*/1.36-{mode}/*/results.json"))


def test_the_worst_exit_code_is_that_of_all(tmp_path):
    done = matrix(*FAKE, "no_such_case", directory=tmp_path)
    assert done.returncode == 4


@pytest.mark.parametrize(
    ("codes", "worst"),
    [([], 0), ([0, 0], 0), ([0, 3], 3), ([3, 4], 4), ([4, 1], 1), ([1, 2], 2), ([0, -9], 4)],
)
def test_worst(codes, worst):
    assert worst_code(codes) == worst


def test_interrupted_it_ends_the_run_under_way_and_starts_no_other(tmp_path):
    words = [sys.executable, "-m", "svcproof", "matrix", *FAKE, "not slow", "--svc-slow"]
    with subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 20
        while not list(tmp_path.glob(".svcproof/matrix/*/*/*/*.jsonl")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "2 (interrupted" in out
    assert "not run: 1.36-nftables" in out


def test_the_table_counts_cases_and_tells_what_differs():
    untold = Problem(case="z", word="not supported", reason="no")
    runs = [
        ran("a", case("x"), case("y")),
        ran("b", case("x"), case("y", "FAIL"), code=1, problems=(untold,)),
        died("c"),
    ]
    text = describe(runs)
    assert [len(line.split("  ")) > 1 for line in text.splitlines()[:4]] == [True] * 4
    assert "-9 (it died)" in text
    assert dict(differing(runs[:2])) == {"y holds.": ("PASS", "FAIL")}
    assert (
        "differs: y holds.\n    PASS          a\n    FAIL          b\n    not asked     c" in text
    )


def test_a_promise_has_the_worst_of_its_verdicts():
    both = [ran("a", case("x"), case("x", "INCONCLUSIVE")), ran("b", case("x"))]
    assert dict(differing(both)) == {"x holds.": ("INCONCLUSIVE", "PASS")}
