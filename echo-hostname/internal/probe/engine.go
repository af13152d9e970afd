// Package probe makes fresh connections and tells what became of each.
//
// One thread with one epoll drives all of them, each a small state machine over
// plain sockets, because a prober must not be slower than what it measures:
// goroutines with net.Dialer reach about 0.7 of wrk's rate. Only names are
// resolved, and output is written, elsewhere.
package probe

import (
	"io"
	"net/netip"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"svcproof.dev/echo-hostname/internal/poll"
	"svcproof.dev/echo-hostname/internal/resolve"
	"svcproof.dev/echo-hostname/internal/sys"
)

const (
	// drainLimit is how long an ended attempt waits for the server's FIN.
	drainLimit = 20 * time.Millisecond
	// portRetry and portPatience: how soon and how long a source port is tried
	// for when all of the range are taken. The previous connection from the same
	// port may be closed here but still wait for its last ACK.
	portRetry    = time.Millisecond
	portPatience = time.Second
)

// found is what a resolving goroutine hands back.
type found struct {
	slot    *slot
	address netip.Addr
	failure *resolve.Failure
}

// engine makes the attempts.
type engine struct {
	options  Options
	dialect  dialect
	requests [][]byte
	resolver *resolve.Resolver
	poller   *poll.Poller
	out      *output

	base   time.Time // all times are since then
	baseNS int64     // the wall clock at that time
	now    time.Duration

	slots    []slot
	free     []*slot
	resolved chan found
	started  int
	ended    int
	holding  int // slots that are not free

	nextDeadline time.Duration // no deadline is earlier
	portsBusy    time.Duration // since when all source ports are taken; 0: they are not
	retryPortAt  time.Duration

	interrupted atomic.Bool
}

func newEngine(options Options, resolver *resolve.Resolver, to io.Writer) (*engine, error) {
	poller, err := poll.New()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	e := &engine{
		options:      options,
		dialect:      dialects[options.Dialect],
		resolver:     resolver,
		poller:       poller,
		out:          newOutput(to),
		base:         now,
		baseNS:       now.UnixNano(),
		slots:        make([]slot, options.Concurrency),
		resolved:     make(chan found, options.Concurrency),
		nextDeadline: never,
	}
	e.requests = e.makeRequests()
	for i := range e.slots {
		s := &e.slots[i]
		s.index, s.fd = int32(i), -1
		s.input = make([]byte, 4<<10)
		e.free = append(e.free, s)
	}
	return e, nil
}

const never = time.Duration(1<<63 - 1)

// makeRequests prepares what each stage of the dialect sends.
func (e *engine) makeRequests() (requests [][]byte) {
	if e.options.Protocol == "udp" {
		for _, datagram := range e.dialect.datagrams {
			requests = append(requests, []byte(datagram))
		}
		return requests
	}
	host := e.options.Host
	if e.options.literal.Is6() {
		host = "[" + host + "]"
	}
	host += ":" + strconv.Itoa(int(e.options.Port))
	for i, path := range e.dialect.paths {
		request := "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: svcproof-probe\r\n"
		if i == len(e.dialect.paths)-1 && !e.options.KeepAlive {
			// The server is to close first: TIME_WAIT, a minute long, is then on
			// its side, where it costs nothing. On ours each would block a source
			// port towards that address, and 28,000 ports are gone in seconds.
			request += "Connection: close\r\n"
		}
		requests = append(requests, []byte(request+"\r\n"))
	}
	return requests
}

// interrupt makes run end early. It may be called from any goroutine.
func (e *engine) interrupt() {
	e.interrupted.Store(true)
	e.poller.Wake()
}

// run makes every attempt, or after an interrupt reports the rest as unknown.
func (e *engine) run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer e.poller.Close()
	for !e.interrupted.Load() && (e.ended < e.options.Count || e.draining()) {
		e.tick()
		e.startDue()
		events, err := e.poller.Wait(e.patience())
		if err != nil {
			return err
		}
		e.tick()
		// Events come before deadlines: if this process was held up, what has
		// arrived meanwhile has arrived.
		for _, event := range events {
			if s := &e.slots[event.Key]; s.generation == event.Generation {
				e.handle(s, event.Bits)
			}
		}
		e.takeResolved()
		e.expire()
		e.out.flush(e.now)
	}
	e.giveUp()
	e.out.pending = append(e.out.pending, `{"type":"end","attempts":`...)
	e.out.pending = strconv.AppendInt(e.out.pending, int64(e.ended), 10)
	e.out.pending = append(e.out.pending, "}\n"...)
	return e.out.close()
}

func (e *engine) tick() { e.now = time.Since(e.base) }

// draining says whether connections of ended attempts are still to be closed.
func (e *engine) draining() bool { return e.holding > 0 }

