"""The Go probe as an agent behind a command of this machine, such as ``docker exec``.

Such a command starts a program that is not its child, and that does not end with it. An
agent does: its orders end with its standard input.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from typing import Final

from svcproof.probes.agent import AgentProber
from svcproof.probes.stream import ProbeLostError

__all__ = ["ProcessAgentProber"]

_PIECE: Final = 1 << 16
_END_SECONDS: Final = 5.0


class ProcessAgentProber(AgentProber):
    """Runs ``PREFIX… PROGRAM agent``; the prefix chooses the place."""

    def __init__(self, program: str, *, prefix: Sequence[str] = ()) -> None:
        super().__init__()
        self._command = [*prefix, program, "agent"]

    def _connect(self) -> _Pipes:
        return _Pipes(self._command)


class _Pipes:
    """A :class:`~svcproof.probes.pod_session.Connection`."""

    def __init__(self, command: Sequence[str]) -> None:
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise ProbeLostError(f"cannot run {command[0]}: {error.strerror}") from error

    def fileno(self) -> int:
        return self._process.stdout.fileno() if self._process.stdout else -1

    def has_buffered(self) -> bool:
        return False

    def receive(self) -> bytes:
        data = os.read(self.fileno(), _PIECE)
        if not data:
            raise ProbeLostError("the agent ended")
        return data

    def send(self, data: bytes) -> None:
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except OSError as error:
            raise ProbeLostError(f"the agent ended: {error.strerror}") from error

    def close(self) -> None:
        with self._process as process:
            if process.stdin:
                with contextlib.suppress(OSError):
                    process.stdin.close()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
