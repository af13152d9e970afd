"""Where faults are planted: a cluster with the battery's objects in it, and ways to change both.

Whatever changes something takes the ``undo`` of the fault and registers first
how to change it back.
"""

from __future__ import annotations

import copy
import json
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from svcproof.battery.objects import NAMES, Names
from svcproof.errors import ClusterProblem
from svcproof.limits import DEFAULT_LIMITS, Limits
from svcproof.ports import (
    CanFreezeComponents,
    CanRunInNodes,
    CanStopNodes,
    Cluster,
    Manifest,
)
from svcproof.recorder import Recorder
from svcproof.snapshot import Pod, Service, Snapshot
from svcproof.waits import wait_for

if TYPE_CHECKING:
    from svcproof.faults.model import Undo

__all__ = ["Scene"]

#: kube-proxy syncs once a second at most (minSyncPeriod), and a sync of so few rules
#: takes a tenth of that.
_SYNC_SECONDS: Final = 1.5


@dataclass(frozen=True)
class Scene:
    """One namespace of a cluster with the battery's objects, applied and ready.

    ``home`` is the node of the Pod ``lonely``, ``node`` is the one where faults
    are planted: another one, and if possible not the cluster DNS' either.
    ``silent`` are nodes whose clients cannot be asked at the moment. ``names`` are
    the objects' names, where they are others than the battery's.
    """

    cluster: Cluster
    namespace: str
    run: str
    recorder: Recorder
    manifests: Sequence[Manifest]
    home: str
    node: str
    limits: Limits = DEFAULT_LIMITS
    silent: set[str] = field(default_factory=set)
    names: Names = NAMES

    def snapshot(self) -> Snapshot:
        """The nodes, and the objects of the namespace, now."""
        return self.cluster.snapshot(self.namespace)

    def service(self, name: str) -> Service:
        """A Service, as the cluster has it."""
        return self.snapshot().service(name)

    def pods(self, app: str) -> list[Pod]:
        """The living Pods of an app."""
        matching = self.snapshot().pods_matching({"app": app})
        return [pod for pod in matching if not pod.terminating]

    def pod(self, app: str, node: str = "") -> Pod:
        """The Pod of an app, or the one on a node."""
        for pod in self.pods(app):
            if node in ("", pod.node):
                return pod
        raise ClusterProblem(f"there is no Pod of {app} on {node or 'any node'}")

    def addresses(self, node: str) -> tuple[str, ...]:
        """A node's addresses, one per family."""
        return next(item.addresses for item in self.snapshot().nodes if item.name == node)

    def manifest(self, kind: str, name: str) -> dict[str, Any]:
        """A copy of what was applied."""
        for item in self.manifests:
            if (item["kind"], item["metadata"]["name"]) == (kind, name):
                return copy.deepcopy(dict(item))
        raise KeyError(f"{kind} {name}")

    def patch(self, undo: Undo, kind: str, name: str, changes: Manifest, *, back: Manifest) -> None:
        """Change an object; ``back`` is the patch that undoes it."""
        undo.register(
            f"{kind} {name} in namespace {self.namespace} is changed",
            self._patch,
            kind,
            name,
            back,
            by_hand=f"kubectl -n {self.namespace} patch {kind.lower()} {name} --type merge "
            f"-p {shlex.quote(json.dumps(back))}",
        )
        self._patch(kind, name, changes)

    def add(self, undo: Undo, manifest: Manifest) -> None:
        """Create an object."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        undo.register(
            f"{kind} {name} in namespace {self.namespace} is there",
            self._delete,
            kind,
            name,
            by_hand=f"kubectl -n {self.namespace} delete {kind.lower()} {name}",
        )
        self.cluster.apply([manifest], namespace=self.namespace)

    def in_node(self, node: str, *command: str) -> str:
        """Run a command in a node; its standard output. One that fails raises, with its words."""
        code, output, errors = cast(CanRunInNodes, self.cluster).run_in_node(node, command)
        if code != 0:
            said = " ".join((errors or output).split())[-500:]
            raise ClusterProblem(f"{node}: `{shlex.join(command)}` ended with {code}: {said}")
        return output

    def shell(self, node: str, script: str) -> str:
        """Run a shell script in a node, as :meth:`in_node` does."""
        return self.in_node(node, "sh", "-ec", script)

    def freeze(self, undo: Undo, component: str, node: str = "") -> None:
        """Stop a component in its tracks; no node means the control plane's."""
        cluster = cast(CanFreezeComponents, self.cluster)
        where = f"{component} on {node}" if node else component
        undo.register(
            f"{where} is stopped",
            cluster.thaw,
            component,
            node,
            by_hand=f"send SIGCONT to {where}",
        )
        cluster.freeze(component, node)

    def stop_node(self, undo: Undo, node: str) -> None:
        """Take a node away; its clients cannot be asked until it is back."""
        undo.register(
            f"{node} is switched off",
            self._start_node,
            node,
            by_hand=f"plug {node} in again, send SIGCONT to all its processes",
        )
        self.silent.add(node)
        cast(CanStopNodes, self.cluster).stop_node(node)

    def wait(self, what: str, look: Callable[[Snapshot], str], *, limit: float = 30.0) -> None:
        """Wait until ``look`` finds nothing lacking in a snapshot."""
        wait_for(
            f"{what} in namespace {self.namespace}", lambda: look(self.snapshot()), limit=limit
        )

    def let_proxies_follow(self) -> None:
        """Give every kube-proxy the time for a sync: then the rules are what the API says."""
        time.sleep(_SYNC_SECONDS)

    def forget_half_open(self) -> None:
        """Drop what conntrack knows of connections that were never made, where its tool is.

        For two minutes a client's port that is used again would be sent where the
        fault had sent it. Nothing else is touched: what was made goes on.
        """
        if not isinstance(self.cluster, CanRunInNodes):
            return
        command = ["conntrack", "-D", "-p", "tcp", "--state", "SYN_SENT"]
        for node in self.cluster.facts.node_names:
            # It ends with 1 where there is nothing to delete.
            self.cluster.run_in_node(node, ["sh", "-c", f"{shlex.join(command)} || true"])

    def _patch(self, kind: str, name: str, changes: Manifest) -> None:
        self.cluster.patch(kind, name, changes, namespace=self.namespace)

    def _delete(self, kind: str, name: str) -> None:
        self.cluster.delete(kind, name, namespace=self.namespace)

    def _start_node(self, node: str) -> None:
        cast(CanStopNodes, self.cluster).start_node(node)
        self.silent.discard(node)
