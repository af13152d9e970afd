"""The simulator against a naive statement of the same rules, for every case of a small universe.

The statement below is written from the rules' own texts (kube-proxy's ``CategorizeEndpoints``,
KEP-1669, 2086, 2433, 4444) and shares no code with the simulator: plain loops, no cleverness.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcproof.errors import NotSupported
from svcproof.expect import Promise, promise
from svcproof.history import Outcome, Position, Target
from svcproof.profiles import COMMON, PROFILES
from svcproof.snapshot import Endpoint, EndpointSlice, Node, Service, ServicePort, Snapshot

NODES = ("n1", "n2", "n3")
ZONE = {"n1": "za", "n2": "za", "n3": "zb"}
NODE_ADDRESS = {"n1": "192.0.2.1", "n2": "192.0.2.2", "n3": "192.0.2.3"}
POD_ADDRESS = {"n1": "10.0.1.1", "n2": "10.0.2.1", "n3": "10.0.3.1"}
#: state of the one endpoint of a node → its conditions (ready, serving, terminating)
STATES = {
    "none": None,
    "ready": (True, True, False),
    "dying": (False, True, True),
    "dead": (False, False, True),
    "unready": (False, False, False),
}
HINTS = (
    "none",
    "to every zone",
    "to every node",
    "not all hinted",
    "to nobody near",
    "PreferSameZone",
    "PreferClose",
    "PreferSameNode",
    "one without a zone",
)
POSITIONS = {
    "pod": Position(name="pod", kind="pod", node="n1", pod="client", addresses=("10.0.1.9",)),
    "host": Position(
        name="host", kind="host-network", node="n1", pod="hostclient", addresses=("192.0.2.1",)
    ),
    "backend": Position(
        name="backend", kind="backend", node="n1", pod="web-n1", addresses=("10.0.1.1",)
    ),
    "outside": Position(name="outside", kind="outside", addresses=("203.0.113.5",)),
}
#: (form, entry node)
WAYS = (
    ("cluster-ip", ""),
    ("fqdn", ""),
    ("node-port", "n1"),
    ("node-port", "n2"),
    ("node-port", "n3"),
    ("load-balancer", ""),
)  # fmt: skip


class Case(NamedTuple):
    """One question."""

    states: tuple[str, ...]
    hints: str
    itp: str
    etp: str
    position: str
    form: str
    entry: str
    sticky: bool = False


class Answer(NamedTuple):
    """What the rules say: how it ends, who may answer, whether all must, what they see."""

    outcomes: tuple[str, ...]
    allowed: frozenset[str] = frozenset()
    all_must: bool = False
    sees: tuple[str, ...] = ()
    sees_not: tuple[str, ...] = ()


# --- the naive statement -------------------------------------------------------------------


def zone_of_endpoint(case: Case, node: str) -> str:
    return "" if case.hints == "one without a zone" and node == "n3" else ZONE[node]


def hint_zones(case: Case, node: str) -> tuple[str, ...]:
    """Which zones an endpoint's hints name: by hand, or by the EndpointSlice controller."""
    if case.hints == "to every zone":
        return (ZONE[node],)
    if case.hints == "not all hinted":
        return () if node == "n2" else (ZONE[node],)
    if case.hints == "to nobody near":
        return ("zz",)
    if case.hints in ("PreferSameZone", "PreferClose", "PreferSameNode", "one without a zone"):
        zone = zone_of_endpoint(case, node)
        return (zone,) if zone else ()
    return ()


def hint_nodes(case: Case, node: str) -> tuple[str, ...]:
    return (node,) if case.hints in ("to every node", "PreferSameNode") else ()


def with_state(case: Case, *states: str) -> set[str]:
    found = set()
    for node, state in zip(NODES, case.states, strict=True):
        if state in states:
            found.add(node)
    return found


def cluster_set(case: Case, on: str) -> set[str]:
    """Nodes of the endpoints that policy Cluster gives to the rules of one node."""
    ready = with_state(case, "ready")
    if not ready:
        return with_state(case, "dying")
    if not on:
        return ready
    for hint, wanted in ((hint_nodes, on), (hint_zones, ZONE[on])):
        everyone = True
        mine = set()
        for node in ready:
            if not hint(case, node):
                everyone = False
            if wanted in hint(case, node):
                mine.add(node)
        if everyone and mine:
            return mine
    return ready


def local_set(case: Case, on: str) -> set[str]:
    for state in ("ready", "dying"):
        if on in with_state(case, state):
            return {on}
    return set()


