"""One long command: its lines as they come, and its whole process group gone whatever happens."""

from __future__ import annotations

import functools
import os
import selectors
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

__all__ = ["Command", "CommandError", "stream"]

#: How many of the last lines a failure keeps; many are names of packages.
_TAIL: Final = 200


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, where and in which environment."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]


class CommandError(Exception):
    """A command that ended with something else than 0; ``lines`` are its last ones."""

    def __init__(self, command: Command, code: int, lines: Sequence[str]) -> None:
        self.code = code
        self.lines = tuple(lines)
        super().__init__(f"{' '.join(command.argv[:2])} ended with {code}")


def stream(
    command: Command,
    *,
    on_line: Callable[[str], None],
    on_tick: Callable[[], None],
    output: IO[bytes] | None = None,
) -> None:
    """Run to the end, with each line of stderr given to ``on_line``, ``on_tick`` each second.

    The command gets a process group of its own, which is killed when this is
    left early: after Ctrl-C no compiler goes on for a minute. It dies with us
    even when we are killed, where util-linux is there for it.
    """
    tail: deque[str] = deque(maxlen=_TAIL)
    process = subprocess.Popen(
        [*_die_with_parent(), *command.argv],
        cwd=command.cwd,
        env=command.env,
        stdin=subprocess.DEVNULL,
        stdout=output or subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        for line in _lines(process, on_tick):
            tail.append(line)
            on_line(line)
        code = process.wait()
    except BaseException:
        _kill_group(process)
        raise
    finally:
        if process.stderr:
            process.stderr.close()
    if code:
        raise CommandError(command, code, tail)


def _lines(process: subprocess.Popen[bytes], on_tick: Callable[[], None]) -> Iterator[str]:
    if process.stderr is None:
        return
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr, selectors.EVENT_READ)
        while True:
            if not selector.select(timeout=1.0):
                on_tick()
                continue
            chunk = os.read(process.stderr.fileno(), 65536)
            if not chunk:
                break
            *complete, rest = (rest + chunk).split(b"\n")
            yield from (line.decode(errors="replace") for line in complete)
    if rest:
        yield rest.decode(errors="replace")


@functools.cache
def _die_with_parent() -> tuple[str, ...]:
    """What to put before a command so that the kernel ends it when we are killed."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return ()
    known = subprocess.run([setpriv, "--help"], capture_output=True, timeout=10, check=False)
    return (setpriv, "--pdeathsig", "KILL") if b"--pdeathsig" in known.stdout else ()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
