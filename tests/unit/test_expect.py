"""The simulator against its rules."""

from dataclasses import replace

import pytest
from msgspec import structs

from svcproof.errors import NotSupported
from svcproof.expect import Promise, endpoint_lists, promise, usable
from svcproof.history import Outcome, Position, Target
from svcproof.profiles import PROFILES, profile_of
from svcproof.questions import node_port_target
from svcproof.snapshot import Endpoint, EndpointSlice, Node, Pod, Service, ServicePort, Snapshot

SERVICE = Service(
    name="svc",
    namespace="ns",
    type="NodePort",
    cluster_ips=("10.96.0.1",),
    ports=(ServicePort(8080, 80, node_port=30100),),
    selector={"app": "web"},
    external_traffic_policy="Cluster",
)
CLIENT = Position(name="c", kind="pod", node="n1", pod="c", addresses=("10.0.0.99",))
TARGET = Target(name="t", service="svc", form="cluster-ip", host="10.96.0.1", port=8080)


def endpoint(name: str, address: str = "10.0.0.1", **conditions: bool) -> Endpoint:
    states = {"ready": True, "serving": True, "terminating": False} | conditions
    return Endpoint((address,), node="n1", pod=name, pod_uid=f"uid-{name}", **states)


def pod(name: str, *addresses: str, **fields: object) -> Pod:
    values = {"phase": "Running", "ready": True, "labels": {"app": "web"}} | fields
    return Pod(name, "ns", f"uid-{name}", "n1", addresses or ("10.0.0.1",), **values)


def snapshot(*endpoints: Endpoint, service: Service = SERVICE, pods: tuple[Pod, ...] = ()):
    v4 = tuple(item for item in endpoints if ":" not in item.addresses[0])
    v6 = tuple(item for item in endpoints if ":" in item.addresses[0])
    slices = (
        EndpointSlice("svc-4", "svc", "IPv4", {"": 80}, v4),
        EndpointSlice("svc-6", "svc", "IPv6", {"": 80}, v6),
        EndpointSlice("other", "other", "IPv4", {"": 80}, (endpoint("not-mine"),)),
    )
    return Snapshot((), pods, (service,), slices)


def due_of(shown: Snapshot, target: Target = TARGET) -> Promise:
    return promise(shown, CLIENT, target, run="r", profile=PROFILES["iptables"])


def names(result):
    return [backend.pod for backend in result.allowed]


def test_ready_endpoints_answer():
    due = due_of(snapshot(endpoint("a"), endpoint("b", "10.0.0.2")), TARGET)
    assert due.outcome is Outcome.ANSWERED
    assert names(due) == ["a", "b"]
    assert due.allowed[0].run == "r"
    assert due.allowed[0].uid == "uid-a"


def test_unready_ones_do_not():
    due = due_of(snapshot(endpoint("a"), endpoint("b", ready=False, serving=False)))
    assert names(due) == ["a"]


def test_dying_but_serving_ones_only_when_none_is_ready():
    dying = endpoint("d", ready=False, terminating=True)
    dead = endpoint("x", ready=False, serving=False, terminating=True)
    assert names(due_of(snapshot(endpoint("a"), dying), TARGET)) == ["a"]
    assert names(due_of(snapshot(dying, dead), TARGET)) == ["d"]
    assert usable([endpoint("u", ready=False, serving=True)]) == ()


def test_nobody_left_is_refused():
    for items in ((), (endpoint("x", ready=False, serving=False),)):
        due = due_of(snapshot(*items), TARGET)
        assert (due.outcome, due.allowed) == (Outcome.REFUSED, ())


def test_families_are_apart():
    both = snapshot(endpoint("four"), endpoint("six", "fd00::1"))
    six = Target(
        name="t", service="svc", form="cluster-ip", host="fd00::9", port=8080, family="ipv6"
    )
    assert names(due_of(both, TARGET)) == ["four"]
    assert names(due_of(both, six)) == ["six"]


NODE_PORT = Target(name="t", service="svc", form="node-port", host="192.0.2.1", port=30100)


@pytest.mark.parametrize(
    "changes", [{"cluster_ips": ("None",)}, {"type": "ExternalName", "cluster_ips": ()}]
)
def test_what_is_not_proxied_is_not_dialled(changes):
    service = replace(SERVICE, **changes)
    with pytest.raises(NotSupported, match="not proxied: ask the DNS"):
        due_of(snapshot(endpoint("a"), service=service))