def stated(case: Case) -> Answer:
    """The rules, case by case."""
    client = POSITIONS[case.position]
    if not with_state(case, "ready", "dying"):
        return Answer(("refused",))
    if case.form not in ("cluster-ip", "fqdn"):
        return stated_outside(case, client)
    keeps = client.addresses if case.position in ("pod", "backend") else ()
    if case.itp == "Local":
        return answered_or_dropped(case, local_set(case, client.node), sees=keeps)
    return answer(case, cluster_set(case, client.node), sees=keeps)


def stated_outside(case: Case, client: Position) -> Answer:
    """External traffic: at a node's port, or at the balancer's address."""
    inside, is_pod = case.position != "outside", case.position in ("pod", "backend")
    entered = case.entry if case.form == "node-port" else client.node
    if case.etp == "Cluster":
        return balanced(case, entered, client.addresses if is_pod or not inside else ())
    if inside and entered == client.node:
        # Short circuit: the Cluster set, whatever is on the node; a Pod's address is kept.
        return answer(case, cluster_set(case, client.node), sees=client.addresses if is_pod else ())
    if case.form == "load-balancer":
        # Which node is entered is the balancer's own choice: one that has a Pod.
        either = with_state(case, "ready") or with_state(case, "dying")
        return answer(case, either, sees=client.addresses, all_must=False)
    sees = (NODE_ADDRESS[client.node],) if inside else client.addresses
    return answered_or_dropped(case, local_set(case, entered), sees=sees)


def balanced(case: Case, entered: str, hidden: tuple[str, ...]) -> Answer:
    """Policy Cluster; of a balancer nobody knows which node it enters."""
    if entered:
        return answer(case, cluster_set(case, entered), sees_not=hidden)
    per_node = [cluster_set(case, node) for node in NODES]
    return answer(
        case,
        set.union(*per_node),
        sees_not=hidden,
        all_must=all(chosen == per_node[0] for chosen in per_node),
    )


def answered_or_dropped(case: Case, nodes: set[str], **rest) -> Answer:
    return answer(case, nodes, **rest) if nodes else Answer(("timed-out",))


def answer(case: Case, nodes: set[str], *, sees=(), sees_not=(), all_must=True) -> Answer:
    pods = frozenset(f"web-{node}" for node in nodes)
    if pods == {POSITIONS[case.position].pod}:
        sees = sees_not = ()  # to itself alone: always masqueraded, with whatever address
    return Answer(("answered",), pods, all_must and not case.sticky, sees, sees_not)


# --- the simulator asked the same ------------------------------------------------------------


def simulated(case: Case, profile=PROFILES["iptables"]) -> Answer:
    due = promise(world(case), POSITIONS[case.position], target(case), run="r", profile=profile)
    return Answer(
        tuple(str(outcome) for outcome in due.outcomes),
        frozenset(backend.pod for backend in due.allowed),
        due.cover and due.outcome is Outcome.ANSWERED,
        due.sources,
        due.not_sources,
    )


def target(case: Case) -> Target:
    hosts = {"cluster-ip": "10.96.0.1", "fqdn": "svc.ns.svc.cluster.local", "load-balancer": LB}
    host = NODE_ADDRESS[case.entry] if case.entry else hosts[case.form]
    return Target(
        name="t", service="svc", form=case.form, host=host, port=80, entry_node=case.entry
    )


LB = "198.51.100.1"


def world(case: Case) -> Snapshot:
    preferred = {"PreferSameZone", "PreferClose", "PreferSameNode"}
    preference = case.hints if case.hints in preferred else ""
    service = Service(
        name="svc",
        namespace="ns",
        type="LoadBalancer",
        cluster_ips=("10.96.0.1",),
        ports=(ServicePort(80, 80, node_port=30100),),
        session_affinity="ClientIP" if case.sticky else "None",
        internal_traffic_policy=case.itp,
        external_traffic_policy=case.etp,
        load_balancer_addresses=(LB,),
        traffic_distribution="PreferSameZone" if case.hints == "one without a zone" else preference,
    )
    endpoints = tuple(
        Endpoint(
            (POD_ADDRESS[node],),
            *STATES[state],
            node=node,
            zone=zone_of_endpoint(case, node),
            pod=f"web-{node}",
            pod_uid=f"uid-{node}",
            for_zones=hint_zones(case, node),
            for_nodes=hint_nodes(case, node),
        )
        for node, state in zip(NODES, case.states, strict=True)
        if state != "none"
    )
    nodes = tuple(Node(name, (NODE_ADDRESS[name],), ready=True, zone=ZONE[name]) for name in NODES)
    # Each endpoint in a slice of its own: how they are grouped must not matter.
    slices = tuple(
        EndpointSlice(f"svc-{number}", "svc", "IPv4", {"": 80}, (endpoint,))
        for number, endpoint in enumerate(endpoints)
    )
    return Snapshot(nodes, (), (service,), slices)


