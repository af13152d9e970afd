"""What the rules promise: a small simulator of Service routing.

From a Service, its EndpointSlices, the client's position and the address it
dials follows who may answer, or in which way the connection must fail. Tests
say what they exercise; this module says what must come of it.

Rules modelled so far, for a Service with cluster-wide policies:

* a connection goes to any *ready* endpoint of the address's family, wherever it
  is (kube-proxy ``CategorizeEndpoints``);
* without a ready one, to any that is serving and terminating (KEP-1669);
* without either it is refused: kube-proxy rejects with port-unreachable.

Anything else raises :class:`~svcproof.errors.NotSupported`: a rule that is not
modelled must not be guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from svcproof.errors import NotSupported
from svcproof.history import Backend, Family, Outcome, Target
from svcproof.snapshot import Endpoint, Service, Snapshot

__all__ = ["Promise", "endpoint_lists", "promise", "usable"]

_INTERNAL = frozenset({"cluster-ip", "short-name", "fqdn"})
_SLICE_FAMILY = {"ipv4": "IPv4", "ipv6": "IPv6"}


@dataclass(frozen=True, slots=True)
class Promise:
    """How connections must end and, when answered, by whom."""

    outcome: Outcome
    allowed: tuple[Backend, ...]


def promise(snapshot: Snapshot, target: Target, *, run: str) -> Promise:
    """What the rules promise a client that dials ``target``.

    While both policies are ``Cluster`` the client's position does not matter.
    """
    service = snapshot.service(target.service)
    _refuse_unmodelled(service, target)
    endpoints = usable(_endpoints(snapshot, service, target.family))
    if not endpoints:
        return Promise(Outcome.REFUSED, ())
    return Promise(
        Outcome.ANSWERED,
        tuple(
            Backend(
                pod=endpoint.pod,
                uid=endpoint.pod_uid,
                node=endpoint.node,
                namespace=service.namespace,
                run=run,
            )
            for endpoint in endpoints
        ),
    )


def usable(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """The endpoints that get new connections: the ready ones, else the dying but serving."""
    ready = tuple(endpoint for endpoint in endpoints if endpoint.ready)
    return ready or tuple(
        endpoint for endpoint in endpoints if endpoint.serving and endpoint.terminating
    )


def endpoint_lists(snapshot: Snapshot, service: Service) -> tuple[list[str], list[str]]:
    """The Pods that the EndpointSlices list as ready, and those that are, as ``name address``.

    A Pod is due once per family of the Service, when it matches the selector,
    is ready and is not being deleted (endpointslice ``ShouldPodBeInEndpoints``
    and the ``ready`` condition of KEP-1672).
    """
    listed = {
        f"{endpoint.pod or '(no Pod)'} {address}"
        for item in snapshot.slices_of(service.name)
        for endpoint in item.endpoints
        if endpoint.ready
        for address in endpoint.addresses
    }
    families = {_family(address) for address in service.cluster_ips}
    due = {
        f"{pod.name} {address}"
        for pod in snapshot.pods_matching(service.selector)
        if pod.ready and not pod.terminating
        for address in pod.addresses
        if _family(address) in families
    }
    return sorted(listed), sorted(due)


def _family(address: str) -> Family:
    return "ipv6" if ":" in address else "ipv4"


def _endpoints(snapshot: Snapshot, service: Service, family: Family) -> list[Endpoint]:
    return [
        endpoint
        for item in snapshot.slices_of(service.name)
        if item.family == _SLICE_FAMILY[family]
        for endpoint in item.endpoints
    ]


def _refuse_unmodelled(service: Service, target: Target) -> None:
    internal = target.form in _INTERNAL
    policy = service.internal_traffic_policy if internal else service.external_traffic_policy
    if policy == "Local":
        side = "internal" if internal else "external"
        raise NotSupported(f"Service {service.name}: {side}TrafficPolicy Local is not modelled yet")
    if service.type == "ExternalName" or "None" in service.cluster_ips:
        raise NotSupported(f"Service {service.name}: only Services with a ClusterIP are modelled")
    if service.publish_not_ready_addresses:
        raise NotSupported(f"Service {service.name}: publishNotReadyAddresses is not modelled yet")
