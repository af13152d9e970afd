"""Ending a cluster: by whoever holds its life, or by anybody who asks its keeper."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from subprocess import Popen
from typing import IO, Final

from svcproof.clusters.embedded.keeper import DETACH, END
from svcproof.clusters.embedded.processes import last_lines
from svcproof.clusters.embedded.reports import decode_report
from svcproof.clusters.embedded.state import StateDirectory
from svcproof.errors import StartFailed
from svcproof.waits import wait_for

__all__ = ["Owner", "end"]

_END_LIMIT: Final = 30.0


class Owner:
    """Holds a cluster's life: when the holder dies, or calls :meth:`end`, the cluster ends."""

    def __init__(
        self, directory: StateDirectory, pipe: int, reports: IO[bytes], keeper: Popen[bytes]
    ) -> None:
        self.directory = directory
        self._pipe = pipe
        self._reports = reports
        self._keeper = keeper

    def follow(self, report: Callable[[str], None], *, until: str = "") -> None:
        """Pass milestones on until one of that name, or until the cluster is ready.

        Raises :class:`~svcproof.errors.StartFailed`; whatever is raised, also
        ``KeyboardInterrupt``, nothing is left of the cluster.
        """
        try:
            self._follow(report, until)
        except BaseException:
            self.end()
            raise

    def _follow(self, report: Callable[[str], None], until: str) -> None:
        for line in self._reports:
            message = decode_report(line)
            if message.failed:
                raise message.failed.error()
            if message.ready is not None:
                return
            report(f"{message.seconds:6.1f} s  {message.milestone}")
            if message.milestone == until:
                return
        log = self.directory.logs / "keeper.log"
        written = last_lines(log) if log.exists() else []
        raise StartFailed("supervisor", "ended without a word", log_lines=written)

    def detach(self) -> None:
        """Let the cluster live on without an owner."""
        os.write(self._pipe, DETACH)
        self._close()
        self._keeper.returncode = 0  # no longer ours to wait for, and no warning about that

    def end(self) -> None:
        """End the cluster; returns when nothing of it is left."""
        self._close()
        _await_gone(self.directory)
        self._keeper.wait(timeout=_END_LIMIT)

    def _close(self) -> None:
        if not self._reports.closed:  # a start that failed has ended the cluster already
            os.close(self._pipe)
            self._reports.close()


def end(directory: StateDirectory) -> None:
    """End a running cluster; returns when nothing of it is left."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control, suppress(OSError):
        control.connect(str(directory.control_socket))
        control.sendall(END)
    _await_gone(directory)


def _await_gone(directory: StateDirectory) -> None:
    """Wait until a cluster's directory is gone, which is the last thing of it."""
    wait_for(
        f"the end of cluster {directory.name}",
        lambda: f"{directory.path} is still there" if directory.path.exists() else "",
        limit=_END_LIMIT,
        interval=0.01,
        remedy="if another version of svcproof started it, end it with that one; svcproof down "
        "--all sweeps what has died",
    )