def cases(hints: str):
    for states in product(STATES, repeat=len(NODES)):
        for itp, etp in product(("Cluster", "Local"), repeat=2):
            for position, (form, entry) in product(POSITIONS, WAYS):
                if position == "outside" and form in ("cluster-ip", "fqdn"):
                    continue  # nobody outside reaches these
                if position == "backend" and states[0] == "none":
                    continue  # there is no such Pod
                yield Case(states, hints, itp, etp, position, form, entry)


@pytest.mark.parametrize("hints", HINTS)
def test_every_case_of_a_small_universe(hints):
    asked = [(case, simulated(case), stated(case)) for case in cases(hints)]
    wrong = [found for found in asked if found[1] != found[2]]
    assert len(asked) > 9000
    assert not wrong, "\n".join(map(str, [f"{len(wrong)} cases differ", *wrong[:5]]))


def test_with_affinity_nobody_is_missed():
    for case in cases("none"):
        sticky = case._replace(sticky=True)
        if "dying" not in case.states:  # a smaller universe will do: states do not matter here
            assert simulated(sticky) == stated(sticky)


def test_an_unknown_data_plane_is_promised_the_same_backends_and_no_addresses():
    """What is not known of it stays open: how connections fail, what the backends see."""
    any_refusal = ("refused", "timed-out", "unreachable")
    for case in cases("none"):
        crosses = case.position in ("pod", "backend") and case.entry in ("n2", "n3")
        if case.etp == "Local" and crosses:
            with pytest.raises(NotSupported, match="not known of this data plane"):
                simulated(case, COMMON)
            continue
        due = stated(case)
        if due.outcomes == ("timed-out",) and case.position != "outside":
            with pytest.raises(NotSupported, match="promises nothing to clients inside"):
                simulated(case, COMMON)
            continue
        outcomes = due.outcomes if due.outcomes == ("answered",) else any_refusal
        assert simulated(case, COMMON) == due._replace(outcomes=outcomes, sees=(), sees_not=())


# --- properties, in a larger universe ----------------------------------------------------------

#: Every kind of endpoint, by family. Drawn whole: that takes hypothesis a tenth of the time.
POOL = {
    family: [
        Endpoint(
            (f"{prefix}{number}",),
            *conditions,
            node=node,
            zone=zone,
            pod=f"pod-{prefix}{number}",
            pod_uid=f"uid-{prefix}{number}",
            for_zones=(zone,) if zone and hinted else (),
            for_nodes=(node,) if node and hinted else (),
        )
        for number, (conditions, node, zone, hinted) in enumerate(
            product(filter(None, STATES.values()), (*NODES, ""), ("za", "zb", ""), (True, False))
        )
    ]
    for family, prefix in (("IPv4", "10.0.0."), ("IPv6", "fd00::"))
}
SERVICES = [
    (itp, etp, affinity, preference)
    for itp, etp in product(("Cluster", "Local"), repeat=2)
    for affinity in ("None", "ClientIP")
    for preference in ("", "PreferSameZone", "PreferSameNode")
]


BASE = world(Case(("none",) * 3, "none", "Cluster", "Cluster", "pod", "cluster-ip", ""))


def populated(service: tuple[str, ...], four: list[Endpoint], six: list[Endpoint]) -> Snapshot:
    itp, etp, affinity, preference = service
    changed = replace(
        BASE.services[0],
        internal_traffic_policy=itp,
        external_traffic_policy=etp,
        session_affinity=affinity,
        traffic_distribution=preference,
    )
    slices = (
        EndpointSlice("svc-4", "svc", "IPv4", {"": 80}, tuple(four)),
        EndpointSlice("svc-6", "svc", "IPv6", {"": 80}, tuple(six)),
    )
    return replace(BASE, services=(changed,), slices=slices)


#: A cluster with both families, and everything about the Service at random.
worlds = st.builds(
    populated,
    st.sampled_from(SERVICES),
    st.lists(st.sampled_from(POOL["IPv4"]), max_size=5),
    st.lists(st.sampled_from(POOL["IPv6"]), max_size=3),
)
questions = st.sampled_from(
    [
        (
            position,
            Target(
                name="t", service="svc", form=form, host="h", port=80, entry_node=entry,
                family=family,
            ),
        )
        for position, (form, entry), family in product(
            POSITIONS.values(), WAYS, ("ipv4", "ipv6")
        )
    ]
)  # fmt: skip


def asked(shown: Snapshot, question: tuple[Position, Target]) -> Promise:
    return promise(shown, *question, run="r", profile=PROFILES["nftables"])


def with_policy(shown: Snapshot, policy: str) -> Snapshot:
    service = replace(
        shown.services[0], internal_traffic_policy=policy, external_traffic_policy=policy
    )
    return replace(shown, services=(service,))


