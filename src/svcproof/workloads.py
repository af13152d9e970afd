"""What still lacks until a set of applied manifests is ready, as a snapshot shows it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from svcproof.expect import endpoint_lists
from svcproof.snapshot import Pod, Snapshot

__all__ = ["lacking", "living", "straggler", "unpullable"]

Manifest = Mapping[str, Any]

#: What the kubelet says when an image is not there and will not come.
_UNPULLABLE: Final = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
#: On a Deployment whose Pods are meant to run without ever becoming ready.
_NEVER_READY: Final = "svcproof.dev/never-ready"


def lacking(manifests: Sequence[Manifest], snapshot: Snapshot, *, but: Container[str] = ()) -> str:
    """The first thing that is not yet as the manifests say, in words; "" if all is.

    Deployments, StatefulSets and ReplicaSets have all their Pods ready (with the annotation
    ``svcproof.dev/never-ready`` running and not ready) and no other Pod that is
    not on its way out; DaemonSets a ready Pod on every node that takes Pods; the
    EndpointSlices of Services with a selector list exactly the ready Pods. Jobs and CronJobs end,
    and are not waited for, unless a Service selects a Job's Pods; Endpoints are, until they are
    mirrored to EndpointSlices. Kinds in ``but`` are not looked at.
    """
    served = [item["spec"].get("selector") for item in manifests if item["kind"] == "Service"]
    for manifest in map(partial(_left_open, _autoscaled(manifests)), manifests):
        is_served = manifest["kind"] != "Job" or any(
            selector and selector.items() <= _labels(manifest).items() for selector in served
        )
        if manifest["kind"] in but or not is_served:
            continue
        for lack in _LOOKS.get(manifest["kind"], _nothing)(manifest, snapshot):
            return f"{manifest['kind']} {manifest['metadata']['name']}: {lack}"
    return ""


def straggler(manifests: Sequence[Manifest], snapshot: Snapshot) -> str:
    """The one node that holds up all others: its Pods are not ready, and theirs are; else ""."""
    ready: set[str] = set()
    waited_for: set[str] = set()
    for manifest in manifests:
        if manifest["kind"] not in _WORKLOADS:
            continue
        if _NEVER_READY in manifest["metadata"].get("annotations", {}):
            continue
        for pod in living(manifest, snapshot):
            (ready if pod.ready else waited_for).add(pod.node)
    if len(waited_for) == 1 and "" not in waited_for and ready - waited_for:
        return waited_for.pop()
    return ""


def unpullable(snapshot: Snapshot, *, finally_: bool = False) -> str:
    """The first Pod whose image cannot be had, and why; "" if there is none.

    The first attempt may be a hiccup of a registry: it counts once the kubelet pauses
    between attempts, or ``finally_``, when nobody will wait any longer. One that goes is nobody's
    any more, or that of a run before.
    """
    reasons = (*_UNPULLABLE, "ErrImagePull") if finally_ else _UNPULLABLE
    for pod in snapshot.pods:
        if pod.waiting.startswith(reasons) and not pod.terminating:
            return f"Pod {pod.name} on {pod.node}: {pod.waiting}"
    return ""


def _nothing(_: Manifest, __: Snapshot) -> Iterator[str]:
    return iter(())


def _replicated(manifest: Manifest, snapshot: Snapshot) -> Iterator[str]:
    """Of Deployments, StatefulSets and ReplicaSets. Where the number is left open (an
    autoscaler's) there has to be one Pod, and all there are ready."""
    pods = living(manifest, snapshot)
    wanted = manifest["spec"].get("replicas", max(len(pods), 1))
    if _NEVER_READY in manifest["metadata"].get("annotations", {}):
        ready = sum(pod.phase == "Running" and bool(pod.addresses) for pod in pods)
    else:
        ready = sum(pod.ready for pod in pods)
    stale = [pod.name for pod in pods if not _labels(manifest).items() <= pod.labels.items()]
    if stale and len(pods) >= wanted:
        yield f"still of an older revision: {', '.join(sorted(stale))}"
    elif ready != wanted or len(pods) != wanted:
        yield f"{ready} of {wanted} Pods ready{_states(pods)}"


def _pod(manifest: Manifest, snapshot: Snapshot) -> Iterator[str]:
    name = manifest["metadata"]["name"]
    pods = [pod for pod in snapshot.pods if pod.name == name]
    if not any(pod.ready for pod in pods):
        yield f"not ready{_states(pods)}" if pods else "not there"


def _job(manifest: Manifest, snapshot: Snapshot) -> Iterator[str]:
    name = manifest["metadata"]["name"]
    wanted = manifest["spec"].get("parallelism", 1)
    pods = [pod for pod in snapshot.pods if name in (pod.labels.get(each) for each in _JOB_NAMES)]
    ready = sum(pod.ready for pod in pods)
    if ready < wanted:
        yield f"{ready} of {wanted} Pods ready, for a Service that selects them{_states(pods)}"


def _endpoints(manifest: Manifest, snapshot: Snapshot) -> Iterator[str]:
    is_listed = any(each.endpoints for each in snapshot.slices_of(manifest["metadata"]["name"]))
    if not is_listed and any(each.get("addresses") for each in manifest.get("subsets") or ()):
        yield "not mirrored to an EndpointSlice"


def _daemon_set(manifest: Manifest, snapshot: Snapshot) -> Iterator[str]:
    wanted = {node.name for node in snapshot.nodes if node.ready and node.schedulable}
    pods = living(manifest, snapshot)
    missing = wanted - {pod.node for pod in pods if pod.ready}
    if missing or not wanted:
        yield f"no ready Pod on {', '.join(sorted(missing)) or 'any node'}{_states(pods)}"


def _service(manifest: Manifest, snapshot: Snapshot) -> Iterator[str]:
    if not manifest["spec"].get("selector"):
        return
    try:
        service = snapshot.service(manifest["metadata"]["name"])
    except KeyError as error:
        yield str(error)
        return
    listed, due = endpoint_lists(snapshot, service)
    if listed != due:
        yield f"EndpointSlices list {listed}, ready Pods are {due}"


def living(manifest: Manifest, snapshot: Snapshot) -> list[Pod]:
    """The Pods that a workload selects, but for those on their way out."""
    if manifest["kind"] not in _WORKLOADS:
        return []
    selector = manifest["spec"].get("selector") or {}
    if manifest["kind"] == "ReplicationController":
        selector = {"matchLabels": selector or _labels(manifest)}
    return [pod for pod in snapshot.pods if not pod.terminating and _selects(selector, pod.labels)]


def _selects(selector: Manifest, labels: Mapping[str, str]) -> bool:
    """Label selectors of all forms; one that says nothing selects nothing here."""
    equal, terms = selector.get("matchLabels") or {}, selector.get("matchExpressions") or ()
    return (
        bool(equal or terms)
        and equal.items() <= labels.items()
        and all(
            _OPERATORS[term["operator"]](labels.get(term["key"]), term.get("values") or ())
            for term in terms
        )
    )


_OPERATORS: Final[Mapping[str, Callable[[str | None, Sequence[str]], bool]]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, _: value is not None,
    "DoesNotExist": lambda value, _: value is None,
}


def _autoscaled(manifests: Sequence[Manifest]) -> set[tuple[str, str]]:
    targets = [
        manifest["spec"].get("scaleTargetRef") or {}
        for manifest in manifests
        if manifest["kind"] == "HorizontalPodAutoscaler"
    ]
    return {(str(target.get("kind")), str(target.get("name"))) for target in targets}


def _left_open(autoscaled: set[tuple[str, str]], manifest: Manifest) -> Manifest:
    """The manifest without a number of Pods, where an autoscaler decides that."""
    if (manifest["kind"], manifest["metadata"]["name"]) not in autoscaled:
        return manifest
    spec = {name: value for name, value in manifest["spec"].items() if name != "replicas"}
    return {**manifest, "spec": spec}


def _labels(manifest: Manifest) -> Mapping[str, str]:
    metadata = manifest["spec"]["template"].get("metadata", {})
    labels: Mapping[str, str] = metadata.get("labels", {})
    return labels


def _states(pods: Sequence[Pod]) -> str:
    unready = [
        f"{pod.name} on {pod.node or 'no node'} is {pod.phase}{pod.waiting and ', '}{pod.waiting}"
        for pod in pods
        if not pod.ready
    ]
    return f" ({', '.join(unready)})" if unready else ""


_LOOKS: Final = {
    "Deployment": _replicated,
    "StatefulSet": _replicated,
    "ReplicaSet": _replicated,
    "ReplicationController": _replicated,
    "DaemonSet": _daemon_set,
    "Pod": _pod,
    "Service": _service,
    "Job": _job,
    "Endpoints": _endpoints,
}
_WORKLOADS: Final = frozenset(_LOOKS) - {"Pod", "Service", "Job", "Endpoints"}
#: What the Job controller calls a Job's Pods by, and did before 1.27.
_JOB_NAMES: Final = ("batch.kubernetes.io/job-name", "job-name")
