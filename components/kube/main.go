// Command kube is every Kubernetes program of a cluster in one binary.
//
// The programs share nearly all of their packages, so one binary is a third
// of the size of six and links once. The name it is called by picks the
// program, as with busybox; called as kube, the first argument does.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // build info metric
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func withoutContext(build func() *cobra.Command) func(context.Context) *cobra.Command {
	return func(context.Context) *cobra.Command { return build() }
}

var programs = map[string]func(context.Context) *cobra.Command{
	"kube-apiserver":          withoutContext(apiserver.NewAPIServerCommand),
	"kube-controller-manager": withoutContext(controllermanager.NewControllerManagerCommand),
	"kube-scheduler":          withoutContext(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kube-proxy":              withoutContext(proxy.NewProxyCommand),
	"kubelet":                 func(ctx context.Context) *cobra.Command { return kubelet.NewKubeletCommand(ctx) },
}

func names() string {
	known := []string{"kubectl"}
	for name := range programs {
		known = append(known, name)
	}
	sort.Strings(known)
	return strings.Join(known, ", ")
}

func main() {
	name := filepath.Base(os.Args[0])
	if _, known := programs[name]; !known && name != "kubectl" {
		if len(os.Args) < 2 {
			fmt.Fprintf(os.Stderr, "usage: kube PROGRAM [flags]; PROGRAM is one of %s\n", names())
			os.Exit(2)
		}
		name = os.Args[1]
		os.Args = os.Args[1:]
	}
	if name == "kubectl" {
		// kubectl prints and exits by itself when a command fails.
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlutil.CheckErr(err)
		}
		return
	}
	build, known := programs[name]
	if !known {
		fmt.Fprintf(os.Stderr, "kube: unknown program %q; known are %s\n", name, names())
		os.Exit(2)
	}
	os.Exit(cli.Run(build(context.Background())))
}