// startDue begins the attempts whose time has come. At most one per slot, so
// that attempts that end at once cannot keep the loop from the others.
func (e *engine) startDue() {
	for range e.slots {
		if !e.mayStart() || e.now < e.dueAt() || len(e.free) == 0 {
			return
		}
		last := len(e.free) - 1
		s := e.free[last]
		e.free = e.free[:last]
		e.holding++
		e.start(s)
	}
}

func (e *engine) mayStart() bool {
	return e.started < e.options.Count && !e.out.clogged()
}

// dueAt is when the next attempt is to start.
func (e *engine) dueAt() time.Duration {
	at := e.retryPortAt
	if e.options.Rate > 0 {
		at = max(at, time.Duration(float64(e.started)/e.options.Rate*float64(time.Second)))
	}
	return at
}

// patience is how long there is nothing to do unless something happens.
func (e *engine) patience() time.Duration {
	until := e.nextDeadline
	if e.mayStart() && len(e.free) > 0 {
		until = min(until, e.dueAt())
	}
	if due := e.out.due(e.now); due >= 0 {
		until = min(until, e.now+due)
	}
	if until == never {
		return -1
	}
	return max(0, until-e.now)
}

func (e *engine) start(s *slot) {
	s.began = e.now
	s.record = blank(e.baseNS + int64(e.now))
	e.started++
	switch {
	case s.fd >= 0:
		s.record.local, s.record.remote = sys.LocalAddress(s.fd), s.peer
		s.deadline = e.now + e.options.AttemptTimeout
		e.ask(s, 0)
		e.noteDeadline(s)
	case e.resolver != nil:
		e.resolve(s)
	default:
		e.dial(s, e.options.literal)
	}
}

// resolve asks for the address in a goroutine of its own.
func (e *engine) resolve(s *slot) {
	s.phase = resolvingName
	s.deadline = never // the resolver keeps its own
	go func() {
		address, failure := e.resolver.Lookup(e.options.Host, e.options.Family == "ipv6", e.options.ResolveTimeout)
		e.resolved <- found{s, address, failure}
		e.poller.Wake()
	}()
}

func (e *engine) takeResolved() {
	for {
		select {
		case f := <-e.resolved:
			f.slot.record.resolveMicros = micros(e.now - f.slot.began)
			switch {
			case f.failure == nil:
				e.dial(f.slot, f.address)
			case f.failure.Ours:
				e.end(f.slot, Unknown, f.failure.Detail)
			default:
				f.slot.record.rcode = f.failure.Rcode
				e.end(f.slot, NameFailed, f.failure.Detail)
			}
		default:
			return
		}
	}
}

func micros(d time.Duration) int64 { return int64(d / time.Microsecond) }

// expire ends what has taken too long.
func (e *engine) expire() {
	if e.now < e.nextDeadline {
		return
	}
	e.nextDeadline = never
	for i := range e.slots {
		s := &e.slots[i]
		if s.phase == idle {
			continue
		}
		if e.now >= s.deadline {
			e.timeOut(s)
		} else {
			e.noteDeadline(s)
		}
	}
}

func (e *engine) noteDeadline(s *slot) {
	if s.phase != idle {
		e.nextDeadline = min(e.nextDeadline, s.deadline)
	}
}

func (e *engine) timeOut(s *slot) {
	switch s.phase {
	case draining:
		e.release(s)
	case connectingTCP:
		e.end(s, TimedOut, "connect: not established within "+(min(e.options.ConnectTimeout, e.options.AttemptTimeout)).String())
	default:
		e.end(s, TimedOut, "no complete reply within "+e.options.AttemptTimeout.String())
	}
}

// end reports an attempt and closes its connection.
func (e *engine) end(s *slot, outcome Outcome, detail string) {
	e.report(s, outcome, detail)
	e.release(s)
}

// report writes an attempt's line. The slot is not free yet.
func (e *engine) report(s *slot, outcome Outcome, detail string) {
	s.record.outcome, s.record.detail = outcome, detail
	e.out.pending = s.record.appendTo(e.out.pending)
	e.ended++
}

// release closes a slot's connection and frees the slot.
func (e *engine) release(s *slot) {
	if s.fd >= 0 {
		sys.Close(s.fd)
		s.fd = -1
		s.generation++
	}
	e.putBack(s)
}

// putBack frees a slot; a connection that it has is kept.
func (e *engine) putBack(s *slot) {
	s.phase = idle
	e.free = append(e.free, s)
	e.holding--
}

// giveUp reports what an interrupt left undone.
func (e *engine) giveUp() {
	const detail = "interrupted"
	for i := range e.slots {
		s := &e.slots[i]
		switch s.phase {
		case idle:
		case draining:
			e.release(s)
		default:
			e.end(s, Unknown, detail)
		}
	}
	e.tick()
	for e.ended < e.options.Count {
		r := blank(e.baseNS + int64(e.now))
		r.outcome, r.detail = Unknown, detail
		e.out.pending = r.appendTo(e.out.pending)
		e.started++
		e.ended++
		e.out.flush(e.now)
	}
}
