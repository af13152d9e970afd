package poll

import (
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newPoller(t *testing.T) *Poller {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func pipe(t *testing.T) (reading, writing int) {
	t.Helper()
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(ends[0]); unix.Close(ends[1]) })
	return ends[0], ends[1]
}

func wait(t *testing.T, p *Poller, limit time.Duration) []Event {
	t.Helper()
	events, err := p.Wait(limit)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestAnEventCarriesWhatItWasAddedWith(t *testing.T) {
	p := newPoller(t)
	reading, writing := pipe(t)
	if err := p.Add(reading, Readable, 7, 3); err != nil {
		t.Fatal(err)
	}
	if events := wait(t, p, 0); len(events) != 0 {
		t.Errorf("%+v", events)
	}
	if _, err := unix.Write(writing, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if events := wait(t, p, -1); len(events) != 1 || events[0] != (Event{Readable, 7, 3}) {
		t.Errorf("%+v", events)
	}
	if err := p.Change(reading, 0, 7, 3); err != nil {
		t.Fatal(err)
	}
	if events := wait(t, p, 0); len(events) != 0 {
		t.Errorf("no longer watched, and yet %+v", events)
	}
}

func TestWakeEndsAWaitForEver(t *testing.T) {
	p := newPoller(t)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if events := wait(t, p, -1); len(events) != 0 {
			t.Errorf("%+v", events)
		}
	})
	p.Wake()
	p.Wake()
	waiting.Wait()
}

func TestWakingAClosedPollerWritesToNobodysDescriptor(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	// These take the numbers that the poller had.
	reading, _ := pipe(t)
	p.Wake()
	if _, err := unix.Read(reading, make([]byte, 8)); err != unix.EAGAIN {
		t.Errorf("something was written: %v", err)
	}
}

func TestWaitsAreRoundedUp(t *testing.T) {
	for limit, want := range map[time.Duration]int{
		-1: -1, 0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, time.Second: 1000,
	} {
		if got := milliseconds(limit); got != want {
			t.Errorf("%v: %d", limit, got)
		}
	}
}
