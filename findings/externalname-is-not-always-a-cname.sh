#!/usr/bin/env bash
# What CoreDNS answers for an ExternalName depends on what the name looks like: not always a CNAME.
#
# One would expect: a Service of type ExternalName is a CNAME record of exactly that name, whatever
# it points to, and a query of another type gets that CNAME; a chain to a name that does not exist
# is the CNAME and NXDOMAIN. An externalName that looks like an IPv4 address is, as Kubernetes
# documents it, a name of digits.
#
# What happens, with the kubernetes plugin:
# * externalName 192.0.2.7, which the API server accepts: NXDOMAIN, also for CNAME queries, as if the
#   Service were not there;
# * a name below cluster.local that does not exist: NOERROR and no record, without the CNAME; a
#   query for CNAME itself gets it;
# * AAAA of one that points to an IPv4 Service: NOERROR and no record, again without the CNAME; of
#   one that points outside the cluster, the CNAME is there.
#
# Why it matters: "is it a CNAME?" can be told by a CNAME query only, a typing error in externalName
# is "no data" and not "no such name" (a search list goes on after one, and not always after the
# other), and an address in externalName looks like a Service that was never made.
#
# Upstream: services() and the CNAME handling in plugin/backend_lookup.go; ExternalName in the
# DNS specification (kubernetes/dns docs/specification.md, 2.5).
set -eu
set -o pipefail
work=$(mktemp -d)
jobs=()
trap 'kill "${jobs[@]}" 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
cat > go.mod <<'END'
module probe

go 1.25.0

require github.com/coredns/coredns v1.14.7
END
cat > main.go <<'END'
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
)

func main() {
	dnsserver.Directives = []string{"bind", "errors", "kubernetes"}
	coremain.Run()
}
END
export GOFLAGS=-mod=mod
go mod tidy 2> tidy || { cat tidy >&2; exit 2; }
nice go build -p 1 -o coredns .
python3 -m venv python
python/bin/pip install -q dnspython==2.9.2 || exit 2

cat > api.py <<'END'
"""As much of an API server as CoreDNS asks for: lists, and watches in which nothing happens."""
import json, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


def service(name, **spec):
    return {"metadata": {"name": name, "namespace": "ns", "uid": name, "resourceVersion": "1"}, "spec": spec}


SERVICES = [
    service("web", type="ClusterIP", clusterIP="10.96.0.5", clusterIPs=["10.96.0.5"], ports=[{"port": 80}]),
    service("address", type="ExternalName", externalName="192.0.2.7"),
    service("missing", type="ExternalName", externalName="none.ns.svc.cluster.local"),
    service("inside", type="ExternalName", externalName="web.ns.svc.cluster.local"),
    service("outside", type="ExternalName", externalName="db.example.com"),
]
LISTS = {
    "/api/v1/services": ("v1", "Service", SERVICES),
    "/api/v1/namespaces": ("v1", "Namespace", [{"metadata": {"name": "ns", "uid": "ns", "resourceVersion": "1"}}]),
    "/apis/discovery.k8s.io/v1/endpointslices": ("discovery.k8s.io/v1", "EndpointSlice", []),
}


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urlsplit(self.path)
        if "watch" in parse_qs(url.query):
            return self.watch(url)
        version, kind, items = LISTS.get(url.path, ("v1", "", []))
        listed = {"apiVersion": version, "kind": f"{kind}List", "metadata": {"resourceVersion": "1"}, "items": items}
        text = json.dumps(listed).encode()
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def watch(self, url):
        version, kind, items = LISTS[url.path]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if "sendInitialEvents" in url.query:
            for item in items:
                self.event("ADDED", version, kind, item)
            done = {"resourceVersion": "1", "annotations": {"k8s.io/initial-events-end": "true"}}
            self.event("BOOKMARK", version, kind, {"metadata": done})
        time.sleep(3600)

    def event(self, word, version, kind, item):
        text = json.dumps({"type": word, "object": {"apiVersion": version, "kind": kind, **item}}).encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.wfile.flush()

    def log_message(self, *_):
        pass


ThreadingHTTPServer.daemon_threads = True
server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
with open("port", "w") as file:
    file.write(str(server.server_port))
server.serve_forever()
END
cat > ask.py <<'END'
import sys, time

import dns.message, dns.query, dns.rcode, dns.rdatatype

port = int(sys.argv[1])


def answer(name, kind):
    query = dns.message.make_query(f"{name}.ns.svc.cluster.local.", kind)
    reply = dns.query.udp(query, "127.0.0.1", port=port, timeout=2)
    kinds = [dns.rdatatype.to_text(records.rdtype) for records in reply.answer]
    return f"{dns.rcode.to_text(reply.rcode())} {'+'.join(kinds) or 'nothing'}"


for _ in range(100):  # until CoreDNS has listed the Services
    try:
        if answer("web", "A") == "NOERROR A":
            break
    except Exception:
        pass
    time.sleep(0.2)
else:
    sys.exit("CoreDNS does not answer")
for name in ("address", "missing", "inside", "outside"):
    print(f"{name:<8}", *(f"{kind} {answer(name, kind)}" for kind in ("CNAME", "A", "AAAA")), sep="   ")
END
python3 api.py &
jobs+=($!)
for _ in $(seq 100); do [ -s port ] && break; sleep 0.1; done
dns=$(python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > Corefile <<END
cluster.local:$dns {
	bind 127.0.0.1
	errors
	kubernetes cluster.local {
		endpoint http://127.0.0.1:$(cat port)
	}
}
END
./coredns -conf Corefile > log 2>&1 &
jobs+=($!)
echo "CoreDNS 1.14.7, $(go version)"
echo "one would expect: CNAME in each column of each line. Seen:"
python/bin/python ask.py "$dns" | tee seen || { cat log >&2; exit 2; }
diff seen - <<'END' || { echo "no longer as stated"; exit 1; }
address    CNAME NXDOMAIN nothing   A NXDOMAIN nothing   AAAA NXDOMAIN nothing
missing    CNAME NOERROR CNAME   A NOERROR nothing   AAAA NOERROR nothing
inside     CNAME NOERROR CNAME   A NOERROR CNAME+A   AAAA NOERROR nothing
outside    CNAME NOERROR CNAME   A NOERROR CNAME   AAAA NOERROR CNAME
END
echo "as stated"