def listed(shown: Snapshot, family: str) -> list[Endpoint]:
    (item,) = (item for item in shown.slices if item.family.lower() == family)
    return list(item.endpoints)


def pods(due: Promise) -> set[str]:
    return {backend.pod for backend in due.allowed}


@given(worlds, questions)
def test_nobody_of_another_family_is_promised(shown, question):
    names = {endpoint.pod for endpoint in listed(shown, question[1].family)}
    assert pods(asked(shown, question)) <= names


@given(worlds, questions)
def test_only_the_ready_or_where_there_are_none_the_dying_but_serving_are_promised(shown, question):
    there = listed(shown, question[1].family)
    promised = pods(asked(shown, question))
    alive = {e.pod for e in there if e.ready}
    dying = {e.pod for e in there if e.serving and e.terminating}
    local = "Local" in (shown.services[0].internal_traffic_policy,
                        shown.services[0].external_traffic_policy)  # fmt: skip
    assert promised <= alive | dying
    if alive and not local:
        assert promised <= alive


@given(worlds, questions)
def test_an_answer_is_promised_exactly_when_somebody_is_allowed_to_give_it(shown, question):
    due = asked(shown, question)
    assert (due.outcome is Outcome.ANSWERED) == bool(due.allowed)


@given(worlds, questions)
def test_without_a_usable_endpoint_nothing_is_answered(shown, question):
    there = listed(shown, question[1].family)
    if not any(e.ready or (e.serving and e.terminating) for e in there):
        due = asked(shown, question)
        assert (due.outcome, due.also, due.allowed) == (Outcome.REFUSED, (), ())


@given(worlds, questions)
def test_local_allows_nobody_whom_cluster_does_not(shown, question):
    """Without preferences: these narrow what Cluster allows, and not what Local does."""
    service = replace(shown.services[0], traffic_distribution="")
    plain = replace(
        shown,
        services=(service,),
        slices=tuple(
            replace(
                item,
                endpoints=tuple(replace(e, for_zones=(), for_nodes=()) for e in item.endpoints),
            )
            for item in shown.slices
        ),
    )
    local = asked(with_policy(plain, "Local"), question)
    cluster = asked(with_policy(plain, "Cluster"), question)
    everybody = {e.pod for e in listed(plain, question[1].family) if e.serving and e.terminating}
    # A node whose own are all dying falls back to them, while others have ready ones.
    assert pods(local) <= pods(cluster) | everybody
    assert cluster.outcome is Outcome.ANSWERED or local.outcome is not Outcome.ANSWERED


@given(worlds, questions)
def test_no_address_is_both_due_and_forbidden(shown, question):
    due = asked(shown, question)
    assert not set(due.sources) & set(due.not_sources)
    assert not (due.sources and due.not_sources)
    assert due.outcome is Outcome.ANSWERED or not (due.sources or due.not_sources)


@given(worlds, questions)
def test_affinity_lets_a_backend_be_missed_and_says_for_how_long(shown, question):
    due = asked(shown, question)
    if shown.services[0].session_affinity == "ClientIP" and due.outcome is Outcome.ANSWERED:
        assert (due.cover, due.affinity_ms) == (False, 10_800_000)
    else:
        assert due.affinity_ms == 0


def promised(shown: Snapshot, case: Case) -> Promise:
    position = POSITIONS[case.position]
    return promise(shown, position, target(case), run="r", profile=PROFILES["iptables"])


PROXIED = ({"load_balancer_names": (LB,)}, {"load_balancer_proxies": (LB,)})


@pytest.mark.parametrize("changes", PROXIED)
@pytest.mark.parametrize("position", ["outside", "pod"])
@pytest.mark.parametrize("policy", ["Cluster", "Local"])
def test_a_balancer_that_no_node_knows_is_passed_from_anywhere(changes, position, policy):
    """A hostname, or ipMode Proxy: no short circuit inside, and any source address."""
    case = Case(("ready", "none", "ready"), "none", policy, policy, position, "load-balancer", "")
    shown = world(case)
    shown = replace(shown, services=(replace(shown.services[0], **changes),))
    due = promised(shown, case)
    assert due.outcome is Outcome.ANSWERED
    assert {each.pod for each in due.allowed} == {"web-n1", "web-n3"}
    assert due.cover == (policy == "Cluster")
    assert due.sources == due.not_sources == ()


def test_who_may_pass_it_is_not_known_inside():
    case = Case(("ready",) * 3, "none", "Cluster", "Cluster", "pod", "load-balancer", "")
    shown = world(case)
    changed = {"load_balancer_names": (LB,), "load_balancer_source_ranges": ("192.0.2.0/24",)}
    shown = replace(shown, services=(replace(shown.services[0], **changed),))
    with pytest.raises(NotSupported, match="loadBalancerSourceRanges"):
        promised(shown, case)
