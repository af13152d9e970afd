"""The measurements of the battery, and the questions that each of them answers.

A measurement is a generator: where it yields a number, so many seconds at least
must pass before it goes on, and others are made meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final

from svcproof.app import App
from svcproof.asking import Pair
from svcproof.battery.bench import Bench
from svcproof.battery.objects import NAMES
from svcproof.battery.topics import Topic
from svcproof.errors import NotSupported
from svcproof.history import Outcome, Target
from svcproof.own_services import dns_service
from svcproof.questions import (
    ADDRESS_QUERIES,
    asked_of,
    over_tcp,
    pod_target,
)
from svcproof.run import Run
from svcproof.ways import at_own_node

__all__ = ["MEASUREMENTS", "Measurement", "Question"]

Steps = Generator[float, None, None]

_HTTP: Final = 80
_NO_NAME: Final = "No_Name"
#: Connections of one client to the ClusterIP: a Pod that gets 60 % instead of a third is
#: seen by each client in all but one of a million runs.
_SHARES: Final = 200
_STICKY_PORTS: Final = ("http-a", "http-b", "http-c")
_STICKY: Final = 10
#: Above the shortest timeout that affinity can have.
_PAUSE_SECONDS: Final = 1.5
#: Steady traffic: so many connections of each client, so many a second.
_STEADY: Final = 80
_STEADY_RATE: Final = 50.0
#: Without any answer for longer than this is an outage; one connection that is lost is none.
_OUTAGE_MS: Final = 500
#: Bytes each way that take many packets of the largest size.
_LARGE: Final = 20_000
#: Where connections hang, as many as possible should hang at once.
_AT_ONCE: Final = 64


@dataclass(frozen=True)
class Question:
    """One question about what a measurement has recorded: ``checks`` by name."""

    topic: Topic
    checks: tuple[str, ...]


@dataclass(frozen=True)
class Measurement:
    """Something that is done once, and the questions that it answers."""

    name: str
    act: Callable[[Bench, Run], Steps]
    questions: tuple[Question, ...]


def _pod_to_pod(bench: Bench, run: Run) -> Steps:
    pods = bench.app.pods(NAMES.web)
    run.measure(
        [
            (position, pod_target(pod, _HTTP, family))
            for position in bench.places("pod")
            for pod in pods
            for family in bench.app.families
        ],
        concurrency=_AT_ONCE,
    )
    yield from ()


def _endpoints(bench: Bench, run: Run) -> Steps:
    services = [service.name for service in bench.app.snapshot().services]
    run.record_endpoints(services)
    yield from ()


def _inside(bench: Bench, run: Run) -> Steps:
    run.measure(
        [
            (position, target)
            for position in bench.places("pod", "host-network")
            for target in bench.addresses("cluster-ip", NAMES.web)
        ],
        count=_SHARES,
        choice=True,
        concurrency=_AT_ONCE,
    )
    yield from ()


def _node_port(bench: Bench, run: Run) -> Steps:
    (outside,) = bench.places("outside")
    run.measure(
        [(outside, target) for target in bench.addresses("node-port", NAMES.web_port)],
        concurrency=_AT_ONCE,
    )
    yield from ()


def _other_addresses(bench: Bench, run: Run) -> Steps:
    """Of a node port, asked on each node itself."""
    app, clients = bench.app, bench.places("host-network")
    usual, beside = at_own_node(app, clients, NAMES.web_port, app.families[:1])
    if app.profile.node_ports_beside is Outcome.ANSWERED:
        run.measure([*usual, *beside], concurrency=_AT_ONCE)
    else:
        _fail(run, beside, control=usual)
    yield from ()


def _large(bench: Bench, run: Run) -> Steps:
    run.measure(
        [
            (position, target)
            for position in bench.places("pod")
            for target in bench.addresses("cluster-ip", NAMES.web_port)
        ],
        payload=_LARGE,
        concurrency=_AT_ONCE,
    )
    yield from ()


def _refusal(bench: Bench, run: Run) -> Steps:
    # Where the kernel limits ICMP errors, Pods are refused after a second each; nodes never wait.
    limited = bench.app.cluster.facts.limits_refusals
    places = bench.places("host-network") if limited else bench.places("pod", "host-network")

    def to(service: str) -> list[Pair]:
        targets = bench.addresses("cluster-ip", service)
        return [(position, target) for position in places for target in targets]

    _fail(run, to(NAMES.nobody), control=to(NAMES.turning))
    yield from ()


def _fail(run: Run, failing: list[Pair], *, control: list[Pair]) -> None:
    """Only the control has to settle: a failure has nothing to settle to, and costs seconds."""
    run.settle(control)
    run.measure(control, failing=failing, settle=False, concurrency=_AT_ONCE)


def _local(bench: Bench, run: Run) -> Steps:
    run.measure(_at_local(bench, bearing=True), concurrency=_AT_ONCE)
    yield from ()


def _pod_less(bench: Bench, run: Run) -> Steps:
    failing = _at_local(bench, bearing=False)
    if not failing:
        raise NotSupported("every node has a Pod: it takes a second node")
    _fail(run, failing, control=_at_local(bench, bearing=True))
    yield from ()


def _at_local(bench: Bench, *, bearing: bool) -> list[Pair]:
    """The outside client's ways to the nodes with a Pod behind the port, or without."""
    (outside,) = bench.places("outside")
    home = {pod.node for pod in bench.app.pods(NAMES.lonely)}
    targets = bench.addresses("node-port", NAMES.web_local)
    return [(outside, target) for target in targets if (target.entry_node in home) == bearing]


