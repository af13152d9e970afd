#!/usr/bin/env bash
# A kube-proxy that learns of its node's zone a moment too early never uses it.
#
# One would expect: whoever registers a handler for the node's topology labels is told of them,
# as of services and endpoints: those configs hand out their events only once they run.
#
# What happens: NewNodeTopologyConfig asks an informer that is running already, and remembers
# the labels of the Node's first event, whether a handler is there to hear of them or not. The
# proxier is registered one line later. When the event wins that race, the proxier never hears
# of the zone: each later event has the same labels, and is skipped for that. The zone counts
# again after a restart, or once it is another one.
#
# Why it matters: this kube-proxy sends to all endpoints, however trafficDistribution
# (PreferSameZone, PreferClose) and the hints say otherwise. Every object of the API is right, and
# so is every other node. It takes a busy machine: seen once in about 30 starts of three nodes.
#
# Upstream: pkg/proxy/config/config.go, cmd/kube-proxy/app/server.go of Kubernetes 1.36.4.
set -eu
set -o pipefail
go version >/dev/null 2>&1 || { echo "needs Go 1.25 or newer" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat > main.go <<'END'
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/proxy/config"
)

// heard is the zones that a proxier is told of.
type heard chan string

func (h heard) OnTopologyChange(labels map[string]string) { h <- labels[v1.LabelTopologyZone] }

// told is the zone that a handler hears of within a second, "nothing" without.
func told(h heard) string {
	select {
	case zone := <-h:
		return zone
	case <-time.After(time.Second):
		return "nothing"
	}
}

func label(node *v1.Node, key, value string) *v1.Node {
	changed := node.DeepCopy()
	changed.Labels[key] = value
	return changed
}

// start is what a kube-proxy does, with a pause between its two lines.
func start(pause time.Duration) (first, same, other string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	node := &v1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: "node-1", Labels: map[string]string{v1.LabelTopologyZone: "zone-1"},
	}}
	client := fake.NewClientset(node)
	factory := informers.NewSharedInformerFactory(client, 0)
	nodes := factory.Core().V1().Nodes()
	informer := nodes.Informer()
	factory.Start(ctx.Done())
	cache.WaitForCacheSync(ctx.Done(), informer.HasSynced)

	proxier := make(heard, 9)
	topology := config.NewNodeTopologyConfig(ctx, nodes, 0)
	time.Sleep(pause)
	topology.RegisterEventHandler(proxier)
	first = told(proxier)

	update := func(changed *v1.Node) string {
		if _, err := client.CoreV1().Nodes().Update(ctx, changed, metav1.UpdateOptions{}); err != nil {
			panic(err)
		}
		return told(proxier)
	}
	same = update(label(node, "anything", "else"))
	other = update(label(node, v1.LabelTopologyZone, "zone-2"))
	return first, same, other
}

func main() {
	first, same, other := start(500 * time.Millisecond)
	fmt.Printf("expected: the zone of the node is told: zone-1\n")
	fmt.Printf("seen: it is told %s; after another change of the node: %s; after one of its zone: %s\n", first, same, other)
	if first != "nothing" || same != "nothing" || other != "zone-2" {
		fmt.Println("this is no longer so")
		os.Exit(1)
	}
}
END
cat > go.mod <<'END'
module finding

go 1.25.0

require k8s.io/kubernetes v1.36.4
END
# Its own parts are at version v0.0.0 there, and to be had at v0.36.4.
go mod download -json k8s.io/kubernetes@v1.36.4 > module.json || exit 2
gomod=$(python3 -c 'import json; print(json.load(open("module.json"))["GoMod"])')
sed -n 's#^\t\(k8s.io/[a-z-]*\) => ./staging/.*#replace \1 => \1 v0.36.4#p' "$gomod" >> go.mod
go mod tidy >/dev/null 2>tidy.log || { tail -5 tidy.log >&2; exit 2; }
echo "$(go version), k8s.io/kubernetes v1.36.4"
go run .
