package probe

import (
	"errors"
	"io"
	"net/netip"
	"runtime"
	"time"

	"svcproof.dev/echo-hostname/internal/poll"
	"svcproof.dev/echo-hostname/internal/resolve"
	"svcproof.dev/echo-hostname/internal/sys"
)

const (
	// drainLimit is how long an ended attempt waits for the server's FIN.
	drainLimit = 20 * time.Millisecond
	// portRetry and portPatience: how soon a source port is tried for again when
	// all of the range are taken, and how long. The previous connection from the
	// same port may be closed here but still wait for its last ACK.
	portRetry    = time.Millisecond
	portPatience = time.Second
	// Waiting for a processor is no waiting for the network. Less than this is not
	// worth a look; more than the attempt may take ends it as our own trouble.
	notableDelay = 20 * time.Millisecond
)

// found is what a resolving goroutine hands back: an address to connect to, or
// with --query the answer itself.
type found struct {
	slot    *slot
	address netip.Addr
	answer  resolve.Answer
	failure *resolve.Failure
}

// engine makes attempts on one thread.
type engine struct {
	*campaign
	poller *poll.Poller
	out    *output

	now time.Duration
	// heldUp is how long this thread has waited for a processor so far.
	heldUp   time.Duration
	runDelay sys.RunDelay

	slots    []slot
	free     []*slot
	resolved chan found

	nextDeadline time.Duration // no deadline is earlier
	portsBusy    time.Duration // since when all source ports are taken; 0: they are not
}

func newEngine(c *campaign, slots int, to io.Writer) (*engine, error) {
	poller, err := poll.New()
	if err != nil {
		return nil, err
	}
	e := &engine{
		campaign:     c,
		poller:       poller,
		out:          newOutput(to),
		slots:        make([]slot, slots),
		resolved:     make(chan found, slots),
		nextDeadline: never,
	}
	for i := range e.slots {
		s := &e.slots[i]
		s.index, s.fd = int32(i), -1
		s.input = make([]byte, 4<<10+c.options.Payload)
		e.free = append(e.free, s)
	}
	return e, nil
}

const never = time.Duration(1<<63 - 1)

// run makes attempts while there are any left to claim. After an interrupt it
// reports its own as unknown.
func (e *engine) run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer e.poller.Close()
	e.runDelay = sys.OpenRunDelay()
	defer e.runDelay.Close()
	e.heldUp = e.runDelay.Total()
	for !e.interrupted.Load() && (!e.allClaimed() || e.busy()) {
		e.tick()
		e.startDue()
		events, err := e.poller.Wait(e.patience())
		if err != nil {
			e.giveUp(err.Error())
			return errors.Join(err, e.out.close())
		}
		e.tick()
		e.heldUp = e.runDelay.Total()
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
	e.giveUp(interruptedDetail)
	return e.out.close()
}

func (e *engine) tick() { e.now = time.Since(e.base) }

// busy says whether any slot is in use.
func (e *engine) busy() bool { return len(e.free) < len(e.slots) }

// startDue begins the attempts whose time has come. At most one per slot, so
// that attempts that end at once cannot keep the loop from the others.
func (e *engine) startDue() {
	for range e.slots {
		if len(e.free) == 0 || e.out.clogged() || !e.claim(e.now) {
			return
		}
		last := len(e.free) - 1
		s := e.free[last]
		e.free = e.free[:last]
		e.start(s)
	}
}

// patience is how long there is nothing to do unless something happens.
func (e *engine) patience() time.Duration {
	until := e.nextDeadline
	if len(e.free) > 0 && !e.out.clogged() {
		until = min(until, e.dueAt())
	}
	if due := e.out.due(e.now); due >= 0 {
		until = min(until, e.now+due)
	}
	if until == never {
		if e.busy() {
			return -1 // a resolver will wake us
		}
		return 0 // the other engine has just claimed the last attempt
	}
	return max(0, until-e.now)
}

func (e *engine) start(s *slot) {
	s.began, s.heldUp, s.lent = e.now, e.heldUp, 0
	s.record = blank(e.unix(e.now))
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

// resolve asks DNS in a goroutine of its own.
func (e *engine) resolve(s *slot) {
	s.phase = resolvingName
	s.deadline = never // the resolver keeps its own
	go func() {
		f := found{slot: s}
		if o := &e.options; o.Query != "" {
			f.answer, f.failure = e.resolver.Query(o.Host, o.Query, o.ResolveTimeout)
		} else {
			f.address, f.failure = e.resolver.Lookup(o.Host, o.Family == "ipv6", o.ResolveTimeout)
		}
		e.resolved <- f
		e.poller.Wake()
	}()
}

func (e *engine) takeResolved() {
	for {
		select {
		case f := <-e.resolved:
			f.slot.record.resolveMicros = micros(e.now - f.slot.began)
			e.take(f)
		default:
			return
		}
	}
}

func (e *engine) take(f found) {
	s := f.slot
	switch {
	case f.failure == nil && e.options.Query == "":
		e.dial(s, f.address)
	case f.failure == nil:
		s.record.answers = f.answer.Records
		e.end(s, Answered, f.answer.Detail)
	case f.failure.Ours:
		e.end(s, Unknown, f.failure.Detail)
	case f.failure.Rcode == resolve.Timeout && e.options.Query != "":
		e.end(s, TimedOut, f.failure.Detail)
	default:
		s.record.rcode = f.failure.Rcode
		e.end(s, NameFailed, f.failure.Detail)
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
	case connectingTCP, awaitingReply:
		if e.lend(s) {
			return
		}
	}
	switch s.phase {
	case draining:
		e.release(s)
	case awaitingPort:
		s.began = e.now
		s.record.atNS = e.unix(e.now)
		e.dial(s, s.peer.Addr())
	case connectingTCP:
		e.end(s, TimedOut, "connect: not established within "+(min(e.options.ConnectTimeout, e.options.AttemptTimeout)).String())
	default:
		e.end(s, TimedOut, "no complete reply within "+e.options.AttemptTimeout.String())
	}
}

// lend puts a deadline off by what this thread has waited for a processor since the
// attempt began: the network must have had all of its time, or a busy client would
// see silence where there is none. An attempt that has been lent as much as it may
// take proves nothing any more.
func (e *engine) lend(s *slot) bool {
	owed := e.heldUp - s.heldUp - s.lent
	if owed < notableDelay {
		return false
	}
	s.lent += owed
	if s.lent > e.options.AttemptTimeout {
		e.end(s, Unknown, "this client waited "+s.lent.Round(time.Millisecond).String()+" for a processor")
		return true
	}
	s.deadline += owed
	e.noteDeadline(s)
	return true
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
}

// giveUp ends what is under way.
func (e *engine) giveUp(detail string) {
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
}