def _affinity(bench: Bench, run: Run) -> Steps:
    pairs = [
        (position, target)
        for port in _STICKY_PORTS
        for target in bench.addresses("cluster-ip", NAMES.web_sticky, port)
        for position in bench.places("pod", "host-network")
    ]
    run.measure(pairs, count=_STICKY, affinity="pin", concurrency=_AT_ONCE)
    yield _PAUSE_SECONDS
    # Not settled: that would renew what must have lasted.
    run.measure(pairs, count=_STICKY, settle=False, affinity="keep", concurrency=_AT_ONCE)


def _hairpin(bench: Bench, run: Run) -> Steps:
    run.measure(
        [
            (backend, target)
            for backend in bench.app.backends(NAMES.lonely)
            for target in bench.addresses("cluster-ip", NAMES.web_local)
        ],
        concurrency=_AT_ONCE,
    )
    yield from ()


def _steady(bench: Bench, run: Run) -> Steps:
    """To a Service with one Pod: a client has answers or has none, and no chance is in it."""
    pairs = [
        (position, target)
        for position in bench.places("pod")
        for target in bench.addresses("cluster-ip", NAMES.web_local)
    ]
    run.measure(pairs, count=_STEADY, outage_ms=_OUTAGE_MS, rate=_STEADY_RATE, concurrency=_STEADY)
    yield from ()


def _headless(bench: Bench, run: Run) -> Steps:
    families = bench.app.families
    _ask(bench, run, [bench.name(NAMES.web_headless, ADDRESS_QUERIES[f]) for f in families])
    yield from ()


def _external_name(bench: Bench, run: Run) -> Steps:
    _ask(bench, run, [bench.name(NAMES.alias, "CNAME")])
    yield from ()


def _no_record(bench: Bench, run: Run) -> Steps:
    """A name that is there, and has no record of this kind: resolvers go on with the other."""
    _ask(bench, run, [bench.name(NAMES.web, "CNAME")])
    yield from ()


def _over_tcp(bench: Bench, run: Run) -> Steps:
    families = bench.app.families
    _ask(bench, run, [over_tcp(bench.name(NAMES.web, ADDRESS_QUERIES[f])) for f in families])
    yield from ()


def _name_servers(bench: Bench, run: Run) -> Steps:
    question = bench.name(NAMES.web, ADDRESS_QUERIES[bench.app.families[0]])
    servers = dns_service(bench.app.cluster).pods
    _ask(
        bench,
        run,
        [asked_of(question, address, f"Pod {pod.name}", pod=pod) for pod, address in servers],
    )
    yield from ()


def _ask(bench: Bench, run: Run, names: list[Target]) -> None:
    pairs = [(position, name) for position in bench.places("pod") for name in names]
    run.measure(pairs, concurrency=_AT_ONCE)


