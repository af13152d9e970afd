// Package serve is the echo-hostname app: it tells who answered and whom it saw.
//
// One thread and one epoll serve everything. What this app is asked for is
// thousands of fresh connections a second with a tiny answer each, and there a
// goroutine, a timer and a poller registration per connection cost more than
// the answer: here a connection whose request is there when it is accepted
// takes four system calls (accept, receive, send, close).
package serve

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"svcproof.dev/echo-hostname/internal/identity"
	"svcproof.dev/echo-hostname/internal/poll"
	"svcproof.dev/echo-hostname/internal/sys"
)

// Options are what the command line says.
type Options struct {
	HTTP       []netip.AddrPort
	UDP        []netip.AddrPort
	ReadyAfter time.Duration
	Linger     time.Duration
}

// acceptPerTurn bounds how long the arrivals keep the loop from the rest.
const acceptPerTurn = 64

// spareDescriptors stay free of connections: for listeners, epoll and stdio.
const spareDescriptors = 32

// sweepEvery is how often stalled connections are looked for.
const sweepEvery = time.Second

// finishLimit is how long open connections may take to be finished in the end.
const finishLimit = 2 * time.Second

// Server is the app with its sockets.
type Server struct {
	app       *app
	poller    *poll.Poller
	endpoints []*endpoint
	datagrams *datagrams
	conns     []*conn // by descriptor
	free      []*conn
	live      int
	limit     int // of live connections
	full      bool
	now       time.Time
	lastSweep time.Time
	linger    time.Duration
	stopSoon  atomic.Bool
	stopNow   atomic.Bool
	endAt     time.Time // zero while not ending
	finishBy  time.Time // zero while new connections are accepted
}

// New opens the sockets.
func New(options Options, id identity.Identity) (*Server, error) {
	poller, err := poll.New()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	s := &Server{
		app:       newApp(id, now.Add(options.ReadyAfter)),
		poller:    poller,
		datagrams: newDatagrams(),
		limit:     connectionLimit(),
		now:       now,
		lastSweep: now,
		linger:    options.Linger,
	}
	for _, address := range options.HTTP {
		err = s.open("tcp", address, err)
	}
	for _, address := range options.UDP {
		err = s.open("udp", address, err)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *Server) open(protocol string, address netip.AddrPort, earlier error) error {
	if earlier != nil {
		return earlier
	}
	e, err := listen(protocol, address)
	if err != nil {
		return err
	}
	s.endpoints = append(s.endpoints, e)
	return s.poller.Add(e.fd, poll.Readable, int32(e.fd), 0)
}

// Announce writes one JSON line for each socket: with port 0 asked for, this is
// how to learn the port.
func (s *Server) Announce(to io.Writer) error {
	for _, e := range s.endpoints {
		line, err := json.Marshal(struct {
			Type     string `json:"type"`
			Protocol string `json:"protocol"`
			Address  string `json:"address"`
		}{"listening", e.protocol, e.address.String()})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(to, "%s\n", line); err != nil {
			return err
		}
	}
	return nil
}

// StopSoon asks Run to end after the grace time. It and StopNow may be called
// from any goroutine, and repeatedly: the first StopSoon counts.
func (s *Server) StopSoon() {
	s.stopSoon.Store(true)
	s.poller.Wake()
}

// StopNow asks Run to end at once.
func (s *Server) StopNow() {
	s.stopNow.Store(true)
	s.poller.Wake()
}

// Run serves until Stop.
func (s *Server) Run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer s.close()
	for {
		events, err := s.poller.Wait(s.patience())
		if err != nil {
			return err
		}
		s.now = time.Now()
		for _, event := range events {
			s.handle(event)
		}
		s.sweep()
		if s.ended() && s.finished() {
			return nil
		}
	}
}

func (s *Server) patience() time.Duration {
	limit := time.Duration(-1)
	if s.live > 0 || s.full {
		limit = sweepEvery
	}
	next := s.endAt
	if !s.finishBy.IsZero() {
		next = s.finishBy
	}
	if !next.IsZero() {
		left := max(0, next.Sub(s.now))
		if limit < 0 || left < limit {
			limit = left
		}
	}
	return limit
}

func (s *Server) ended() bool {
	if s.stopNow.Load() {
		return true
	}
	if s.endAt.IsZero() && s.stopSoon.Load() {
		s.endAt = s.now.Add(s.linger)
		s.app.ending = true
	}
	return !s.endAt.IsZero() && !s.now.Before(s.endAt)
}

// finished says whether nothing is left to do after the grace time. Open requests
// are answered: a rollout that waits for its Pods must not lose any.
func (s *Server) finished() bool {
	if s.stopNow.Load() {
		return true
	}
	if s.finishBy.IsZero() {
		s.finishBy = s.now.Add(finishLimit)
		s.stopListening()
		s.dropKept()
	}
	return s.live == 0 || !s.now.Before(s.finishBy)
}

