"""The pages' command lines that need a cluster, on real embedded ones: `tox -e commands`.

A reader has a cluster of their own: here it is an embedded one, which ~/.kube/config
leads to by a context called staging, as a guest would find it. There is no registry:
the app's image is one that its nodes have.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from svcproof.images import ECHO_HOSTNAME_REFERENCE
from tests.unit.docs.blocks import ROOT, blocks, pages, perform

OWN = {
    str(page.relative_to(ROOT)): page
    for page in pages()
    if any(block.needs_cluster for block in blocks(page))
}
#: Whole runs; on a machine that compiles Kubernetes first they need longer.
LIMIT = 1800.0
GUEST = f"--svc-image {ECHO_HOSTNAME_REFERENCE} --svc-data-plane iptables -p no:cacheprovider"


def svcproof(*words: str) -> str:
    """Its output."""
    command = [sys.executable, "-m", "svcproof", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True).stdout


def refuse_somebody_elses() -> None:
    """The pages start a cluster of the default name, and end it."""
    if "\ndefault " in f"\n{svcproof('status')}":
        pytest.fail("a cluster called default runs, and the pages are about to start one")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A home directory with kubectl and a cluster of one's own; what readers start goes with it."""
    refuse_somebody_elses()
    name = f"docs-{os.getpid()}"
    svcproof("up", "--name", name)
    try:
        home = tmp_path / "home"
        (home / ".kube").mkdir(parents=True)
        config = yaml.safe_load(Path(svcproof("kubeconfig", "--name", name).strip()).read_text())
        config["contexts"][0]["name"] = config["current-context"] = "staging"
        (home / ".kube" / "config").write_text(yaml.safe_dump(config))
        kubectl = home / "kubectl"
        kubectl.write_text(f'#!/bin/sh\nexec svcproof kubectl --name {name} "$@"\n')
        kubectl.chmod(0o755)
        cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
        yield {
            "HOME": str(home),
            "XDG_CACHE_HOME": cache,
            "PATH": os.pathsep.join(
                [str(Path(sys.executable).parent), str(home), os.environ["PATH"]]
            ),
        }
    finally:
        svcproof("down", "--name", name)
        if "\ndefault " in f"\n{svcproof('status')}":
            svcproof("down")


@pytest.mark.parametrize("page", OWN)
def test_a_page_happens(page, tmp_path, reader):
    """All of its blocks but those that say why not, one after the other, in one directory."""
    for block in blocks(OWN[page]):
        if block.reason:
            continue
        guest = {"PYTEST_ADDOPTS": GUEST} if block.needs_own else {}
        perform(block, tmp_path, limit=LIMIT, **reader, **guest)
