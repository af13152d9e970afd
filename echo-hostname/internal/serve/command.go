package serve

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"svcproof.dev/echo-hostname/internal/identity"
	"svcproof.dev/echo-hostname/internal/usage"
)

// Main runs the subcommand and returns the exit code.
func Main(arguments []string) int {
	options, flags, err := parse(arguments)
	if err != nil {
		usage.Exit(flags, err)
	}
	// Two channels: a signal that finds its channel full is dropped.
	terminate, interrupt := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	signal.Notify(interrupt, syscall.SIGINT)
	server, err := New(options, identity.FromEnvironment())
	if err != nil {
		fmt.Fprintf(os.Stderr, "echo-hostname serve: %v\n", err)
		return 1
	}
	go func() {
		for {
			select {
			case <-terminate:
				server.StopSoon()
			case <-interrupt:
				server.StopNow()
			}
		}
	}()
	if err := server.Announce(os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "echo-hostname serve: %v\n", err)
	}
	if err := server.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "echo-hostname serve: %v\n", err)
		return 1
	}
	return 0
}

func parse(arguments []string) (Options, *flag.FlagSet, error) {
	var http, udp usage.List
	var readyAfter, linger usage.Seconds
	flags := usage.NewFlags("serve")
	flags.Var(&http, "http", "serve HTTP on `ADDRESS:PORT`s, separated by commas; :80 is every address of both families (default :80 if there is no --udp)")
	flags.Var(&udp, "udp", "serve UDP on `ADDRESS:PORT`s")
	flags.Var(&readyAfter, "ready-after", "/readyz fails for this `TIME` after the start")
	flags.Var(&linger, "linger", "go on serving new connections for this `TIME` after SIGTERM, /readyz failing; then finish the open ones")
	if err := usage.Parse(flags, arguments); err != nil {
		return Options{}, flags, err
	}
	if len(http)+len(udp) == 0 {
		http = usage.List{":80"}
	}
	options := Options{ReadyAfter: time.Duration(readyAfter), Linger: time.Duration(linger)}
	var httpErr, udpErr error
	options.HTTP, httpErr = addresses("--http", http)
	options.UDP, udpErr = addresses("--udp", udp)
	return options, flags, errors.Join(httpErr, udpErr)
}

func addresses(name string, texts []string) (all []netip.AddrPort, err error) {
	for _, text := range texts {
		address, err := parseListen(text)
		if err != nil {
			return nil, fmt.Errorf("%s %w", name, err)
		}
		all = append(all, address)
	}
	return all, nil
}
