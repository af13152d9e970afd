"""What the DNS must say of a Service, and kube-proxy of its node's health."""

from dataclasses import replace

import pytest

from svcproof.errors import NotSupported
from svcproof.expect import promise
from svcproof.history import Outcome, Position, Target
from svcproof.profiles import COMMON, PROFILES
from svcproof.questions import connect_target, nobodys_target, reverse_target
from svcproof.snapshot import Endpoint, EndpointSlice, Pod, Service, ServicePort, Snapshot

CLIENT = Position(name="c", kind="pod", node="n1", pod="c")
FULL = "svc.ns.svc.cluster.local"
SERVICE = Service(
    name="svc",
    namespace="ns",
    type="ClusterIP",
    cluster_ips=("10.96.0.1", "fd00:96::1"),
    ports=(ServicePort(80, 8080, name="web"), ServicePort(53, 53, "UDP", name="dns")),
)
HEADLESS = replace(SERVICE, cluster_ips=("None",))
OUTSIDE = {"example.org": ("192.0.2.7", "192.0.2.6", "2001:db8::7")}
ALIAS = replace(SERVICE, type="ExternalName", cluster_ips=(), external_name="Example.ORG.")


def endpoint(address: str, *, ready: bool = True, node: str = "n1", uid: str = "") -> Endpoint:
    return Endpoint((address,), ready, ready, False, node=node, pod=f"pod-{address}", pod_uid=uid)


def world(service: Service, *endpoints: Endpoint, others: tuple[Service, ...] = ()) -> Snapshot:
    ports = {"web": 8080, "dns": 53}
    slices = tuple(
        EndpointSlice(
            family,
            "svc",
            family,
            ports,
            tuple(e for e in endpoints if (":" in e.addresses[0]) == six),
        )
        for family, six in (("IPv4", False), ("IPv6", True))
    )
    stranger = EndpointSlice("other", "other", "IPv4", ports, (endpoint("10.9.9.9", uid="u9"),))
    return Snapshot((), (), (service, *others), (*slices, stranger))


def asked(query: str, shown: Snapshot, **fields):
    port_name = fields.pop("port_name", "")
    target = Target(
        name="t", service="svc", form="dns", host="h", port=53, query=query, port_name=port_name
    )
    return promise(shown, CLIENT, target, run="r", profile=COMMON, **fields)


def said(query: str, shown: Snapshot, **fields) -> tuple[str, ...]:
    due = asked(query, shown, **fields)
    assert (due.outcome, due.rcode, due.allowed) == (Outcome.ANSWERED, "", ())
    assert due.rule in (
        "the DNS specification",
        "the alias and what it leads to",
        "an alias that leads to no address inside is not told",
    )
    return due.answers


class TestClusterIP:
    def test_its_own_addresses_each_in_its_family(self):
        shown = world(SERVICE, endpoint("10.0.0.1"))
        assert said("A", shown) == (f"{FULL} A 10.96.0.1",)
        assert said("AAAA", shown) == (f"{FULL} AAAA fd00:96::1",)

    def test_pods_make_no_difference(self):
        assert said("A", world(SERVICE)) == (f"{FULL} A 10.96.0.1",)

    def test_a_family_that_it_does_not_have_is_no_record_and_no_failure(self):
        assert said("AAAA", world(replace(SERVICE, cluster_ips=("10.96.0.1",)))) == ()

    def test_it_is_no_alias(self):
        assert said("CNAME", world(SERVICE)) == ()

    def test_another_domain(self):
        assert said("A", world(SERVICE), cluster_domain="example.org") == (
            "svc.ns.svc.example.org A 10.96.0.1",
        )

    def test_its_ports_by_name(self):
        assert said("SRV", world(SERVICE), port_name="web") == (
            f"_web._tcp.{FULL} SRV 0 100 80 {FULL}",
        )
        assert said("SRV", world(SERVICE), port_name="dns") == (
            f"_dns._udp.{FULL} SRV 0 100 53 {FULL}",
        )

    def test_a_port_that_it_does_not_have_is_not_guessed(self):
        with pytest.raises(NotSupported, match="Service svc has no port 'x'"):
            asked("SRV", world(SERVICE), port_name="x")


