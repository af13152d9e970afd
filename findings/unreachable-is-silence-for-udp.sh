#!/usr/bin/env bash
# "Host unreachable" and "network unreachable" reach a TCP client, and no UDP client.
#
# One would expect: an ICMP error for a connected UDP socket is an error of its next call, as
# "port unreachable" is (ECONNREFUSED), and as each of these codes is for connect() over TCP.
#
# What happens: Linux passes to UDP only codes that it calls fatal: port and protocol unreachable
# and the three "prohibited" ones. Codes 0 and 1, which routers send where a route or a neighbour
# is missing, are dropped: the client waits until its own timeout.
#
# Why it matters: where kube-proxy leaves a packet alone (iptables mode, a port that the ClusterIP
# does not have) the next router answers so. The same fault is "unreachable" in a test over TCP
# and "timed out" over UDP and DNS; a rule with "reject with icmp host-unreachable" is for UDP a
# rule that drops.
#
# Upstream: icmp_err_convert[] in net/ipv4/icmp.c, and its use in __udp4_lib_err(); udp(7) speaks
# of "fatal errors" and does not say which these are.
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
		ip daddr 198.51.100.1 reject with icmp net-unreachable
		ip daddr 198.51.100.2 reject with icmp host-unreachable
		ip daddr 198.51.100.3 reject with icmp prot-unreachable
		ip daddr 198.51.100.4 reject with icmp port-unreachable
		ip daddr 198.51.100.5 reject with icmp net-prohibited
		ip daddr 198.51.100.6 reject with icmp host-prohibited
		ip daddr 198.51.100.7 reject with icmp admin-prohibited
	}
}
END
cat > client.py <<'END'
import errno, socket, time

CODES = ("net-unreachable", "host-unreachable", "prot-unreachable", "port-unreachable",
         "net-prohibited", "host-prohibited", "admin-prohibited")


def ending(host, kind):
    time.sleep(1.5)  # ICMP errors are counted: one a second can always be sent
    with socket.socket(socket.AF_INET, kind) as client:
        client.settimeout(2)
        try:
            client.connect((host, 80))
            client.send(b"x")
            client.recv(9)
        except TimeoutError:
            return "silence"
        except OSError as error:
            return errno.errorcode[error.errno]
    return "an answer"


for number, code in enumerate(CODES, start=1):
    ends = [ending(f"198.51.100.{number}", kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
    print(f"{code:<17} TCP {ends[0]:<13} UDP {ends[1]}")
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
python3 client.py
END
uname -sr
echo "one would expect: the same for UDP as for TCP in each line. Seen:"
unshare --net --mount bash -eu inside.sh | tee seen || exit 2
diff seen - <<'END' || { echo "no longer as stated"; exit 1; }
net-unreachable   TCP ENETUNREACH   UDP silence
host-unreachable  TCP EHOSTUNREACH  UDP silence
prot-unreachable  TCP ENOPROTOOPT   UDP ENOPROTOOPT
port-unreachable  TCP ECONNREFUSED  UDP ECONNREFUSED
net-prohibited    TCP ENETUNREACH   UDP ENETUNREACH
host-prohibited   TCP EHOSTUNREACH  UDP EHOSTUNREACH
admin-prohibited  TCP EHOSTUNREACH  UDP EHOSTUNREACH
END
echo "as stated"