// stopListening takes in what has arrived before it closes the sockets: closing a
// listener resets the connections that wait in its queue.
func (s *Server) stopListening() {
	for _, e := range s.endpoints {
		if e.protocol == "udp" {
			s.datagrams.serve(e.fd, s.app)
		}
		for e.protocol == "tcp" && s.accept(e) {
		}
		sys.Close(e.fd)
	}
}

// dropKept closes the connections that are kept for a next request. Since SIGTERM
// every response has said that it is the last.
func (s *Server) dropKept() {
	for _, c := range s.conns {
		if c != nil && c.kept() {
			s.release(c)
		}
	}
}

func (s *Server) handle(event poll.Event) {
	fd := int(event.Key)
	for _, e := range s.endpoints {
		if e.fd == fd {
			s.arrive(e)
			return
		}
	}
	if fd < len(s.conns) && s.conns[fd] != nil && s.conns[fd].generation == event.Generation {
		s.advance(s.conns[fd])
	}
}

func (s *Server) arrive(e *endpoint) {
	if e.protocol == "udp" {
		s.datagrams.serve(e.fd, s.app)
		return
	}
	s.accept(e)
}

// accept takes connections; true if there may be more.
func (s *Server) accept(e *endpoint) bool {
	for range acceptPerTurn {
		if s.live >= s.limit {
			s.setFull(true)
			return false
		}
		fd, peer, errno := sys.Accept(e.fd)
		switch errno {
		case 0:
			s.advance(s.welcome(fd, peer))
		case unix.EAGAIN:
			return false
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			// Not ours to mend; the sweep tries again in a second.
			s.setFull(true)
			return false
		default:
			// The connection died while it waited (accept(2), "Error handling").
		}
	}
	return true
}

func (s *Server) welcome(fd int, peer netip.AddrPort) *conn {
	var c *conn
	if n := len(s.free); n > 0 {
		c, s.free = s.free[n-1], s.free[:n-1]
	} else {
		c = &conn{scratch: make([]byte, 0, 1024), outSpace: make([]byte, 0, 2048)}
	}
	c.fd, c.peer, c.since = fd, peer, s.now
	c.phase, c.watched, c.inLength, c.skip = reading, 0, 0, 0
	c.out, c.fillerLeft, c.closing, c.served = nil, 0, false, false
	for len(s.conns) <= fd {
		s.conns = append(s.conns, nil)
	}
	s.conns[fd] = c
	s.live++
	return c
}

func (s *Server) advance(c *conn) {
	c.advance(s.app, s.now)
	if c.phase == closed {
		s.release(c)
		return
	}
	if err := s.watch(c); err != nil {
		s.release(c)
	}
}

// watch registers a connection only now that it has to wait: most never do.
func (s *Server) watch(c *conn) (err error) {
	wants := c.wants()
	switch c.watched {
	case wants:
		return nil
	case 0:
		err = s.poller.Add(c.fd, wants, int32(c.fd), c.generation)
	default:
		err = s.poller.Change(c.fd, wants, int32(c.fd), c.generation)
	}
	c.watched = wants
	return err
}

func (s *Server) release(c *conn) {
	sys.Close(c.fd)
	s.conns[c.fd] = nil
	c.generation++
	s.free = append(s.free, c)
	s.live--
	if s.full {
		s.setFull(false)
	}
}

// setFull stops or resumes watching the listeners: new connections then wait in
// the kernel's queue.
func (s *Server) setFull(full bool) {
	if s.full == full || !s.finishBy.IsZero() {
		return
	}
	s.full = full
	bits := uint32(poll.Readable)
	if full {
		bits = 0
	}
	for _, e := range s.endpoints {
		if e.protocol == "tcp" {
			_ = s.poller.Change(e.fd, bits, int32(e.fd), 0)
		}
	}
}

// sweep ends the connections that stalled.
func (s *Server) sweep() {
	if s.now.Sub(s.lastSweep) < sweepEvery {
		return
	}
	s.lastSweep = s.now
	s.setFull(false)
	for _, c := range s.conns {
		if c != nil && c.expired(s.now) {
			s.release(c)
		}
	}
}

func (s *Server) close() {
	for _, c := range s.conns {
		if c != nil {
			sys.Close(c.fd)
		}
	}
	for _, e := range s.endpoints {
		if s.finishBy.IsZero() {
			sys.Close(e.fd)
		}
	}
	s.poller.Close()
}

func connectionLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 512
	}
	return int(min(limit.Cur, 1<<16)) - spareDescriptors
}
