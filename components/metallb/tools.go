//go:build tools

// Package metallb pins the programs of a load balancer, which are built as they are.
package metallb

import (
	_ "go.universe.tf/metallb/controller"
	_ "go.universe.tf/metallb/speaker"
)
