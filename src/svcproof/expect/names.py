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
_LEADS_NOWHERE = "an alias that leads to no address inside is not told"


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
    if not target.service:
        return _no_such_name("no Service has this name")
    service = snapshot.service(target.service)
    full = _full_name(service, cluster_domain)
    if service.type == "ExternalName" and _looks_like_an_address(service.external_name):
        # CoreDNS takes it for a ClusterIP's place and knows no such name (its kubernetes
        # plugin, ``serviceRecordForIP``); the API documents it as unsupported.
        return _no_such_name("an ExternalName that looks like an address is no alias")
    if service.type == "ExternalName":
        records = _of_alias(service, snapshot, target, cluster_domain, outside or {})
        rule = "the alias and what it leads to" if records else _LEADS_NOWHERE
        return Promise(outcome=Outcome.ANSWERED, answers=tuple(sorted(records)), rule=rule)
    if target.query == "SRV":
        records = list(_srv(service, snapshot, target, full))
    elif target.query == "PTR":
        name = target.host.rstrip(".")
        addresses = () if service.headless else service.cluster_ips
        mine = {ip_address(each).reverse_pointer for each in addresses}
        records = [f"{name} PTR {full}"] if name in mine else []
    elif target.query in _TYPES:
        records = [
            f"{full} {target.query} {a}" for a in _addresses(service, snapshot, target.query)
        ]
    else:
        records = []  # the name exists, but not as an alias
    nameless = _nameless(service, snapshot, target) if service.headless and not records else ""
    if nameless:
        return _no_such_name(nameless)
    return Promise(
        outcome=Outcome.ANSWERED, answers=tuple(sorted(records)), rule="the DNS specification"
    )


def _no_such_name(rule: str) -> Promise:
    return Promise(outcome=Outcome.NAME_FAILED, rcode="NXDOMAIN", answers=(), rule=rule)


def _nameless(service: Service, snapshot: Snapshot, target: Target) -> str:
    """Why there is no such name of a headless Service, if there is none: CoreDNS knows it, and its
    ports, by its endpoints."""
    if not _ready(service, snapshot):
        return "a headless Service without ready Pods has no name"
    is_of_port = target.query == "SRV" and target.port_name
    return "no endpoint of the headless Service has a port of this name" if is_of_port else ""


def _looks_like_an_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _full_name(service: Service, domain: str) -> str:
    return f"{service.name}.{service.namespace}.svc.{domain}"


def _of_alias(
    service: Service,
    snapshot: Snapshot,
    target: Target,
    domain: str,
    outside: Mapping[str, tuple[str, ...]],
) -> list[str]:
    """What CoreDNS says of an ExternalName: each alias of the chain, and the addresses at its end.

    An alias is told only with what it leads to, if that is inside (coredns/coredns#6088): of one
    that leads in a circle, to nobody, or to a Service without an address of the family, nothing.
    """
    name = service.external_name.rstrip(".").lower()
    if target.query not in _TYPES:
        return [f"{_full_name(service, domain)} CNAME {name}"] if target.query == "CNAME" else []
    inside = {_full_name(each, domain): each for each in (*snapshot.others, *snapshot.services)}
    records, seen, current = [], set[str](), service
    while True:
        owner, name = _full_name(current, domain), current.external_name.rstrip(".").lower()
        records.append(f"{owner} CNAME {name}")
        seen.add(owner)
        if name not in inside or name in seen:
            break
        current = inside[name]
        if current.type != "ExternalName":
            found = _addresses(current, snapshot, target.query)
            return [*records, *(f"{name} {target.query} {each}" for each in found)] if found else []
    if name in seen or _is_nobody(name, service, snapshot, domain):
        return []
    if name in outside:
        family = _TYPES[target.query]
        found = [each for each in outside[name] if family_of(each) == family]
        return [*records, *(f"{name} {target.query} {each}" for each in found)]
    raise NotSupported(
        f"what {name} resolves to outside the cluster is not known here",
        remedy="ask for the CNAME, or use a name that the cluster says it knows",
    )


def _is_nobody(name: str, service: Service, snapshot: Snapshot, domain: str) -> bool:
    """Whether it is a Service's name that no Service has."""
    return name in snapshot.absent or name.endswith(f".{service.namespace}.svc.{domain}")


def _addresses(service: Service, snapshot: Snapshot, query: str) -> list[str]:
    family = _TYPES[query]
    if service.headless and service in snapshot.others:
        raise NotSupported(f"the Pods of {service.name} in {service.namespace} are not looked at")
    if not service.headless:
        return [address for address in service.cluster_ips if family_of(address) == family]
    return [
        address
        for endpoint in endpoints_of(snapshot, service, family)
        if endpoint.ready
        for address in endpoint.addresses
    ]


def _srv(service: Service, snapshot: Snapshot, target: Target, full: str) -> Iterator[str]:
    """Of the port that is named, or of all under the Service's own name."""
    wanted = [port for port in service.ports if target.port_name in ("", port.name)]
    if not wanted:
        raise NotSupported(f"Service {service.name} has no port {target.port_name!r}")
    for port in wanted:
        owner = f"_{port.name}._{port.protocol.lower()}.{full}" if target.port_name else full
        if not service.headless:
            yield f"{owner} SRV 0 100 {port.port} {full}"
        for item in snapshot.slices_of(service.name) if service.headless else ():
            for endpoint in item.endpoints:
                if endpoint.ready and port.name in item.ports:
                    for address in endpoint.addresses:
                        # coredns: an endpoint without a hostname is named by its address.
                        name = endpoint.hostname or address.replace(".", "-").replace(":", "-")
                        yield f"{owner} SRV 0 100 {item.ports[port.name]} {name}.{full}"


def _ready(service: Service, snapshot: Snapshot) -> list[Endpoint]:
    return [e for item in snapshot.slices_of(service.name) for e in item.endpoints if e.ready]
