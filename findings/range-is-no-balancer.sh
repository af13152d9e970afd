#!/usr/bin/env bash
# DNAT to a range of addresses sends all connections of one client to one of them.
#
# One would expect: "dnat to 10.0.0.1-10.0.0.3" spreads connections, as three rules with random
# probabilities do, and "persistent" is the option that keeps a client at one address.
#
# What happens: the address is a hash of addresses, and ports have no part in it: each of 60 fresh
# connections of a client goes the same way. "persistent" and "random" change nothing of that.
#
# Why it matters: a range is the shortest load balancer to write for a laboratory, in nftables and
# in iptables (--to-destination A-B), and a check of shares that asks from one place proves
# nothing about it: it has perfect session affinity, which nobody asked for. Many clients are
# needed before it looks like a balancer at all.
#
# Upstream: find_best_ips_proto() in net/netfilter/nf_nat_core.c.
set -eu
set -o pipefail
[ "$(id -u)" = 0 ] || { echo "needs root: it makes network namespaces" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -o APT::Sandbox::User=root download -qq nftables=1.0.6-2+deb12u2 \
    libnftables1=1.0.6-2+deb12u2 libnftnl11=1.2.4-2 libxtables12=1.8.9-2 || exit 2
for package in *.deb; do dpkg -x "$package" root; done

cat > server.py <<'END'
import socket, threading


def serve(address):
    with socket.create_server((address, 8080), backlog=100) as server:
        while True:
            connection, _ = server.accept()
            connection.sendall(address.encode())
            connection.close()


for number in (1, 2, 3):
    threading.Thread(target=serve, args=(f"10.0.0.{number}",)).start()
open("listening", "w").close()
END
cat > client.py <<'END'
import socket, sys


def answered_by(source):
    with socket.create_connection(("198.51.100.1", 80), 3, source_address=(source, 0)) as client:
        return client.recv(99).decode()


one = {answered_by("192.0.2.1") for _ in range(60)}
many = {answered_by(f"192.0.2.{number}") for number in range(1, 61)}
print(f"{sys.argv[1]}: one client 60 times: {len(one)} of 3; 60 clients once: {len(many)} of 3")
END
cat > inside.sh <<'END'
mount -t tmpfs none /run
ip netns add router
ip link add c0 type veth peer name r0 netns router
for number in $(seq 60); do ip address add "192.0.2.$number/24" dev c0; done
ip link set c0 up
ip -n router address add 192.0.2.254/24 dev r0
ip -n router link set r0 up
ip -n router link set lo up
for number in 1 2 3; do ip -n router address add "10.0.0.$number/32" dev lo; done
ip route add default via 192.0.2.254
ip netns exec router python3 server.py &
server=$!
trap 'kill "$server"' EXIT
for _ in $(seq 100); do [ -e listening ] && break; sleep 0.1; done
nft=(env LD_LIBRARY_PATH="$(echo "$PWD"/root/usr/lib/*-linux-gnu)" "$PWD/root/usr/sbin/nft")
range=10.0.0.1-10.0.0.3:8080
three='numgen random mod 3 map { 0 : 10.0.0.1, 1 : 10.0.0.2, 2 : 10.0.0.3 }:8080'
for way in "$range" "$range random" "$range persistent" "$three"; do
    ip netns exec router "${nft[@]}" -f - <<RULES
flush ruleset
table ip t {
	chain prerouting {
		type nat hook prerouting priority -100
		ip daddr 198.51.100.1 tcp dport 80 dnat to $way
	}
}
RULES
    python3 client.py "${way%% map*}"
done
END
uname -sr
echo "one would expect: the first line as the last. Seen:"
unshare --net --mount bash -eu inside.sh | tee seen || exit 2
diff seen - <<'END' || { echo "no longer as stated"; exit 1; }
10.0.0.1-10.0.0.3:8080: one client 60 times: 1 of 3; 60 clients once: 3 of 3
10.0.0.1-10.0.0.3:8080 random: one client 60 times: 1 of 3; 60 clients once: 3 of 3
10.0.0.1-10.0.0.3:8080 persistent: one client 60 times: 1 of 3; 60 clients once: 3 of 3
numgen random mod 3: one client 60 times: 3 of 3; 60 clients once: 3 of 3
END
echo "as stated"
