"""Where data planes legitimately differ: what each one promises beyond the common rules.

A profile is chosen by what the cluster says of itself, and every report names
it. A rule that a data plane does not promise is not judged there; a data plane
that is not known gets the rules that all of them share.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    ``Local`` leaves none on this node although there are some elsewhere.
    ``tells_sources``: whether which address a backend sees follows kube-proxy's
    rules. ``masquerades_pods_to_nodes``: whether a Pod's connection to another
    node's address arrives there with an address of the Pod's node.
    ``verified``: whether svcproof's own tests run on it.
    """

    name: str
    choice: Literal["", "random", "rotation"]
    no_endpoint: tuple[Outcome, ...]
    no_local_endpoint: tuple[Outcome, ...]
    tells_sources: bool
    masquerades_pods_to_nodes: bool
    verified: bool


def _kube_proxy(mode: str) -> Profile:
    # Both modes reject with port-unreachable where there is no endpoint at all, and
    # drop where a policy Local leaves none: kubernetes/kubernetes#121371.
    return Profile(
        name=f"kube-proxy {mode}",
        choice="random",
        no_endpoint=(Outcome.REFUSED,),
        no_local_endpoint=(Outcome.TIMED_OUT,),
        tells_sources=True,
        masquerades_pods_to_nodes=True,
        verified=True,
    )


#: By proxy mode.
PROFILES: Final = {mode: _kube_proxy(mode) for mode in ("iptables", "nftables")}

#: For a data plane that is not known: what all of them have in common.
COMMON: Final = Profile(
    name="unknown data plane (only what all have in common)",
    choice="",
    no_endpoint=_ANY_REFUSAL,
    no_local_endpoint=_ANY_REFUSAL,
    tells_sources=False,
    masquerades_pods_to_nodes=False,
    verified=False,
)


def profile_of(proxy_mode: str) -> Profile:
    """The profile of a proxy mode; :data:`COMMON` for one that is not known."""
    return PROFILES.get(proxy_mode, COMMON)
