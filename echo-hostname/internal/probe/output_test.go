package probe

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// gate is a reader that takes a write only when told to.
type gate struct {
	bytes.Buffer
	begun   chan struct{}
	allowed chan struct{}
}

func (g *gate) Write(lines []byte) (int, error) {
	g.begun <- struct{}{}
	<-g.allowed
	return g.Buffer.Write(lines)
}

func TestAStalledReaderHoldsNothingUp(t *testing.T) {
	g := &gate{begun: make(chan struct{}, 10), allowed: make(chan struct{})}
	o := newOutput(g)
	o.pending = append(o.pending, "first\n"...)
	o.flush(flushEvery)
	<-g.begun // the reader stalls
	o.pending = append(o.pending, "second\n"...)
	o.flush(2 * flushEvery) // returns all the same
	if string(o.pending) != "second\n" {
		t.Errorf("%q", o.pending)
	}
	o.pending = append(o.pending, make([]byte, backlogLimit)...)
	if !o.clogged() {
		t.Error("nobody would stop")
	}
	close(g.allowed)
	if err := o.close(); err != nil {
		t.Fatal(err)
	}
	if want := len("first\nsecond\n") + backlogLimit; g.Len() != want || !bytes.HasPrefix(g.Bytes(), []byte("first\nsecond\n")) {
		t.Errorf("%d bytes, want %d", g.Len(), want)
	}
}

func TestLinesWaitForAMomentToBeWrittenTogether(t *testing.T) {
	g := &gate{begun: make(chan struct{}, 10), allowed: make(chan struct{})}
	close(g.allowed)
	o := newOutput(g)
	if due := o.due(time.Second); due >= 0 {
		t.Errorf("nothing to write is due in %v", due)
	}
	o.lastFlush = time.Second
	o.pending = append(o.pending, "line\n"...)
	if due := o.due(time.Second + time.Millisecond); due != flushEvery-time.Millisecond {
		t.Errorf("due in %v", due)
	}
	o.flush(time.Second + flushEvery - 1)
	if len(o.pending) == 0 {
		t.Error("written too early")
	}
	o.flush(time.Second + flushEvery)
	if len(o.pending) != 0 {
		t.Error("not written in time")
	}
	o.pending = append(o.pending, make([]byte, flushSize)...)
	<-g.begun
	if err := o.close(); err != nil || g.Len() != len("line\n")+flushSize {
		t.Errorf("%v, %d bytes", err, g.Len())
	}
}

type broken struct{ error }

func (b broken) Write([]byte) (int, error) { return 0, b.error }

func TestALostOutputIsAnError(t *testing.T) {
	lost := errors.New("no space left")
	o := newOutput(broken{lost})
	o.pending = append(o.pending, "line\n"...)
	if err := o.close(); !errors.Is(err, lost) {
		t.Error(err)
	}
}
