"""Session affinity of a crowd: how many clients a Service's rules remember."""

from ipaddress import ip_network

from svcproof.errors import NotSupported
from svcproof.questions import of_many
from svcproof.testing import Judge, Pair, Run

#: Clients as a prefix length: 64, and 512. iptables mode remembers 100 of each Pod.
FEW, MANY = 6, 9


def crowds(run: Run, bits: int) -> list[Pair]:
    """So many clients (two to the power of ``bits``) outside, of each family, at one node's port:
    each node remembers for itself."""
    ranges = run.app.cluster.facts.outside_ranges
    if not ranges:
        raise NotSupported(
            "this cluster has one client outside at most, with an address for each family",
            remedy="judge a cluster that svcproof starts: its client outside has many",
        )
    (outside,) = run.clients.everywhere("outside")
    pairs = []
    for target in run.app.targets("node-port"):
        network = ip_network(ranges[target.family])
        crowd = next(network.subnets(new_prefix=network.max_prefixlen - bits))
        if target.entry_node == run.app.cluster.facts.node_names[0]:
            pairs.append((outside, of_many(target, str(crowd))))
    return pairs


def test_many_clients(run: Run, judge: Judge) -> None:
    """Each of many clients of a sticky Service keeps its Pod, as long as the rules remember it."""
    run.measure(crowds(run, FEW), count=2 * 2**FEW, affinity="each")
    run.measure(crowds(run, MANY), count=2 * 2**MANY, affinity="each")
    judge()
