"""The app under test and its clients, as they run in one namespace of a cluster."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from svcproof.drift import Drift, drift
from svcproof.errors import (
    ApplyFailed,
    ClusterProblem,
    EnvironmentProblem,
    NotSupported,
    UsageError,
    WaitExpired,
)
from svcproof.history import Family, Position, Target
from svcproof.limits import Limits
from svcproof.manifest_files import (
    CLIENT_LABEL,
    NO_NODE_PORTS,
    of_run,
    packaged_manifests,
    patched,
    without_node_ports,
)
from svcproof.places import (
    DialledForm,
    PositionKind,
    PositionSpec,
    TargetSpec,
    has_form,
    position_specs,
    resolve_target,
    target_specs,
)
from svcproof.ports import CanTellWhy, Cluster
from svcproof.profiles import Profile, profile_of
from svcproof.snapshot import Node, Pod, Service, Snapshot
from svcproof.workloads import lacking, living, straggler, unpullable

__all__ = ["App", "Clients", "Taken", "client_manifests_for"]

#: Between two looks at Pods.
_INTERVAL_SECONDS: Final = 0.1
#: A node may take so many times as long as all others for its Pods.
_TIMES_OTHERS: Final = 3.0
_ASKED_FOR: Final = (
    "--svc-requests and --svc-limits say what each container asks for and may have (what is "
    "limited and does not say what it asks for asks for all of it)"
)
#: That Pods were waited for in vain, whatever they were of: nobody seems to make any.
_PODS: Final = "Pods"


@dataclass
class Taken:
    """What the API server has taken of the objects of one run, which its apps share."""

    #: Namespace, kind and name → the object as it was taken, or its refusal.
    objects: dict[tuple[str, str, str], Mapping[str, Any] | ApplyFailed] = field(
        default_factory=dict
    )
    #: Namespace and name → Services as the API server answered that it has them.
    services: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    #: Namespace → in which words it first refused a Service's node ports.
    no_node_ports: dict[str, str] = field(default_factory=dict)


class App:
    """Applied manifests: Deployments, and the Services in front of them."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        manifests: Sequence[Mapping[str, Any]],
        *,
        run: str,
        limits: Limits,
        late: set[str] | None = None,
        taken: Taken | None = None,
    ) -> None:
        """``late`` are nodes and Services that were waited for in vain: apps may share them."""
        self.cluster = cluster
        self.namespace = namespace
        self.run = run
        #: Kind and name → each object as this run wants it; cases side by side change their own.
        self._wanted = {_key(item): item for item in of_run(manifests, run)}
        #: Name → each Service as this run asked for it.
        self.services = _services(self.manifests)
        self._taken = taken or Taken()
        self._limits = limits
        self._revision = 0
        self._late = set() if late is None else late

    @property
    def manifests(self) -> tuple[Mapping[str, Any], ...]:
        """The objects as this run wants them now."""
        return tuple(self._wanted.values())

    @property
    def profile(self) -> Profile:
        """What this cluster's data plane promises."""
        facts = self.cluster.facts
        return profile_of(facts.proxy_mode, is_ours=facts.is_ours)

    def apply(self) -> None:
        """Create the objects, or change them back to what the manifests say."""
        self._keep(self.cluster.apply(self.manifests, namespace=self.namespace))
        self.services = _services(self.manifests)

    def apply_all(self) -> None:
        """The same, whatever becomes of single objects; those that another app of the run has
        applied already are left alone.

        A Service whose node ports are refused is made without: what is asked inside is judged.
        """
        for key, manifest in list(self._wanted.items()):
            of_all = (self.namespace, *key)
            if of_all not in self._taken.objects:
                self._taken.objects[of_all] = self._apply_one(manifest)
            taken = self._taken.objects[of_all]
            if not isinstance(taken, ApplyFailed):
                self._wanted[key] = taken
        self.services = _services(self.manifests)

    def _apply_one(self, manifest: Mapping[str, Any]) -> Mapping[str, Any] | ApplyFailed:
        """As it was taken, or its refusal."""
        try:
            self._keep(self.cluster.apply([manifest], namespace=self.namespace))
        except ApplyFailed as refused:
            no_ports, name = self._taken.no_node_ports, manifest["metadata"]["name"]
            reason = f"the API server refuses node ports, first of Service {name}: {refused.what}"
            inside = without_node_ports(manifest, no_ports.get(self.namespace, reason))
            if not refused.is_forbidden or inside is None:
                return refused
            try:
                self._keep(self.cluster.apply([inside], namespace=self.namespace))
            except ApplyFailed:
                return refused
            no_ports.setdefault(self.namespace, reason)
            return inside
        return manifest

    @property
    def refused(self) -> Iterator[tuple[str, str, ApplyFailed]]:
        """Kind and name of the objects that the API server did not take, and its words."""
        for kind, name in self._wanted:
            taken = self._taken.objects.get((self.namespace, kind, name))
            if isinstance(taken, ApplyFailed):
                yield kind, name, taken

    def remove_all(self, *, but: Collection[Mapping[str, Any]] = ()) -> list[Pod]:
        """Delete the objects that were taken, except those which are just so in ``but``; the Pods
        that go with them, some time later. All can be applied anew."""
        snapshot, going = self.snapshot(), []
        for (kind, name), manifest in self._wanted.items():
            taken = self._taken.objects.pop((self.namespace, kind, name), None)
            if isinstance(taken, Mapping) and taken not in but:
                going += living(manifest, snapshot)
                self.cluster.delete(kind, name, namespace=self.namespace)
        return going

    def _keep(self, stored: Iterable[Mapping[str, Any]]) -> None:
        """What an admission policy made of a Service is as this run left it."""
        for name, item in _services(stored).items():
            self._taken.services[self.namespace, name] = item

    def wait_ready(self, *, limit: float | None = None) -> Snapshot:
        """Wait until Pods and then EndpointSlices are as wanted; the cluster as it is then.

        What was waited for in vain without a ``limit`` is not waited for long again.

        Raises :class:`~svcproof.errors.WaitExpired`.
        """
        snapshot = self.snapshot()
        if not lacking(self.manifests, snapshot):
            return snapshot
        self.wait_pods(limit=limit)
        self._await_slices(limit)
        return self.snapshot()

    def wait_pods(self, *, limit: float | None = None) -> None:
        """Wait for Pods; where those of one node hold up all others, and where no Pods came before
        either, no longer than a straggler may take.

        Raises :class:`~svcproof.errors.WaitExpired`.
        """
        most = self._limits.workload_ready if limit is None else limit
        began = since = time.monotonic()
        node, asked_at = None, 0.0
        while True:
            snapshot = self.snapshot()
            _refuse_unpullable(snapshot)
            # Made anew each time: cases side by side scale, make and delete their own objects.
            manifests = self.manifests
            missing = lacking(manifests, snapshot, but=("Service",))
            if not missing:
                if time.monotonic() - began >= _INTERVAL_SECONDS:  # some were made meanwhile
                    self._late.discard(_PODS)
                return
            now, last = time.monotonic(), straggler(manifests, snapshot)
            if last != node:
                # Whoever is last from the first look on was never one of several.
                since = began if node is None else now
                node = last
            if now - began >= asked_at + self._limits.notice:
                asked_at = now - began
                self._refuse_hopeless(manifests, snapshot, waited=asked_at)
            subject = node or f"{self.namespace}: {missing.partition(':')[0]}"
            is_known = subject in self._late
            patience = self._patience(subject, others=since - began)
            if now - since >= patience or now - began >= most:
                break
            time.sleep(_INTERVAL_SECONDS)
        if limit is None:
            self._late |= {subject} if node else {subject, _PODS}
        _refuse_unpullable(snapshot, finally_=True)
        raise WaitExpired(
            f"the Pods in namespace {self.namespace}",
            limit=round(now - began, 1),
            last_state=missing,
            remedy=self._remedy,
            node=node or "",
            is_known=is_known,
        )

    def _refuse_hopeless(
        self, manifests: Sequence[Mapping[str, Any]], snapshot: Snapshot, *, waited: float
    ) -> None:
        """Raises :class:`~svcproof.errors.NotSupported` where there is nothing to wait for."""
        self._refuse_forbidden(manifests, snapshot)
        # Of a cluster of our own it would be news.
        if waited >= self._limits.straggler and not self.cluster.facts.is_ours:
            _refuse_unschedulable(manifests, snapshot)

    def _refuse_forbidden(self, manifests: Sequence[Mapping[str, Any]], snapshot: Snapshot) -> None:
        """Of a workload that has too few Pods, its controller says why."""
        if not isinstance(self.cluster, CanTellWhy):
            return
        for manifest in manifests:
            kind, name = manifest["kind"], manifest["metadata"]["name"]
            if lacking([manifest], snapshot, but=("Service", "Endpoints")):
                reason = self.cluster.why_no_pods(self.namespace, kind, name)
                if reason:
                    more = "more " if living(manifest, snapshot) else ""
                    raise NotSupported(
                        f"{kind} {name} makes no {more}Pods: {reason}",
                        remedy="look at the quotas, limits and policies of namespace "
                        f"{self.namespace}; {_ASKED_FOR}",
                        is_prevented=True,
                    )

    def _patience(self, subject: str, *, others: float) -> float:
        """Seconds for a node's Pods, those of others having needed so many, or a workload's."""
        limits = self._limits
        if subject in self._late:
            return limits.recheck
        if ": " not in subject:  # on a slow machine nobody is a straggler soon
            # Where nobody else was waited for, as when one Pod is replaced, nothing says how slow.
            return max(limits.straggler, _TIMES_OTHERS * (others or limits.straggler))
        return limits.straggler if _PODS in self._late else limits.workload_ready

    def scale(self, replicas: int, *, deployment: str = "") -> None:
        """Change the number of replicas and wait until all follows."""
        name = deployment or self._only("Deployment")
        self._wanted["Deployment", name] = _scaled(self._deployment(name), replicas)
        self.cluster.patch(
            "Deployment", name, {"spec": {"replicas": replicas}}, namespace=self.namespace
        )
        self.wait_ready()

    def roll_out(self, *, deployment: str = "") -> None:
        """Replace all Pods of a Deployment by new ones and wait until all follows."""
        name = deployment or self._only("Deployment")
        self._revision += 1
        labels = {"svcproof.dev/revision": str(self._revision)}
        change = {"spec": {"template": {"metadata": {"labels": labels}}}}
        self._wanted["Deployment", name] = _relabelled(self._deployment(name), labels)
        self.cluster.patch("Deployment", name, change, namespace=self.namespace)
        self.wait_ready()

    def patch(self, kind: str, name: str, changes: Mapping[str, Any]) -> None:
        """Change fields of an object (JSON merge patch).

        Raises :class:`~svcproof.errors.NotSupported` where a policy of the cluster forbids it.
        """
        try:
            stored = self.cluster.patch(kind, name, changes, namespace=self.namespace)
        except ApplyFailed as error:
            if error.is_forbidden:
                raise NotSupported(
                    f"the API server refuses to change {kind} {name}: {error.what}"
                ) from error
            raise
        if kind == "Service" and name in self.services:
            self.services[name] = patched(self.services[name], changes)
            self._taken.services[self.namespace, name] = stored

    def delete(self, kind: str, name: str) -> None:
        """Delete an object; one that is not there is no error."""
        self.cluster.delete(kind, name, namespace=self.namespace)
        self._wanted.pop((kind, name), None)
        self._taken.objects.pop((self.namespace, kind, name), None)
        if kind == "Service":
            self.services.pop(name, None)
            self._taken.services.pop((self.namespace, name), None)

    def drifts(self, snapshot: Snapshot) -> Iterator[tuple[str, Drift]]:
        """Where Services are not as this run left them: each one's name, and the field."""
        for service in snapshot.services:
            if service.name in self.services:
                for each in drift(self._left(service.name), service):
                    yield service.name, each

    def admitted(self, service: str, snapshot: Snapshot) -> list[Drift]:
        """Where a Service was stored otherwise than this run asked for it."""
        for seen in snapshot.services:
            if seen.name == service in self.services:
                since = {each.field for each in drift(self._left(service), seen)}
                asked = drift(self.services[service], seen)
                return [each for each in asked if each.field not in since]
        return []

    def _left(self, service: str) -> Mapping[str, Any]:
        return self._taken.services.get((self.namespace, service), self.services[service])

    def add(self, manifest: Mapping[str, Any]) -> None:
        """Create one more object, or change one to be this.

        Raises :class:`~svcproof.errors.ApplyFailed` where the API server refuses it.
        """
        (own,) = of_run([manifest], self.run)
        self._keep(self.cluster.apply([own], namespace=self.namespace))
        self._wanted[_key(own)] = self._taken.objects[self.namespace, *_key(own)] = own
        self.services |= _services([own])

    def snapshot(self) -> Snapshot:
        """The cluster's nodes and this namespace, now."""
        return self.cluster.snapshot(self.namespace)

    def target(self, spec: TargetSpec, service: str = "", port_name: str = "") -> Target:
        """The address that ``spec`` means; ``service`` may be left out if there is only one."""
        snapshot = self.snapshot()
        found = self._service(service, snapshot)
        return self._resolved(spec, found, snapshot, port_name)

    def targets(self, form: DialledForm, service: str = "", port_name: str = "") -> list[Target]:
        """The addresses of one form: in each family that cluster and Service have, and for node
        ports at each node."""
        facts, snapshot = self.cluster.facts, self.snapshot()
        found = self._service(service, snapshot)
        families = [family for family in facts.families if has_form(found, form, family)]
        return [
            self._resolved(spec, found, snapshot, port_name)
            for spec in target_specs((form,), facts.node_names, families)
        ]

    def _service(self, name: str, snapshot: Snapshot) -> Service:
        try:
            return snapshot.service(name or self._only("Service"))
        except KeyError as error:
            raise UsageError(str(error.args[0])) from error

    def _resolved(
        self, spec: TargetSpec, service: Service, snapshot: Snapshot, port_name: str
    ) -> Target:
        facts = self.cluster.facts
        if spec.form == "node-port":
            self.refuse_no_node_ports(service.name)
        if spec.entry_node in facts.node_names and snapshot.node(spec.entry_node) is None:
            raise ClusterProblem(
                f"{spec.entry_node} was there when this run began, and is no longer: nothing can "
                "be sent to its node ports",
                remedy="see why it left: `kubectl get nodes`, and run again",
            )
        domain = facts.cluster_domain
        return resolve_target(spec, service, snapshot, port_name=port_name, cluster_domain=domain)

    def why_no_node_ports(self, service: str) -> str:
        """In which words the API server refused a Service's node ports; "" where it has them, or
        was never meant to."""
        metadata = self.services.get(service, {}).get("metadata", {})
        return str((metadata.get("annotations") or {}).get(NO_NODE_PORTS, ""))

    def refuse_no_node_ports(self, service: str) -> None:
        """Raises :class:`~svcproof.errors.NotSupported` where they were refused."""
        if reason := self.why_no_node_ports(service):
            raise NotSupported(reason, is_prevented=True)

    def pods(self, deployment: str = "") -> list[Pod]:
        """The living Pods of a Deployment, by node."""
        manifest = self._deployment(deployment or self._only("Deployment"))
        return sorted(living(manifest, self.snapshot()), key=lambda pod: pod.node)

    def backends(self, deployment: str = "") -> list[Position]:
        """The Pods of a Deployment as places to send from."""
        return [
            Position(
                name=f"backend {pod.name} on {pod.node}",
                kind="backend",
                node=pod.node,
                pod=pod.name,
                namespace=pod.namespace,
                addresses=pod.addresses,
            )
            for pod in self.pods(deployment)
        ]

    @property
    def families(self) -> tuple[Family, ...]:
        """The cluster's IP families."""
        return self.cluster.facts.families

    def _await_slices(self, limit: float | None) -> None:
        began = time.monotonic()
        while missing := self._lacking_slices():
            subject = f"{self.namespace}: {missing.partition(':')[0]}"
            is_known = subject in self._late
            most = self._limits.recheck if is_known else self._limits.endpoints
            waited = time.monotonic() - began
            if waited >= (most if limit is None else min(limit, most)):
                if limit is None:
                    self._late.add(subject)
                raise WaitExpired(
                    f"the EndpointSlices in namespace {self.namespace}",
                    limit=round(waited, 1),
                    last_state=missing,
                    remedy=self._remedy,
                    is_known=is_known,
                )
            time.sleep(_INTERVAL_SECONDS)

    def _lacking_slices(self) -> str:
        snapshot = self.snapshot()
        return lacking([item for item in self.manifests if item["kind"] == "Service"], snapshot)

    @property
    def _remedy(self) -> str:
        return f"look at `kubectl -n {self.namespace} get pods,endpointslices -o wide`"

    def _deployment(self, name: str) -> Mapping[str, Any]:
        try:
            return self._wanted["Deployment", name]
        except KeyError:
            names = [name for kind, name in self._wanted if kind == "Deployment"]
            raise UsageError(
                f"the manifests have no Deployment {name}; they have: {', '.join(names) or 'none'}"
            ) from None

    def _only(self, kind: str) -> str:
        names = [item["metadata"]["name"] for item in self.manifests if item["kind"] == kind]
        if len(names) != 1:
            raise UsageError(
                f"the manifests have {len(names)} objects of kind {kind}"
                f" ({', '.join(names) or 'none'}): say which one is meant",
                remedy=f"give its name, as in {kind.lower()}=NAME"
                if names
                else f"add a {kind} to them",
            )
        return str(names[0])


