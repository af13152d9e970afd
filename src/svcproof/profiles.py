"""Where data planes legitimately differ: what each one promises beyond the common rules.

A profile is chosen by what the cluster says of itself, and every report names
it. A rule that a data plane does not promise is not judged there; a data plane
that is not known gets the rules that all of them share.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from svcproof.history import Outcome

__all__ = ["COMMON", "PROFILES", "Profile", "profile_of"]

#: Every way in which the network can say no.
_ANY_REFUSAL: Final = (Outcome.REFUSED, Outcome.TIMED_OUT, Outcome.UNREACHABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One data plane.

    ``choice``: how it chooses a backend for a fresh connection, "" if it makes
    no promise. ``no_endpoint``: how a connection ends when a Service has no
    usable endpoint anywhere. ``no_local_endpoint``: the same when a policy
    ``Local`` leaves none on this node although there are some elsewhere;
    ``no_local_endpoint_inside``: that for clients inside the cluster, empty where a
    Pod elsewhere may serve them. ``tells_sources``: whether which address a backend
    sees follows kube-proxy's rules. ``masquerades_pods_to_nodes``: whether a Pod's
    connection to another node's address arrives there with an address of the Pod's
    node. ``tells_health``: whether its health checks answer as kube-proxy's do.
    ``node_ports_beside``: how connections to a node port end at an address of the node
    that is not its InternalIP, and ``node_ports_on_loopback`` at 127.0.0.1, as long as nothing
    else is configured (kube-proxy's nodePortAddresses); ``None`` if that is not known.
    ``remembered_clients``: how many clients of each endpoint session affinity is kept for; 0
    if that is not known.
    ``verified``: whether svcproof's own tests run on it; the others are from
    their documentation and sources.
    """

    name: str
    choice: Literal["", "random", "rotation"]
    no_endpoint: tuple[Outcome, ...]
    no_local_endpoint: tuple[Outcome, ...]
    no_local_endpoint_inside: tuple[Outcome, ...]
    tells_sources: bool
    masquerades_pods_to_nodes: bool
    tells_health: bool
    verified: bool
    node_ports_beside: Outcome | None = None
    node_ports_on_loopback: Outcome | None = None
    remembered_clients: int = 0


def _kube_proxy(mode: str) -> Profile:
    # nftables mode serves node ports at the primary addresses alone, and sets no route_localnet
    # (kubernetes.io/blog/2025/02/28/nftables-kube-proxy); both measured.
    anywhere = Outcome.ANSWERED if mode == "iptables" else Outcome.REFUSED
    # Both modes reject with port-unreachable where there is no endpoint at all, and
    # drop where a policy Local leaves none: kubernetes/kubernetes#121371.
    return Profile(
        name=f"kube-proxy {mode}",
        choice="random",
        no_endpoint=(Outcome.REFUSED,),
        no_local_endpoint=(Outcome.TIMED_OUT,),
        no_local_endpoint_inside=(Outcome.TIMED_OUT,),
        tells_sources=True,
        masquerades_pods_to_nodes=True,
        tells_health=True,
        verified=True,
        node_ports_beside=anywhere,
        node_ports_on_loopback=anywhere,
        # The length of an xt_recent list (ip_list_tot, its default), and of kube-proxy's sets.
        remembered_clients=100 if mode == "iptables" else 65_535,
    )


def _documented(
    name: str, *, choice: Literal["", "random", "rotation"], inside: tuple[Outcome, ...]
) -> Profile:
    """A data plane that svcproof's own tests have never seen: only what is certain of it."""
    return Profile(
        name=name,
        choice=choice,
        no_endpoint=_ANY_REFUSAL,
        no_local_endpoint=_ANY_REFUSAL,
        no_local_endpoint_inside=inside,
        tells_sources=False,
        masquerades_pods_to_nodes=False,
        tells_health=False,
        verified=False,
    )


#: By the name of the data plane; kube-proxy's are its modes.
PROFILES: Final = {
    **{mode: _kube_proxy(mode) for mode in ("iptables", "nftables")},
    # Without a local endpoint it takes any, so clients inside succeed and those
    # outside hang (kubernetes/kubernetes#97081); rr is its default scheduler.
    "ipvs": replace(
        _kube_proxy("ipvs"),
        choice="rotation",
        no_local_endpoint_inside=(),
        verified=False,
        node_ports_beside=None,
        node_ports_on_loopback=None,
        remembered_clients=0,
    ),
    # Its answer without a backend depends on version and settings
    # (service-no-backend-response); inside, Local may use remote backends (cilium#28157).
    # How it chooses depends on its algorithm, Maglev or random.
    "cilium": _documented("Cilium", choice="", inside=()),
    # Chosen in connect(): clients inside see EHOSTUNREACH or EPERM, no packet at all.
    "cilium-socket-lb": _documented("Cilium with socket-LB", choice="", inside=()),
    # ipvs, whose scheduler an annotation of the Service may change.
    "kube-router": _documented("kube-router", choice="", inside=()),
    # A hash over the flow, and a rejection for a virtual address without a backend.
    "ovn-kubernetes": _documented("OVN-Kubernetes", choice="", inside=_ANY_REFUSAL),
}

#: For a data plane that is not known: what all of them have in common.
COMMON: Final = Profile(
    name="unknown data plane (only what all have in common)",
    choice="",
    no_endpoint=_ANY_REFUSAL,
    no_local_endpoint=_ANY_REFUSAL,
    no_local_endpoint_inside=(),
    tells_sources=False,
    masquerades_pods_to_nodes=False,
    tells_health=False,
    verified=False,
)


def profile_of(data_plane: str, *, is_ours: bool = True) -> Profile:
    """The profile of a data plane; :data:`COMMON` for one that is not known.

    ``is_ours``: the cluster is one that svcproof has made. In one of somebody else's nobody
    knows whether the Pod network masquerades what leaves it, which is not the data plane's
    doing, nor how the data plane is configured.
    """
    profile = PROFILES.get(data_plane, COMMON)
    if is_ours:
        return profile
    return replace(
        profile,
        masquerades_pods_to_nodes=False,
        node_ports_beside=None,
        node_ports_on_loopback=None,
    )