class TestHeadless:
    def test_the_addresses_of_its_ready_pods_in_order(self):
        shown = world(
            HEADLESS,
            endpoint("10.0.0.2"),
            endpoint("10.0.0.1"),
            endpoint("10.0.0.3", ready=False),
            endpoint("fd00::1"),
        )
        assert said("A", shown) == (f"{FULL} A 10.0.0.1", f"{FULL} A 10.0.0.2")
        assert said("AAAA", shown) == (f"{FULL} AAAA fd00::1",)

    def test_without_a_ready_pod_there_is_no_such_name(self):
        for shown in (world(HEADLESS), world(HEADLESS, endpoint("10.0.0.1", ready=False))):
            for query in ("A", "AAAA", "CNAME"):
                due = asked(query, shown)
                assert (due.outcome, due.rcode) == (Outcome.NAME_FAILED, "NXDOMAIN")
                assert due.answers == ()
                assert due.rule == "a headless Service without ready Pods has no name"

    def test_with_pods_of_the_other_family_only_the_name_is_there(self):
        assert said("AAAA", world(HEADLESS, endpoint("10.0.0.1"))) == ()

    def test_it_is_no_alias(self):
        assert said("CNAME", world(HEADLESS, endpoint("10.0.0.1"))) == ()

    def test_its_ports_lead_to_each_ready_pod_and_the_pods_own_port(self):
        shown = world(
            HEADLESS,
            endpoint("10.0.0.1"),
            endpoint("fd00::a"),
            endpoint("10.0.0.3", ready=False),
        )
        assert said("SRV", shown, port_name="web") == (
            f"_web._tcp.{FULL} SRV 0 100 8080 10-0-0-1.{FULL}",
            f"_web._tcp.{FULL} SRV 0 100 8080 fd00--a.{FULL}",
        )

    def test_a_pod_with_a_hostname_is_named_by_it(self):
        named = replace(endpoint("10.0.0.1"), hostname="web-0")
        shown = world(HEADLESS, named, endpoint("10.0.0.2"))
        assert said("SRV", shown, port_name="web") == (
            f"_web._tcp.{FULL} SRV 0 100 8080 10-0-0-2.{FULL}",
            f"_web._tcp.{FULL} SRV 0 100 8080 web-0.{FULL}",
        )

    def test_pods_without_such_a_port_are_not_led_to(self):
        shown = world(HEADLESS, endpoint("10.0.0.1"))
        bare = replace(
            shown, slices=tuple(replace(item, ports={"dns": 53}) for item in shown.slices)
        )
        due = asked("SRV", bare, port_name="web")
        assert (due.answers, due.rcode) == ((), "NXDOMAIN")  # CoreDNS knows it by its endpoints


