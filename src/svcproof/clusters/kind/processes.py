"""Finding a component's process in a node. Pure."""

from __future__ import annotations

from typing import Final

__all__ = ["LISTING", "process_of"]

#: Prints ``NUMBER PROGRAM`` for each process; needs no program that a node image may lack.
LISTING: Final = (
    "sh",
    "-c",
    "for p in /proc/[0-9]*; do "
    "n=$(tr '\\0' '\\n' <$p/cmdline 2>/dev/null | head -n 1); "
    'echo "${p#/proc/} $n"; done',
)


def process_of(component: str, listing: str) -> str:
    """The process number of a program, "" if it does not run."""
    for line in listing.splitlines():
        number, _, program = line.partition(" ")
        if program.rpartition("/")[2] == component:
            return number
    return ""
