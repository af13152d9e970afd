"""What a build has to compile, and what ``go build -v`` says while it does."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from svcproof.components.process import Command, stream
from svcproof.components.progress import Progress
from svcproof.components.recipe import Buildable, Step

__all__ = ["Plan", "download_of", "make_plan", "package_of", "parse_listing"]

# Import path, whether it has to be compiled, and for programs all they are made of.
_FORMAT: Final = (
    "{{.ImportPath}}\t{{.Stale}}\t{{.StaleReason}}\t"
    '{{if eq .Name "main"}}{{range .Deps}}{{.}} {{end}}{{end}}'
)
# In the build cache, only not copied to where it was wanted: nothing to compile.
_CACHED: Final = "not installed but available in build cache"
_PACKAGE: Final = re.compile(r"^[A-Za-z0-9_.~][\w.~+/\-]*$")
_DOWNLOAD: Final = re.compile(r"^go: downloading (\S+) (\S+)$")


@dataclass(frozen=True, slots=True)
class Plan:
    """Which part of the display each package to compile belongs to."""

    part_of: Mapping[str, str]

    def totals(self) -> dict[str, int]:
        """Packages to compile by part."""
        return dict(Counter(self.part_of.values()))

    def without(self, packages: Collection[str]) -> Plan:
        """The same without what is compiled otherwise."""
        return Plan({path: part for path, part in self.part_of.items() if path not in packages})


def make_plan(go: Path, target: Buildable, step: Step, progress: Progress) -> Plan:
    """Ask the go command what it would compile; downloads the modules on the way."""
    argv = [str(go), "list", "-deps", *step.flags, f"-f={_FORMAT}", *step.packages]
    downloaded, at_most = 0, _required_modules(step.modfile)

    def on_line(line: str) -> None:
        nonlocal downloaded
        if download_of(line):
            downloaded += 1
            if downloaded % 50 == 1:
                progress.phase(f"downloading Go modules: {downloaded} of at most {at_most}")

    with tempfile.TemporaryFile() as output:
        stream(
            Command(argv, step.directory, target.environment()),
            on_line=on_line,
            on_tick=progress.tick,
            output=output,
        )
        output.seek(0)
        listing = output.read().decode()
    return parse_listing(listing.splitlines(), step)


def _required_modules(modfile: Path) -> int:
    """How many a go.mod names: all that can be needed, since it is tidy."""
    return len(re.findall(r"^\t\S+ v\S+", modfile.read_text(encoding="utf-8"), re.MULTILINE))


def parse_listing(lines: Iterable[str], step: Step) -> Plan:
    """A package belongs to the first part that needs it: it is compiled for that one."""
    stale: set[str] = set()
    needs: list[tuple[str, ...]] = []
    for line in lines:
        path, is_stale, reason, deps = line.split("\t")
        if is_stale == "true" and reason != _CACHED:
            stale.add(path)
        if deps:
            needs.append((path, *deps.split()))
    part_of: dict[str, str] = {}
    for part, programs in step.parts.items():
        for package in programs:
            for needed in _needs_of(package, needs):
                if needed in stale:
                    part_of.setdefault(needed, part)
    return Plan(part_of)


def _needs_of(package: str, needs: list[tuple[str, ...]]) -> tuple[str, ...]:
    """By the end of its import path: ``./kube`` is ``svcproof.dev/components/kube``."""
    tail = package.removeprefix(".")
    matching = [group for group in needs if group[0].endswith(tail)]
    return matching[0] if matching else ()


def package_of(line: str) -> str | None:
    """The import path in a line of ``go build -v``, if it is one."""
    return line if _PACKAGE.match(line) else None


def download_of(line: str) -> str | None:
    """The module in a line that says one is downloaded."""
    found = _DOWNLOAD.match(line)
    return f"{found[1]}@{found[2]}" if found else None
