//go:build tools

// Package kubeadm pins kubeadm, which is built as it is, at the version of the other components.
package kubeadm

import _ "k8s.io/kubernetes/cmd/kubeadm"
