"""What kube-proxy must tell a load balancer about its node (``pkg/proxy/healthcheck``)."""

from __future__ import annotations

from svcproof.errors import NotSupported
from svcproof.history import Outcome, Target
from svcproof.profiles import Profile
from svcproof.promises import Promise
from svcproof.snapshot import Snapshot

__all__ = ["health_promise"]


def health_promise(snapshot: Snapshot, target: Target, profile: Profile) -> Promise:
    """200 exactly where a ready endpoint is on the node, with their number; else 503.

    Terminating endpoints do not count, whether they serve or not. What other data planes answer
    beside the status, if anything, is their own: :class:`~svcproof.errors.NotSupported`.
    """
    if not profile.tells_health:
        raise NotSupported(
            f"what {profile.name} answers to health checks is not known",
            remedy="if it is a kube-proxy, say so: --svc-data-plane iptables, nftables or ipvs",
        )
    service = snapshot.service(target.service)
    if not service.health_check_node_port:
        return Promise(outcome=Outcome.REFUSED, rule="no healthCheckNodePort: nobody listens")
    pods = {
        endpoint.pod_uid or endpoint.addresses[0]
        for item in snapshot.slices_of(service.name)
        for endpoint in item.endpoints
        if endpoint.ready and endpoint.node == target.entry_node
    }
    answers = (
        f"localEndpoints {len(pods)}",
        f"service {service.namespace}/{service.name}",
        "serviceProxyHealthy true",
        f"status {200 if pods else 503}",
    )
    return Promise(
        outcome=Outcome.ANSWERED, answers=answers, rule="200 with a ready local endpoint, else 503"
    )
