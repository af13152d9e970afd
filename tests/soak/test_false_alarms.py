"""The default suite again and again on clusters that are right: how often is it not a pass?"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

_RUNS = int(os.environ.get("SVCPROOF_SOAK_RUNS", "20"))
_SUITES = Path(__file__).parents[1] / "routing"
_LIMIT_SECONDS = 900


@dataclass(frozen=True)
class Run:
    """One run of the default suite."""

    exit_code: int
    seconds: float
    verdicts: Counter[str]
    complaints: tuple[str, ...]


@pytest.mark.parametrize("proxy_mode", ["iptables", "nftables"])
def test_no_false_alarm(proxy_mode: str, tmp_path: Path, capsys) -> None:
    """Every run on a fresh, right cluster is a pass; whatever is not is shown in its own words."""
    runs = []
    for number in range(1, _RUNS + 1):
        runs.append(_run(proxy_mode, tmp_path / str(number)))
        with capsys.disabled():
            print(f"\n{proxy_mode} {number}/{_RUNS}: {_shown(runs[-1])}", end="", flush=True)
    complaints = [complaint for run in runs for complaint in run.complaints]
    with capsys.disabled():
        print(f"\n{_summary(proxy_mode, runs)}")
    assert not complaints, "\n\n".join(complaints)
    assert {run.exit_code for run in runs} == {0}


def _run(proxy_mode: str, directory: Path) -> Run:
    report = directory / "junit.xml"
    began = time.monotonic()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            str(_SUITES),
            "-q",
            f"--junitxml={report}",
            f"--svc-proxy-mode={proxy_mode}",
            f"--svc-evidence={directory / 'evidence'}",
        ],
        capture_output=True,
        text=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )
    seconds = time.monotonic() - began
    if not report.is_file():
        return Run(done.returncode, seconds, Counter(), (done.stdout[-3000:] + done.stderr,))
    cases = ElementTree.parse(report).iter("testcase")
    outcomes = [(case.get("name", ""), *_outcome(case)) for case in cases]
    return Run(
        exit_code=done.returncode,
        seconds=seconds,
        verdicts=Counter(word for _, word, _ in outcomes),
        complaints=tuple(
            f"{name}: {text}" for name, word, text in outcomes if word == "not a pass"
        ),
    )


def _outcome(case: ElementTree.Element) -> tuple[str, str]:
    """A case's outcome in a word, and its text where it is not a pass."""
    for child in case:
        if child.tag in ("failure", "error"):
            return "not a pass", child.text or child.get("message", "")
        if child.tag == "skipped":
            return "not supported", ""
    return "pass", ""


def _shown(run: Run) -> str:
    counts = ", ".join(f"{number} {word}" for word, number in sorted(run.verdicts.items()))
    return f"{counts or 'nothing'} in {run.seconds:.1f} s"


def _summary(proxy_mode: str, runs: list[Run]) -> str:
    total = sum((run.verdicts for run in runs), Counter())
    seconds = sorted(run.seconds for run in runs)
    counts = ", ".join(f"{number} {word}" for word, number in sorted(total.items()))
    passed = sum(run.exit_code == 0 for run in runs)
    return (
        f"{proxy_mode}: {passed} of {len(runs)} runs passed; {counts}; "
        f"{seconds[0]:.1f} to {seconds[-1]:.1f} s, median {seconds[len(seconds) // 2]:.1f}"
    )
