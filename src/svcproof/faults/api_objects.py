"""Faults in API objects: selectors, ports, readiness, EndpointSlices."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from svcproof.battery.topics import Topic
from svcproof.faults.model import Fault, Undo
from svcproof.faults.rules import Chain, plant, remove, word
from svcproof.faults.scene import Scene
from svcproof.ports import CanFreezeComponents, CanRunInNodes
from svcproof.snapshot import Pod, Service, Snapshot

__all__ = ["FAULTS"]

_HTTP: Final = 80
_TEMPLATE: Final = "pod-template-hash"
_DEAD_HOST: Final = 250
#: On the Pods of the web app and of the app `other`.
_COMMON: Final = {"team": "shop"}


def _selector_matches_nothing(scene: Scene, undo: Undo) -> None:
    _select(scene, undo, {"app": "webb"})


def _selector_too_broad(scene: Scene, undo: Undo) -> None:
    # What is left is a label that the app `other` has as well.
    _select(scene, undo, {"app": None, **_COMMON})


def _select(scene: Scene, undo: Undo, changes: Mapping[str, str | None]) -> None:
    right = scene.manifest("Service", scene.names.web)["spec"]["selector"]
    scene.patch(
        undo,
        "Service",
        scene.names.web,
        {"spec": {"selector": changes}},
        back={"spec": {"selector": {label: right.get(label) for label in changes}}},
    )
    scene.let_proxies_follow()


def _wrong_target_port(scene: Scene, undo: Undo) -> None:
    ports = scene.manifest("Service", scene.names.web)["spec"]["ports"]
    wrong = [{**port, "targetPort": port["targetPort"] + 1} for port in ports]
    scene.patch(
        undo,
        "Service",
        scene.names.web,
        {"spec": {"ports": wrong}},
        back={"spec": {"ports": ports}},
    )
    scene.let_proxies_follow()


def _listens_on_loopback(scene: Scene, undo: Undo) -> None:
    name = scene.names.web_deployment
    (right,) = scene.manifest("Deployment", name)["spec"]["template"]["spec"]["containers"]
    wrong = {**right, "command": [*right["command"], "--http", f"127.0.0.1:{_HTTP}"]}
    del wrong["readinessProbe"]  # or nobody would be sent there
    template = scene.pod(scene.names.web_app).labels[_TEMPLATE]
    # Undone last, so registered first: this waits for what the patch back brings about.
    undo.register(
        f"the Pods of {scene.names.web_app} are not the right ones yet",
        _await_pods,
        scene,
        template,
        by_hand=f"kubectl -n {scene.namespace} rollout status deployment {name}",
    )
    scene.patch(undo, "Deployment", name, _container(wrong), back=_container(right))
    _await_pods(scene, template, other=True)
    scene.let_proxies_follow()


def _container(container: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [container]}}}}


def _await_pods(scene: Scene, template: str, *, other: bool = False) -> None:
    """All Pods of the web app are ready, and of that template (or of another)."""
    wanted = scene.manifest("Deployment", scene.names.web_deployment)["spec"]["replicas"]

    def lacking(snapshot: Snapshot) -> str:
        pods = [
            pod
            for pod in snapshot.pods_matching({"app": scene.names.web_app})
            if not pod.terminating
        ]
        right = [pod for pod in pods if pod.ready and (pod.labels[_TEMPLATE] != template) == other]
        return "" if len(right) == len(pods) == wanted else f"{len(right)} of {len(pods)} are"

    scene.wait(f"{wanted} new Pods of {scene.names.web_app}", lacking)


def _not_ready_pod_served(scene: Scene, undo: Undo) -> None:
    pod = scene.pod(scene.names.web_app, scene.node)
    scene.patch(
        undo,
        "Service",
        scene.names.web,
        {"spec": {"publishNotReadyAddresses": True}},
        back={"spec": {"publishNotReadyAddresses": None}},
    )
    _fail_readiness(scene, undo, pod)


def _ready_pod_excluded(scene: Scene, undo: Undo) -> None:
    pod = scene.pod(scene.names.web_app, scene.node)
    _fail_readiness(scene, undo, pod)
    # Frozen while the Pod is not ready, the controller never hears that it is ready again.
    scene.freeze(undo, "kube-controller-manager")
    remove(scene, pod.node)
    _await_ready(scene, pod.name, ready=True)
    scene.let_proxies_follow()


def _fail_readiness(scene: Scene, undo: Undo, pod: Pod) -> None:
    """Make a Pod not ready, while it answers as before: only its kubelet cannot ask it."""
    undo.register(
        f"Pod {pod.name} is not ready",
        _await_ready,
        scene,
        pod.name,
        by_hand=f"kubectl -n {scene.namespace} describe pod {pod.name}",
    )
    # What the node itself sends to the Pod's own address; connections to a Service
    # have been translated when they get here.
    to_pod = [f"{word(address)} daddr {address}" for address in pod.addresses]
    rules = [
        f"{match} tcp dport {_HTTP} ct status & dnat == 0 reject with tcp reset" for match in to_pod
    ]
    plant(scene, undo, pod.node, [Chain("filter", "output", 0, rules)])
    _await_ready(scene, pod.name, ready=False)
    scene.let_proxies_follow()


def _await_ready(scene: Scene, name: str, *, ready: bool = True) -> None:
    def lacking(snapshot: Snapshot) -> str:
        pods = [pod for pod in snapshot.pods if pod.name == name]
        return "" if all(pod.ready is ready for pod in pods) else "as before"

    scene.wait(f"Pod {name} to be {'ready' if ready else 'not ready'}", lacking)


def _orphan_slice(scene: Scene, undo: Undo) -> None:
    service = scene.service(scene.names.web)
    for address in scene.pod(scene.names.web_app, scene.node).addresses:
        scene.add(undo, _slice_with_dead_address(service, address))
    scene.let_proxies_follow()


def _slice_with_dead_address(service: Service, neighbour: str) -> dict[str, Any]:
    """As somebody made it by hand for a Pod that has gone; no controller looks after it."""
    family = "IPv6" if ":" in neighbour else "IPv4"
    network = ipaddress.ip_network(f"{neighbour}/{112 if family == 'IPv6' else 24}", strict=False)
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service.name}-by-hand-{family.lower()}",
            "labels": {"kubernetes.io/service-name": service.name},
        },
        "addressType": family,
        "ports": [{"name": port.name, "protocol": "TCP", "port": _HTTP} for port in service.ports],
        "endpoints": [
            {
                "addresses": [str(network[_DEAD_HOST])],
                "conditions": {"ready": True, "serving": True, "terminating": False},
            }
        ],
    }


def _new_services_refused(scene: Scene, undo: Undo) -> None:
    scene.add(
        undo,
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "no-new-services"},
            "spec": {"hard": {"services": "0"}},
        },
    )


FAULTS: Final = (
    Fault(
        number=1,
        slug="selector-matches-nothing",
        title="a Service's selector matches no Pod",
        symptom="connections to the Service are refused everywhere, though its Pods run",
        red=frozenset({Topic.CLUSTER_IP, Topic.ENDPOINTS}),
        also=frozenset({Topic.SHARES, Topic.LATENCY}),
        found_by=frozenset({"endpoints", "reachability"}),
        inject=_selector_matches_nothing,
    ),
    Fault(
        number=2,
        slug="selector-too-broad",
        title="a Service's selector matches somebody else's Pods, too",
        symptom="some answers come from an app that has nothing to do with the Service",
        red=frozenset({Topic.CLUSTER_IP, Topic.ENDPOINTS}),
        found_by=frozenset({"endpoints", "responders"}),
        inject=_selector_too_broad,
    ),
    Fault(
        number=3,
        slug="wrong-target-port",
        title="targetPort is a port on which nothing listens",
        symptom="connections are refused though all Pods are ready; the Pods' own port answers",
        red=frozenset({Topic.CLUSTER_IP}),
        also=frozenset({Topic.SHARES, Topic.LATENCY}),
        found_by=frozenset({"reachability"}),
        inject=_wrong_target_port,
    ),
    Fault(
        number=5,
        slug="listens-on-loopback",
        title="the server listens on 127.0.0.1 only",
        symptom="connections are refused, also to the Pods' own addresses; inside the Pod it works",
        red=frozenset(
            {
                Topic.POD_TO_POD,
                Topic.CLUSTER_IP,
                Topic.NODE_PORT,
                Topic.OTHER_ADDRESSES,
                Topic.LARGE,
                Topic.AFFINITY,
                Topic.CHANGE,
            }
        ),
        also=frozenset({Topic.SHARES, Topic.LATENCY, Topic.HEADLESS}),
        found_by=frozenset({"reachability"}),
        inject=_listens_on_loopback,
    ),
    Fault(
        number=6,
        slug="not-ready-pod-served",
        title="a Pod that is not ready gets traffic",
        symptom="a Pod that says it cannot serve is sent its share of the connections",
        red=frozenset({Topic.ENDPOINTS}),
        also=frozenset({Topic.HEADLESS}),
        found_by=frozenset({"endpoints"}),
        inject=_not_ready_pod_served,
        needs=(CanRunInNodes,),
    ),
    Fault(
        number=6,
        slug="ready-pod-excluded",
        title="a ready Pod gets no traffic",
        symptom="a Pod is ready again, and stays idle; the EndpointSlices do not list it",
        red=frozenset({Topic.ENDPOINTS, Topic.CHANGE}),
        also=frozenset({Topic.HEADLESS}),
        found_by=frozenset({"endpoints"}),
        inject=_ready_pod_excluded,
        needs=(CanRunInNodes, CanFreezeComponents),
    ),
    Fault(
        number=7,
        slug="orphan-slice",
        title="an EndpointSlice made by hand lists an address where nothing lives",
        symptom="one connection in n hangs or fails, from everywhere",
        red=frozenset({Topic.ENDPOINTS, Topic.CLUSTER_IP, Topic.SHARES}),
        found_by=frozenset({"endpoints", "reachability", "distribution"}),
        inject=_orphan_slice,
    ),
    Fault(
        number=69,
        slug="new-services-refused",
        title="a quota allows no further Service in the namespace",
        symptom="a new Service is not made; whoever applies it is refused",
        red=frozenset({Topic.API}),
        found_by=frozenset({"api"}),
        inject=_new_services_refused,
        nodes=1,
    ),
)
