"""From a kubeconfig to a cluster that can be measured: look first, then say, then be ready."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from svcproof.clusters.existing.cluster import ExistingCluster
from svcproof.clusters.existing.data_plane import KUBE_PROXY_MODES
from svcproof.clusters.existing.fitting import Fitting, program_parts
from svcproof.clusters.existing.preflight import Survey, survey
from svcproof.clusters.existing.run_card import MANAGED_BY
from svcproof.clusters.existing.sweep import claimed, leftovers, remove
from svcproof.clusters.kubernetes_api import Api
from svcproof.clusters.options import ClusterOptions, ExistingOptions
from svcproof.components.program import obtain_echo_hostname
from svcproof.components.progress import Silent
from svcproof.components.recipe import host_architecture
from svcproof.errors import EnvironmentProblem
from svcproof.history import Position
from svcproof.ports import ClusterFacts, Manifest
from svcproof.probes import OutsideClient
from svcproof.probes.program import ProgramProber

__all__ = ["join"]

_NO_OUTSIDE: Final = (
    "this cluster has no client outside of it: give --svc-outside where this machine reaches "
    "the nodes' addresses and is none of them"
)


def join(options: ClusterOptions, report: Callable[[str], None]) -> ExistingCluster:
    """Preflight, plan, and the cluster. Raises ``EnvironmentProblem``; makes nothing yet."""
    wanted = options.existing
    api = Api(wanted.kubeconfig, context=wanted.context)
    try:
        found = survey(api, wanted)
        if wanted.namespace:
            _refuse_claimed(api, wanted.namespace, report)
        host = str(api.configuration.host)
    finally:
        api.close()
    fitting, program = _equipment(options, found)
    outside = _outside(options, found) if wanted.outside else ()
    for line in _plan(wanted, found, host, fitting):
        report(line)
    return ExistingCluster(
        wanted.kubeconfig,
        _facts(wanted, found, host, has_outside=bool(outside)),
        context=wanted.context,
        fitting=fitting,
        program=program,
        outside=outside,
        asks_proxies=_asks_proxies(wanted, found),
    )


def _asks_proxies(wanted: ExistingOptions, found: Survey) -> bool:
    """Configuration says what will be, a kube-proxy what is; who is told need not ask."""
    may_be_one = found.data_plane.name in ("unknown", *KUBE_PROXY_MODES)
    return may_be_one and not wanted.data_plane


def _refuse_claimed(api: Api, namespace: str, report: Callable[[str], None]) -> None:
    for left in leftovers(api, namespace):
        remove(api, left)
        report(f"removed {left}: that run is over")
    run = claimed(api, namespace)
    if run:
        raise EnvironmentProblem(
            f"run {run} uses namespace {namespace} now",
            remedy="wait for it, or give another namespace; if that run died on another "
            "machine: svcproof sweep --namespace NAME --run RUN",
        )


def _equipment(options: ClusterOptions, found: Survey) -> tuple[Fitting, Sequence[Manifest]]:
    """How Pods get the program: in an image, or in ConfigMaps."""
    wanted = options.existing
    selection = found.selection
    # All nodes need no choosing, and then new ones are no trouble.
    nodes = [node.name for node in selection.nodes]
    everywhere = len(nodes) == selection.usable and not selection.has_unfit
    fitting = Fitting(
        image=_mirrored(wanted.image, wanted.registry),
        carrier=_mirrored(wanted.carrier, wanted.registry),
        nodes=() if everywhere else nodes,
        placing=wanted.placing,
    )
    if wanted.image:
        return fitting, ()
    parts: dict[str, list[Manifest]] = {}
    for architecture in found.architectures:
        path = obtain_echo_hostname(
            architecture, allow_install=options.allow_install, progress=Silent()
        )
        parts[architecture] = program_parts(path.read_bytes(), architecture, MANAGED_BY)
    names = {
        architecture: tuple(str(part["metadata"]["name"]) for part in made)
        for architecture, made in parts.items()
    }
    return replace(fitting, parts=names), [part for made in parts.values() for part in made]


def _mirrored(image: str, registry: str) -> str:
    """The same image from another registry: ``registry`` takes the place of its host."""
    if not registry or not image:
        return image
    host, slash, rest = image.partition("/")
    is_host = slash and ("." in host or ":" in host or host == "localhost")
    return f"{registry.rstrip('/')}/{rest if is_host else image}"


def _outside(options: ClusterOptions, found: Survey) -> tuple[OutsideClient, ...]:
    """This machine, with the address that it has towards the nodes."""
    program = obtain_echo_hostname(
        host_architecture(), allow_install=options.allow_install, progress=Silent()
    )
    addresses = tuple(_own_address(address) for address in found.selection.nodes[0].addresses)
    position = Position(name="outside", kind="outside", addresses=addresses)
    return (OutsideClient(position, ProgramProber(program)),)


def _own_address(towards: str) -> str:
    """Which address the kernel would send from: nothing is sent."""
    family = socket.AF_INET6 if ":" in towards else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((towards, 9))
            return str(sock.getsockname()[0])
    except OSError as error:
        raise EnvironmentProblem(
            f"this machine has no way to {towards}, the address of a node: {error}",
            remedy="leave out --svc-outside, or run where the nodes can be reached",
        ) from error


def _facts(wanted: ExistingOptions, found: Survey, host: str, *, has_outside: bool) -> ClusterFacts:
    lacking = {}
    if found.no_host_network:
        lacking["host-network"] = found.no_host_network
    if not has_outside:
        lacking["outside"] = _NO_OUTSIDE
    return ClusterFacts(
        name=wanted.context or host,
        kind="existing",
        kubernetes_version=found.version,
        proxy_mode=found.data_plane.name,
        families=found.families,
        node_names=tuple(node.name for node in found.selection.nodes),
        is_ours=False,
        namespace=wanted.namespace,
        lacking_positions=lacking,
        left_out=dict(found.selection.left_out),
    )


def _plan(wanted: ExistingOptions, found: Survey, host: str, fitting: Fitting) -> list[str]:
    """What was found and what will be made, for whoever owns the cluster."""
    where = (
        f"namespace {wanted.namespace}"
        if wanted.namespace
        else "new namespaces svcproof-…, deleted at the end"
    )
    asked = "; the nodes' kube-proxies will be asked" if _asks_proxies(wanted, found) else ""
    program = fitting.image or f"{fitting.carrier}, with the program from ConfigMaps"
    lines = [
        f"cluster {host}, Kubernetes {found.version}",
        f"nodes: {found.selection.coverage}",
        f"data plane: {found.data_plane.name} ({found.data_plane.evidence}){asked}",
        f"families of Services: {' and '.join(found.families)}",
        f"will make, in {where}: client DaemonSets, Deployments of 1 to 5 Pods, Services",
        f"image: {program}",
    ]
    if found.no_host_network:
        lines.append(f"no clients in the host network: {found.no_host_network}")
    return lines
