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
	var finish chan struct{}
	if options.FinishAtEOF {
		finish = make(chan struct{})
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			close(finish)
		}()
	}
	interrupted, err := Run(options, os.Stdout, Signals{Stop: stop, Finish: finish})
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

// Signals end a run early, when they are closed. After Stop the attempts that are
// left are reported as unknown. After Finish no other begins, those under way go on
// to their ends, and the end line has their number.
type Signals struct {
	Stop, Finish <-chan struct{}
}

// Run makes the attempts and writes a line for each.
func Run(options Options, to io.Writer, signals Signals) (interrupted bool, err error) {
	var resolver *resolve.Resolver
	if !options.literal.IsValid() {
		if resolver, err = resolve.FromFile(options.ResolvConf); err != nil {
			return false, err
		}
		if options.Server.IsValid() {
			resolver.Only(options.Server)
		}
		if options.ByTCP {
			resolver.ByTCP()
		}
	}
	c := newCampaign(options, resolver)
	err = c.run(to, signals)
	return c.interrupted.Load(), err
}
