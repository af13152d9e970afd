"""Nothing leaves the machine: what nodes may send to is each other and Pods. Pure.

A ClusterIP without rules would follow the default route: out of the node, through Docker's
bridge, and into the network of whoever runs this. Here it ends as *unreachable*, as on an
embedded cluster. In the nodes' own network namespaces, since Docker's is not ours to change.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Final

__all__ = ["guard_rules"]

_TABLE: Final = "inet svcproof_guard"
#: A node's link to all the others.
_LINK: Final = "eth0"
#: Neighbour discovery, and what was rewritten to stay in the node (Docker's resolver): a hook
#: still calls that by the link it would have left by.
_ALWAYS: Final = ("127.0.0.0/8", "fe80::/10", "ff00::/8")


def guard_rules(ranges: Iterable[str]) -> str:
    """What ``nft -f`` reads: everything else than ``ranges`` is refused at once."""
    networks = [ip_network(text) for text in (*ranges, *_ALWAYS)]
    allowed = "".join(
        f"    {'ip' if version == 4 else 'ip6'} daddr {{ {', '.join(found)} }} accept\n"
        for version in (4, 6)
        if (found := sorted({str(network) for network in networks if network.version == version}))
    )
    chains = "".join(
        f"  chain {hook} {{\n"
        f"    type filter hook {hook} priority 10; policy accept;\n"
        f'    oifname "{_LINK}" jump leaving\n'
        f"  }}\n"
        for hook in ("output", "forward")
    )
    return (
        f"table {_TABLE}\ndelete table {_TABLE}\ntable {_TABLE} {{\n"
        f"  chain leaving {{\n"
        f"    ct state established,related accept\n{allowed}"
        f"    reject with icmpx type host-unreachable\n"
        f"  }}\n{chains}}}\n"
    )
