"""The Services that every cluster has of its own: the API server's, and the cluster DNS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from svcproof.errors import ApiRefused, NotSupported
from svcproof.history import Target
from svcproof.ports import Cluster
from svcproof.questions import connect_target
from svcproof.snapshot import Pod, Service, Snapshot

__all__ = ["ClusterDNS", "api_targets", "dns_service"]

_API_NAME: Final = "kubernetes"
_DNS_NAMESPACE: Final = "kube-system"
#: kubeadm's and most others' name of the cluster DNS's Service, whatever serves it.
_DNS_NAME: Final = "kube-dns"
_DNS_PORT: Final = 53


@dataclass(frozen=True, slots=True)
class ClusterDNS:
    """The cluster DNS: its Service's name and addresses, and each ready Pod with its address."""

    name: str
    addresses: tuple[str, ...]
    pods: tuple[tuple[Pod, str], ...]


def dns_service(cluster: Cluster) -> ClusterDNS:
    """The cluster DNS as the cluster has it now.

    Raises :class:`~svcproof.errors.NotSupported` where it may not be looked at, or is
    somewhere else.
    """
    snapshot = _look(cluster, _DNS_NAMESPACE, "the cluster DNS")
    found = [each for each in snapshot.services if _serves_names(each)]
    named = [each for each in found if each.name == _DNS_NAME] or found
    if len(named) != 1:
        raise NotSupported(
            f"which Service in namespace {_DNS_NAMESPACE} is the cluster DNS is not known: there "
            f"are {', '.join(each.name for each in found) or 'none'} with port {_DNS_PORT} of UDP"
        )
    (service,) = named
    by_name = {pod.name: pod for pod in snapshot.pods}
    listed = {
        (endpoint.pod, address)
        for item in snapshot.slices_of(service.name)
        for endpoint in item.endpoints
        if endpoint.ready and endpoint.pod in by_name
        for address in endpoint.addresses
    }
    return ClusterDNS(
        service.name,
        service.cluster_ips,
        tuple((by_name[name], address) for name, address in sorted(listed)),
    )


def api_targets(cluster: Cluster) -> tuple[Target, ...]:
    """What leads to the API server: the addresses of Service kubernetes, and its endpoints.

    Raises :class:`~svcproof.errors.NotSupported` where it may not be looked at.
    """
    snapshot = _look(cluster, "default", "the API server's Service")
    found = [each for each in snapshot.services if each.name == _API_NAME]
    if not found:
        raise NotSupported(f"there is no Service {_API_NAME} in namespace default")
    return tuple(_api_targets(found[0], snapshot))


def _api_targets(service: Service, snapshot: Snapshot) -> Iterator[Target]:
    for port in service.ports:
        for address in service.cluster_ips:
            yield connect_target(f"Service kubernetes port {port.port}", address, port.port)
        for item in snapshot.slices_of(service.name):
            for endpoint in item.endpoints:
                for address in endpoint.addresses if endpoint.ready else ():
                    number = item.ports[port.name]
                    yield connect_target(f"API server {address}:{number}", address, number)


def _serves_names(service: Service) -> bool:
    has_address = not service.headless and service.type != "ExternalName"
    ports = {(port.protocol, port.port) for port in service.ports}
    return has_address and ("UDP", _DNS_PORT) in ports


def _look(cluster: Cluster, namespace: str, what: str) -> Snapshot:
    try:
        return cluster.snapshot(namespace)
    except ApiRefused as error:
        raise NotSupported(
            f"{what} may not be looked at in namespace {namespace}: {error.what}",
            remedy="allow to list Services, EndpointSlices and Pods there",
        ) from error
