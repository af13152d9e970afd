// Command echo-hostname is what svcproof runs in Pods: the app behind a
// Service, the client that connects to it, and the sandbox's pause process.
package main

import (
	"fmt"
	"os"

	"svcproof.dev/echo-hostname/internal/agent"
	"svcproof.dev/echo-hostname/internal/look"
	"svcproof.dev/echo-hostname/internal/pause"
	"svcproof.dev/echo-hostname/internal/probe"
	"svcproof.dev/echo-hostname/internal/ready"
	"svcproof.dev/echo-hostname/internal/serve"
	"svcproof.dev/echo-hostname/internal/usage"
)

// version is also the tag of the images.
const version = "1"

const help = `usage: echo-hostname COMMAND [flags]

commands:
  serve      answer HTTP and UDP with this Pod's identity and the client's address
  probe      make fresh connections, print one JSON line for each
  agent      make probes by order: JSON lines on standard input, each probe's lines with its id on standard output
  ready      switch the readiness of the app in this Pod: ready true, ready false
  look       print as JSON what is seen from here: resolv.conf, and the mode of the node's kube-proxy
  pause      hold namespaces open and reap orphans until SIGTERM or SIGINT
  --version  print the version

echo-hostname COMMAND --help lists the flags of serve, probe and ready.
`

func main() {
	if len(os.Args) < 2 {
		fail("no command")
	}
	switch command, arguments := os.Args[1], os.Args[2:]; command {
	case "pause":
		if len(arguments) > 0 {
			fail(fmt.Sprintf("pause takes no arguments, got %q", arguments[0]))
		}
		pause.Wait()
	case "agent":
		if len(arguments) > 0 {
			fail(fmt.Sprintf("agent takes no arguments, got %q", arguments[0]))
		}
		os.Exit(agent.Main())
	case "ready":
		os.Exit(ready.Main(arguments))
	case "look":
		os.Exit(look.Main(arguments))
	case "serve":
		os.Exit(serve.Main(arguments))
	case "probe":
		os.Exit(probe.Main(arguments))
	case "--version", "version":
		fmt.Println("echo-hostname", version)
	case "--help", "-h", "help":
		fmt.Print(help)
	default:
		fail(fmt.Sprintf("unknown command %q; valid: serve, probe, agent, ready, look, pause, --version, --help", command))
	}
}

func fail(what string) {
	fmt.Fprintf(os.Stderr, "echo-hostname: %s\n\n%s", what, help)
	os.Exit(usage.ExitCode)
}