def test_each_policy_concerns_its_own_traffic():
    local_outside = replace(SERVICE, external_traffic_policy="Local")
    assert names(due_of(snapshot(endpoint("a"), service=local_outside), TARGET)) == ["a"]
    local_inside = replace(SERVICE, internal_traffic_policy="Local")
    due = due_of(snapshot(endpoint("a"), service=local_inside), NODE_PORT)
    assert names(due) == ["a"]


def test_the_endpoint_lists():
    pods = (
        pod("a"),
        pod("unready", "10.0.0.2", ready=False),
        pod("going", "10.0.0.3", terminating=True),
        pod("other", "10.0.0.4", labels={"app": "db"}),
        pod("both", "10.0.0.5", "fd00::5"),
    )
    shown = snapshot(endpoint("a"), endpoint("unready", "10.0.0.2", ready=False), pods=pods)
    assert endpoint_lists(shown, SERVICE) == (["a 10.0.0.1"], ["a 10.0.0.1", "both 10.0.0.5"])
    dual = replace(SERVICE, cluster_ips=("10.96.0.1", "fd00:96::1"))
    assert "both fd00::5" in endpoint_lists(shown, dual)[1]


def test_the_endpoint_lists_are_in_order():
    everybody = "ihgfedcba"
    shown = snapshot(*map(endpoint, everybody), pods=tuple(map(pod, everybody)))
    listed, due = endpoint_lists(shown, SERVICE)
    assert listed == due == [f"{name} 10.0.0.1" for name in sorted(everybody)]


def test_an_unknown_service_names_the_known():
    with pytest.raises(KeyError, match=r"no Service 'x'; there are \['svc'\]"):
        snapshot().service("x")


# --- who may come in by a load balancer ---------------------------------------------------------

OUTSIDE = Position(name="o", kind="outside", addresses=("203.0.113.5", "2001:db8::5"))
BALANCER = Target(name="t", service="svc", form="load-balancer", host="198.51.100.1", port=8080)
NODES = (
    Node("n1", ("192.0.2.1", "2001:db8:1::1"), ready=True, zone="za"),
    Node("n2", ("192.0.2.2", "2001:db8:1::2"), ready=True, zone="zb"),
)


def from_outside(service: Service, target: Target = BALANCER, shown: Snapshot | None = None):
    world = shown or snapshot(endpoint("a"), service=service)
    return promise(world, OUTSIDE, target, run="r", profile=PROFILES["iptables"])


@pytest.mark.parametrize(
    ("ranges", "outcome"),
    [
        ((), Outcome.ANSWERED),
        (("203.0.113.0/24",), Outcome.ANSWERED),
        (("10.0.0.0/8", "203.0.113.5/32"), Outcome.ANSWERED),
        ((" 203.0.113.7/24 ",), Outcome.ANSWERED),  # the API takes any host's address, and blanks
        (("10.0.0.0/8",), Outcome.TIMED_OUT),
        (("203.0.113.4/32", "2001:db8::/32"), Outcome.TIMED_OUT),
    ],
)
def test_source_ranges_bar_whoever_is_in_none(ranges, outcome):
    due = from_outside(replace(SERVICE, load_balancer_source_ranges=ranges))
    assert due.outcome is outcome
    assert bool(due.allowed) == (outcome is Outcome.ANSWERED)
    if outcome is Outcome.TIMED_OUT:
        assert due.rule == "not in loadBalancerSourceRanges: dropped"


def test_a_source_range_that_cannot_be_read_promises_nothing():
    with pytest.raises(NotSupported, match="Service svc: loadBalancerSourceRanges: "):
        from_outside(replace(SERVICE, load_balancer_source_ranges=("010.0.0.0/8",)))


def test_source_ranges_are_of_the_balancers_address_only():
    barred = replace(SERVICE, load_balancer_source_ranges=("10.0.0.0/8",))
    assert from_outside(barred, NODE_PORT).outcome is Outcome.ANSWERED


def test_nobody_there_is_refused_before_anybody_is_barred():
    barred = replace(SERVICE, load_balancer_source_ranges=("10.0.0.0/8",))
    due = from_outside(barred, shown=snapshot(service=barred))
    assert (due.outcome, due.rule) == (Outcome.REFUSED, "no usable endpoint: rejected")


