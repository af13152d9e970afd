"""Every limit of the harness in one documented, frozen object. Seconds throughout."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_LIMITS", "Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long to wait, and how hard to try.

    None of these is a promise of Kubernetes: a limit that runs out is reported
    as such (:class:`~svcproof.errors.WaitExpired`), never as a routing verdict,
    except where a check says so.
    """

    #: One component of an embedded cluster becoming healthy.
    component_ready: float = 60.0
    #: A workload's Pods ready: image present, so a start and its readiness probe.
    workload_ready: float = 60.0
    #: The Pods of one node, when those of all others are ready (or three times as long as those
    #: needed): such a node is not waited for any longer, and once only.
    straggler: float = 6.0
    #: EndpointSlices listing what they should, after a change (seconds where nothing is wrong).
    #: What lists it only later than that is late: inconclusive.
    endpoints: float = 15.0
    #: Every node routing to what it should, after the EndpointSlices do
    #: (upstream's e2e allows 30 s for endpoint changes).
    #: It is also all that a run waits in vain for its ways to settle, taken together.
    convergence: float = 60.0
    #: One way of client and target, from its first connection on, when others settle at
    #: once (else three times as long as nine of ten needed): kube-proxy syncs within one to two
    #: seconds, on a busy machine within ten.
    unsettled: float = 10.0
    #: The same where connections are answered, by another Pod or with another address than
    #: promised, or where they must fail: a kube-proxy whose sync has failed tries again after
    #: 30 s (syncPeriod).
    stale: float = 33.0
    #: The same for a way that was waited for in vain before.
    recheck: float = 2.0
    #: After so long it is said that a way has not settled so far.
    notice: float = 3.0
    #: Answers by exactly the wanted Pods, in a row, that count as converged.
    convergence_streak: int = 30
    #: One connection being established: above 1 s, because ICMP rate limiting
    #: delays a refusal by 1.02 s, and above 3 s, the second SYN retransmission.
    connect: float = 4.0
    #: How long nothing must come where silence is due: above the 1.02 s after which
    #: a rate-limited refusal arrives.
    silence: float = 1.5
    #: One answer, connect included.
    attempt: float = 6.0
    #: One call to the API server.
    api_call: float = 30.0


DEFAULT_LIMITS = Limits()
