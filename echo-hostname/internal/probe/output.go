package probe

import (
	"io"
	"time"
)

const (
	flushEvery = 50 * time.Millisecond
	flushSize  = 32 << 10
	// backlogLimit is how much may wait for a reader that does not read. Then no
	// more attempts begin until it does.
	backlogLimit = 4 << 20
)

// output writes lines from another goroutine: a reader that stalls (kubectl
// exec over a slow line) must not hold up attempts that are being timed.
type output struct {
	pending   []byte
	spare     []byte
	lastFlush time.Duration
	busy      bool
	work      chan []byte
	done      chan []byte
	err       error
}

func newOutput(to io.Writer) *output {
	o := &output{
		pending: make([]byte, 0, 2*flushSize),
		spare:   make([]byte, 0, 2*flushSize),
		work:    make(chan []byte, 1),
		done:    make(chan []byte, 1),
	}
	go func() {
		defer close(o.done)
		for lines := range o.work {
			if o.err == nil {
				_, o.err = to.Write(lines)
			}
			o.done <- lines[:0]
		}
	}()
	return o
}

// clogged says that the reader is far behind.
func (o *output) clogged() bool { return len(o.pending) > backlogLimit }

// due is the time left until the next flush; negative if nothing waits for one.
func (o *output) due(now time.Duration) time.Duration {
	if len(o.pending) == 0 {
		return -1
	}
	return max(0, o.lastFlush+flushEvery-now)
}

// flush hands over what there is, if it is time and the writer is free.
func (o *output) flush(now time.Duration) {
	if len(o.pending) < flushSize && o.due(now) != 0 {
		return
	}
	// Even when the writer is busy: the next look is a whole interval later.
	o.lastFlush = now
	if o.busy {
		select {
		case o.spare = <-o.done:
			o.busy = false
		default:
			return
		}
	}
	o.work <- o.pending
	o.pending, o.spare, o.busy = o.spare, nil, true
}

// close writes the rest and waits for it.
func (o *output) close() error {
	if o.busy {
		<-o.done
	}
	if len(o.pending) > 0 {
		o.work <- o.pending
		<-o.done
	}
	close(o.work)
	<-o.done
	return o.err
}
