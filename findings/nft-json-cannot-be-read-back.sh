#!/usr/bin/env bash
# What "nft -j list ruleset" prints of a Service's rules "nft -j -f" does not take.
#
# One would expect: the JSON of nft is its own exchange format, with a schema and a binding for
# Python: what it lists it loads, as it does with its text.
#
# What happens: tables, sets and maps are listed before chains, and loaded one by one. A verdict
# map whose element goes to a chain, which is how kube-proxy's nftables mode finds a Service,
# names a chain that is not there yet: "No such file or directory", and nothing is loaded. With the
# chains put first it loads, and the comments of the table and of its sets and maps are gone:
# there kube-proxy says which Service an element is about, and what a set is for.
#
# Why it matters: whoever saves and restores a node's rules around a fault, or compares them as
# data, with the JSON or with the binding (whose "cmd" returns an error code and raises nothing)
# restores nothing. The text form survives the same round trip unchanged.
#
# Upstream: libnftables-json(5); src/json.c (listing) and src/parser_json.c (loading).
set -eu
set -o pipefail
[ "$(id -u)" = 0 ] || { echo "needs root: it makes a network namespace" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -o APT::Sandbox::User=root download -qq nftables=1.0.6-2+deb12u2 \
    libnftables1=1.0.6-2+deb12u2 libnftnl11=1.2.4-2 libxtables12=1.8.9-2 || exit 2
for package in *.deb; do dpkg -x "$package" root; done

cat > rules.nft <<'END'
table ip services {
	comment "rules of a proxy"
	map service-ips {
		type ipv4_addr . inet_proto . inet_service : verdict
		comment "ClusterIP traffic"
		elements = { 10.96.0.10 . udp . 53 comment "kube-system/kube-dns:dns" : goto service-dns }
	}
	chain service-dns {
		numgen random mod 2 vmap { 0 : goto endpoint-1, 1 : goto endpoint-2 }
	}
	chain endpoint-1 {
		meta l4proto udp dnat to 10.0.0.5:53
	}
	chain endpoint-2 {
		meta l4proto udp dnat to 10.0.0.6:53
	}
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		ip daddr . meta l4proto . th dport vmap @service-ips
	}
}
END
cat > chains-first.py <<'END'
import json, sys

ORDER = ["metainfo", "table", "chain", "set", "map", "rule"]
listed = json.load(sys.stdin)
listed["nftables"].sort(key=lambda item: ORDER.index(next(iter(item))))
json.dump(listed, sys.stdout)
END
cat > inside.sh <<'END'
nft() {
    LD_LIBRARY_PATH=$(echo "$PWD"/root/usr/lib/*-linux-gnu) "$PWD/root/usr/sbin/nft" "$@"
}
loads() {
    nft flush ruleset
    if nft "$@" 2> error; then
        nft list ruleset > again
        lost=$(diff listed again | sed -n 's/^< *\t*\(comment .*\)/\1/p' | paste -sd, | sed 's/,/, /g')
        echo "loaded; lost: ${lost:-nothing}"
    else
        echo "refused: $(sed -n 's/.*Error: //p' error | head -1)"
    fi
}
nft -f rules.nft
nft list ruleset > listed
nft -j list ruleset > listed.json
python3 chains-first.py < listed.json > sorted.json
echo "text: $(loads -f listed)"
echo "JSON: $(loads -j -f listed.json)"
echo "JSON, chains first: $(loads -j -f sorted.json)"
END
echo "nftables 1.0.6-2+deb12u2, $(uname -sr)"
echo "one would expect: all three loaded, nothing lost. Seen:"
unshare --net bash -eu inside.sh | tee seen || exit 2
diff seen - <<'END' || { echo "no longer as stated"; exit 1; }
text: loaded; lost: nothing
JSON: refused: Could not process rule: No such file or directory
JSON, chains first: loaded; lost: comment "rules of a proxy", comment "ClusterIP traffic"
END
echo "as stated"
