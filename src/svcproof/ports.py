"""What the harness needs from a cluster: one small protocol and optional powers.

Every kind of cluster implements :class:`Cluster`. What only some can do is a
protocol of its own, asked for at run time with ``isinstance``; a cluster that
lacks one is *not supported* for that purpose, with a reason, never skipped
silently.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol, runtime_checkable

from svcproof.history import Attempt, Position
from svcproof.snapshot import Snapshot

__all__ = [
    "CanBalanceLoad",
    "CanFreezeComponents",
    "CanLoadImages",
    "CanRunInNodes",
    "CanRunInPods",
    "CanStopNodes",
    "Cluster",
    "ClusterFacts",
    "Finish",
    "Manifest",
    "ProbePlan",
]

#: One Kubernetes object as plain data.
Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What a cluster is: recorded in every history and report."""

    name: str
    kind: Literal["embedded", "kind", "existing", "fake"]
    kubernetes_version: str
    proxy_mode: str
    families: tuple[Literal["ipv4", "ipv6"], ...]
    node_names: tuple[str, ...]
    cluster_domain: str = "cluster.local"
    #: Names outside the cluster that its resolver is known to answer, and their addresses.
    outside_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Whether nodes limit how many refusals they send, as Linux does unless told otherwise.
    limits_refusals: bool = True
    #: Family → the addresses that the client outside may connect from, as a prefix.
    outside_ranges: Mapping[str, str] = field(default_factory=dict)
    #: Whether svcproof has made it: in one of somebody else's nobody knows how the Pod network and
    #: the data plane are configured (:func:`~svcproof.profiles.profile_of`).
    is_ours: bool = True
    #: The only namespace that may be used; "" where the cluster gets new ones.
    namespace: str = ""
    #: Kinds of clients that this cluster does not allow → the reason, for people.
    lacking_positions: Mapping[str, str] = field(default_factory=dict)
    #: Nodes that are there and not measured → the reason, for people.
    left_out: Mapping[str, str] = field(default_factory=dict)

    def described(self) -> dict[str, str | int | list[str]]:
        """What a history's header says of the cluster."""
        return {
            "name": self.name,
            "kind": self.kind,
            "kubernetes_version": self.kubernetes_version,
            "proxy_mode": self.proxy_mode,
            "families": list(self.families),
            "nodes": list(self.node_names),
        }


class Finish:
    """Says once, to whoever asked to be told, that no other connection is to be begun."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._told: list[Callable[[], None]] = []
        self.is_set = False

    def set(self) -> None:
        """Say it."""
        with self._lock:
            self.is_set, told = True, list(self._told)
        for tell in told:
            tell()

    def when_set(self, tell: Callable[[], None]) -> None:
        """Have ``tell`` called then; at once if it was said already."""
        with self._lock:
            self._told.append(tell)
            already = self.is_set
        if already:
            tell()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePlan:
    """Fresh connections to make to one address.

    ``host`` is a literal address or a name (resolved anew for each
    connection, by the resolver of the place where the client runs).
    ``connect_timeout`` and ``attempt_timeout`` are seconds. ``query`` is a DNS
    record type: then nothing is connected to, ``host`` is the name that is asked
    for, with the resolver (search list included) of the place where the client
    runs, or of the ``server`` at this literal address; ``protocol`` ``tcp`` asks by TCP at
    once. ``keep_alive`` sends all requests of a worker over one connection: they
    are then *not* fresh. ``payload`` is how many bytes the request carries besides, and how
    many the reply's body has at least, which only the app's own dialect ``echo`` can: up to 65,536
    over TCP, 65,000 in a UDP datagram (of which a socket's buffer holds three: ask one at a
    time). The dialect ``healthz`` asks a kube-proxy health check, ``connect`` nothing: that
    the connection is made is the answer.
    ``source_range`` is a prefix of addresses to connect from, one after the other, each of which
    the place where the client runs must have.
    After ``finish`` no other connection begins, those under way are waited for, and
    there are fewer attempts than ``count``.
    """

    host: str
    port: int
    count: int
    protocol: Literal["tcp", "udp"] = "tcp"
    family: Literal["ipv4", "ipv6"] = "ipv4"
    concurrency: int = 8
    rate: float = 0.0  #: connections started per second; 0 means as fast as it goes
    source_ports: tuple[int, int] | None = None
    source_range: str = ""
    connect_timeout: float = 4.0
    attempt_timeout: float = 6.0
    dialect: Literal["echo", "agnhost", "notes", "healthz", "connect"] = "echo"
    query: Literal["", "A", "AAAA", "CNAME", "SRV", "PTR"] = ""
    server: str = ""
    keep_alive: bool = False
    payload: int = 0  #: bytes
    finish: Finish | None = None


class Cluster(Protocol):
    """The whole required surface of a cluster."""

    @property
    def facts(self) -> ClusterFacts:
        """What this cluster is. Cheap, constant."""
        ...

    def create_namespace(self, name: str) -> None:
        """Make a namespace in which Pods can start (its service account exists)."""
        ...

    def delete_namespace(self, name: str) -> None:
        """Ask for a namespace's deletion; do not wait for it."""
        ...

    def apply(self, manifests: Sequence[Manifest], *, namespace: str) -> tuple[Manifest, ...]:
        """Create the objects, or change them to what the manifests say; each as it is stored,
        which may be more and other than was asked for (defaults, admission).

        Raises :class:`~svcproof.errors.ApplyFailed` with the server's text.
        """
        ...

    def patch(self, kind: str, name: str, changes: Manifest, *, namespace: str) -> Manifest:
        """Change fields of one object (JSON merge patch); the object as it is stored. Raises like
        :meth:`apply`."""
        ...

    def delete(self, kind: str, name: str, *, namespace: str) -> None:
        """Delete one object; one that is not there is no error."""
        ...

    def snapshot(self, namespace: str) -> Snapshot:
        """The nodes, and that namespace's Pods, Services and EndpointSlices, now."""
        ...

    def outside_positions(self) -> tuple[Position, ...]:
        """The clients outside the cluster, if this cluster can have any."""
        ...

    def probe(self, position: Position, plan: ProbePlan) -> Generator[Attempt, None, None]:
        """Make the connections of ``plan`` from ``position``; yield each as it ends.

        Yields exactly ``plan.count`` attempts, unless it is told to finish: those that
        the harness lost are ``unknown`` with the reason in ``detail``. Never raises for what the
        network or the exec did. Closing the generator ends the client early.
        """
        ...

    def close(self) -> None:
        """Release what this object holds; end the cluster if this run started it."""
        ...