def _api(bench: Bench, run: Run) -> Steps:
    """A new Service is accepted, and one with a name that no object can have is refused."""
    try:
        run.request("a new Service", _service(NAMES.fresh))
        run.request(f"a Service {_NO_NAME}", _service(_NO_NAME), refused="is invalid")
    finally:
        bench.app.cluster.delete("Service", NAMES.fresh, namespace=bench.app.namespace)
    yield from ()


def _service(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": NAMES.nobody}, "ports": [{"name": "http", "port": 8080}]},
    }


def _change(bench: Bench, run: Run) -> Steps:
    """The Service is turned to another app and back: traffic must follow on every node."""
    app = bench.app
    (manifest,) = (item for item in app.manifests if _is_service(item, NAMES.turning))
    # As the API server has it: here the change is meant.
    turned = App(app.cluster, app.namespace, [manifest], run=app.run, limits=bench.limits)
    changing = run.with_app(turned)
    pairs = [
        (position, target)
        for position in bench.places("pod")
        for target in bench.addresses("cluster-ip", NAMES.turning)
    ]
    try:
        _turn(changing, NAMES.web)
        changing.measure(pairs, concurrency=_AT_ONCE)
    finally:
        _turn(changing, NAMES.lonely)
    changing.measure(pairs, concurrency=_AT_ONCE)
    yield from ()


def _turn(run: Run, app: str) -> None:
    run.patch("Service", NAMES.turning, {"spec": {"selector": {"app": app}}})


def _is_service(manifest: Any, name: str) -> bool:
    return bool(manifest["kind"] == "Service" and manifest["metadata"]["name"] == name)


_ROUTED: Final = ("reachability", "responders", "convergence")
_ASKED: Final = ("reachability", "answers", "convergence")

#: In this order. Affinity comes after a measurement that settles with all Pods: what is pinned
#: while the rules still have one Pod only stays there. What changes something comes last.
MEASUREMENTS: Final = (
    Measurement("endpoints", _endpoints, (Question(Topic.ENDPOINTS, ("endpoints",)),)),
    Measurement("pod to pod", _pod_to_pod, (Question(Topic.POD_TO_POD, _ROUTED),)),
    Measurement(
        "inside",
        _inside,
        (
            Question(Topic.CLUSTER_IP, (*_ROUTED, "sources")),
            Question(Topic.SHARES, ("distribution",)),
            Question(Topic.LATENCY, ("latency",)),
        ),
    ),
    Measurement(
        "affinity",
        _affinity,
        (Question(Topic.AFFINITY, (*_ROUTED, "affinity", "sources")),),
    ),
    Measurement("node port", _node_port, (Question(Topic.NODE_PORT, (*_ROUTED, "sources")),)),
    Measurement("other addresses", _other_addresses, (Question(Topic.OTHER_ADDRESSES, _ROUTED),)),
    Measurement("large payloads", _large, (Question(Topic.LARGE, _ROUTED),)),
    Measurement("refusal", _refusal, (Question(Topic.REFUSAL, (*_ROUTED, "control")),)),
    Measurement("local", _local, (Question(Topic.LOCAL, (*_ROUTED, "sources")),)),
    Measurement("pod-less", _pod_less, (Question(Topic.POD_LESS, (*_ROUTED, "control")),)),
    Measurement("hairpin", _hairpin, (Question(Topic.HAIRPIN, _ROUTED),)),
    Measurement("steady traffic", _steady, (Question(Topic.OUTAGES, ("outages",)),)),
    Measurement("headless", _headless, (Question(Topic.HEADLESS, _ASKED),)),
    Measurement("external name", _external_name, (Question(Topic.EXTERNAL_NAME, _ASKED),)),
    Measurement("no record", _no_record, (Question(Topic.NO_RECORD, _ASKED),)),
    Measurement("names over TCP", _over_tcp, (Question(Topic.OVER_TCP, _ASKED),)),
    Measurement("name servers", _name_servers, (Question(Topic.NAME_SERVERS, _ASKED),)),
    Measurement("api", _api, (Question(Topic.API, ("api",)),)),
    Measurement("change", _change, (Question(Topic.CHANGE, (*_ROUTED, "endpoints")),)),
)
