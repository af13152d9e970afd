"""Where clients stand and what they dial, in words, before a cluster exists.

A test's cases are named when tests are collected, and the Pods and addresses
are known only when the cluster runs: specs are the names, resolved later into
:class:`~svcproof.history.Position` and :class:`~svcproof.history.Target`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar, get_args

from svcproof.errors import NotSupported, UsageError
from svcproof.history import Family, Protocol, Target
from svcproof.snapshot import Service, ServicePort, Snapshot

__all__ = [
    "DialledForm",
    "PositionKind",
    "PositionSpec",
    "TargetSpec",
    "has_family",
    "has_form",
    "position_specs",
    "resolve_target",
    "target_specs",
]

PositionKind = Literal["pod", "host-network", "backend", "outside"]
DialledForm = Literal[
    "cluster-ip", "short-name", "fqdn", "node-port", "load-balancer", "external-ip"
]

_T = TypeVar("_T", bound=str)

_POSITION_WORDS: Final = {
    "pod": "a Pod on {node}",
    "host-network": "the host network of {node}",
    "backend": "a backend Pod on {node}",
    "outside": "outside the cluster",
}
_FORM_WORDS: Final = {
    "cluster-ip": "by ClusterIP",
    "short-name": "by short name",
    "fqdn": "by FQDN",
    "node-port": "at {node}",
    "load-balancer": "by its external address",
    "external-ip": "by an externalIP",
}
_FAMILY_WORDS: Final = {"ipv4": "IPv4", "ipv6": "IPv6"}


@dataclass(frozen=True, slots=True)
class PositionSpec:
    """A place for a client; ``node`` is empty for ``outside``."""

    kind: PositionKind
    node: str = ""

    def __str__(self) -> str:
        return _POSITION_WORDS[self.kind].format(node=self.node)

    @property
    def words(self) -> str:
        """The place as part of a case's name."""
        return f"from {self}"


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """A way to dial a Service. ``show_family`` is for clusters that have two."""

    form: DialledForm
    family: Family
    entry_node: str = ""
    show_family: bool = False

    @property
    def words(self) -> str:
        """The way as part of a case's name."""
        words = _FORM_WORDS[self.form].format(node=self.entry_node)
        return f"{words} over {_FAMILY_WORDS[self.family]}" if self.show_family else words


def position_specs(kinds: Sequence[str], nodes: Sequence[str]) -> Iterator[PositionSpec]:
    """Each kind of place, on every node where that means anything."""
    for kind in kinds:
        known = _known(kind, get_args(PositionKind), "kind of position")
        if known == "outside":
            yield PositionSpec("outside")
        else:
            yield from (PositionSpec(known, node) for node in nodes)


def target_specs(
    forms: Sequence[str], nodes: Sequence[str], families: Sequence[Family]
) -> Iterator[TargetSpec]:
    """Each form of address, in every family, and for node ports at every node."""
    both = len(families) > 1
    for form in forms:
        known = _known(form, get_args(DialledForm), "form of address")
        entries = nodes if known == "node-port" else ("",)
        for family in families:
            for entry in entries:
                yield TargetSpec(known, family, entry, both)


def resolve_target(
    spec: TargetSpec,
    service: Service,
    snapshot: Snapshot,
    *,
    port_name: str = "",
    cluster_domain: str = "cluster.local",
) -> Target:
    """The address that ``spec`` means for a Service as the cluster has it now."""
    if not has_family(service, spec.family):
        there = " and ".join(service.ip_families)
        raise NotSupported(f"Service {service.name} is of {there} only ({spec.words})")
    port = _port(service, port_name)
    shown = f" port {port.name}" if len(service.ports) > 1 else ""
    return Target(
        name=f"{service.name}{shown} {spec.words}",
        service=service.name,
        form=spec.form,
        host=_host(spec, service, snapshot, cluster_domain),
        port=port.node_port if spec.form == "node-port" else port.port,
        protocol=_PROTOCOLS[port.protocol],
        family=spec.family,
        entry_node=spec.entry_node,
        port_name=port.name,
    )


_PROTOCOLS: Final[dict[str, Protocol]] = {"TCP": "tcp", "UDP": "udp"}


def has_family(service: Service, family: Family) -> bool:
    """Whether it has addresses of that family, as far as its spec says: an alias leads to any."""
    if service.type == "ExternalName" or not service.ip_families:
        return True
    return _FAMILY_WORDS[family] in service.ip_families


def has_form(service: Service, form: str, family: Family) -> bool:
    """Whether there is something of that family to dial in that form, as far as is known: of a
    load balancer's name nobody knows what it leads to, and only the Service's first is asked."""
    given = service.load_balancer_addresses
    if form != "load-balancer" or not (given or service.load_balancer_names):
        return has_family(service, family)
    if given:
        return any((":" in address) == (family == "ipv6") for address in given)
    return _FAMILY_WORDS[family] == (service.ip_families or ("IPv4",))[0]


def _known(value: str, known: tuple[_T, ...], what: str) -> _T:
    for item in known:
        if item == value:
            return item
    raise UsageError(f"unknown {what} {value!r}; there are: {', '.join(known)}")


def _port(service: Service, name: str) -> ServicePort:
    """The port of that name; without one the first that can be asked."""
    named = [port for port in service.ports if name in ("", port.name)]
    for port in named:
        if port.protocol in _PROTOCOLS:
            return port
    if named:
        raise NotSupported(
            f"port {named[0].name or named[0].port} of Service {service.name} speaks "
            f"{named[0].protocol}, which no client here does"
        )
    names = ", ".join(port.name or str(port.port) for port in service.ports) or "none"
    raise UsageError(f"Service {service.name} has no port {name!r}; it has: {names}")


def _host(spec: TargetSpec, service: Service, snapshot: Snapshot, domain: str) -> str:
    named = {
        "short-name": service.name,
        "fqdn": f"{service.name}.{service.namespace}.svc.{domain}",
    }
    if not service.load_balancer_addresses and service.load_balancer_names:
        named["load-balancer"] = service.load_balancer_names[0]
    if spec.form in named:
        return named[spec.form]
    if spec.form == "cluster-ip" and (service.headless or service.type == "ExternalName"):
        kind = "headless" if service.headless else "an alias (ExternalName)"
        raise UsageError(f"Service {service.name} is {kind}: it has no ClusterIP to dial")
    if spec.form == "cluster-ip":
        return _of_family(service.cluster_ips, spec.family, f"Service {service.name}")
    given = {"load-balancer": service.load_balancer_addresses, "external-ip": service.external_ips}
    if spec.form in given:
        return _of_family(given[spec.form], spec.family, f"Service {service.name}")
    if not any(port.node_port for port in service.ports):
        raise UsageError(
            f"Service {service.name} is of type {service.type} and has no node port",
            remedy="dial its ClusterIP, or make it a NodePort Service",
        )
    node = snapshot.node(spec.entry_node)
    if node is None:
        names = ", ".join(node.name for node in snapshot.nodes)
        raise UsageError(f"there is no node {spec.entry_node!r}; there are: {names}")
    return _of_family(node.addresses, spec.family, f"node {node.name}")


def _of_family(addresses: Sequence[str], family: Family, whose: str) -> str:
    for address in addresses:
        if (":" in address) == (family == "ipv6"):
            return address
    there = ", ".join(addresses) or "none"
    raise NotSupported(f"{whose} has no {_FAMILY_WORDS[family]} address; it has: {there}")
