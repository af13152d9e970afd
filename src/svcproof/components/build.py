"""Build every program into a directory that is either complete or not there."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from svcproof.components.golang import find_go, go_version
from svcproof.components.model import Manifest, missing_binaries
from svcproof.components.plan import Plan, make_plan, package_of
from svcproof.components.process import Command, CommandError, stream
from svcproof.components.progress import Progress
from svcproof.components.recipe import OUTPUT_NAMES, Buildable, Step
from svcproof.components.resources import require_build_memory, require_space, thrift
from svcproof.errors import ComponentsUnavailable

__all__ = ["build"]

#: What the name of a directory that is being filled begins with.
_PARTIAL: Final = ".partial-"


@dataclass(frozen=True, slots=True)
class _Build:
    """One build at work."""

    go: Path
    target: Buildable
    out: Path
    temporary: Path
    progress: Progress


def build(target: Buildable, destination: Path, *, allow_install: bool, progress: Progress) -> None:
    """Build ``target`` into ``destination``; the caller holds the cache's lock.

    What was compiled before an interruption is in Go's own build cache and is
    not compiled again.
    """
    root = destination.parent
    root.mkdir(parents=True, exist_ok=True)
    _remove_partial(root)
    require_space(root, 1.0, "the components")
    require_build_memory()
    go = find_go(target.go, allow_install=allow_install, progress=progress)
    with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=root) as name:
        out, temporary = Path(name, "bin"), Path(name, "tmp")
        out.mkdir()
        temporary.mkdir()
        try:
            _fill(_Build(go, target, out, temporary, progress), root)
        except CommandError as error:
            raise _unavailable(target, error) from error
        if target.reread().key != target.key:
            raise ComponentsUnavailable(
                "the Go sources changed while they were built", remedy="run the same again"
            )
        shutil.rmtree(destination, ignore_errors=True)
        out.rename(destination)


def _fill(work: _Build, root: Path) -> None:
    target, progress = work.target, work.progress
    name = f"{target.label} for {target.platform}"
    progress.phase(f"{name}: finding what to compile")
    steps = [step for step in target.steps if not _link_from_sibling(step, work.out, root)]
    plans: list[tuple[Step, Plan]] = []
    for step in steps:
        # What an earlier step compiles, Go's standard library above all, is there then.
        earlier = {package for _, plan in plans for package in plan.part_of}
        plans.append((step, make_plan(work.go, target, step, progress).without(earlier)))
    totals = {part: count for _, plan in plans for part, count in plan.totals().items()}
    if sum(totals.values()) > 500:
        require_space(root, 4.0, "compiling the components")
    progress.plan(totals)
    for step, plan in plans:
        _compile(work, step, plan)
    _manifest(target, work.go).write(work.out)
    missing = missing_binaries(work.out, target.programs)
    if missing:
        raise ComponentsUnavailable(f"the build of {name} made no {', '.join(missing)}")


def _link_from_sibling(step: Step, out: Path, root: Path) -> bool:
    """Take over a step's programs from another key that was built from the same sources."""
    for sibling in root.glob("[!.]*"):
        manifest = Manifest.read(sibling)
        if manifest and manifest.steps.get(step.name) == step.digest:
            for program in step.programs:
                (out / program).hardlink_to(sibling / program)
            return True
    return False


def _compile(work: _Build, step: Step, plan: Plan) -> None:
    """Run one ``go build -v`` and count what it compiles; the rest of the time it links."""
    waiting = dict(plan.part_of)
    # GOTMPDIR: what a killed go command leaves lies in a directory that is removed.
    setting, flags = thrift()
    env = {**work.target.environment(), "GOTMPDIR": str(work.temporary), **setting}
    argv = [str(work.go), "build", "-v", *flags, *step.flags, f"-o={work.out}/{step.output}"]

    def on_line(line: str) -> None:
        part = waiting.pop(package_of(line) or "", None)
        if part:
            work.progress.compiled(part)
            if not waiting:
                work.progress.phase(f"linking {step.name}")

    if not waiting:
        work.progress.phase(f"linking {step.name}")
    command = Command([*argv, *step.packages], step.directory, env)
    stream(command, on_line=on_line, on_tick=work.progress.tick)
    for built, wanted in OUTPUT_NAMES.items():
        if (work.out / built).exists():
            (work.out / built).rename(work.out / wanted)


def _remove_partial(root: Path) -> None:
    """What a builder left that was killed; no other one runs while we hold the lock."""
    for left in root.glob(f"{_PARTIAL}*"):
        shutil.rmtree(left, ignore_errors=True)


def _manifest(target: Buildable, go: Path) -> Manifest:
    return Manifest(
        key=target.key,
        kubernetes=target.kubernetes,
        platform=target.platform,
        go=go_version(go) or "unknown",
        versions=target.pins(),
        steps={step.name: step.digest for step in target.steps},
    )


def _unavailable(target: Buildable, error: CommandError) -> ComponentsUnavailable:
    # What it was compiling besides says nothing, unless there is nothing else.
    telling = [line for line in error.lines if not package_of(line)] or error.lines
    lines = "\n".join(f"    {line}" for line in telling[-20:])
    return ComponentsUnavailable(
        f"{target.label} could not be built: {error}; its last lines:\n{lines}",
        remedy="see what go says above; what is compiled already is kept for the next try",
    )
