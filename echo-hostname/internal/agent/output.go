package agent

import (
	"bytes"
	"strconv"
	"sync"

	"svcproof.dev/echo-hostname/internal/flatjson"
)

// output is what one probe writes to: its lines, each with the probe's id before
// it, go out among those of the others.
type output struct {
	agent   *agent
	prefix  []byte
	marked  []byte // reused
	once    sync.Once
	stopped chan struct{}

	finishing sync.Once
	finished  chan struct{}
}

func newOutput(a *agent, id int64) *output {
	return &output{
		agent:    a,
		prefix:   append(strconv.AppendInt(nil, id, 10), ' '),
		stopped:  make(chan struct{}),
		finished: make(chan struct{}),
	}
}

// Write takes whole lines. After stop it takes none: nobody waits for them, and
// the attempts that a stopped probe has left can be millions.
func (o *output) Write(lines []byte) (int, error) {
	o.agent.writing.Lock()
	defer o.agent.writing.Unlock()
	select {
	case <-o.stopped:
		return 0, errStopped
	default:
	}
	o.marked = o.marked[:0]
	for line := range bytes.Lines(lines) {
		o.marked = append(append(o.marked, o.prefix...), line...)
	}
	if _, err := o.agent.to.Write(o.marked); err != nil {
		return 0, err
	}
	return len(lines), nil
}

// fail is the last line of a probe that could not be made.
func (o *output) fail(err error) {
	line := flatjson.AppendString([]byte(`{"type":"failed","detail":`), err.Error())
	_, _ = o.Write(append(line, "}\n"...))
}

// pong is the whole answer to a ping.
func (o *output) pong() { _, _ = o.Write([]byte("{\"type\":\"pong\"}\n")) }

func (o *output) stop() { o.once.Do(func() { close(o.stopped) }) }

func (o *output) finish() { o.finishing.Do(func() { close(o.finished) }) }
