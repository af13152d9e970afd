"""For this repository's own tests; the plugin under test is the installed one."""

import re
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["pytester"]

# The same examples each time: a test that fails now and then proves nothing.
settings.register_profile("svcproof", derandomize=True, deadline=None, database=None)
# For a night: --hypothesis-profile svcproof-deep
settings.register_profile("svcproof-deep", settings.get_profile("svcproof"), max_examples=2000)
settings.load_profile("svcproof")

ECHO_HOSTNAME = Path(__file__).parent / "echo-hostname"


@pytest.fixture(scope="session")
def go() -> Path:
    """A go command new enough for echo-hostname; where there is none, one is installed."""
    from svcproof.components import Silent
    from svcproof.components.golang import find_go

    directive = re.search(r"^go (\S+)", (ECHO_HOSTNAME / "go.mod").read_text(), re.MULTILINE)
    assert directive is not None
    return find_go(directive[1], allow_install=True, progress=Silent())


@pytest.fixture(scope="session")
def echo_hostname(go: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program, built from its sources; Go's cache makes that a second."""
    import os
    import subprocess

    path = tmp_path_factory.mktemp("bin") / "echo-hostname"
    subprocess.run(
        [go, "build", "-o", path, "."],
        cwd=ECHO_HOSTNAME,
        env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"},
        check=True,
        timeout=300,
    )
    return path
