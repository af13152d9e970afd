"""What every cluster has of its own: its DNS, and the API server's Service."""

import pytest

from svcproof.errors import ApiRefused, NotSupported
from svcproof.own_services import api_targets, dns_service
from svcproof.snapshot import Endpoint, EndpointSlice, Pod, Service, ServicePort, Snapshot

DNS_PORTS = (ServicePort(53, 53, "UDP", "dns"), ServicePort(53, 53, "TCP", "dns-tcp"))


class Looks:
    """A cluster of which only these namespaces may be looked at."""

    def __init__(self, **snapshots: Snapshot) -> None:
        self._snapshots = snapshots

    def snapshot(self, namespace: str) -> Snapshot:
        try:
            return self._snapshots[namespace.replace("-", "_")]
        except KeyError:
            raise ApiRefused(403, "services is forbidden") from None


def service(name: str, *ports: ServicePort, address: str = "10.96.0.10") -> Service:
    return Service(name, "kube-system", "ClusterIP", (address,), ports or DNS_PORTS)


def pod(name: str) -> Pod:
    return Pod(name, "kube-system", f"u-{name}", "n1", ("x",), {}, "Running", ready=True)


def endpoint(name: str, address: str, *, ready: bool = True) -> Endpoint:
    return Endpoint((address,), ready, ready, False, node="n1", pod=name, pod_uid=f"u-{name}")


def world(*services: Service, endpoints=(), pods=(), ports=None) -> Snapshot:
    slices = tuple(
        EndpointSlice(f"{each.name}-1", each.name, "IPv4", ports or {"dns": 53}, tuple(endpoints))
        for each in services
    )
    return Snapshot((), tuple(pods), services, slices)


def test_each_ready_server_with_its_pod():
    shown = world(
        service("kube-dns"),
        service("metrics", ServicePort(9153, 9153)),
        endpoints=(
            endpoint("dns-b", "10.0.0.2"),
            endpoint("dns-a", "10.0.0.1"),
            endpoint("dns-c", "10.0.0.3", ready=False),
        ),
        pods=(pod("dns-a"), pod("dns-b"), pod("dns-c")),
    )
    dns = dns_service(Looks(kube_system=shown))
    assert (dns.name, dns.addresses) == ("kube-dns", ("10.96.0.10",))
    assert [(pod.name, address) for pod, address in dns.pods] == [
        ("dns-a", "10.0.0.1"),
        ("dns-b", "10.0.0.2"),
    ]


def test_by_another_name_if_it_is_the_only_one():
    assert dns_service(Looks(kube_system=world(service("rke2-coredns")))).name == "rke2-coredns"


def test_beside_another_with_the_same_port_it_is_that_of_the_usual_name():
    shown = world(service("kube-dns-upstream", address="10.96.0.11"), service("kube-dns"))
    assert dns_service(Looks(kube_system=shown)).addresses == ("10.96.0.10",)


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (world(), "there are none with port 53 of UDP"),
        (world(service("a"), service("b")), "there are a, b with port 53"),
        (world(service("kube-dns", ServicePort(53, 53))), "there are none"),
    ],
)
def test_what_cannot_be_told_is_not_guessed(shown, words):
    with pytest.raises(NotSupported, match=words):
        dns_service(Looks(kube_system=shown))


def test_what_may_not_be_looked_at_is_not_supported_in_the_apis_words():
    for ask in (dns_service, api_targets):
        with pytest.raises(NotSupported, match="services is forbidden"):
            ask(Looks())


def test_the_api_servers_service_and_its_endpoints():
    shown = world(
        service("kubernetes", ServicePort(443, 6443, name="https"), address="10.96.0.1"),
        endpoints=(endpoint("", "192.0.2.1"), endpoint("", "192.0.2.2", ready=False)),
        ports={"https": 6443},
    )
    targets = api_targets(Looks(default=shown))
    assert [(t.name, t.host, t.port) for t in targets] == [
        ("Service kubernetes port 443", "10.96.0.1", 443),
        ("API server 192.0.2.1:6443", "192.0.2.1", 6443),
    ]


def test_a_cluster_without_that_service():
    with pytest.raises(NotSupported, match="no Service kubernetes"):
        api_targets(Looks(default=world()))
