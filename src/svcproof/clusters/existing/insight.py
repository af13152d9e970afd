"""What only a Pod can tell of a cluster, learnt from the first clients that are ready.

Whoever asks the API server instead needs more rights than a run has, and gets another answer
than Pods do where configuration and nodes differ.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from svcproof.clusters.existing.data_plane import KUBE_PROXY_MODES
from svcproof.clusters.kubernetes_api import Api
from svcproof.clusters.pod_command import run_in_pod
from svcproof.errors import ClusterProblem, EnvironmentProblem
from svcproof.manifest_files import CLIENT_LABEL
from svcproof.snapshot import Pod, Snapshot

__all__ = ["Insight", "domain_in", "modes_in_words"]

_COMMAND: Final = ("/echo-hostname", "look")
_LIMIT_SECONDS: Final = 15.0
#: An exec that did not begin may be tried again: it measures nothing.
_TRIES: Final = 3
_PAUSE_SECONDS: Final = 0.5


class Insight:
    """Looks around in each client Pod once. May be used from several threads."""

    def __init__(self, api: Api, nodes: Sequence[str]) -> None:
        self._api = api
        self._nodes = frozenset(nodes)
        self._lock = threading.Lock()
        self._met: set[str] = set()
        self._failures: dict[str, str] = {}
        self._has_run = False
        self.domain = ""  #: the cluster's, "" as long as no Pod's resolv.conf has it
        self.modes: dict[str, str] = {}  #: node → the mode of its kube-proxy, where one told it

    def learn(self, snapshot: Snapshot) -> bool:
        """Look around in clients that are ready and have not been met; whether any was.

        Raises :class:`~svcproof.errors.EnvironmentProblem` where programs cannot be run in
        Pods: nothing could be measured.
        """
        if not self._strangers(snapshot):
            return False
        with self._lock:
            strangers = self._strangers(snapshot)
            if not strangers:
                return False
            with ThreadPoolExecutor(len(strangers)) as pool:
                looks = [pool.submit(self._look, pod) for pod in strangers]
            for pod, look in zip(strangers, looks, strict=True):
                self._take(pod, look.result())
                self._met.add(pod.uid)
            self._refuse_deaf()
        return True

    def _strangers(self, snapshot: Snapshot) -> list[Pod]:
        return [
            pod
            for pod in snapshot.pods
            if CLIENT_LABEL in pod.labels
            and pod.ready
            and not pod.terminating
            and pod.uid not in self._met
        ]

    def _look(self, pod: Pod) -> Mapping[str, str]:
        import tenacity

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(_TRIES),
            wait=tenacity.wait_fixed(_PAUSE_SECONDS),
            retry=tenacity.retry_if_exception_type(ClusterProblem),
            reraise=True,
        )
        where = (self._api, pod.namespace, pod.name)
        try:
            code, output, _ = retrying(run_in_pod, *where, _COMMAND, limit=_LIMIT_SECONDS)
        except ClusterProblem as error:
            return {"failure": error.what}
        # An image may have an older program in it, which knows no such command.
        seen: Mapping[str, str] = {} if code else json.loads(output)
        return seen

    def _take(self, pod: Pod, seen: Mapping[str, str]) -> None:
        if "failure" in seen:
            self._failures[pod.node] = seen["failure"]
            return
        self._has_run = True
        self.domain = self.domain or domain_in(seen.get("resolv_conf", ""), pod.namespace)
        if seen.get("proxy_mode") in KUBE_PROXY_MODES:
            self.modes[pod.node] = seen["proxy_mode"]

    def _refuse_deaf(self) -> None:
        """One node whose Pods cannot be reached is a finding of each case; all are none."""
        if not self._has_run and self._failures.keys() >= self._nodes:
            node, failure = next(iter(self._failures.items()))
            raise EnvironmentProblem(
                f"no program can be run in any client Pod; the one on {node}: {failure}",
                remedy="try `kubectl exec`; the API server must reach every kubelet (port 10250)",
            )


def domain_in(resolv_conf: str, namespace: str) -> str:
    """The cluster's domain, by a Pod's search list: it has ``NAMESPACE.svc.DOMAIN`` first."""
    for line in resolv_conf.splitlines():
        keyword, *domains = line.split() or [""]
        for domain in domains if keyword == "search" else ():
            start, found, rest = domain.rstrip(".").partition(f"{namespace}.svc.")
            if found and not start:
                return rest
    return ""


def modes_in_words(modes: Mapping[str, str]) -> str:
    """The one mode of all nodes, or which nodes have which."""
    nodes: dict[str, list[str]] = {}
    for node, mode in sorted(modes.items()):
        nodes.setdefault(mode, []).append(node)
    if len(nodes) == 1:
        return next(iter(nodes))
    return "; ".join(f"{mode} on {', '.join(names)}" for mode, names in sorted(nodes.items()))
