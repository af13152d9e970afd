"""Experiments 6 to 9: Services inside the cluster and outside."""

from __future__ import annotations

from itertools import product
from typing import Final

from svcproof.app import App
from svcproof.notes.debug import asked, debug_pod
from svcproof.notes.stage import Stage
from svcproof.ways import everywhere_to

__all__ = ["affinity", "cluster_ip", "endpoints", "node_port", "served"]

#: What apply says.
_IN_ANY_CASE: Final = "created|unchanged|configured"
#: Connections from each client for a statement about shares.
_COUNT: Final = 300


def served(stage: Stage, *services: str) -> App:
    """The web servers and Services, made if they are not there, and ready."""
    stage.apply(
        "hostname-deployment.yaml",
        _IN_ANY_CASE,
        "The web servers; `unchanged` says that they are there already.",
    )
    for service in services:
        stage.apply(f"{service}.yaml", _IN_ANY_CASE, "And the Service.")
    app = stage.ground.app(services)
    stage.kubectl(
        "get pods -l app=webserver -o wide",
        "Three web servers, each on a node of its own.",
        shows=r"^hostname-deployment-\S+ +1/1 +Running",
        times=3,
        expected="three Pods are ready",
    )
    app.wait_ready()
    return app


def cluster_ip(stage: Stage) -> None:
    """One address and one name for three Pods."""
    stage.manifest("hostname-deployment.yaml", "Three web servers that say their own name.")
    stage.manifest(
        "hostname-svc-clusterip.yaml",
        "A Service: one address for all Pods with a label.",
        look="`port` is the Service's own, `targetPort` that of the Pods.",
    )
    app = served(stage, "hostname-svc-clusterip")
    stage.kubectl(
        "get services",
        "The Service has an address of the Service network.",
        shows=r"^hostname-svc-clusterip +ClusterIP +\S+ +<none> +8080/TCP",
        expected="a CLUSTER-IP, and no external one",
    )
    stage.kubectl(
        f"get --raw /api/v1/namespaces/{app.namespace}/services/hostname-svc-clusterip:8080/proxy/",
        "The page that the web servers give.",
        only="Hello",
        shows="<p>Hello, hostname-deployment-",
        expected="the notes' line: Hello, and the name of a Pod",
    )
    address = app.snapshot().service("hostname-svc-clusterip").cluster_ips[0]
    with debug_pod(stage):
        _six_times(stage, address, "By its address")
        _six_times(stage, "hostname-svc-clusterip", "By its name")
    _shares(stage, app)


def _six_times(stage: Stage, host: str, how: str) -> None:
    asked(
        stage,
        f"--host {host} --port 8080 --dialect notes --count 6 --concurrency 1",
        f"{how}, six times: which Pods say Hello?",
        pick='"pod":"[^"]*"',
        shows='"pod":"hostname-deployment-',
        times=6,
        expected="six answers",
    )


def _shares(stage: Stage, app: App) -> None:
    stage.measure(
        f"Now {_COUNT} fresh connections from a Pod on every node.",
        app,
        product(stage.ground.clients.everywhere("pod"), app.targets("cluster-ip")),
        expected="every Pod answers, nothing is lost, and the shares fit equal chances",
        look="the shares: near a third each, and not exactly.",
        count=_COUNT,
        choice=True,
        concurrency=1,
    )
    stage.measure(
        "And requests over one connection that is kept open, from one Pod.",
        app,
        product(stage.ground.clients.everywhere("pod")[:1], app.targets("cluster-ip")),
        expected="one Pod answers all: the choice is made per connection, not per request",
        keep_alive=True,
        concurrency=1,
        affinity="pin",
        cover=False,
    )
    mode = stage.cluster.facts.proxy_mode
    stage.correct(
        "The notes call this round robin. It is not taken in turns: kube-proxy (here in mode"
        f" {mode}) draws a Pod **at random for each connection**. The shares come out"
        " uneven by chance, as draws do, and a test of them against equal chances passes. Only"
        " ipvs with scheduler `rr` goes in turns."
    )


