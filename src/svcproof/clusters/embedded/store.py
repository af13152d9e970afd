"""The control plane's identities and its store, fresh or from a seed.

A *seed* is what a first start of the same kind of cluster left behind when
etcd was stopped cleanly: the system's own objects (RBAC, priority classes,
flow schemas, namespaces with their service accounts) and the keys that sign
for them. The API server finds them there instead of making them, a second of
work. No Node, no Pod and no Service but ``kubernetes`` is in it: everything a
test can see is made anew.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from svcproof.clusters.embedded import network
from svcproof.clusters.embedded.control_plane import PKI, kubeconfig_path
from svcproof.clusters.embedded.kubeconfig import write_kubeconfig
from svcproof.clusters.embedded.pki import write_pki
from svcproof.clusters.embedded.plan import WORLD
from svcproof.clusters.embedded.starting import Starting, keep

if TYPE_CHECKING:
    from svcproof.clusters.embedded.objects import ControlPlaneClient

__all__ = ["connect", "prepare_store", "start_etcd"]

_ETCD_DATA: Final = WORLD / "etcd"
#: Certificates are valid for a year: a seed is replaced well before.
_SEED_AGE: Final = 300 * 24 * 3600


def prepare_store(starting: Starting) -> None:
    """Put keys, kubeconfigs and etcd's data in place; grow the seed if there is none."""
    seed = Path(starting.plan.store_seed)
    if not _is_usable(seed):
        shutil.rmtree(seed, ignore_errors=True)
        _grow(starting, seed)
    else:
        shutil.copytree(seed / "pki", PKI)
        _copy(seed / "etcd", _ETCD_DATA)
        _write_kubeconfigs(starting)


def start_etcd(starting: Starting) -> None:
    """Start etcd and wait until it accepts connections."""
    etcd = starting.control_plane_program("etcd")
    starting.wait("etcd on port 2379", _etcd_state, etcd)


def connect(starting: Starting) -> ControlPlaneClient:
    """A client of the API server, once that says that it is ready."""
    from svcproof.clusters.embedded.objects import ControlPlaneClient

    api_server = starting.table.component("kube-apiserver")
    client = ControlPlaneClient(starting.state.kubeconfig)
    starting.wait("the API server", client.readiness, api_server)
    return client


def _grow(starting: Starting, seed: Path) -> None:
    """Run the control plane once, stop it cleanly, keep what it wrote."""
    write_pki(starting.plan, PKI)
    _write_kubeconfigs(starting)
    start_etcd(starting)
    starting.control_plane_program("kube-apiserver")
    client = connect(starting)
    manager = starting.control_plane_program("kube-controller-manager")
    starting.wait("every namespace's service account", client.namespaces_state, manager)
    for name in ("kube-controller-manager", "kube-apiserver", "etcd"):
        starting.table.stop(name)
    growing = seed.with_name(f"{seed.name}.{starting.plan.name}")
    shutil.rmtree(growing, ignore_errors=True)
    growing.mkdir(mode=0o700, parents=True)
    shutil.copytree(PKI, growing / "pki")
    _copy(_ETCD_DATA, growing / "etcd")
    keep(growing, seed)


def _is_usable(seed: Path) -> bool:
    return seed.is_dir() and time.time() - seed.stat().st_mtime < _SEED_AGE


def _copy(source: Path, destination: Path) -> None:
    # etcd allocates its log in pieces of 64 MB that are nearly all zeros.
    command = ["cp", "--recursive", "--sparse=always", str(source), str(destination)]
    subprocess.run(command, check=True, timeout=60)


def _write_kubeconfigs(starting: Starting) -> None:
    plan = starting.plan
    users = ["admin", "kube-controller-manager", "kube-scheduler", "kube-proxy"]
    users += [f"node-{node.name}" for node in plan.nodes]
    for user in users:
        path = kubeconfig_path(user)
        write_kubeconfig(path, cluster=plan.name, server=plan.api_server, pki=PKI, user=user)
    shutil.copyfile(kubeconfig_path("admin"), starting.state.kubeconfig)
    starting.state.kubeconfig.chmod(0o600)


def _etcd_state() -> str:
    outcome: list[str] = []

    def connect_once() -> None:
        try:
            socket.create_connection(("127.0.0.1", 2379), timeout=1).close()
            outcome.append("")
        except OSError as error:
            outcome.append(str(error))

    network.inside(str(network.namespace_path(network.CONTROL_PLANE)), connect_once)
    return outcome[0]
