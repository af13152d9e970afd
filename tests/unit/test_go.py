"""The Go program's own checks, as one of this repository's."""

import os
import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "echo-hostname"


@pytest.mark.parametrize("check", ["vet", "test"])
def test_echo_hostname(go: Path, check: str):
    ended = subprocess.run(
        [go, check, "./..."],
        cwd=SOURCES,
        env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"


def test_echo_hostname_is_formatted(go: Path):
    gofmt = go.with_name("gofmt")
    if not gofmt.exists():
        pytest.skip(f"there is no gofmt beside {go}")
    ended = subprocess.run(
        [gofmt, "-l", "."], cwd=SOURCES, capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout == ""
