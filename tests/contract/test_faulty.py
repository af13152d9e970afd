"""A cluster that breaks the contract cannot pass its tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.faulty import KINDS

CONTRACT = Path(__file__).with_name("test_cluster.py")


def run(faulty: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "tests.contract.faulty"),
            *("-p", "no:cacheprovider", "--svc-cluster=fake", "--tb=line", "-x", str(CONTRACT)),
        ],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "SVCPROOF_FAULTY": faulty},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_contract_passes_without_a_fault():
    done = run("")
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("faulty", KINDS)
def test_each_fault_is_found(faulty):
    done = run(faulty)
    assert done.returncode == 1, done.stdout[-2000:]
    assert " failed" in done.stdout
