"""Experiments 1 and 2: a Pod, and two containers in one."""

from __future__ import annotations

import re
from typing import Final

from svcproof.notes.stage import Stage

__all__ = ["pod", "sidecar"]

_ADDRESS: Final = r"\d+\.\d+\.\d+\.\d+"
#: What is worth reading of a probe's output.
_PICKED: Final = '"(outcome|pod|source_address)":"[^"]*"'


def pod(stage: Stage) -> None:
    """A Pod is made, looked at from all sides, and deleted."""
    stage.manifest("nginx-pod.yaml", "A Pod is the smallest thing that can be run: one web server.")
    stage.apply("nginx-pod.yaml", "pod/my-nginx-pod created")
    stage.kubectl(
        "get pods -o wide",
        "The scheduler has chosen a node, and the kubelet there has started the container.",
        shows=rf"^my-nginx-pod +1/1 +Running .* {_ADDRESS}",
        expected="the Pod runs, on a node and with an address",
        look="NODE, and IP: an address of the Pod network, which only the cluster knows.",
    )
    stage.kubectl(
        "describe pod my-nginx-pod",
        "`describe` tells the same of one object, with the events that led to it.",
        only="^(Name|Node|Status|IP):|Image:|Port:|Scheduled|Started",
        shows=r"^Status: +Running",
        expected="its status is Running",
    )
    stage.kubectl(
        "logs my-nginx-pod",
        "`logs` shows what the container has written.",
        shows="listening",
        expected="the server says that it listens",
    )
    stage.kubectl(
        "delete -f nginx-pod.yaml --grace-period=1",
        "What a file made can be deleted by the same file.",
        shows="deleted",
        expected="the Pod is deleted",
    )
    stage.kubectl(
        "get pods",
        "Nobody replaces it: a Pod alone is not kept.",
        shows="No resources found",
        expected="no Pod is left",
    )


def sidecar(stage: Stage) -> None:
    """The containers of a Pod share its network: localhost, and the address."""
    stage.manifest("nginx-pod-with-sidecar.yaml", "A Pod with a web server and a second container.")
    _start(stage, "nginx-pod-with-sidecar.yaml", "my-nginx-pod-with-sidecar", "2/2")
    page = stage.kubectl(
        "exec my-nginx-pod-with-sidecar -c log-collector --"
        " /echo-hostname probe --host 127.0.0.1 --port 80",
        "The second container has no web server, and asks for one on localhost.",
        pick=_PICKED,
        shows='"outcome":"answered"',
        expected="localhost answers: the network namespace is the Pod's, not the container's",
        look="`outcome`, and `pod`: the Pod itself has answered.",
    )
    answered = _field(page, "pod")
    stage.check(
        "It was the container beside it that answered.",
        expected="my-nginx-pod-with-sidecar answers",
        seen=f"{answered} answers",
        passed=answered == "my-nginx-pod-with-sidecar",
    )
    stage.say("Now both containers call another Pod, which says whom it sees.")
    _start(stage, "nginx-pod.yaml", "my-nginx-pod", "1/1")
    address = stage.value("get pod my-nginx-pod -o jsonpath={.status.podIP}")
    seen = {
        container: _field(_call(stage, container, address), "source_address")
        for container in ("my-nginx-container", "log-collector")
    }
    own = stage.value("get pod my-nginx-pod-with-sidecar -o jsonpath={.status.podIP}")
    stage.check(
        "Both come from one address, the Pod's.",
        expected=f"both from {own}",
        seen=", ".join(f"{name} from {where}" for name, where in seen.items()),
        passed=set(seen.values()) == {own},
    )
    stage.kubectl(
        "explain pod.spec.initContainers.restartPolicy",
        "How Kubernetes itself spells a sidecar today.",
        only="RestartPolicy|restartPolicy|sidecar|Always",
        shows="Always",
        expected="the API server's own documentation tells of it",
    )
    stage.correct(
        "A second entry of `containers` is a sidecar only by agreement. Since Kubernetes 1.29 there"
        " are real ones: an entry of `initContainers` with `restartPolicy: Always` starts before"
        " the main container and ends after it. The network is shared in both cases."
    )
    stage.tidy("nginx-pod-with-sidecar.yaml", "nginx-pod.yaml")


def _start(stage: Stage, file: str, pod: str, ready: str) -> None:
    stage.apply(file, "created|configured|unchanged")
    stage.kubectl(
        f"get pod {pod} -o wide",
        "It is to be ready.",
        shows=rf"^{pod} +{ready} +Running",
        expected=f"{ready} containers are ready",
    )


def _call(stage: Stage, container: str, address: str) -> str:
    return stage.kubectl(
        f"exec my-nginx-pod-with-sidecar -c {container} --"
        f" /echo-hostname probe --host {address} --port 80",
        f"From {container}:",
        pick=_PICKED,
        shows='"source_address"',
        expected="it is answered, and told its own address",
        look="`source_address`.",
    )


def _field(output: str, name: str) -> str:
    """A field of what a probe printed; "" if it is not there."""
    found = re.search(f'"{name}":"([^"]*)"', output)
    return found[1] if found else ""
