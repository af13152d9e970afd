"""Starting a cluster from outside: choose its addresses, start its keeper, follow its reports."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_interface, ip_network
from subprocess import DEVNULL, Popen

import msgspec

from svcproof.clusters.embedded.addressing import Network, choose_slot
from svcproof.clusters.embedded.owner import Owner
from svcproof.clusters.embedded.plan import ClusterPlan, make_plan
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
from svcproof.errors import NameInUse

__all__ = ["launch", "sweep_stale"]


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


def sweep_stale() -> None:
    """Clean up after clusters whose processes were all killed at the same time."""
    with base_lock():  # a directory that is just being made is not locked yet
        for directory in stale():
            with suppress(FileNotFoundError):
                lock = try_lock(directory.path)
                if lock is not None:
                    sweep(directory)
                    os.close(lock)


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
            raise _in_use(directory) from error
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


def _in_use(directory: StateDirectory) -> NameInUse:
    name = directory.name
    if name in {cluster.name for cluster in running()}:
        return NameInUse(
            f"a cluster called {name!r} is running already",
            remedy=f"choose another --name, or end it with: svcproof down --name {name}",
        )
    return NameInUse(
        f"{directory.path} is there already, and not a cluster's that this svcproof knows",
        remedy="choose another --name, or see what it is and remove it",
    )


def _plan(
    options: ClusterOptions, directory: StateDirectory, components: Components
) -> ClusterPlan:
    used = [slot for other in running() if (slot := other.slot) is not None]
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
    command = [sys.executable, "-P", "-m", "svcproof.clusters.embedded.keeper", str(directory.path)]
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
