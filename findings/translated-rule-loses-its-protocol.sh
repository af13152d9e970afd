#!/usr/bin/env bash
# iptables-translate leaves the protocol out of "-p udp -m udp", the way that iptables saves it.
#
# One would expect: a rule that the translator prints without a comment sign means the same in
# nftables; what it cannot translate it prints as a comment.
#
# What happens: "-p udp -j DROP" keeps its protocol, and "-p udp -m udp -j DROP" becomes a rule
# that drops everything. Where the target is DNAT to a port nft refuses the file; where it is DROP,
# REJECT or a jump the rule loads, and holds for all protocols. Exit status 0, nothing on stderr.
#
# Why it matters: kube-proxy's endpoint rules are of exactly this form (protocol matched, port not:
# the chain has been jumped to by port). Translating an iptables-save of a node, to compare data
# planes or to replay a node's rules in a laboratory, yields another routing than the node's.
#
# Upstream: the udp and tcp extensions' xlate functions are silent without a port; the protocol
# itself is left to them as soon as "-m udp" is there.
set -eu
set -o pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -o APT::Sandbox::User=root download -qq iptables=1.8.9-2 libnftnl11=1.2.4-2 \
    libxtables12=1.8.9-2 libip4tc2=1.8.9-2 libip6tc2=1.8.9-2 libmnl0=1.0.4-3 || exit 2
for package in *.deb; do dpkg -x "$package" root; done
library=$(echo "$PWD"/root/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH=$library XTABLES_LIBDIR=$library/xtables
xtables=$PWD/root/usr/sbin/xtables-nft-multi

"$xtables" iptables --version
echo "one would expect: each of these rules is about UDP or TCP only. Seen:"
{
    for rule in "-p udp -j DROP" "-p udp -m udp -j DROP" "-p tcp -m tcp -j REJECT" \
        "-p udp -m udp --dport 53 -j DROP"; do
        # shellcheck disable=SC2086  # a rule is several words
        echo "$rule  =>  $("$xtables" iptables-translate -A X $rule)"
    done
    "$xtables" iptables-restore-translate -f /dev/stdin <<'END' | grep -v '^#'
*nat
:KUBE-SEP-A - [0:0]
-A KUBE-SEP-A -p udp -m comment --comment "kube-system/kube-dns:dns" -m udp -j DNAT --to-destination 10.0.0.6:53
COMMIT
END
} | tee seen || exit 2
diff seen - <<'END' || { echo "no longer as stated"; exit 1; }
-p udp -j DROP  =>  nft 'add rule ip filter X ip protocol udp counter drop'
-p udp -m udp -j DROP  =>  nft 'add rule ip filter X counter drop'
-p tcp -m tcp -j REJECT  =>  nft 'add rule ip filter X counter reject'
-p udp -m udp --dport 53 -j DROP  =>  nft 'add rule ip filter X udp dport 53 counter drop'
add table ip nat
add chain ip nat KUBE-SEP-A
add rule ip nat KUBE-SEP-A counter dnat to 10.0.0.6:53 comment "kube-system/kube-dns:dns"
END
echo "as stated"
