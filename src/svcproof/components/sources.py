"""The Go sources the components are built from, in a checkout and in an installed wheel alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

__all__ = ["COMPONENTS", "ECHO_HOSTNAME", "KIND", "KUBEADM", "METALLB", "digest"]

# resolve(): in a checkout these are symlinks, and the go command wants to stand
# in a module's real directory.
_SOURCES: Final = Path(__file__).resolve().parent.parent / "sources"
#: The Go module of everything but our own program.
COMPONENTS: Final = (_SOURCES / "components").resolve()
#: The Go module of the app, the prober and the pause program.
ECHO_HOSTNAME: Final = (_SOURCES / "echo-hostname").resolve()
#: The Go module of the load balancer, whose versions are its own.
METALLB: Final = COMPONENTS / "metallb"
#: The Go module of kind, and of what its nodes have that no other cluster needs.
KIND: Final = COMPONENTS / "kind"
#: The Go module of kubeadm, one go.mod for each Kubernetes.
KUBEADM: Final = COMPONENTS / "kubeadm"

#: What can change a binary. Tests, prose and programs built in place cannot.
_SUFFIXES: Final = frozenset({".go", ".mod", ".sum", ".html", ".tmpl"})


def digest(root: Path, minor: str, settings: Iterable[str]) -> str:
    """A hash over one module's sources, as one minor is built from them, and over how."""
    total = hashlib.sha256()
    for setting in settings:
        total.update(f"{setting}\0".encode())
    for path in _inputs(root, minor):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(root).as_posix()}\0{content}\0".encode())
    return total.hexdigest()


def _inputs(root: Path, minor: str) -> Iterator[Path]:
    """Each file that matters, in an order that does not depend on the file system."""
    versions = root / "versions"
    others = _modules_below(root)
    for path in sorted(root.rglob("*")):
        if path.suffix not in _SUFFIXES or path.name.endswith("_test.go"):
            continue
        if not others.isdisjoint(path.parents):
            continue
        if path.is_relative_to(versions) and path.parent != versions / minor:
            continue
        # The go.mod at the top is the default minor's; -modfile replaces it.
        if versions.is_dir() and path.parent == root and path.suffix in (".mod", ".sum"):
            continue
        yield path


def _modules_below(root: Path) -> set[Path]:
    """Directories that are Go modules of their own, which a build of this one never reads."""
    versions = root / "versions"
    found = {path.parent for path in root.rglob("go.mod")} - {root}
    return {path for path in found if not path.is_relative_to(versions)}