def test_who_sends_a_datagram_that_is_rejected_on_its_own_node_may_learn_eperm():
    """netfilter drops what it rejects on its way out (seen with kube-proxy in both modes)."""
    over_udp = structs.replace(TARGET, protocol="udp")
    nobody = snapshot(service=SERVICE)
    on_node = Position(name="h", kind="host-network", node="n1", addresses=("192.0.2.1",))

    def endings(position: Position, target: Target) -> tuple[Outcome, ...]:
        due = promise(nobody, position, target, run="r", profile=PROFILES["nftables"])
        return due.outcomes

    assert endings(on_node, over_udp) == (Outcome.REFUSED, Outcome.UNREACHABLE)
    assert endings(on_node, TARGET) == (Outcome.REFUSED,)
    assert endings(CLIENT, over_udp) == (Outcome.REFUSED,)


def beside(mode: str, address: str, *, is_ours: bool = True) -> Promise:
    """What a client on the node itself is promised at an address that the Node has not."""
    node = Node("n1", ("192.0.2.1",), ready=True)
    shown = replace(snapshot(endpoint("a"), service=SERVICE), nodes=(node,))
    on_node = Position(name="h", kind="host-network", node="n1", addresses=("192.0.2.1",))
    target = node_port_target(SERVICE, "n1", address)
    profile = profile_of(mode, is_ours=is_ours)
    return promise(shown, on_node, target, run="r", profile=profile)


@pytest.mark.parametrize("address", ["192.0.2.77", "127.0.0.1"])
def test_node_ports_at_other_addresses_are_the_modes_choice(address):
    """kube-proxy 1.36 and 1.37, measured: an address added later, 127.0.0.1."""
    served = beside("iptables", address)
    assert (served.outcome, [b.pod for b in served.allowed]) == (Outcome.ANSWERED, ["a"])
    closed = beside("nftables", address)
    assert (closed.outcome, closed.allowed) == (Outcome.REFUSED, ())
    assert beside("nftables", "192.0.2.1").outcome is Outcome.ANSWERED


@pytest.mark.parametrize(("mode", "is_ours"), [("iptables", False), ("ipvs", True), ("x", True)])
def test_where_node_ports_are_served_is_not_guessed(mode, is_ours):
    with pytest.raises(NotSupported, match="at which addresses"):
        beside(mode, "192.0.2.77", is_ours=is_ours)
    assert beside(mode, "192.0.2.1", is_ours=is_ours).outcome is Outcome.ANSWERED


# --- rules in words, addresses by family, ports by name ------------------------------------------


def rule_of(service: Service, position: Position = CLIENT, target: Target = TARGET, **shown) -> str:
    near = replace(endpoint("a"), node="n1", zone="za")
    far = replace(endpoint("b", "10.0.0.2"), node="n2", zone="zb")
    there = shown.get("there", (near, far))
    world = replace(snapshot(*there, service=service), nodes=NODES)
    return promise(world, position, target, run="r", profile=PROFILES["iptables"]).rule


AT_N2 = Target(
    name="t", service="svc", form="node-port", host="192.0.2.2", port=30100, entry_node="n2"
)
AT_N1 = Target(
    name="t", service="svc", form="node-port", host="192.0.2.1", port=30100, entry_node="n1"
)
INTERNAL = replace(SERVICE, internal_traffic_policy="Local")
EXTERNAL = replace(SERVICE, external_traffic_policy="Local")
NEAR = replace(SERVICE, traffic_distribution="PreferSameZone")
ONLY_N1 = (endpoint("a"),)
ONLY_N2 = (replace(endpoint("b"), node="n2"),)


