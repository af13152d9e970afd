//go:build tools

// Package kind pins programs for kind clusters that are built as they are.
package kind

import (
	_ "sigs.k8s.io/cri-tools/cmd/crictl"
	_ "sigs.k8s.io/kind"
)
