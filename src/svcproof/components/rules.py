"""The packet filter features that kube-proxy's rules use, tried with rules of the same kind."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from svcproof.components.findings import Finding
from svcproof.components.system_tools import search_path

__all__ = ["inspect_iptables", "inspect_nftables"]

_REMEDY: Final = "load the host's modules for it ({}), or use a kernel that has them"

#: Rule by what it needs, in the nat table.
_IPTABLES_RULES: Final[Mapping[str, str]] = {
    "addrtype match": "-A POSTROUTING -m addrtype --dst-type LOCAL -j RETURN",
    "comment match": '-A POSTROUTING -m comment --comment "svcproof" -j RETURN',
    "statistic match": "-A POSTROUTING -m statistic --mode random --probability 0.5 -j RETURN",
    "recent match": "-A POSTROUTING -m recent --name svcproof --rcheck --seconds 10 -j RETURN",
    "mark match": "-A POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
    "conntrack match": "-A POSTROUTING -m conntrack --ctstate NEW -j RETURN",
    "MARK target": "-A POSTROUTING -j MARK --or-mark 0x4000",
    "MASQUERADE target": "-A POSTROUTING -j MASQUERADE --random-fully",
}
_DNAT_RULE: Final = "-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination {}"
_ADDRESSES: Final = {"ip": "192.0.2.1:80", "ip6": "[2001:db8::1]:80"}

#: As kube-proxy has it: one ruleset for a family.
_NFT_RULES: Final = """\
table {family} svcproof {{
  set affinity {{ type {type}; flags dynamic,timeout; timeout 10s; }}
  map services {{ type inet_proto . inet_service : verdict; }}
  chain a {{ dnat to {address}; }}
  chain b {{ update @affinity {{ {family} saddr }}; dnat to {address}; }}
  chain pre {{
    type nat hook prerouting priority -100;
    fib daddr type local meta l4proto . th dport vmap @services
    meta l4proto tcp numgen random mod 2 vmap {{ 0 : goto a, 1 : goto b }}
  }}
  chain forward {{ type filter hook forward priority 0; ct state new reject; }}
  chain post {{ type nat hook postrouting priority 100; masquerade fully-random; }}
}}
"""


def inspect_iptables() -> Iterator[Finding]:
    """Both families, in the calling thread's network namespace."""
    for command, family, needed_for in (
        ("iptables-restore", "ip", "iptables"),
        ("ip6tables-restore", "ip6", "ipv6"),
    ):
        path = shutil.which(command, path=search_path())
        if path is None:
            continue  # the program is missing, not the kernel's part: system_tools says so
        rules = {**_IPTABLES_RULES, "DNAT target": _DNAT_RULE.format(_ADDRESSES[family])}
        name = f"iptables {family} nat"
        if not _restore(path, list(rules.values())):
            yield Finding(name, True, needed_for=needed_for)
            continue
        failed = {what: _restore(path, [rule]) for what, rule in rules.items()}
        detail = "; ".join(f"{what}: {error}" for what, error in failed.items() if error)
        remedy = _REMEDY.format("iptable_nat or nft_compat, xt_*")
        yield Finding(name, False, detail or "the rules do not go together", remedy, needed_for)


def inspect_nftables() -> Iterator[Finding]:
    """Both families, in the calling thread's network namespace."""
    path = shutil.which("nft", path=search_path())
    if path is None:
        return
    for family, kind, address, needed_for in (
        ("ip", "ipv4_addr", "192.0.2.1", ""),
        ("ip6", "ipv6_addr", "2001:db8::1", "ipv6"),
    ):
        rules = _NFT_RULES.format(family=family, type=kind, address=address)
        error = _feed([path, "-f", "-"], rules)
        remedy = _REMEDY.format("nf_tables, nft_chain_nat, nft_masq, nft_numgen, nft_fib_*")
        yield Finding(f"nftables {family} nat", not error, error, remedy, needed_for)


def _restore(path: str, rules: Sequence[str]) -> str:
    text = "\n".join(["*nat", *rules, "COMMIT", ""])
    return _feed([path, "--noflush", "--wait", "2"], text)


def _feed(command: Sequence[str], text: str) -> str:
    """ "" when the command took it, else its first line of complaint."""
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[0]