@pytest.mark.parametrize(
    ("service", "position", "target", "there", "rule"),
    [
        (SERVICE, CLIENT, TARGET, None, "every ready endpoint"),
        (NEAR, CLIENT, TARGET, None, "the nearest endpoints (trafficDistribution, hints)"),
        (INTERNAL, CLIENT, TARGET, None, "internalTrafficPolicy Local: this node's"),
        (
            INTERNAL, CLIENT, TARGET, ONLY_N2,
            "internalTrafficPolicy Local, no endpoint on this node: dropped",
        ),
        (SERVICE, OUTSIDE, AT_N2, None, "externalTrafficPolicy Cluster: every ready endpoint"),
        (EXTERNAL, OUTSIDE, AT_N2, None, "externalTrafficPolicy Local: the entered node's"),
        (
            EXTERNAL, OUTSIDE, AT_N2, ONLY_N1,
            "externalTrafficPolicy Local, no endpoint on this node: dropped",
        ),
        (
            EXTERNAL, CLIENT, AT_N1, None,
            "externalTrafficPolicy Local, short circuit: as with Cluster",
        ),
        (
            EXTERNAL, OUTSIDE, BALANCER, None,
            "externalTrafficPolicy Local: those of the node that the balancer chose",
        ),
    ],
)  # fmt: skip
def test_the_rule_is_told_in_words(service, position, target, there, rule):
    shown = {"there": there} if there else {}
    assert rule_of(service, position, target, **shown) == rule


@pytest.mark.parametrize(
    ("family", "client", "node"),
    [("ipv4", "203.0.113.5", "192.0.2.1"), ("ipv6", "2001:db8::5", "2001:db8:1::1")],
)
def test_addresses_are_told_in_the_family_that_is_dialled(family, client, node):
    six = replace(endpoint("six", "fd00::1"), node="n2")
    four = replace(endpoint("four"), node="n2")
    world = replace(snapshot(four, six, service=EXTERNAL), nodes=NODES)
    target = Target(
        name="t", service="svc", form="node-port", host="h", port=1, entry_node="n2", family=family
    )
    kept = promise(world, OUTSIDE, target, run="r", profile=PROFILES["iptables"])
    assert kept.sources == (client,)
    crossing = promise(world, CLIENT, target, run="r", profile=PROFILES["iptables"])
    assert crossing.sources == (node,)


def test_a_client_on_a_node_that_is_not_known_is_promised_no_address():
    lost = structs.replace(CLIENT, node="gone")
    world = replace(snapshot(replace(endpoint("a"), node="n2"), service=EXTERNAL), nodes=NODES)
    assert promise(world, lost, AT_N2, run="r", profile=PROFILES["iptables"]).sources == ()


def test_only_pods_that_have_the_port_are_promised():
    some = EndpointSlice("a", "svc", "IPv4", {"web": 80}, (endpoint("a"),))
    others = EndpointSlice("b", "svc", "IPv4", {"": 53}, (endpoint("b", "10.0.0.2"),))
    without = EndpointSlice("c", "svc", "IPv4", {}, (endpoint("c", "10.0.0.3"),))
    world = replace(snapshot(), slices=(some, others, without))
    assert names(due_of(world, structs.replace(TARGET, port_name="web"))) == ["a"]
    assert names(due_of(world, TARGET)) == ["b"]


def test_a_pod_that_no_endpoint_names_is_found_by_its_address():
    written = Endpoint(("10.0.0.1",), ready=True, serving=True, terminating=False)
    twice = EndpointSlice("a", "svc", "IPv4", {"": 80}, (written, written))
    nobody = replace(written, addresses=("198.51.100.7",))
    more = EndpointSlice("b", "svc", "IPv4", {"": 80}, (written, nobody))
    world = replace(snapshot(pods=(pod("a"),)), slices=(twice, more))
    first, second = due_of(world).allowed
    assert (first.pod, first.uid, first.node) == ("a", "uid-a", "n1")
    assert (second.pod, second.uid, second.node) == ("198.51.100.7", "", "")


class TestBackendsInTheHostNetwork:
    HOSTED = tuple(
        replace(endpoint(name, address), node=node)
        for name, address, node in (("a", "192.0.2.1", "n1"), ("b", "192.0.2.2", "n2"))
    )

    def due(self, position, target, profile="iptables", service=SERVICE, *, backends=HOSTED):
        world = replace(snapshot(*backends, service=service), nodes=NODES)
        return promise(world, position, target, run="r", profile=PROFILES[profile])

    def test_from_a_pod_they_see_its_address_or_that_of_its_node(self):
        assert self.due(CLIENT, TARGET).sources == ("10.0.0.99", "192.0.2.1")

    def test_where_it_is_not_known_who_masquerades_nothing_is_promised(self):
        for name, profile in PROFILES.items():
            if profile.tells_sources and not profile.masquerades_pods_to_nodes:
                assert self.due(CLIENT, TARGET, name).sources == ()

    def test_what_stays_on_the_entered_node_may_keep_the_address_from_outside(self):
        assert self.due(OUTSIDE, AT_N2).not_sources == ()
        (elsewhere, _) = self.HOSTED
        client, _ = OUTSIDE.addresses
        assert self.due(OUTSIDE, AT_N2, backends=(elsewhere,)).not_sources == (client,)


