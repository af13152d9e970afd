"""The Go probe as a local process, where it can run: on the host or in a namespace of it."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import IO

from svcproof.history import Attempt
from svcproof.ports import ProbePlan
from svcproof.probes.arguments import probe_arguments, silence_limit
from svcproof.probes.stream import ProbeLostError, attempts

__all__ = ["ProgramProber"]


class ProgramProber:
    """Runs ``PREFIX… PROGRAM probe …``; the prefix (``nsenter …``) chooses the place."""

    def __init__(self, program: Path, *, prefix: Sequence[str] = ()) -> None:
        self._command = [*prefix, str(program)]

    def probe(self, plan: ProbePlan) -> Generator[Attempt, None, None]:
        """Run the program once; yield what it prints."""
        return attempts(self._lines(plan), plan.count, finish=plan.finish)

    def _lines(self, plan: ProbePlan) -> Generator[bytes, None, None]:
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    [*self._command, *probe_arguments(plan)],
                    stdin=subprocess.PIPE if plan.finish else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                )
            except OSError as error:
                raise ProbeLostError(f"cannot run {self._command[0]}: {error.strerror}") from error
            if plan.finish and process.stdin:
                plan.finish.when_set(process.stdin.close)
            with process, _Watchdog(process, silence_limit(plan)) as watchdog:
                try:
                    for line in process.stdout or ():
                        watchdog.pat()
                        yield line
                    status = process.wait()
                finally:
                    process.kill()
            if watchdog.bit:
                raise ProbeLostError(f"the client was silent for {watchdog.limit:g} s")
            if status != 0:
                raise ProbeLostError(f"the client ended with {status}: {_tail(errors)}")


class _Watchdog:
    """Kills a process that is silent for too long."""

    def __init__(self, process: subprocess.Popen[bytes], limit: float) -> None:
        self.limit = limit
        self.bit = False
        self._process = process
        self._alive = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def pat(self) -> None:
        """Say that the process lives."""
        self._alive.set()

    def __enter__(self) -> _Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._alive.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.is_set():
            if not self._alive.wait(self.limit):
                self.bit = True
                self._process.kill()
                return
            self._alive.clear()
            # Patting must be cheap for the reader, so the look-out sleeps meanwhile.
            self._over.wait(0.5)


def _tail(errors: IO[bytes]) -> str:
    errors.seek(0)
    return " ".join(errors.read()[-500:].decode(errors="replace").split())
