// Package probe makes fresh connections and tells what became of each.
//
// A prober must not be slower than what it measures, and goroutines with
// net.Dialer reach only about 0.7 of wrk's rate. So each connection is a small
// state machine over a plain non-blocking socket, and one thread with one epoll
// drives many (engine). Most of a connection's cost is the kernel's, spent
// within connect and close; so there are two such threads where there are two
// cores. Names are resolved, and lines written, by goroutines beside them.
package probe

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"svcproof.dev/echo-hostname/internal/resolve"
)

const (
	maxThreads = 2
	// slotsPerThread: with fewer, one thread does not wait for its turn.
	slotsPerThread = 4

	interruptedDetail = "interrupted"
)

// campaign is what the engines have in common.
type campaign struct {
	options   Options
	dialect   dialect
	requests  [][]byte
	resolver  *resolve.Resolver // nil if the host is an address
	ports     *sourcePorts      // nil if the kernel chooses
	addresses *sourceAddresses  // nil if the kernel chooses

	base   time.Time // all times are since then
	baseNS int64     // the wall clock at that time

	count       atomic.Int64 // attempts to make; a finish lowers it to those begun
	claimed     atomic.Int64 // attempts that an engine has taken on
	interrupted atomic.Bool

	portPatience time.Duration
}

func newCampaign(options Options, resolver *resolve.Resolver) *campaign {
	now := time.Now()
	c := &campaign{
		options:  options,
		dialect:  dialects[options.Dialect],
		resolver: resolver,
		base:     now,
		baseNS:   now.UnixNano(),

		portPatience: portPatience,
	}
	c.count.Store(int64(options.Count))
	switch {
	case options.SourcePorts.size() > 0:
		c.ports = &sourcePorts{portRange: options.SourcePorts}
	case options.Protocol == "udp":
		c.ports = ephemeralPorts()
	}
	if options.Bind.IsValid() {
		c.addresses = &sourceAddresses{prefix: options.Bind}
	}
	c.requests = c.makeRequests()
	return c
}

// unix is the wall clock as it went on from the start: see svcproof.history.
func (c *campaign) unix(now time.Duration) int64 { return c.baseNS + int64(now) }

func (c *campaign) allClaimed() bool { return c.claimed.Load() >= c.count.Load() }

// beginNoMore leaves what is under way alone and begins nothing else.
func (c *campaign) beginNoMore() {
	// The other way round an attempt could be claimed in between, beyond the count.
	for {
		n := c.claimed.Load()
		c.count.Store(n)
		if c.claimed.Load() == n {
			return
		}
	}
}

// claim takes one attempt on, if there is one and its time has come.
func (c *campaign) claim(now time.Duration) bool {
	for {
		n := c.claimed.Load()
		if n >= c.count.Load() || now < c.dueOf(n) {
			return false
		}
		if c.claimed.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// dueAt is when there will be an attempt to claim.
func (c *campaign) dueAt() time.Duration {
	n := c.claimed.Load()
	if n >= c.count.Load() {
		return never
	}
	return c.dueOf(n)
}

// dueOf is when the n-th attempt is to start. The schedule is fixed: if attempts
// start late because too many are under way, the later ones catch up.
func (c *campaign) dueOf(n int64) time.Duration {
	if c.options.Rate == 0 {
		return 0
	}
	return time.Duration(float64(n) / c.options.Rate * float64(time.Second))
}

// run makes all attempts and writes their lines, and the end line after them.
func (c *campaign) run(to io.Writer, signals Signals) error {
	shared := &lockedWriter{to: to}
	threads := max(1, min(maxThreads, runtime.GOMAXPROCS(0), c.options.Concurrency/slotsPerThread))
	// The engines hold on to theirs; the writers and resolvers need some, too.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), threads+2))
	var engines []*engine
	for i := range threads {
		slots := (c.options.Concurrency + i) / threads
		e, err := newEngine(c, slots, shared)
		if err != nil {
			return err
		}
		engines = append(engines, e)
	}
	done := make(chan struct{})
	go func() {
		finish := signals.Finish
		for {
			select {
			case <-done:
				return
			case <-finish:
				finish = nil // once
				c.beginNoMore()
			case <-signals.Stop:
				c.interrupted.Store(true)
			}
			for _, e := range engines {
				e.poller.Wake()
			}
			if c.interrupted.Load() {
				return
			}
		}
	}()
	errs := make([]error, threads)
	var running sync.WaitGroup
	for i, e := range engines {
		running.Go(func() { errs[i] = e.run() })
	}
	running.Wait()
	close(done)
	return errors.Join(append(errs, c.finish(shared))...)
}

// finish reports the attempts that nobody began, and writes the end line.
func (c *campaign) finish(to io.Writer) error {
	missing := blank(c.unix(time.Since(c.base)))
	missing.outcome, missing.detail = Unknown, interruptedDetail
	if !c.interrupted.Load() {
		missing.detail = "the prober failed before this attempt"
	}
	var lines []byte
	for range c.count.Load() - c.claimed.Load() {
		lines = missing.appendTo(lines)
		if len(lines) > flushSize {
			if _, err := to.Write(lines); err != nil {
				return err
			}
			lines = lines[:0]
		}
	}
	lines = append(lines, `{"type":"end","attempts":`...)
	lines = strconv.AppendInt(lines, max(c.count.Load(), c.claimed.Load()), 10)
	_, err := to.Write(append(lines, "}\n"...))
	return err
}

// lockedWriter is written to by several engines, whole lines each time.
type lockedWriter struct {
	mutex sync.Mutex
	to    io.Writer
}

func (w *lockedWriter) Write(lines []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.to.Write(lines)
}

// makeRequests prepares what each stage of the dialect sends.
func (c *campaign) makeRequests() (requests [][]byte) {
	if c.dialect.silent {
		return [][]byte{nil} // to send nothing tells whether one is connected, too
	}
	if c.options.Protocol == "udp" {
		for _, datagram := range c.dialect.datagrams {
			requests = append(requests, filledUp(datagram, c.options.Payload-len(datagram)))
		}
		return requests
	}
	host := c.options.Host
	if c.options.literal.Is6() {
		host = "[" + host + "]"
	}
	host += ":" + strconv.Itoa(int(c.options.Port))
	for i, path := range c.dialect.paths {
		request := "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: svcproof-probe\r\n"
		if i == len(c.dialect.paths)-1 && !c.options.KeepAlive {
			// The server is to close first: TIME_WAIT, a minute long, is then on
			// its side, where it costs nothing. On ours each would block a source
			// port towards that address, and 28,000 ports are gone in seconds.
			request += "Connection: close\r\n"
		}
		if c.options.Payload > 0 {
			request += "Content-Length: " + strconv.Itoa(c.options.Payload) + "\r\n"
		}
		requests = append(requests, filledUp(request+"\r\n", c.options.Payload))
	}
	return requests
}

// filledUp is a text with so many spaces behind it.
func filledUp(text string, spaces int) []byte {
	return append([]byte(text), bytes.Repeat([]byte{' '}, max(0, spaces))...)
}
