"""What the pages have readers type, and the files that they have them write."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["RECORDS", "Block", "blocks", "pages", "perform"]

ROOT = Path(__file__).parents[3]
#: Pages that are printed by a test of their own: nobody types what stands in them.
RECORDS = {"docs/notes-tour.md": "written by svcproof notes, whose every step tests/notes checks"}

_SHELLS = {"sh", "bash", "console"}
_MARK = re.compile(
    r"<!-- (?:not executed: (?P<reason>.+?)|executed by the unit tests"
    r"|executed by tox -e commands(?P<own>, on a cluster that is there)?(?P<real>))"
    r"(?:; exit code (?P<code>\d))? -->"
)
_FILE = re.compile(r"`(?P<name>[\w.-]+)`:")


@dataclass(frozen=True)
class Block:
    """One fenced block: a file to write (``name``), or commands for a shell."""

    page: str
    line: int
    text: str
    name: str = ""
    #: Why it is not executed, if it is not.
    reason: str = ""
    #: Whether a real cluster is needed, and whether it is one that the reader has.
    needs_cluster: bool = False
    needs_own: bool = False
    exit_code: int = 0

    @property
    def where(self) -> str:
        """The page and the line, for people."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """All whose command lines count; decisions tell of the past."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [
        page
        for page in found
        if page.parent.name != "decisions" and str(page.relative_to(ROOT)) not in RECORDS
    ]


def blocks(page: Path) -> Iterator[Block]:
    """Those of a page that are to be executed, or written to files, in order."""
    name = str(page.relative_to(ROOT))
    lines = iter(enumerate(page.read_text().splitlines(), start=1))
    before = ""
    for number, line in lines:
        if line.startswith("```"):
            content = []
            for _, inner in lines:
                if inner.startswith("```"):
                    break
                content.append(inner)
            found = _block(name, number, line.strip("`").split(" ")[0], content, before)
            if found is not None:
                yield found
        if line.strip():
            before = line.strip()


def _block(page: str, line: int, language: str, content: list[str], before: str) -> Block | None:
    if language in _SHELLS:
        mark = _MARK.fullmatch(before)
        return Block(
            page,
            line,
            "\n".join(_commands(content)) + "\n",
            reason=(mark and mark["reason"]) or "",
            needs_cluster=bool(mark) and mark["real"] is not None,
            needs_own=bool(mark) and mark["own"] is not None,
            exit_code=int((mark and mark["code"]) or 0),
        )
    named = _FILE.fullmatch(before)
    return Block(page, line, "\n".join(content) + "\n", name=named["name"]) if named else None


def _commands(content: list[str]) -> list[str]:
    """Lines after a prompt, if there is one: the others are output."""
    typed = [line[2:] for line in content if line.startswith("$ ")]
    return typed or content


def perform(block: Block, directory: Path, *, limit: float, **variables: str) -> None:
    """Write its file, or type its lines; ends with an AssertionError that shows what came."""
    if block.name:
        (directory / block.name).write_text(block.text)
        return
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=directory,
        env=_environment(directory, variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=limit,
        check=False,
    )
    told = f"{block.where}: exit code {ended.returncode}, not {block.exit_code}\n{block.text}"
    assert ended.returncode == block.exit_code, f"{told}\n{ended.stdout[-6000:]}"


def _environment(directory: Path, variables: dict[str, str]) -> dict[str, str]:
    """This environment's programs come first; its pytest is not told that it runs in another."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return inherited | {"PATH": programs, "DOCS": str(directory)} | variables
