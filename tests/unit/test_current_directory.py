"""Whatever modules are in the current directory: none of them is imported, by any command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NAMES = (
    "json",
    "yaml",
    "conftest",
    "numpy",
    "queue",
    "svcproof_plugin",
    "kubernetes",
    "sitecustomize",
)
COMMANDS = [
    ["run", "--svc-cluster=fake", "-k", "test_cluster_ip", "-q"],
    ["run", "--collect-only", "-q", "--svc-cluster=fake"],
    ["status"],
    ["judge", "none.jsonl"],
    ["rights", "--user=jane"],
    ["sweep", "--kubeconfig=k"],
]


@pytest.fixture
def directory(tmp_path):
    """One that is full of traps: each module says that it was imported."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(
            f"import sys; sys.stderr.write('IMPORTED {name}\\n'); raise SystemExit(99)"
        )
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (tmp_path / "k").write_text("clusters: [1]")
    return tmp_path


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("how", ["script", "module"])
def test_none_is_imported(directory: Path, how: str, words: list[str]):
    script = str(Path(sys.executable).with_name("svcproof"))
    command = [script] if how == "script" else [sys.executable, "-m", "svcproof"]
    ended = subprocess.run(
        [*command, *words],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "IMPORTED" not in ended.stdout + ended.stderr
    assert ended.returncode != 99
    assert "Traceback" not in ended.stderr


def test_the_traps_work(directory: Path):
    ended = subprocess.run(
        [sys.executable, "-c", "import json"], cwd=directory, capture_output=True, check=False
    )
    assert b"IMPORTED json" in ended.stderr
