#!/usr/bin/env bash
# A rule that rejects UDP says "operation not permitted" to a client on the node itself.
#
# One would expect: a rejected datagram is ECONNREFUSED, on the node as in a Pod; a dropped one
# is silence, as it is for TCP.
#
# What happens: send() fails with EPERM in both cases, in iptables and in nftables alike: the
# verdict on an outgoing packet is the result of the system call. TCP's connect() does not see it
# and gets the ICMP answer, or waits. So for a client in the host's network "reject" and "drop"
# are one and the same over UDP, and as different as can be over TCP.
#
# Why it matters: a Service without endpoints (kube-proxy's rule is in the output hook, too) asked
# over UDP by a host-network Pod looks like a missing capability or a seccomp profile, and a
# tester takes it for trouble of his own harness instead of the refusal that it is.
#
# Upstream: NF_DROP_ERR/-EPERM in nf_hook_slow(), net/netfilter/core.c; ip_send_skb().
set -eu
set -o pipefail
[ "$(id -u)" = 0 ] || { echo "needs root: it makes network namespaces" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -o APT::Sandbox::User=root download -qq nftables=1.0.6-2+deb12u2 iptables=1.8.9-2 \
    libnftables1=1.0.6-2+deb12u2 libnftnl11=1.2.4-2 libxtables12=1.8.9-2 libip4tc2=1.8.9-2 \
    libip6tc2=1.8.9-2 libmnl0=1.0.4-3 || exit 2
for package in *.deb; do dpkg -x "$package" root; done

cat > client.py <<'END'
import errno, socket


def ending(kind):
    with socket.socket(socket.AF_INET, kind) as client:
        client.settimeout(2)
        step = "connect"
        try:
            client.connect(("198.51.100.1", 80))
            step = "send"
            client.send(b"x")
            step = "receive"
            client.recv(9)
        except TimeoutError:
            return f"{step}: silence"
        except OSError as error:
            return f"{step}: {errno.errorcode[error.errno]}"
    return "an answer"


print(f"TCP {ending(socket.SOCK_STREAM)}, UDP {ending(socket.SOCK_DGRAM)}")
END
cat > inside.sh <<'END'
ip link set lo up
ip link add e0 type veth peer name e1
ip address add 192.0.2.1/24 dev e0
ip link set e0 up
ip link set e1 up
ip route add default via 192.0.2.254
ip neighbour add 192.0.2.254 lladdr 02:00:00:00:00:01 dev e0
library=$(echo "$PWD"/root/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH=$library XTABLES_LIBDIR=$library/xtables
nft=$PWD/root/usr/sbin/nft
iptables=$PWD/root/usr/sbin/xtables-nft-multi
for verdict in reject drop; do
    "$nft" flush ruleset
    "$nft" add table ip t
    "$nft" add chain ip t output '{ type filter hook output priority 0; }'
    "$nft" add rule ip t output ip daddr 198.51.100.1 "$verdict"
    echo "nftables $verdict: $(python3 client.py)"
done
"$nft" flush ruleset
for verdict in REJECT DROP; do
    "$iptables" iptables -F OUTPUT
    "$iptables" iptables -A OUTPUT -d 198.51.100.1 -j "$verdict"
    echo "iptables $verdict: $(python3 client.py)"
    sleep 1
done
END
uname -sr
echo "one would expect: UDP refused where it is rejected, silence where it is dropped. Seen:"
unshare --net --mount bash -eu inside.sh | tee seen || exit 2
diff seen - <<'END' || { echo "no longer as stated"; exit 1; }
nftables reject: TCP connect: ECONNREFUSED, UDP send: EPERM
nftables drop: TCP connect: silence, UDP send: EPERM
iptables REJECT: TCP connect: ECONNREFUSED, UDP send: EPERM
iptables DROP: TCP connect: silence, UDP send: EPERM
END
echo "as stated"
