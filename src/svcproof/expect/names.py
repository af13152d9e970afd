"""What the cluster DNS must say of a Service (Kubernetes DNS-Based Service Discovery 1.1.0)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from svcproof.errors import NotSupported
from svcproof.expect.endpoints import endpoints_of, family_of
from svcproof.history import Family, Outcome, Target
from svcproof.promises import Promise
from svcproof.snapshot import Endpoint, Service, Snapshot

__all__ = ["name_promise"]

_TYPES: dict[str, Family] = {"A": "ipv4", "AAAA": "ipv6"}


def name_promise(
    snapshot: Snapshot,
    target: Target,
    *,
    cluster_domain: str = "cluster.local",
    outside: Mapping[str, tuple[str, ...]] | None = None,
) -> Promise:
    """The records that must be the whole answer to ``target.query`` about its Service.

    ``outside`` are the addresses of names outside the cluster, as the cluster's
    resolver is known to answer them.
    """
    service = snapshot.service(target.service)
    full = _full_name(service, cluster_domain)
    if service.type == "ExternalName" and _looks_like_an_address(service.external_name):
        # CoreDNS takes it for a ClusterIP's place and knows no such name (its kubernetes
        # plugin, ``serviceRecordForIP``); the API documents it as unsupported.
        return _no_such_name("an ExternalName that looks like an address is no alias")
    if service.type == "ExternalName" and _dangles(service, snapshot, target, cluster_domain):
        # coredns/coredns#6088: NODATA, without the alias.
        return Promise(
            outcome=Outcome.ANSWERED, answers=(), rule="the alias of a name that is not there"
        )
    if service.type == "ExternalName":
        records = list(_external(service, snapshot, target, cluster_domain, outside or {}))
    elif target.query == "SRV":
        records = list(_srv(service, snapshot, target, full))
    elif target.query in _TYPES:
        records = [
            f"{full} {target.query} {a}" for a in _addresses(service, snapshot, target.query)
        ]
    else:
        records = []  # the name exists, but not as an alias
    if service.headless and not records and not _ready(service, snapshot):
        # CoreDNS knows a headless Service by its endpoints: without any it has no such name.
        return _no_such_name("a headless Service without ready Pods has no name")
    return Promise(
        outcome=Outcome.ANSWERED, answers=tuple(sorted(records)), rule="the DNS specification"
    )


def _no_such_name(rule: str) -> Promise:
    return Promise(outcome=Outcome.NAME_FAILED, rcode="NXDOMAIN", answers=(), rule=rule)


def _looks_like_an_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _dangles(service: Service, snapshot: Snapshot, target: Target, domain: str) -> bool:
    """Whether an address is asked for, of a name of this namespace that nobody has."""
    alias = service.external_name.rstrip(".").lower()
    here = alias.endswith(f".{service.namespace}.svc.{domain}")
    there = {_full_name(other, domain) for other in snapshot.services}
    return target.query in _TYPES and here and alias not in there


def _full_name(service: Service, domain: str) -> str:
    return f"{service.name}.{service.namespace}.svc.{domain}"


def _external(
    service: Service,
    snapshot: Snapshot,
    target: Target,
    domain: str,
    outside: Mapping[str, tuple[str, ...]],
) -> Iterator[str]:
    alias = service.external_name.rstrip(".").lower()
    yield f"{_full_name(service, domain)} CNAME {alias}"
    if target.query not in _TYPES:
        return
    inside = {_full_name(other, domain): other for other in snapshot.services}
    if alias in inside:
        addresses = _addresses(inside[alias], snapshot, target.query)
    elif alias in outside:
        family = _TYPES[target.query]
        addresses = [address for address in outside[alias] if family_of(address) == family]
    else:
        raise NotSupported(
            f"what {alias} resolves to outside the cluster is not known here",
            remedy="ask for the CNAME, or use a name that the cluster says it knows",
        )
    for address in addresses:
        yield f"{alias} {target.query} {address}"


def _addresses(service: Service, snapshot: Snapshot, query: str) -> list[str]:
    family = _TYPES[query]
    if not service.headless:
        return [address for address in service.cluster_ips if family_of(address) == family]
    return [
        address
        for endpoint in endpoints_of(snapshot, service, family)
        if endpoint.ready
        for address in endpoint.addresses
    ]


def _srv(service: Service, snapshot: Snapshot, target: Target, full: str) -> Iterator[str]:
    port = next((port for port in service.ports if port.name == target.port_name), None)
    if port is None:
        raise NotSupported(f"Service {service.name} has no port {target.port_name!r}")
    owner = f"_{port.name}._{port.protocol.lower()}.{full}"
    if not service.headless:
        yield f"{owner} SRV 0 100 {port.port} {full}"
        return
    for item in snapshot.slices_of(service.name):
        for endpoint in item.endpoints:
            if endpoint.ready and port.name in item.ports:
                for address in endpoint.addresses:
                    dashed = address.replace(".", "-").replace(":", "-")
                    yield f"{owner} SRV 0 100 {item.ports[port.name]} {dashed}.{full}"


def _ready(service: Service, snapshot: Snapshot) -> list[Endpoint]:
    return [e for item in snapshot.slices_of(service.name) for e in item.endpoints if e.ready]
