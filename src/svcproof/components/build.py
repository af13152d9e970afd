"""Build every program into a directory that is either complete or not there."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

from svcproof.components.golang import find_go, go_version
from svcproof.components.model import Manifest
from svcproof.components.plan import Plan, make_plan, package_of
from svcproof.components.process import Command, CommandError, stream
from svcproof.components.progress import Progress
from svcproof.components.recipe import OUTPUT_NAMES, Target
from svcproof.errors import ComponentsUnavailable

__all__ = ["PARTIAL", "build"]

#: What the name of a directory that is being filled begins with.
PARTIAL: Final = ".partial-"


def build(target: Target, destination: Path, progress: Progress) -> None:
    """Build ``target`` into ``destination``; the caller holds the cache's lock.

    What was compiled before an interruption is in Go's own build cache and is
    not compiled again.
    """
    root = destination.parent
    root.mkdir(parents=True, exist_ok=True)
    _remove_partial(root)
    go = find_go(target.version.go, progress=progress)
    with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=root) as name:
        work = Path(name)
        binaries, temporary = work / "bin", work / "tmp"
        binaries.mkdir()
        temporary.mkdir()
        try:
            _compile(go, target, binaries, temporary, progress)
        except CommandError as error:
            raise _unavailable(target, error) from error
        for built, wanted in OUTPUT_NAMES.items():
            (binaries / built).rename(binaries / wanted)
        _manifest(target, go).write(binaries)
        shutil.rmtree(destination, ignore_errors=True)
        binaries.rename(destination)


def _compile(go: Path, target: Target, out: Path, temporary: Path, progress: Progress) -> None:
    # GOTMPDIR: what a killed go command leaves lies in a directory that is removed.
    env = {**target.environment(), "GOGC": "400", "GOTMPDIR": str(temporary)}
    name = f"Kubernetes {target.version.patch} for {target.platform}"
    progress.phase(f"{name}: finding what to compile")
    plans = [(step, make_plan(go, target, step, progress)) for step in target.steps()]
    progress.plan({part: n for _, plan in plans for part, n in plan.totals().items()})
    for step, plan in plans:
        argv = [str(go), "build", "-v", *step.flags, f"-o={out}/{step.output}", *step.packages]
        _follow(Command(argv, step.directory, env), plan, progress)


def _follow(command: Command, plan: Plan, progress: Progress) -> None:
    """Run one ``go build -v`` and count what it compiles; the rest of the time it links."""
    waiting = dict(plan.part_of)

    def on_line(line: str) -> None:
        part = waiting.pop(package_of(line) or "", None)
        if part:
            progress.compiled(part)
            if not waiting:
                progress.phase("linking")

    if not waiting:
        progress.phase("linking")
    stream(command, on_line=on_line, on_tick=progress.tick)


def _remove_partial(root: Path) -> None:
    """What a builder left that was killed; no other one runs while we hold the lock."""
    for left in root.glob(f"{PARTIAL}*"):
        shutil.rmtree(left, ignore_errors=True)


def _manifest(target: Target, go: Path) -> Manifest:
    return Manifest(
        key=target.key,
        kubernetes=target.version.patch,
        platform=target.platform,
        go=go_version(go) or "unknown",
        versions=target.version.pins(),
    )


def _unavailable(target: Target, error: CommandError) -> ComponentsUnavailable:
    lines = "\n".join(f"    {line}" for line in error.lines)
    return ComponentsUnavailable(
        f"Kubernetes {target.version.patch} could not be built: {error}; its last lines:\n{lines}",
        remedy="see what go says above; what is compiled already is kept for the next try",
    )
