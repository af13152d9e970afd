"""The plugin is loaded by every pytest run of an environment that has it: it must be light."""

import subprocess
import sys

HEAVY = ("kubernetes", "requests", "rich", "yaml", "tenacity", "cryptography", "pyroute2")

SCRIPT = """
import sys, time
import pytest
started = time.process_time()
import svcproof.fixtures.plugin
print(time.process_time() - started)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_the_plugin_loads_quickly_and_without_the_heavy_libraries():
    out = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    seconds, modules = out.splitlines()
    assert set(HEAVY).isdisjoint(modules.split())
    assert float(seconds) <= 0.2
