#!/usr/bin/env bash
# The label selector "app in ()" is valid: it selects what has the label with an empty value.
#
# One would expect: an empty list of values is an error, as it is where a selector is written as an
# object (matchExpressions with no values): "values set can't be empty".
#
# What happens: the parser of the text form (kubectl -l, the API's ?labelSelector=) puts the empty
# string into the set. "app in ()" finds only objects with app="", "app notin ()" all the others,
# and of "app in (a,)" the same empty value is a part. So one library has two answers for the
# same selector.
#
# Why it matters: a harness makes such texts of a list ("run in (" + ids + ")"). With an empty list
# it gets no error but an answer: no Pods, so a check of endpoints compares nothing with nothing;
# or, with notin, all Pods of the namespace, also those that it wanted to leave alone.
#
# Upstream: parseIdentifiersList() in k8s.io/apimachinery/pkg/labels/selector.go.
set -eu
set -o pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > go.mod <<'END'
module probe

go 1.25.0

require k8s.io/apimachinery v0.36.4
END
cat > main.go <<'END'
package main

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func main() {
	for _, text := range []string{"app in ()", "app notin ()", "app in (a,)"} {
		selector, err := labels.Parse(text)
		if err != nil {
			fmt.Printf("%s: refused: %v\n", text, err)
			continue
		}
		fmt.Printf("%s: no label %t, app=\"\" %t, app=a %t\n", text, selector.Matches(labels.Set{}),
			selector.Matches(labels.Set{"app": ""}), selector.Matches(labels.Set{"app": "a"}))
	}
	for _, operator := range []metav1.LabelSelectorOperator{"In", "NotIn"} {
		_, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: operator}},
		})
		fmt.Printf("%s without values: refused %t\n", operator, err != nil)
	}
}
END
export GOFLAGS=-mod=mod
go mod tidy 2> tidy || { cat tidy >&2; exit 2; }
echo "k8s.io/apimachinery v0.36.4, $(go version)"
echo "one would expect: the text form refused, as the object form is. Seen:"
go run -p 1 . | tee seen || exit 2
diff seen - <<'END' || { echo "no longer as stated"; exit 1; }
app in (): no label false, app="" true, app=a false
app notin (): no label true, app="" false, app=a true
app in (a,): no label false, app="" true, app=a true
In without values: refused true
NotIn without values: refused true
END
echo "as stated"
