package probe

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"svcproof.dev/echo-hostname/internal/resolve"
	"svcproof.dev/echo-hostname/internal/usage"
)

// Main runs the subcommand. The exit code is 0 if every attempt was made,
// whatever became of it, and 1 if the run was interrupted or the output lost.
func Main(arguments []string) int {
	options, flags, err := parse(arguments)
	if err != nil {
		usage.Exit(flags, err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	stop := make(chan struct{})
	go func() {
		<-signals
		close(stop)
	}()
	interrupted, err := Run(options, os.Stdout, stop)
	if err != nil {
		fmt.Fprintf(os.Stderr, "echo-hostname probe: %v\n", err)
		return 1
	}
	if interrupted {
		return 1
	}
	return 0
}

// Parse reads a command line's flags.
func Parse(arguments []string) (Options, error) {
	options, _, err := parse(arguments)
	return options, err
}

// Run makes the attempts and writes a line for each, until stop is closed: then
// the rest are reported as unknown.
func Run(options Options, to io.Writer, stop <-chan struct{}) (interrupted bool, err error) {
	var resolver *resolve.Resolver
	if !options.literal.IsValid() {
		if resolver, err = resolve.FromFile(options.ResolvConf); err != nil {
			return false, err
		}
	}
	c := newCampaign(options, resolver)
	err = c.run(to, stop)
	return c.interrupted.Load(), err
}
