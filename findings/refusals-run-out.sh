#!/usr/bin/env bash
# A refusal that "comes at once" comes at once six times; an address without a route, twice.
#
# One would expect: a rule that rejects (kube-proxy's, for a Service without endpoints) refuses
# every connection at once, and a router without a route (where iptables mode sends a port that a
# ClusterIP does not have) says so to every connection.
#
# What happens: both answers are ICMP, and Linux counts ICMP errors per receiver: six, then one a
# second. A rejected connection is refused by its second SYN then, after 1 s. Where a route is
# missing each packet is charged twice (once for the lookup, once for the message), so there are
# two answers, and then none at all as long as somebody asks once a second: since Linux 6.5 a
# connect() does, so it runs into its timeout.
#
# Why it matters: a tester who asks more than six times from one place, or with a time limit of
# 1 s, sees "refused" turn into "timed out" where nothing changed. A TCP reset has no such limit.
#
# Upstream: net.ipv4.icmp_ratelimit in Documentation/networking/ip-sysctl.rst; ip_error() in
# net/ipv4/route.c; tcp_syn_linear_timeouts (Linux 6.5).
set -eu
set -o pipefail
[ "$(id -u)" = 0 ] || { echo "needs root: it makes network namespaces" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -o APT::Sandbox::User=root download -qq nftables=1.0.6-2+deb12u2 \
    libnftables1=1.0.6-2+deb12u2 libnftnl11=1.2.4-2 libxtables12=1.8.9-2 || exit 2
for package in *.deb; do dpkg -x "$package" root; done

cat > rules.nft <<'END'
table ip t {
	chain forward {
		type filter hook forward priority 0
		ip daddr 198.51.100.1 reject
		ip daddr 198.51.100.2 reject with tcp reset
	}
}
END
cat > client.py <<'END'
import socket, sys, time

host, times = sys.argv[1], int(sys.argv[2])
endings = []
for _ in range(times):
    client = socket.socket()
    client.settimeout(4.5)
    began = time.monotonic()
    try:
        client.connect((host, 80))
    except TimeoutError:
        endings.append("silence")
    except OSError as error:
        late = time.monotonic() - began > 0.5
        endings.append(f"{error.strerror} {'late' if late else 'at once'}")
    client.close()
for ending in dict.fromkeys(endings):
    print(f"  {endings.count(ending)} x {ending}")
END
cat > inside.sh <<'END'
mount -t tmpfs none /run
ip netns add router
ip link add c0 type veth peer name r0 netns router
ip address add 192.0.2.1/24 dev c0
ip link set c0 up
ip -n router address add 192.0.2.254/24 dev r0
ip -n router link set r0 up
ip route add default via 192.0.2.254
ip netns exec router sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 \
    net.ipv4.conf.r0.send_redirects=0
ip -n router route add 198.51.100.0/24 dev r0
nft=(env LD_LIBRARY_PATH="$(echo "$PWD"/root/usr/lib/*-linux-gnu)" "$PWD/root/usr/sbin/nft")
ip netns exec router "${nft[@]}" -f rules.nft
echo "rejected by ICMP, 9 times"
python3 client.py 198.51.100.1 9
sleep 8
echo "rejected by TCP reset, 9 times"
python3 client.py 198.51.100.2 9
sleep 8
echo "no route at the router, 6 times"
python3 client.py 203.0.113.1 6
END
uname -sr
echo "one would expect: 9 and 9 refused, 6 unreachable, each at once. Seen:"
unshare --net --mount bash -eu inside.sh | tee seen || exit 2
diff seen - <<'END' || { echo "no longer as stated"; exit 1; }
rejected by ICMP, 9 times
  6 x Connection refused at once
  3 x Connection refused late
rejected by TCP reset, 9 times
  9 x Connection refused at once
no route at the router, 6 times
  2 x Network is unreachable at once
  4 x silence
END
echo "as stated"