@runtime_checkable
class CanRunInNodes(Protocol):
    """Commands can be run in a node's namespaces."""

    def run_in_node(self, node: str, command: Sequence[str]) -> tuple[int, str, str]:
        """Run a command in the node: exit code, standard output, standard error."""
        ...


@runtime_checkable
class CanRunInPods(Protocol):
    """Commands can be run in a Pod's first container."""

    def run_in_pod(self, namespace: str, pod: str, command: Sequence[str]) -> tuple[int, str, str]:
        """Run a command in a Pod: exit code, standard output, standard error."""
        ...


@runtime_checkable
class CanTellWhy(Protocol):
    """The controllers' own words can be read."""

    def why_no_pods(self, namespace: str, kind: str, name: str) -> str:
        """Why a workload makes no Pods, or no more (a quota, a policy); "" if nothing is said."""
        ...


@runtime_checkable
class CanTellRoom(Protocol):
    """Quotas can be read."""

    def pods_left(self, namespace: str) -> int | None:
        """How many more Pods a namespace may have; None where no quota is known."""
        ...


@runtime_checkable
class CanFreezeComponents(Protocol):
    """A node's ``kube-proxy``, ``kubelet`` or ``containerd`` can be stopped in its tracks.

    Without a node, a program of the control plane: ``kube-controller-manager``, ….
    """

    def freeze(self, component: str, node: str) -> None:
        """SIGSTOP."""
        ...

    def thaw(self, component: str, node: str) -> None:
        """SIGCONT."""
        ...


@runtime_checkable
class CanStopNodes(Protocol):
    """A node can crash and come back."""

    def stop_node(self, node: str) -> None:
        """Take the node away at once, as a power cut would."""
        ...

    def start_node(self, node: str) -> None:
        """Start it again; returns when the node is Ready."""
        ...


@runtime_checkable
class CanLoadImages(Protocol):
    """Images can be brought to the nodes without a registry."""

    def load_image(self, archive: Path) -> None:
        """Import every image of an OCI layout's tar on every node.

        Raises :class:`~svcproof.errors.EnvironmentProblem` with the runtime's own words.
        """
        ...


@runtime_checkable
class CanBalanceLoad(Protocol):
    """Services of type LoadBalancer get an address that answers from outside."""

    def provide_load_balancer(self) -> None:
        """Bring up what serves them, unless it is up; returns when it is ready.

        Raises :class:`~svcproof.errors.NotSupported` with the reason where there
        can be none, and :class:`~svcproof.errors.WaitExpired`.
        """
        ...
