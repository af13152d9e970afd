"""What the rules promise: a small simulator of Service routing.

From a Service, its EndpointSlices, the client's position and the address it
dials follows who may answer, which address they may see, or in which way the
connection must fail. Tests say what they exercise; this package says what must
come of it. What is not modelled raises :class:`~svcproof.errors.NotSupported`:
a rule must not be guessed.
"""

from __future__ import annotations

from collections.abc import Mapping

from svcproof.expect.endpoints import endpoint_lists, hinted, usable
from svcproof.expect.health import health_promise
from svcproof.expect.names import name_promise
from svcproof.expect.routes import route_promise
from svcproof.history import Outcome, Position, Target
from svcproof.profiles import Profile
from svcproof.promises import Promise
from svcproof.snapshot import Snapshot

__all__ = ["Promise", "endpoint_lists", "hinted", "promise", "usable"]


def promise(
    snapshot: Snapshot,
    position: Position,
    target: Target,
    *,
    run: str,
    profile: Profile,
    cluster_domain: str = "cluster.local",
    outside: Mapping[str, tuple[str, ...]] | None = None,
) -> Promise:
    """What the rules promise ``position`` when it dials, or asks for, ``target``.

    ``outside`` are the addresses of names outside the cluster.
    """
    if target.form == "dns":
        return name_promise(snapshot, target, cluster_domain=cluster_domain, outside=outside)
    if target.form == "connect":
        rule = "its EndpointSlice lists who listens there"
        return Promise(outcome=Outcome.ANSWERED, answers=("connected",), rule=rule)
    if target.form == "health-check":
        return health_promise(snapshot, target, profile)
    return route_promise(snapshot, position, target, run=run, profile=profile)
