#!/usr/bin/env bash
# One search domain that answers badly ends the search: after which answers, each resolver has its
# own opinion, and only Go's goes on after all of them.
#
# One would expect: a Pod's resolv.conf has several search domains, and a name is tried in each
# until one has an address. A server that refuses or fails for one domain is no reason to leave
# the others untried.
#
# What happens: of a first domain that has the name without an address (NOERROR, no records), that
# fails (SERVFAIL) or is refused (REFUSED), while the second one has the address:
# glibc goes on after the first two and ends at REFUSED; c-ares (here by aiodns) goes on
# after the first only; dnspython ends at each of them.
#
# Why it matters: a Pod's dnsConfig may put a search domain before the cluster's. If CoreDNS does not
# serve it (REFUSED), or what it forwards to is down (SERVFAIL), then a Go program in the Pod still
# finds the Service by its short name, and Python beside it does not. A check of short names by
# one library says nothing about the next one.
#
# Upstream: __res_context_search() in glibc's resolv/res_query.c; ares_search.c in c-ares;
# dns.resolver.Resolver.resolve() and _Resolution in dnspython.
set -eu
set -o pipefail
[ "$(id -u)" = 0 ] || { echo "needs root: it makes a network namespace" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv python
python/bin/pip install -q aiodns==4.0.4 pycares==5.0.1 dnspython==2.9.2 || exit 2

cat > server.py <<'END'
"""A DNS server: what each name of the first search domain is answered with; all are in the second."""
import socket, struct

RCODES = {"empty": 0, "failing": 2, "refused": 5, "missing": 3}
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
open("listening", "w").close()
while True:
    query, client = server.recvfrom(4096)
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode().lower())
        at += query[at] + 1
    (kind,) = struct.unpack("!H", query[at + 1 : at + 3])
    found = labels[1:] == ["second", "example"] and kind == 1
    record = b"\xc0\x0c" + struct.pack("!HHIH4B", 1, 1, 5, 4, 192, 0, 2, 1) if found else b""
    first = labels[1:] == ["first", "example"]
    rcode = RCODES[labels[0]] if first else 0 if labels[1:2] == ["second"] else 3
    header = struct.pack("!HHHHH", 0x8180 | rcode, 1, int(found), 0, 0)
    server.sendto(query[:2] + header + query[12 : at + 5] + record, client)
END
cat > ask.py <<'END'
import asyncio, socket

import aiodns
import dns.resolver

NAMES = ("missing", "empty", "failing", "refused")


def glibc(name):
    return socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)


async def c_ares(name):
    resolver = aiodns.DNSResolver(timeout=1, tries=1)
    return (await resolver.getaddrinfo(name, family=socket.AF_UNSPEC, port=80)).nodes


def dnspython(name):
    return list(dns.resolver.resolve(name, "A", search=True, lifetime=3))


for title, ask in (
    ("glibc", glibc),
    ("aiodns", lambda name: asyncio.run(c_ares(name))),
    ("dnspython", dnspython),
):
    ends = []
    for name in NAMES:
        try:
            ends.append("found" if ask(name) else "nothing")
        except Exception:  # each library has errors of its own
            ends.append("ended")
    print(f"{title:<10}", *(f"{name} {end}" for name, end in zip(NAMES, ends)), sep="  ")
END
mkdir go
cat > go/go.mod <<'END'
module probe

go 1.22
END
cat > go/main.go <<'END'
package main

import (
	"context"
	"fmt"
	"net"
)

func main() {
	fmt.Printf("%-10s", "go")
	for _, name := range []string{"missing", "empty", "failing", "refused"} {
		resolver := net.Resolver{PreferGo: true}
		end := "found"
		if _, err := resolver.LookupHost(context.Background(), name); err != nil {
			end = "ended"
		}
		fmt.Printf("  %s %s", name, end)
	}
	fmt.Println()
}
END
(cd go && CGO_ENABLED=0 go build -p 1 -o ../ask-go .)
cat > inside.sh <<'END'
ip link set lo up
printf 'nameserver 127.0.0.1\nsearch first.example second.example\noptions ndots:5 timeout:1 attempts:1\n' > resolv.conf
printf 'hosts: files dns\n' > nsswitch.conf
mount --bind resolv.conf /etc/resolv.conf
mount --bind nsswitch.conf /etc/nsswitch.conf
python3 server.py &
server=$!
trap 'kill "$server"' EXIT
for _ in $(seq 100); do [ -e listening ] && break; sleep 0.1; done
python/bin/python ask.py
./ask-go
END
echo "glibc $(getconf GNU_LIBC_VERSION | cut -d' ' -f2), aiodns 4.0.4, dnspython 2.9.2, $(go version)"
echo "one would expect: found in the second search domain, whatever the first one says. Seen:"
unshare --net --mount bash -eu inside.sh | tee seen || exit 2
diff seen - <<'END' || { echo "no longer as stated"; exit 1; }
glibc       missing found  empty found  failing found  refused ended
aiodns      missing found  empty found  failing ended  refused ended
dnspython   missing found  empty ended  failing ended  refused ended
go          missing found  empty found  failing found  refused found
END
echo "as stated"