def endpoints(stage: Stage) -> None:
    """The list of addresses behind a Service makes itself."""
    app = served(stage, "hostname-svc-clusterip")
    stage.kubectl(
        "get endpoints hostname-svc-clusterip",
        "Where the selector and the labels match, the addresses are listed.",
        shows=r"^hostname-svc-clusterip +(\S+:80,){2}\S+:80 ",
        expected="three addresses, with the Pods' port",
        look="the warning.",
    )
    stage.kubectl(
        "get endpointslices -l kubernetes.io/service-name=hostname-svc-clusterip",
        "What is used instead: EndpointSlices.",
        shows=r" 80 +\S+,\S+,\S+ ",
        expected="the same three addresses",
    )
    stage.correct(
        "`v1 Endpoints` is deprecated since Kubernetes 1.33, as the warning above says."
        " `discovery.k8s.io/v1` EndpointSlice is what kube-proxy reads. It knows more: both IP"
        " families, the node, and whether an address is ready, serving or terminating."
    )
    listed = {a for item in app.snapshot().slices for e in item.endpoints for a in e.addresses}
    own = {pod.addresses[0] for pod in app.pods("hostname-deployment")}
    stage.check(
        "The addresses are exactly those of the Pods.",
        expected=", ".join(sorted(own)),
        seen=", ".join(sorted(listed)),
        passed=own == listed,
    )
    victim = app.pods("hostname-deployment")[0].name
    stage.kubectl(
        f"label pod {victim} app=elsewhere --overwrite",
        "A Pod whose label does not match any more is out.",
        shows="labeled",
        expected="labelled",
    )
    stage.kubectl(
        "get endpointslices -l kubernetes.io/service-name=hostname-svc-clusterip"
        " -o jsonpath={.items[*].endpoints[*].targetRef.name}",
        "Its address has gone, and that of the Pod that the ReplicaSet made instead is there.",
        shows=rf"^(?!.*{victim})\S+ \S+ \S+$",
        expected=f"three Pods, and {victim} is none of them",
    )
    stage.kubectl(
        f"delete pod {victim} --grace-period=1", "Tidied up.", shows="deleted", expected="deleted"
    )


def node_port(stage: Stage) -> None:
    """The same port on every node leads to the Pods, from outside too."""
    stage.manifest("hostname-svc-nodeport.yaml", "A Service that is reached from outside.")
    app = served(stage, "hostname-svc-nodeport")
    stage.kubectl(
        "get service hostname-svc-nodeport",
        "A port was picked. The Service has a ClusterIP as well.",
        shows=r"^hostname-svc-nodeport +NodePort +\d\S+ +<none> +8080:3\d{4}/TCP",
        expected="a CLUSTER-IP, and a node port beside 8080",
    )
    stage.measure(
        "From a client outside to the same port on every node, and from Pods to the ClusterIP.",
        app,
        everywhere_to(app, stage.ground.clients, "hostname-svc-nodeport", "outside", "pod"),
        expected="every node answers, and the ClusterIP too: each Pod, nothing lost",
        look="whichever node is asked, Pods of all nodes answer.",
    )
    stage.kubectl(
        "apply -f node-port-out-of-range.yaml",
        "A node port can be chosen. This one asks for 32768.",
        shows="The range of valid ports is 30000-32767",
        fails=True,
        expected="it is refused, and the range is told",
    )
    stage.kubectl(
        "create service nodeport last-port --tcp=8080:80 --node-port=32767 --dry-run=server",
        "And the last one that there is, as a trial.",
        shows=r"created \(server dry run\)",
        expected="it would be accepted",
    )
    stage.correct(
        "The notes give the range as 30000–32768. It ends at **32767**: see both answers."
    )


def affinity(stage: Stage) -> None:
    """With session affinity a client keeps its Pod."""
    stage.manifest(
        "hostname-svc-affinity.yaml",
        "The same Service with one line more.",
        look="`sessionAffinity: ClientIP`.",
    )
    app = served(stage, "hostname-svc-affinity")
    stage.kubectl(
        "get service hostname-svc-affinity -o yaml",
        "What the API server made of it.",
        only="^ +(sessionAffinity|clientIP|timeoutSeconds)",
        shows=r"timeoutSeconds: 10800",
        expected="affinity by client address, and it is forgotten after three hours without use",
    )
    stage.measure(
        "Fresh connections from a Pod and from the host network of every node.",
        app,
        product(stage.ground.clients.everywhere("pod", "host-network"), app.targets("cluster-ip")),
        expected="each client is answered by one and the same Pod",
        look="one Pod in each line, with 100%. Different lines may have different Pods.",
        affinity="pin",
    )
    stage.correct(
        "What is kept is a client's **address**, and each node remembers for itself: all clients"
        " behind one address share a Pod."
    )