class TestExternalName:
    def test_the_alias_and_what_it_leads_to_in_lower_case_without_a_dot(self):
        alias = f"{FULL} CNAME example.org"
        assert said("A", world(ALIAS), outside=OUTSIDE) == (
            "example.org A 192.0.2.6",
            "example.org A 192.0.2.7",
            alias,
        )
        assert said("AAAA", world(ALIAS), outside=OUTSIDE) == (
            "example.org AAAA 2001:db8::7",
            alias,
        )

    def test_the_alias_alone(self):
        assert said("CNAME", world(ALIAS)) == (f"{FULL} CNAME example.org",)
        assert said("SRV", world(ALIAS)) == ()

    @pytest.mark.parametrize("outside", [None, {}, {"other.org": ("192.0.2.1",)}])
    def test_what_a_name_outside_leads_to_is_not_guessed(self, outside):
        with pytest.raises(NotSupported, match=r"example\.org resolves to outside"):
            asked("A", world(ALIAS), outside=outside)

    def test_the_name_of_a_service_leads_to_its_address(self):
        web = replace(SERVICE, name="web", cluster_ips=("10.96.0.9",))
        inside = replace(ALIAS, external_name="web.ns.svc.cluster.local")
        shown = world(inside, others=(web,))
        assert said("A", shown) == (
            f"{FULL} CNAME web.ns.svc.cluster.local",
            "web.ns.svc.cluster.local A 10.96.0.9",
        )
        assert said("AAAA", shown) == ()  # not even the alias: NODATA

    def test_the_name_of_a_headless_service_leads_to_its_ready_pods(self):
        other = replace(HEADLESS, name="other")
        inside = replace(ALIAS, external_name="other.ns.svc.cluster.local.")
        assert said("A", world(inside, others=(other,))) == (
            "other.ns.svc.cluster.local A 10.9.9.9",
            f"{FULL} CNAME other.ns.svc.cluster.local",
        )

    def test_a_service_that_is_not_there_has_no_record_not_even_the_alias(self):
        dangling = replace(ALIAS, external_name="Gone.ns.svc.cluster.local.")
        for query in ("A", "AAAA"):
            due = asked(query, world(dangling))
            assert (due.outcome, due.answers) == (Outcome.ANSWERED, ())
        assert said("CNAME", world(dangling)) == (f"{FULL} CNAME gone.ns.svc.cluster.local",)

    def test_of_another_namespace_that_may_not_be_read_nothing_is_known(self):
        other = replace(ALIAS, external_name="gone.other.svc.cluster.local")
        with pytest.raises(NotSupported):
            asked("A", world(other))

    def test_a_service_of_another_namespace_is_inside(self):
        alias = replace(ALIAS, external_name="API.default.svc.cluster.local.")
        api = replace(SERVICE, name="api", namespace="default", cluster_ips=("10.96.0.1",))
        shown = replace(world(alias), others=(api,))
        name = "api.default.svc.cluster.local"
        assert said("A", shown) == (f"{name} A 10.96.0.1", f"{FULL} CNAME {name}")
        headless = replace(api, cluster_ips=("None",))
        with pytest.raises(NotSupported, match="api in default"):
            asked("A", replace(shown, others=(headless,)))

    def test_a_service_that_another_namespace_does_not_have_is_told_of_by_nothing(self):
        alias = replace(ALIAS, external_name="gone.other.svc.cluster.local")
        shown = replace(world(alias), absent=frozenset({"gone.other.svc.cluster.local"}))
        assert said("A", shown) == ()

    def test_aliases_of_aliases_are_all_told(self):
        second = replace(ALIAS, name="second", external_name="web.ns.svc.cluster.local")
        first = replace(ALIAS, external_name="second.ns.svc.cluster.local")
        web = replace(SERVICE, name="web", cluster_ips=("10.96.0.9",))
        shown = world(first, others=(second, web))
        assert said("A", shown) == (
            f"second.{FULL[4:]} CNAME web.{FULL[4:]}",
            f"{FULL} CNAME second.{FULL[4:]}",
            f"web.{FULL[4:]} A 10.96.0.9",
        )
        assert said("CNAME", shown) == (f"{FULL} CNAME second.{FULL[4:]}",)

    def test_aliases_that_lead_in_a_circle_are_not_told(self):
        itself = replace(ALIAS, external_name=FULL)
        assert said("A", world(itself)) == ()
        other = replace(ALIAS, name="other", external_name=FULL)
        circle = replace(ALIAS, external_name="other.ns.svc.cluster.local")
        assert said("A", world(circle, others=(other,))) == ()

    def test_only_the_last_dot_is_taken_away(self):
        for name in ("box.XX.", "BOX.xx"):
            alias = replace(ALIAS, external_name=name)
            assert said("CNAME", world(alias)) == (f"{FULL} CNAME box.xx",)

    def test_another_domain(self):
        dangling = replace(ALIAS, external_name="gone.ns.svc.example.org")
        assert said("A", world(dangling), cluster_domain="example.org") == ()
        with pytest.raises(NotSupported):
            asked("A", world(dangling))

    @pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
    def test_what_looks_like_an_address_is_no_name(self, address):
        due = asked("A", world(replace(ALIAS, external_name=address)))
        assert (due.outcome, due.rcode, due.answers) == (Outcome.NAME_FAILED, "NXDOMAIN", ())
        assert due.rule == "an ExternalName that looks like an address is no alias"

    def test_an_address_that_is_no_external_name_is_of_no_matter(self):
        assert said("A", world(replace(SERVICE, external_name="192.0.2.1"))) != ()


