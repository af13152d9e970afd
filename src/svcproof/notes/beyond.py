"""Experiments 12 and 13: an address from a load balancer, and a name from elsewhere."""

from __future__ import annotations

import time
from itertools import product
from typing import Final

from svcproof.errors import NotSupported
from svcproof.notes.debug import asked, debug_pod
from svcproof.notes.services import served
from svcproof.notes.stage import Stage
from svcproof.ports import CanBalanceLoad
from svcproof.questions import name_target

__all__ = ["external_name", "load_balancer"]

#: Says nothing where nobody has brought a load balancer.
_PROVIDER: Final = "get namespace metallb-system --ignore-not-found -o name"


def load_balancer(stage: Stage) -> None:
    """Pending without a provider; with one, an address that answers from outside."""
    if not isinstance(stage.cluster, CanBalanceLoad):
        raise NotSupported("nobody provides load balancers in this cluster")
    stage.manifest("hostname-svc-lb.yaml", "A Service that wants an address from outside.")
    without = not stage.value(_PROVIDER)
    app = served(stage, "hostname-svc-lb")
    if without:
        stage.kubectl(
            "get service hostname-svc-lb",
            "Kubernetes itself has no load balancers: somebody has to provide one.",
            shows=r"^hostname-svc-lb +LoadBalancer +\S+ +<pending> +8080:3\d{4}/TCP",
            expected="the external address is pending; ClusterIP and node port are there",
            look="EXTERNAL-IP.",
        )
    else:
        stage.say("A provider is in this cluster already, from before this tour.")
    began = time.monotonic()
    stage.cluster.provide_load_balancer()
    stage.say(
        "On a cloud its controller does that. Here MetalLB is brought up, which gives out addresses"
        f" and answers for them on the nodes' network. It took {time.monotonic() - began:.0f} s."
    )
    stage.kubectl(
        "get service hostname-svc-lb",
        "Now there is one.",
        shows=r"^hostname-svc-lb +LoadBalancer +\S+ +[0-9a-f]+[.:]\S+ +8080:",
        expected="an external address",
    )
    stage.measure(
        "From the client outside to that address.",
        app,
        product(stage.ground.clients.everywhere("outside"), app.targets("load-balancer")),
        expected="every Pod answers, nothing is lost",
    )
    stage.tidy("hostname-svc-lb.yaml")


def external_name(stage: Stage) -> None:
    """A Service that is nothing but an alias in the cluster's DNS."""
    stage.manifest("externalname-svc.yaml", "A Service without Pods and without an address.")
    stage.apply("externalname-svc.yaml", "service/externalname-svc created")
    stage.kubectl(
        "get service externalname-svc",
        "It has no ClusterIP, and no ports.",
        shows=r"^externalname-svc +ExternalName +<none> +my.database.com +<none>",
        expected="only the external name",
    )
    with debug_pod(stage):
        asked(
            stage,
            "--host externalname-svc --query CNAME",
            "The DNS is asked for the Service's name.",
            pick='"answers":[^]]*]',
            shows=r"externalname-svc\.notes\.svc\.\S+ CNAME my\.database\.com\"",
            expected="an alias (CNAME) of the external name",
        )
    app = stage.ground.alone("externalname-svc")
    domain = stage.cluster.facts.cluster_domain
    service = app.snapshot().service("externalname-svc")
    targets = [name_target(service, query, cluster_domain=domain) for query in ("CNAME", "A")]
    stage.measure(
        "The same, and the addresses behind it, from a Pod on every node.",
        app,
        product(stage.ground.clients.everywhere("pod"), targets),
        expected="the alias of exactly that name, and then that name's own addresses",
        look="192.0.2.53 stands in for the database: this cluster's DNS knows it by that name.",
    )
    stage.tidy("externalname-svc.yaml")
