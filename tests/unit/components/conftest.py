"""A cache of its own for each test, and directories that look like components."""

import pytest

from svcproof.components import BINARIES
from svcproof.components.model import Manifest
from svcproof.components.recipe import Target


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    root = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(root))
    return root / "svcproof"


@pytest.fixture
def target():
    return Target.of("1.36", "amd64")


@pytest.fixture
def fake_components():
    """Fill a directory with programs that do nothing, and with their record."""

    def fill(directory, target, *, without=(), key=None):
        directory.mkdir(parents=True)
        for name in BINARIES:
            if name not in without:
                (directory / name).write_text(f"#!/bin/sh\necho {name}\n")
                (directory / name).chmod(0o755)
        steps = {step.name: step.digest for step in target.steps}
        Manifest(
            key=key or target.key,
            kubernetes=target.version.patch,
            platform=target.platform,
            go="1.26.8",
            versions=target.version.pins(),
            steps=steps,
        ).write(directory)
        return directory

    return fill


class Recording:
    """A progress that remembers."""

    def __init__(self):
        self.phases = []
        self.totals = {}
        self.parts = []

    def phase(self, text):
        self.phases.append(text)

    def plan(self, packages):
        self.totals = dict(packages)

    def compiled(self, part):
        self.parts.append(part)

    def tick(self):
        pass

    def finish(self):
        self.phases.append("finished")


@pytest.fixture
def recording():
    return Recording()