def test_a_slice_of_names_is_of_no_family():
    strange = EndpointSlice("a", "svc", "FQDN", {"": 80}, (endpoint("a"),))
    assert due_of(replace(snapshot(), slices=(strange,))).outcome is Outcome.REFUSED


def test_a_promised_backend_says_all_that_identifies_it():
    (backend,) = due_of(snapshot(endpoint("a"))).allowed
    assert (backend.pod, backend.uid, backend.node) == ("a", "uid-a", "n1")
    assert (backend.namespace, backend.run) == ("ns", "r")


def test_with_affinity_the_time_out_is_told():
    sticky = replace(SERVICE, session_affinity="ClientIP", affinity_timeout_seconds=7)
    due = due_of(snapshot(endpoint("a"), service=sticky))
    assert (due.affinity_ms, due.cover) == (7000, False)


def test_a_promise_knows_all_its_endings():
    assert Promise(outcome=Outcome.REFUSED, rule="").outcomes == (Outcome.REFUSED,)
    both = Promise(outcome=Outcome.REFUSED, also=(Outcome.RESET,), rule="")
    assert both.outcomes == (Outcome.REFUSED, Outcome.RESET)


# --- which Pods must be listed -------------------------------------------------------------------


def test_where_unready_pods_are_published_all_that_have_not_ended_are_due():
    pods = (
        pod("pending", "10.0.0.1", ready=False, phase="Pending"),
        pod("running", "10.0.0.2", ready=False, phase="Running"),
        pod("ended", "10.0.0.3", ready=False, phase="Succeeded"),
        pod("going", "10.0.0.4", terminating=True),
    )
    published = replace(SERVICE, publish_not_ready_addresses=True)
    assert endpoint_lists(snapshot(pods=pods), published)[1] == [
        "going 10.0.0.4",
        "pending 10.0.0.1",
        "running 10.0.0.2",
    ]


def test_a_headless_service_has_the_families_of_its_slices():
    pods = (pod("a", "10.0.0.1", "fd00::1"),)
    headless = replace(SERVICE, cluster_ips=("None",))
    shown = snapshot(pods=pods)
    assert endpoint_lists(shown, headless)[1] == ["a 10.0.0.1", "a fd00::1"]
    four = replace(shown, slices=shown.slices[:1])
    assert endpoint_lists(four, headless)[1] == ["a 10.0.0.1"]
    strange = replace(shown, slices=(replace(shown.slices[0], family="FQDN"),))
    assert endpoint_lists(strange, headless)[1] == []


def test_an_endpoint_that_is_no_pods_is_listed_as_such():
    by_hand = replace(endpoint("x"), pod="")
    assert endpoint_lists(snapshot(by_hand), SERVICE)[0] == ["(no Pod) 10.0.0.1"]


@pytest.mark.parametrize(
    ("preference", "allowed"),
    [
        ("PreferSameNode", ["own"]),
        ("PreferSameZone", ["own", "near"]),
        ("PreferClose", ["own", "near"]),
        ("", ["own", "near", "far"]),
    ],
)
def test_a_preference_of_the_spec_is_promised_without_any_hints(preference, allowed):
    there = (
        replace(endpoint("own"), node="n1", zone="za"),
        replace(endpoint("near", "10.0.0.2"), node="n3", zone="za"),
        replace(endpoint("far", "10.0.0.3"), node="n2", zone="zb"),
    )
    service = replace(SERVICE, traffic_distribution=preference)
    world = replace(snapshot(*there, service=service), nodes=NODES)
    assert names(due_of(world)) == allowed


@pytest.mark.parametrize("form", ["cluster-ip", "short-name", "fqdn"])
def test_by_whatever_name_the_internal_policy_governs(form):
    there = (endpoint("own"), replace(endpoint("other", "10.0.0.2"), node="n2"))
    world = replace(snapshot(*there, service=INTERNAL), nodes=NODES)
    assert names(due_of(world, structs.replace(TARGET, form=form))) == ["own"]
