// Package agent makes probes on request, as many at once as are asked for.
//
// To start a program in a Pod costs a cluster several times what a probe costs:
// API server, kubelet, containerd and runc all take part in an exec. So a client
// that probes from one Pod again and again starts one agent there, and sends
// orders to it.
package agent

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"svcproof.dev/echo-hostname/internal/probe"
)

// maxOrder bounds the length of one line with an order.
const maxOrder = 1 << 20

// order is one line of input: a probe's command line, that it is to stop or to
// begin nothing else, or a question whether anybody is there.
type order struct {
	ID        int64    `json:"id"`
	Arguments []string `json:"arguments"`
	Stop      bool     `json:"stop"`
	Finish    bool     `json:"finish"`
	Ping      bool     `json:"ping"`
}

// agent is what the probes have in common.
type agent struct {
	writing sync.Mutex
	to      io.Writer

	changing sync.Mutex
	probes   map[int64]*output // those under way
}

// Main runs the subcommand until its input ends.
func Main() int {
	if err := Serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "echo-hostname agent: %v\n", err)
		return 1
	}
	return 0
}

// Serve takes orders until there are no more, then stops every probe. It does
// not wait for them: they may be writing to a reader that has gone.
func Serve(orders io.Reader, to io.Writer) error {
	a := &agent{to: to, probes: map[int64]*output{}}
	defer a.stopAll()
	lines := bufio.NewScanner(orders)
	lines.Buffer(nil, maxOrder)
	for lines.Scan() {
		if err := a.take(lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// take does what one line says. An error is a line without sense: whoever sent
// it waits for an answer that cannot be given, so it has to be told at once.
func (a *agent) take(line []byte) error {
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return fmt.Errorf("not an order: %w: %.200q", err, line)
	}
	switch {
	case o.ID < 1:
		return fmt.Errorf("an order without an id: %.200q", line)
	case o.Stop:
		a.end(o.ID, (*output).stop)
		return nil
	case o.Finish:
		a.end(o.ID, (*output).finish)
		return nil
	case o.Ping:
		// Beside the reading of orders, which must go on if nobody reads this.
		go newOutput(a, o.ID).pong()
		return nil
	default:
		return a.start(o)
	}
}

func (a *agent) start(o order) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	if a.probes[o.ID] != nil {
		return fmt.Errorf("order %d is under way already", o.ID)
	}
	out := newOutput(a, o.ID)
	a.probes[o.ID] = out
	go func() {
		defer a.forget(o.ID)
		if err := run(o.Arguments, out); err != nil {
			out.fail(err)
		}
	}()
	return nil
}

func run(arguments []string, to *output) error {
	options, err := probe.Parse(arguments)
	if err != nil {
		return err
	}
	_, err = probe.Run(options, to, probe.Signals{Stop: to.stopped, Finish: to.finished})
	return err
}

// end ends a probe in one way or the other; one that has ended already is no error,
// for the order and the last line may have crossed on their way.
func (a *agent) end(id int64, how func(*output)) {
	a.changing.Lock()
	defer a.changing.Unlock()
	if out := a.probes[id]; out != nil {
		how(out)
	}
}

func (a *agent) forget(id int64) {
	a.changing.Lock()
	defer a.changing.Unlock()
	delete(a.probes, id)
}

func (a *agent) stopAll() {
	a.changing.Lock()
	defer a.changing.Unlock()
	for _, out := range a.probes {
		out.stop()
	}
}

var errStopped = errors.New("stopped")