class TestHealthCheck:
    def due(self, *endpoints: Endpoint, node: str = "n1", port: int = 30500):
        target = Target(
            name="t", service="svc", form="health-check", host="h", port=port, entry_node=node
        )
        service = replace(SERVICE, type="LoadBalancer", health_check_node_port=port)
        shown = world(service, *endpoints)
        return promise(shown, CLIENT, target, run="r", profile=PROFILES["iptables"])

    def test_200_where_a_ready_endpoint_is(self):
        due = self.due(endpoint("10.0.0.1"), endpoint("10.0.0.2", node="n2"))
        assert due.outcome is Outcome.ANSWERED
        assert due.answers == (
            "localEndpoints 1",
            "service ns/svc",
            "serviceProxyHealthy true",
            "status 200",
        )
        assert due.rule == "200 with a ready local endpoint, else 503"

    def test_503_where_none_is(self):
        dying = Endpoint(("10.0.0.1",), False, True, True, node="n1")
        due = self.due(dying, endpoint("10.0.0.2", node="n2"), endpoint("10.0.0.3", ready=False))
        assert ("localEndpoints 0" in due.answers, "status 503" in due.answers) == (True, True)

    def test_a_pod_with_two_addresses_counts_once(self):
        due = self.due(endpoint("10.0.0.1", uid="u"), endpoint("fd00::1", uid="u"))
        assert "localEndpoints 1" in due.answers

    def test_pods_without_a_uid_count_by_their_addresses(self):
        assert "localEndpoints 2" in self.due(endpoint("10.0.0.1"), endpoint("10.0.0.2")).answers

    def test_nobody_listens_without_a_port(self):
        due = self.due(endpoint("10.0.0.1"), port=0)
        assert (due.outcome, due.answers) == (Outcome.REFUSED, None)
        assert due.rule == "no healthCheckNodePort: nobody listens"


class TestPodItself:
    POD = Pod("web", "ns", "u1", "n1", ("10.0.0.1", "fd00::1"), {}, "Running", ready=True)

    def due(self, host: str):
        target = Target(name="t", service="", form="pod-ip", host=host, port=80)
        shown = Snapshot(
            (), (replace(self.POD, name="x", addresses=("10.0.0.2",)), self.POD), (), ()
        )
        return promise(shown, CLIENT, target, run="r", profile=COMMON)

    @pytest.mark.parametrize("host", ["10.0.0.1", "fd00::1"])
    def test_it_answers_and_nobody_else(self, host):
        due = self.due(host)
        (backend,) = due.allowed
        assert (due.outcome, due.rule) == (Outcome.ANSWERED, "the Pod itself")
        assert (backend.pod, backend.uid, backend.node) == ("web", "u1", "n1")
        assert (backend.namespace, backend.run) == ("ns", "r")

    def test_an_address_that_nobody_has_is_not_guessed_about(self):
        with pytest.raises(NotSupported, match=r"no Pod has the address 10\.0\.0\.9 that c is"):
            self.due("10.0.0.9")


def test_a_name_that_no_service_has():
    target = nobodys_target("new", "ns", "A")
    due = promise(world(SERVICE), CLIENT, target, run="r", profile=COMMON)
    assert (due.outcome, due.rcode, due.answers) == (Outcome.NAME_FAILED, "NXDOMAIN", ())
    assert target.host == "new.ns.svc.cluster.local."


@pytest.mark.parametrize(
    ("address", "reverse"),
    [
        ("10.96.0.1", "1.0.96.10.in-addr.arpa"),
        ("fd00:96::1", f"1.{'0.' * 23}6.9.0.0.0.0.d.f.ip6.arpa"),
    ],
)
def test_an_address_is_asked_for_in_reverse(address, reverse):
    target = reverse_target(SERVICE, address)
    assert (target.query, target.host) == ("PTR", f"{reverse}.")
    due = promise(world(SERVICE), CLIENT, target, run="r", profile=COMMON)
    assert due.answers == (f"{reverse} PTR {FULL}",)


def test_an_address_of_nobody_and_one_of_a_headless_service_have_no_such_name():
    for service, address in ((SERVICE, "10.96.0.2"), (HEADLESS, "10.96.0.1")):
        target = reverse_target(service, address)
        shown = world(service, endpoint("10.0.0.1", uid="u1"))
        due = promise(shown, CLIENT, target, run="r", profile=COMMON)
        assert due.answers == ()


def test_the_ports_of_a_service_all_at_once():
    assert said("SRV", world(SERVICE)) == (
        f"{FULL} SRV 0 100 53 {FULL}",
        f"{FULL} SRV 0 100 80 {FULL}",
    )
    pods = world(HEADLESS, endpoint("10.0.0.1", uid="u1"), endpoint("10.0.0.2", uid="u2"))
    assert said("SRV", pods) == tuple(
        sorted(
            f"{FULL} SRV 0 100 {port} {pod}.{FULL}"
            for port in (8080, 53)
            for pod in ("10-0-0-1", "10-0-0-2")
        )
    )


def test_that_somebody_listens_is_all_that_is_asked_of_the_api_server():
    target = connect_target("Service kubernetes", "10.96.0.1", 443)
    due = promise(world(SERVICE), CLIENT, target, run="r", profile=COMMON)
    assert (due.outcome, due.answers, due.allowed) == (Outcome.ANSWERED, ("connected",), ())
