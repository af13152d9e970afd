"""What explains a run: each planted fault is named rightly or not at all, and noise never."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svcproof.culprit import culprits
from svcproof.results import EndpointsLine
from tests.unit.simulated import Cluster, Connection, Fault

LOST = "timed-out"


@dataclass(frozen=True)
class Planted:
    """A fault, and the names that a right statement may use; it must use one of ``must``."""

    name: str
    fault: Fault
    must: frozenset[str]
    may: frozenset[str] = frozenset()
    families: tuple[str, ...] = ("ipv4",)
    lines: tuple[EndpointsLine, ...] = ()
    dns: str = "node-1"


def _if(rule, ended: str = LOST) -> Fault:
    return lambda c: ended if rule(c) else None


def _pod(app: str, node: str) -> str:
    return "lonely-77fd-xyz12" if app == "lonely" else f"{app}-5c9d-{node[-1]}abcd"


def at_node(node: str) -> list[Planted]:  # noqa: C901 - one function a fault
    """Faults of one node."""

    def through(c: Connection) -> bool:
        return node in c.forwarded_by

    def crosses(c: Connection) -> bool:
        return c.crosses is not None and node in c.crosses

    def wiped(c: Connection) -> str | None:
        if c.chosen_at != node:
            return None
        return "unknown" if False else ("refused" if c.is_node_port else LOST)

    def overlay(c: Connection) -> bool:
        enters = c.is_pod and c.entry == node and c.node != node
        return crosses(c) or enters

    def no_masquerade(c: Connection) -> str | None:
        if c.hairpin and c.at == node:
            return LOST
        if not (c.is_node_port and c.entry == node and c.node != node and c.backend):
            return None
        if c.at != node:
            return LOST
        return "source" if c.kind != "host-network" else None

    def dead(c: Connection) -> str | None:
        if c.node == node:
            return "unknown"
        return LOST if node in (c.entry, c.at) else None

    def plant(name: str, fault: Fault, *may: str, **fields: object) -> Planted:
        return Planted(f"{name} {node}", fault, frozenset({node}), frozenset(may), **fields)

    local, free = "lonely-svc-local", "nobody-svc"
    both = ("ipv4", "ipv6")
    return [
        plant("DNS of Pods", _if(lambda c: c.lookup and c.kind == "pod" and c.node == node)),
        plant("all lookups", _if(lambda c: c.lookup and c.node == node)),
        plant("forwards nothing", _if(through)),
        plant(
            "FORWARD is DROP",
            _if(lambda c: through(c) and not (c.is_node_port and c.entry == node)),
        ),
        plant("rules wiped", wiped),
        plant("proxy dead, rules of the DNS there", lambda c: None if c.lookup else wiped(c)),
        plant("overlay", _if(overlay)),
        plant("into", _if(lambda c: crosses(c) and c.at == node)),
        plant("out of", _if(lambda c: crosses(c) and c.chosen_at == node)),
        plant("out of, Pods only", _if(lambda c: crosses(c) and c.chosen_at == node and c.is_pod)),
        plant("node ports", _if(lambda c: c.is_node_port and c.entry == node and c.node != node)),
        plant("no masquerade", no_masquerade),
        plant("hairpins", _if(lambda c: c.hairpin and c.at == node), _pod("web", node)),
        plant("backends", _if(lambda c: c.at == node and not c.lookup)),
        plant("client Pod", _if(lambda c: c.kind == "pod" and c.node == node)),
        plant("dead", dead),
        plant("UDP through", _if(lambda c: c.protocol == "udp" and through(c))),
        plant("IPv6 through", _if(lambda c: c.family == "ipv6" and through(c)), families=both),
        plant(
            "IPv6 rules", _if(lambda c: c.family == "ipv6" and c.chosen_at == node), families=both
        ),
        plant(
            "large payloads", _if(lambda c: c.payload > 1000 and through(c)), "hostname-svc-payload"
        ),
        plant(
            "node port closed",
            _if(
                lambda c: (
                    c.service == "hostname-svc-nodeport"
                    and c.is_node_port
                    and c.entry == node
                    and c.node != node
                )
            ),
            "hostname-svc-nodeport",
        ),
        plant(
            "captured",
            _if(
                lambda c: (
                    c.service == "hostname-svc-clusterip" and c.chosen_at == node and not c.lookup
                ),
                "stranger other-1",
            ),
            "hostname-svc-clusterip",
        ),
        plant(
            "uneven",
            _if(
                lambda c: (
                    c.service == "hostname-svc-shares"
                    and not c.is_node_port
                    and c.chosen_at == node
                ),
                "share",
            ),
            "hostname-svc-shares",
        ),
        plant(
            "silence for refusal",
            _if(lambda c: c.service == free and not c.is_node_port and c.chosen_at == node),
            free,
        ),
        plant(
            "hides the client",
            _if(
                lambda c: c.service == "hostname-svc-local" and c.entry == node and bool(c.backend),
                "source",
            ),
            "hostname-svc-local",
            _pod("web", node),
        ),
        *(
            [
                plant(
                    "leaks",
                    _if(lambda c: c.service == local and c.entry == node, "answered"),
                    local,
                ),
                plant(
                    "refusal for silence",
                    _if(lambda c: c.service == local and c.entry == node, "refused"),
                    local,
                ),
            ]
            if node != "node-1"
            else []
        ),
    ]


def of_objects() -> list[Planted]:
    """Faults of one Service, one Pod, one app, and of the cluster."""
    found = []
    for name in ("hostname-svc-clusterip", "hostname-svc-nodeport", "lonely-svc-anywhere"):
        found.append(
            Planted(
                f"{name} selects nothing",
                _if(lambda c, name=name: c.service == name and not c.lookup, "refused"),
                frozenset({name}),
                frozenset({"ports"}),
            )
        )
    found.append(
        Planted(
            "affinity off",
            _if(lambda c: c.service == "hostname-svc-affinity", "affinity"),
            frozenset({"hostname-svc-affinity"}),
        )
    )
    found.append(
        Planted(
            "alias wrong",
            _if(lambda c: c.service == "externalname-svc" and not c.lookup, "wrong"),
            frozenset({"externalname-svc"}),
        )
    )
    found.append(
        Planted(
            "web listens on loopback",
            _if(lambda c: c.backend.startswith("web-"), "refused"),
            frozenset({"web"}),
        )
    )
    for app, node in (("web", "node-2"), ("web", "node-1"), ("lonely", "node-1")):
        pod = _pod(app, node)
        found.append(
            Planted(
                f"{pod} is dead",
                _if(lambda c, pod=pod: pod in (c.backend, c.client)),
                frozenset({pod}),
                frozenset({node, "lonely"}) if app == "lonely" else frozenset({node}),
            )
        )
    found.append(
        Planted(
            "lonely cannot reach itself",
            _if(lambda c: c.hairpin and c.backend.startswith("lonely")),
            frozenset({_pod("lonely", "")}),
            frozenset({"node-1", "lonely-svc-hairpin", "lonely"}),
        )
    )
    found.append(Planted("CoreDNS is down", _if(lambda c: c.lookup), frozenset()))
    found.append(Planted("nobody comes in", _if(lambda c: c.kind == "outside"), frozenset()))
    found.append(
        Planted(
            "no UDP", _if(lambda c: c.protocol == "udp"), frozenset(), frozenset({"many-ports-svc"})
        )
    )
    pod = _pod("web", "node-2")
    found.append(
        Planted(
            "ready Pod excluded",
            lambda _: None,
            frozenset({pod}),
            frozenset({"node-2"}),
            lines=(
                EndpointsLine(
                    service="hostname-svc-clusterip",
                    missing=(f"{pod} 10.1.1.1",),
                    listed=(f"{_pod('web', 'node-1')} 10.1.1.2",),
                ),
                EndpointsLine(
                    service="hostname-svc-nodeport",
                    missing=(f"{pod} 10.1.1.1",),
                    listed=(f"{_pod('web', 'node-1')} 10.1.1.2",),
                ),
                EndpointsLine(
                    service="many-ports-svc", listed=(f"{_pod('ports', 'node-2')} 10.1.1.4",)
                ),
            ),
        )
    )
    found.append(
        Planted(
            "orphan",
            lambda _: None,
            frozenset({"hostname-svc-clusterip"}),
            lines=(
                EndpointsLine(
                    service="hostname-svc-clusterip", unexpected=("(no Pod) 10.1.1.250",)
                ),
                EndpointsLine(
                    service="hostname-svc-nodeport", listed=(f"{_pod('web', 'node-2')} 10.1.1.4",)
                ),
            ),
        )
    )
    return found


def between(one: str, other: str) -> list[Planted]:
    names = frozenset({one, other})
    return [
        Planted(f"{one} to {other}", _if(lambda c: c.crosses == (one, other)), names),
        Planted(
            f"{one} and {other}",
            _if(lambda c: c.crosses in ((one, other), (other, one))),
            names,
        ),
    ]


NODES = ("node-1", "node-2", "node-3")
FAULTS = [
    *(fault for node in NODES for fault in at_node(node)),
    *of_objects(),
    *between("node-2", "node-3"),
    *between("node-3", "node-1"),
]


def names(found) -> set[str]:
    return {name for each in found for name in (*each.nodes, *each.objects)}


def is_right(fault: Planted, found) -> bool:
    said = names(found)
    return said <= fault.must | fault.may and (bool(said & fault.must) or not fault.must)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("dns", NODES)
def test_a_whole_run_names_it(fault: Planted, dns: str):
    cases = Cluster(fault.fault, families=fault.families, lines=fault.lines, dns=dns).run()
    found = culprits(cases)
    assert found, "no statement"
    assert is_right(fault, found), [each.statement for each in found]


@given(
    fault=st.sampled_from(FAULTS),
    dns=st.sampled_from(NODES),
    share=st.floats(0.05, 1.0),
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0.0, 0.0, 0.003]),
)
@settings(max_examples=400, deadline=None)
def test_part_of_a_run_names_no_other(
    fault: Planted, dns: str, share: float, seed: int, loss: float
):
    cluster = Cluster(
        fault.fault, families=fault.families, lines=fault.lines, dns=dns, seed=seed, loss=loss
    )
    found = culprits(cluster.run(share))
    assert names(found) <= fault.must | fault.may, [each.statement for each in found]


@given(seed=st.integers(0, 2**32), loss=st.sampled_from([0.0, 0.001, 0.01, 0.1]))
@settings(max_examples=60, deadline=None)
def test_noise_says_nothing(seed: int, loss: float):
    assert culprits(Cluster(seed=seed, loss=loss).run()) == ()
