"""The one process of a cluster outside its namespaces: ends it, and cleans up after it.

It holds the lock that says that the cluster lives, listens for ``end`` on the
control socket, and notices the death of its owner (who holds the other end of
a pipe) unless that owner detached the cluster. The supervisor watches the
keeper in turn, so that no single SIGKILL leaves anything behind.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from svcproof.clusters.embedded.state import StateDirectory
from svcproof.clusters.embedded.sweep import sweep
from svcproof.waits import wait_for

__all__ = ["DETACH", "END", "main"]

#: What an owner writes to its pipe to let the cluster outlive it.
DETACH: Final = b"d"
#: What is written to the control socket to end the cluster.
END: Final = b"end\n"


def main(arguments: list[str]) -> None:
    """Arguments: state directory; descriptors of its lock, of the owner's pipe and for reports."""
    directory = StateDirectory(Path(arguments[0]))
    owner, reports = int(arguments[2]), int(arguments[3])
    control = _listen(directory.control_socket)
    supervisor, watch = _start_supervisor(directory, reports)
    os.close(reports)
    try:
        _wait_for_the_end(supervisor, owner, control)
    finally:
        _kill(supervisor)
        os.close(watch)
        sweep(directory)


def _listen(path: Path) -> socket.socket:
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    control.bind(str(path))
    control.listen()
    return control


def _start_supervisor(
    directory: StateDirectory, reports: int
) -> tuple[subprocess.Popen[bytes], int]:
    """The supervisor in its namespaces, and the pipe that tells it that the keeper lives."""
    host_namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
    read_end, write_end = os.pipe()
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command += [
        sys.executable,
        "-P",
        "-m",
        "svcproof.clusters.embedded.supervisor",
        str(directory.path),
    ]
    command += [str(host_namespace), str(read_end), str(reports)]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, pass_fds=(host_namespace, read_end, reports)
    )
    os.close(host_namespace)
    os.close(read_end)
    _note_supervisor(directory, process)
    return process, write_end


def _note_supervisor(directory: StateDirectory, unshare: subprocess.Popen[bytes]) -> None:
    """Write down the process number of the cluster's PID 1, which unshare is about to fork."""

    def forked() -> str:
        return "" if _children(unshare.pid) or unshare.poll() is not None else "not forked yet"

    wait_for("the supervisor", forked, limit=10, interval=0.002)
    directory.supervisor_file.write_text("".join(_children(unshare.pid)[:1]))


def _wait_for_the_end(
    supervisor: subprocess.Popen[bytes], owner: int, control: socket.socket
) -> None:
    """Return when the cluster is to end: its supervisor or its owner died, or somebody said so."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    supervisor_end = os.pidfd_open(supervisor.pid)
    with selectors.DefaultSelector() as selector:
        for watched in (supervisor_end, owner, control):
            selector.register(watched, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj == owner and os.read(owner, 1) == DETACH:
                    selector.unregister(owner)
                elif key.fileobj is not control or _asked_to_end(control):
                    return


def _asked_to_end(control: socket.socket) -> bool:
    connection, _ = control.accept()
    with connection:
        connection.settimeout(1)
        with suppress(OSError):
            return connection.recv(len(END)) == END
    return False


def _kill(supervisor: subprocess.Popen[bytes]) -> None:
    """Kill PID 1 of the cluster, and wait until every process of its namespace is gone.

    Not unshare, its parent: that one ends only when the namespace is empty.
    """
    for child in _children(supervisor.pid):
        with suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        supervisor.wait(timeout=30)
    supervisor.kill()


def _children(process_number: int) -> list[str]:
    try:
        return Path(f"/proc/{process_number}/task/{process_number}/children").read_text().split()
    except FileNotFoundError:
        return []


if __name__ == "__main__":
    main(sys.argv[1:])