def _key(manifest: Mapping[str, Any]) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def _services(manifests: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    # Of an answer that is no object nothing is known.
    return {item["metadata"]["name"]: item for item in manifests if item.get("kind") == "Service"}


def client_manifests_for(cluster: Cluster) -> tuple[Mapping[str, Any], ...]:
    """The client Pods, one of each kind on every node, of the kinds that the cluster allows."""
    return tuple(
        manifest
        for manifest in packaged_manifests("clients")
        if manifest["spec"]["selector"]["matchLabels"][CLIENT_LABEL]
        not in cluster.facts.lacking_positions
    )


class Clients:
    """The places to send from: client Pods in a namespace, and what is outside the cluster."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._positions: dict[PositionSpec, Position] = {}
        self._first: Snapshot | None = None  #: what was there when the run began
        self.missing: Mapping[str, str] = {}  #: node without a client → why

    def wait_ready(self) -> None:
        """Wait until there is a client of each kind on every node; leave out those of one
        that holds up all others, and say so in ``missing``.

        Raises :class:`~svcproof.errors.WaitExpired` where no node has all of its clients.
        """
        self._look()
        try:
            self._app.wait_ready()
        except WaitExpired as expired:
            snapshot = self._app.snapshot()
            kinds = {item["metadata"]["name"] for item in self._app.manifests}
            ready = Counter(
                pod.node for pod in snapshot.pods if CLIENT_LABEL in pod.labels and pod.ready
            )
            with_all = {node for node, number in ready.items() if number >= len(kinds)}
            without = {node.name for node in snapshot.nodes if node.schedulable} - with_all
            if not with_all:
                raise
            self.missing = dict.fromkeys(sorted(without), expired.last_state)

    def position(self, spec: PositionSpec) -> Position:
        """The ready client at a place.

        Raises :class:`~svcproof.errors.NotSupported` where there never could be one, and
        :class:`~svcproof.errors.ClusterProblem` where it is gone.
        """
        (position,) = self._resolve([spec])
        return position

    def everywhere(self, *kinds: PositionKind) -> list[Position]:
        """The clients of these kinds, on every node.

        Kinds that the cluster does not allow are left out, as its facts tell every
        report, and nodes that are ``missing``, as every history does. Where none of the
        kinds is allowed: :class:`~svcproof.errors.NotSupported`.
        """
        facts = self._app.cluster.facts
        allowed = [kind for kind in kinds if kind not in facts.lacking_positions]
        if not allowed:
            raise NotSupported(facts.lacking_positions[kinds[0]])
        nodes = [node for node in facts.node_names if node not in self.missing]
        return self._resolve(list(position_specs(allowed, nodes)))

    def _resolve(self, specs: Sequence[PositionSpec]) -> list[Position]:
        """One look at the cluster for all that are not known yet."""
        unknown = [spec for spec in specs if spec not in self._positions]
        if unknown:
            snapshot = self._look()
            self._positions |= {spec: self._find(spec, snapshot) for spec in unknown}
        return [self._positions[spec] for spec in specs]

    def _look(self) -> Snapshot:
        snapshot = self._app.snapshot()
        self._first = self._first or snapshot
        return snapshot

    def _find(self, spec: PositionSpec, snapshot: Snapshot) -> Position:
        if spec.kind in self._app.cluster.facts.lacking_positions:
            raise NotSupported(self._app.cluster.facts.lacking_positions[spec.kind])
        if spec.kind == "outside":
            for position in self._app.cluster.outside_positions():
                return position
            raise NotSupported(
                "this cluster has no client outside of it",
                remedy="leave out what is asked from outside, or judge a cluster that "
                "svcproof starts: it has one",
            )
        if spec.node not in self._app.cluster.facts.node_names:
            raise NotSupported(
                f"there is no node {spec.node}; there are: "
                + ", ".join(self._app.cluster.facts.node_names)
            )
        pod = self._pod(spec, snapshot)
        return Position(
            name=str(spec),
            kind=spec.kind,
            node=pod.node,
            pod=pod.name,
            namespace=pod.namespace,
            addresses=pod.addresses,
        )

    def _pod(self, spec: PositionSpec, snapshot: Snapshot) -> Pod:
        for pod in snapshot.pods_matching({CLIENT_LABEL: spec.kind}):
            if pod.node == spec.node and pod.ready and not pod.terminating:
                return pod
        lacking = f"no client Pod of kind {spec.kind} is ready on {spec.node}"
        first = self._first.node(spec.node) if self._first else None
        if first is not None and not first.schedulable:
            raise NotSupported(
                f"{lacking}: the node is {first.repels or first.unfit}",
                remedy="let it take Pods before the run begins",
            )
        # Not a skip: a client that should be there and is not proves nothing.
        raise ClusterProblem(
            f"{lacking}{_since_then(snapshot.node(spec.node))}",
            remedy=f"look at the client Pods and at the kubelet: kubectl describe node {spec.node}",
        )


def _since_then(node: Node | None) -> str:
    """What has become of a node that took Pods when the run began."""
    if node is None:
        return ": the node has left the cluster since the run began"
    if not node.ready:
        return ": the node is no longer Ready"
    return f": the node is {node.repels} now" if node.repels else ""


def _refuse_unpullable(snapshot: Snapshot, *, finally_: bool = False) -> None:
    problem = unpullable(snapshot, finally_=finally_)
    if problem:
        raise EnvironmentProblem(
            f"an image cannot be had: {problem}",
            remedy="give one that the nodes can pull: --svc-image, --svc-carrier or "
            "--svc-registry (docs/existing.md)",
        )


def _refuse_unschedulable(manifests: Iterable[Mapping[str, Any]], snapshot: Snapshot) -> None:
    for manifest in manifests:
        for pod in living(manifest, snapshot):
            if pod.waiting.startswith("Unschedulable"):
                raise NotSupported(
                    f"{manifest['kind']} {manifest['metadata']['name']} has a Pod on no node: "
                    f"{pod.waiting}",
                    remedy=_ASKED_FOR,
                    is_prevented=True,
                )


def _scaled(manifest: Mapping[str, Any], replicas: int) -> Mapping[str, Any]:
    return {**manifest, "spec": {**manifest["spec"], "replicas": replicas}}


def _relabelled(manifest: Mapping[str, Any], labels: Mapping[str, str]) -> Mapping[str, Any]:
    template = manifest["spec"]["template"]
    metadata = {**template["metadata"], "labels": {**template["metadata"]["labels"], **labels}}
    return {
        **manifest,
        "spec": {**manifest["spec"], "template": {**template, "metadata": metadata}},
    }
