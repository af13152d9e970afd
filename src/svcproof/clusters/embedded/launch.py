"""Starting a cluster from outside: choose its addresses, start its keeper, follow its reports."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_interface, ip_network
from subprocess import DEVNULL, Popen
from typing import IO, Final

import msgspec

from svcproof.clusters.embedded.addressing import Network, choose_slot
from svcproof.clusters.embedded.keeper import DETACH, END
from svcproof.clusters.embedded.plan import ClusterPlan, make_plan
from svcproof.clusters.embedded.processes import last_lines
from svcproof.clusters.embedded.reports import decode_report
from svcproof.clusters.embedded.seeds import ensure_seeds
from svcproof.clusters.embedded.state import (
    StateDirectory,
    base_lock,
    running,
    stale,
    try_lock,
)
from svcproof.clusters.embedded.sweep import sweep
from svcproof.clusters.options import ClusterOptions
from svcproof.components import Components
from svcproof.components.system_tools import search_path
from svcproof.errors import NameInUse, StartFailed
from svcproof.waits import wait_for

__all__ = ["Owner", "end", "launch", "sweep_stale"]

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
        await_gone(self.directory)
        self._keeper.wait(timeout=_END_LIMIT)

    def _close(self) -> None:
        os.close(self._pipe)
        self._reports.close()


def launch(
    options: ClusterOptions,
    *,
    name: str,
    components: Components,
    report: Callable[[str], None],
    until: str = "",
) -> Owner:
    """Start a cluster and wait until it is ready, or has reached a milestone.

    Raises :class:`~svcproof.errors.NameInUse` and what :meth:`Owner.follow` does.
    """
    sweep_stale()
    with _claimed(options, name, components) as (directory, lock):
        owner = _start_keeper(directory, lock)
    owner.follow(report, until=until)
    return owner


def end(directory: StateDirectory) -> None:
    """End a running cluster; returns when nothing of it is left."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control, suppress(OSError):
        control.connect(str(directory.control_socket))
        control.sendall(END)
    await_gone(directory)


def sweep_stale() -> None:
    """Clean up after clusters whose processes were all killed at the same time."""
    with base_lock():  # a directory that is just being made is not locked yet
        for directory in stale():
            with suppress(FileNotFoundError):
                lock = try_lock(directory.path)
                if lock is not None:
                    sweep(directory)
                    os.close(lock)


def await_gone(directory: StateDirectory) -> None:
    """Wait until a cluster's directory is gone, which is the last thing of it."""
    wait_for(
        f"the end of cluster {directory.name}",
        lambda: f"{directory.path} is still there" if directory.path.exists() else "",
        limit=_END_LIMIT,
        interval=0.01,
        remedy="svcproof down --all sweeps what is left",
    )


@contextmanager
def _claimed(
    options: ClusterOptions, name: str, components: Components
) -> Iterator[tuple[StateDirectory, int]]:
    """A locked directory with a plan in it, removed again if the keeper does not start."""
    with base_lock() as base:
        directory = StateDirectory(base / name)
        try:
            directory.path.mkdir(mode=0o700)
        except FileExistsError as error:
            raise NameInUse(
                f"a cluster called {name!r} is running already",
                remedy=f"choose another --name, or end it with: svcproof down --name {name}",
            ) from error
        lock = os.open(directory.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            directory.logs.mkdir()
            plan = _plan(options, directory, components)
            directory.plan_file.write_bytes(msgspec.json.encode(plan))
            yield directory, lock
        except BaseException:
            shutil.rmtree(directory.path, ignore_errors=True)
            raise
        finally:
            os.close(lock)


def _plan(
    options: ClusterOptions, directory: StateDirectory, components: Components
) -> ClusterPlan:
    used = [other.plan().slot for other in running() if other.plan_file.exists()]
    slot = choose_slot(_networks_of_this_machine(), used)
    seeds = ensure_seeds(options, components, slot)
    return make_plan(
        name=directory.name,
        slot=slot,
        kubernetes_version=components.kubernetes_version,
        proxy_mode=options.proxy_mode,
        ip_families=options.ip_families,
        nodes=options.nodes,
        state=directory.path,
        components=components.directory,
        seeds=seeds.directory,
        store_seed=seeds.store,
        image_seed=seeds.images,
        image=seeds.archive,
    )


def _networks_of_this_machine() -> Iterator[Network]:
    """Every network that an address or a route of the host names."""
    from pyroute2 import IPRoute

    with IPRoute() as links:
        for address in links.get_addr():
            text = f"{address.get('IFA_ADDRESS')}/{address['prefixlen']}"
            yield ip_interface(text).network
        for route in links.get_routes():
            destination = route.get("RTA_DST")
            if destination:
                yield ip_network(f"{destination}/{route['dst_len']}", strict=False)


def _start_keeper(directory: StateDirectory, lock: int) -> Owner:
    owner_read, owner_write = os.pipe()
    reports_read, reports_write = os.pipe()
    command = [sys.executable, "-m", "svcproof.clusters.embedded.keeper", str(directory.path)]
    command += [str(lock), str(owner_read), str(reports_write)]
    with (directory.logs / "keeper.log").open("ab") as log:
        keeper = Popen(
            command,
            stdin=DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock, owner_read, reports_write),
            # Where system tools are, also for users whose own path lacks the sbin directories.
            env={**os.environ, "PATH": search_path()},
            start_new_session=True,  # a Ctrl-C in the terminal is for the owner
        )
    os.close(owner_read)
    os.close(reports_write)
    return Owner(directory, owner_write, os.fdopen(reports_read, "rb"), keeper)
