"""The licence texts of everything that is linked into the programs."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from svcproof.components.process import Command, stream
from svcproof.components.recipe import Buildable, Step

__all__ = ["licence_text", "linked_modules"]

_FORMAT: Final = "{{with .Module}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}"
_NAMES: Final = ("LICENSE*", "LICENCE*", "COPYING*", "NOTICE*")
_HEADER: Final = """\
These programs are made of the modules listed below and of Go's standard library.
svcproof's own part of them (svcproof.dev/…) is under the Apache License 2.0, the
same text as Kubernetes' below. A text that several modules share is given once.
"""
_RULE: Final = "=" * 80


def linked_modules(go: Path, target: Buildable, steps: Iterable[Step]) -> dict[str, Path]:
    """Directory by ``module@version`` of everything that ends up in a program."""
    found: dict[str, Path] = {}
    for step in steps:
        argv = [str(go), "list", "-deps", *step.flags, f"-f={_FORMAT}", *step.packages]
        command = Command(argv, step.directory, target.environment())
        with tempfile.TemporaryFile() as output:
            stream(command, on_line=lambda _: None, on_tick=lambda: None, output=output)
            output.seek(0)
            for line in output.read().decode().splitlines():
                path, version, directory = line.split("\t")
                if version:  # our own modules have none
                    found[f"{path}@{version}"] = Path(directory)
    return dict(sorted(found.items()))


def licence_text(modules: Mapping[str, Path], goroot: Path) -> str:
    """One text with each licence once, and before it whom it belongs to."""
    owners: defaultdict[str, list[str]] = defaultdict(list)
    # A packaged Go may keep its licence elsewhere; it is the one of golang.org/x.
    for name, directory in {"Go's standard library": goroot, **modules}.items():
        for path in _files(directory):
            owners[path.read_text(encoding="utf-8", errors="replace").strip()].append(
                f"{name} ({path.name})"
            )
    blocks = (_block(names, text) for text, names in owners.items())
    return "\n".join([_HEADER, *blocks])


def _files(directory: Path) -> Iterator[Path]:
    for pattern in _NAMES:
        yield from sorted(path for path in directory.glob(pattern) if path.is_file())


def _block(names: Sequence[str], text: str) -> str:
    return "\n".join([_RULE, *names, _RULE, text, ""])
