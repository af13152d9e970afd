// Package poll is a thin epoll: one thread waits for many descriptors, and any
// other goroutine can wake it.
package poll

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	Readable = unix.EPOLLIN
	Writable = unix.EPOLLOUT
	// Closed is the peer's FIN: it will send nothing more.
	Closed = unix.EPOLLRDHUP
	// Once reports each change one time instead of as long as it lasts.
	Once = unix.EPOLLET

	wakeKey = -1
)

// Event is something that happened on a descriptor. Key and Generation are what
// Add was given. The generation tells an event of this turn's batch that
// belongs to a descriptor closed earlier in the same turn from one that belongs
// to its successor under the same key.
type Event struct {
	Bits       uint32
	Key        int32
	Generation int32
}

// Poller waits for descriptors. Only Wake may be called from another goroutine.
type Poller struct {
	fd     int
	wakeFD int
	// closing keeps a late Wake from writing to a descriptor that has been closed
	// and may be somebody else's by now.
	closing sync.Mutex
	closed  bool
	raw     [128]unix.EpollEvent
	events  [128]Event
}

// New makes a poller.
func New() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	wakeFD, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	p := &Poller{fd: fd, wakeFD: wakeFD}
	if err := p.Add(wakeFD, Readable, wakeKey, 0); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Add watches a descriptor. Closing the descriptor ends that.
func (p *Poller) Add(fd int, bits uint32, key, generation int32) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, bits, key, generation)
}

// Change watches a descriptor for other things than before.
func (p *Poller) Change(fd int, bits uint32, key, generation int32) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, bits, key, generation)
}

func (p *Poller) control(operation, fd int, bits uint32, key, generation int32) error {
	event := unix.EpollEvent{Events: bits, Fd: key, Pad: generation}
	return unix.EpollCtl(p.fd, operation, fd, &event)
}

// Wait returns what happened, or nothing when the time is over or when woken.
// A negative time is for ever. The slice is valid until the next Wait.
func (p *Poller) Wait(limit time.Duration) ([]Event, error) {
	n, err := unix.EpollWait(p.fd, p.raw[:], milliseconds(limit))
	if err == unix.EINTR {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	events := p.events[:0]
	for _, raw := range p.raw[:n] {
		if raw.Fd == wakeKey {
			p.drainWake()
			continue
		}
		events = append(events, Event{Bits: raw.Events, Key: raw.Fd, Generation: raw.Pad})
	}
	return events, nil
}

// Wake makes a Wait of another goroutine return.
func (p *Poller) Wake() {
	p.closing.Lock()
	defer p.closing.Unlock()
	if p.closed {
		return
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(p.wakeFD, one[:]) // EAGAIN: it is awake already
}

// Close releases the descriptors.
func (p *Poller) Close() {
	p.closing.Lock()
	defer p.closing.Unlock()
	p.closed = true
	_ = unix.Close(p.fd)
	_ = unix.Close(p.wakeFD)
}

func (p *Poller) drainWake() {
	var count [8]byte
	_, _ = unix.Read(p.wakeFD, count[:])
}

// milliseconds rounds up: a wait that ends too early would only be repeated.
func milliseconds(limit time.Duration) int {
	if limit < 0 {
		return -1
	}
	return int((limit + time.Millisecond - 1) / time.Millisecond)
}
