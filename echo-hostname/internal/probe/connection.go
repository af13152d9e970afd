package probe

import (
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"svcproof.dev/echo-hostname/internal/poll"
	"svcproof.dev/echo-hostname/internal/sys"
)

// dial opens the connection and, where the network is fast enough for that,
// sends the request in the same breath.
func (e *engine) dial(s *slot, address netip.Addr) {
	s.peer = netip.AddrPortFrom(address, e.options.Port)
	s.record.remote = s.peer
	s.finSeen = false
	e.tick()
	s.dialled = e.now
	at, errno := e.connect(s)
	switch {
	case errno == errnoPortsBusy:
		e.waitForPort(s)
		return
	case errno != 0 && errno != unix.EINPROGRESS:
		e.fail(s, at, errno)
		return
	}
	e.portsBusy = 0
	s.record.local = sys.LocalAddress(s.fd)
	if e.options.Protocol == "udp" {
		e.dialUDP(s)
		return
	}
	s.phase = connectingTCP
	s.deadline = s.dialled + min(e.options.ConnectTimeout, e.options.AttemptTimeout)
	e.ask(s, 0)
	bits := uint32(poll.Readable | poll.Closed)
	switch s.phase {
	case connectingTCP:
		// One registration for both phases: "writable" once, when connected.
		bits |= poll.Writable | poll.Once
	case awaitingReply:
	default:
		return // it has ended
	}
	e.watch(s, bits)
}

func (e *engine) dialUDP(s *slot) {
	s.deadline = s.dialled + e.options.AttemptTimeout
	e.ask(s, 0)
	if s.phase == awaitingReply {
		e.watch(s, poll.Readable)
	}
}

func (e *engine) watch(s *slot, bits uint32) {
	if err := e.poller.Add(s.fd, bits, s.index, s.generation); err != nil {
		e.end(s, Unknown, "epoll: "+err.Error())
		return
	}
	e.noteDeadline(s)
}

// errnoPortsBusy stands for "all of --source-ports are taken". No system call
// returns it.
const errnoPortsBusy = syscall.Errno(1 << 12)

// connect makes the socket and begins to connect it.
func (e *engine) connect(s *slot) (step, syscall.Errno) {
	for range max(1, e.ports.size()) {
		at, errno := e.connectOnce(s)
		if e.ports == nil || !e.portTaken(s, at, errno) {
			return at, errno
		}
		sys.Close(s.fd)
		s.fd = -1
	}
	return binding, errnoPortsBusy
}

// portTaken says whether another source port might do. A TCP port that is bound
// may still be in use towards this very destination: that shows in connect.
func (e *engine) portTaken(s *slot, at step, errno syscall.Errno) bool {
	switch errno {
	case unix.EADDRINUSE:
		return true
	case unix.EADDRNOTAVAIL:
		return at == connecting && !e.unroutable(s.peer)
	default:
		return false
	}
}

func (e *engine) connectOnce(s *slot) (step, syscall.Errno) {
	kind := unix.SOCK_STREAM
	if e.options.Protocol == "udp" {
		kind = unix.SOCK_DGRAM
	}
	fd, errno := sys.Socket(sys.Domain(s.peer.Addr()), kind)
	if errno != 0 {
		return opening, errno
	}
	s.fd = fd
	if e.options.Payload > 0 {
		// The kernel doubles it, for its own overhead; doubled again, that of small
		// packets fits in, too.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 2*maxPayload)
	}
	if errno := e.bind(fd, s.peer.Addr().Is4()); errno != 0 {
		return binding, errno
	}
	var raw sys.Sockaddr
	raw.Set(s.peer)
	return connecting, sys.Connect(fd, &raw)
}

// bind gives the socket the next source address and the next source port, as far as they
// are wanted.
func (e *engine) bind(fd int, ipv4 bool) syscall.Errno {
	if e.ports == nil && e.addresses == nil {
		return 0
	}
	own := netip.AddrPortFrom(unspecified(ipv4), 0)
	if e.addresses != nil {
		own = netip.AddrPortFrom(e.addresses.next(), 0)
	}
	option, level := unix.IP_BIND_ADDRESS_NO_PORT, unix.IPPROTO_IP
	if e.ports != nil {
		own = netip.AddrPortFrom(own.Addr(), e.ports.next())
		// Otherwise a port would be blocked by any other connection from it.
		option, level = unix.SO_REUSEADDR, unix.SOL_SOCKET
		if e.options.Protocol == "udp" {
			option = 0 // for UDP it would let two sockets share the port
		}
	}
	if option != 0 {
		if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
			return err.(syscall.Errno)
		}
	}
	var raw sys.Sockaddr
	raw.Set(own)
	return sys.Bind(fd, &raw)
}

func unspecified(ipv4 bool) netip.Addr {
	if ipv4 {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// waitForPort puts an attempt off until a source port is free; in the end it is
// reported as our own trouble.
func (e *engine) waitForPort(s *slot) {
	if e.portsBusy == 0 {
		e.portsBusy = e.now
	}
	if e.now-e.portsBusy >= e.portPatience {
		e.end(s, Unknown, "bind: every source port of "+e.ports.String()+" is in use")
		return
	}
	s.phase = awaitingPort
	s.deadline = e.now + portRetry
	e.noteDeadline(s)
}

// fail ends an attempt with what an error means.
func (e *engine) fail(s *slot, at step, errno syscall.Errno) {
	outcome := classify(at, errno)
	if at == connecting && errno == unix.EADDRNOTAVAIL && e.unroutable(s.peer) {
		outcome = Unreachable
	}
	e.end(s, outcome, describe(at, errno))
}

// unroutable tells the two meanings of EADDRNOTAVAIL apart: no source address
// for that destination (an answer: without IPv6 there is no way to an IPv6
// address), or no source port left (our own trouble). Connecting a UDP socket
// asks the routing table the same question, sends nothing, and UDP has its own
// ports.
func (e *engine) unroutable(peer netip.AddrPort) bool {
	fd, errno := sys.Socket(sys.Domain(peer.Addr()), unix.SOCK_DGRAM)
	if errno != 0 {
		return false
	}
	defer sys.Close(fd)
	var raw sys.Sockaddr
	raw.Set(peer)
	return sys.Connect(fd, &raw) != 0
}

// ask sends one of the dialect's requests.
func (e *engine) ask(s *slot, stage int) {
	request := e.requests[stage]
	// The time before the call: if it succeeds, then we were connected already,
	// and the server may be at work before the call returns.
	e.tick()
	n, errno := sys.Send(s.fd, request, 0)
	if errno == unix.EAGAIN && s.phase == connectingTCP {
		return // not connected yet
	}
	at := sending
	if s.phase == connectingTCP {
		at = connecting
	}
	switch {
	case errno != 0:
		e.fail(s, at, errno)
		return
	case n < len(request):
		// The socket's buffer takes far more than a request: see connectOnce.
		e.end(s, Unknown, "send: only a part of the request was taken")
		return
	}
	if s.phase == connectingTCP {
		s.record.connectMicros = micros(e.now - s.dialled)
		s.deadline = s.dialled + e.options.AttemptTimeout
		s.lent = 0
	}
	if stage == 0 {
		s.asked = e.now
	}
	if e.dialect.silent {
		s.record.answers = []string{"connected"}
		e.answer(s, "", false)
		return
	}
	s.stage, s.used = stage, 0
	s.phase = awaitingReply
	e.noteDeadline(s)
}

// handle takes one event of a slot's connection.
func (e *engine) handle(s *slot, bits uint32) {
	switch s.phase {
	case connectingTCP:
		e.ask(s, 0)
		if s.phase == awaitingReply && bits&poll.Readable != 0 {
			e.receive(s, bits) // edge-triggered: it is not told again
		}
	case awaitingReply:
		if bits&^uint32(poll.Writable) != 0 {
			e.receive(s, bits)
		}
	case draining:
		e.drain(s)
	case idle:
		if s.fd >= 0 { // a kept connection that the server closed
			sys.Close(s.fd)
			s.fd = -1
			s.generation++
		}
	}
}

// receive reads what has come and judges it. A UDP reply is one datagram.
func (e *engine) receive(s *slot, bits uint32) {
	for {
		if s.used == len(s.input) && !s.grow() {
			e.understand(s, httpReply{}, false)
			return
		}
		n, errno := sys.Receive(s.fd, s.input[s.used:])
		switch {
		case errno == unix.EAGAIN:
			return
		case errno != 0:
			e.fail(s, receiving, errno)
			return
		}
		s.used += n
		if e.options.Protocol == "udp" {
			e.understand(s, httpReply{status: 200, body: s.input[:s.used], keep: true}, true)
			return
		}
		reply, state := parseHTTP(s.input[:s.used], n == 0)
		switch {
		case n == 0 && s.used == 0:
			e.end(s, Reset, "receive: closed without a reply")
			return
		case state == complete:
			// With the FIN announced and nothing behind the reply, both sides
			// can close now.
			s.finSeen = n == 0 || bits&poll.Closed != 0
			e.understand(s, reply, true)
			return
		case state == foreign && n > 0:
			e.understand(s, httpReply{}, false)
			return
		case n == 0:
			e.end(s, Reset, "receive: closed after "+strconv.Itoa(s.used)+" bytes, before the reply was complete")
			return
		}
	}
}

// understand takes a reply: asks on, or ends the attempt.
func (e *engine) understand(s *slot, reply httpReply, whole bool) {
	e.tick()
	if whole && e.dialect.words != nil {
		s.record.replyMicros = micros(e.now - s.asked)
		s.record.answers = e.dialect.words(reply)
		e.answer(s, "", reply.keep && !s.finSeen)
		return
	}
	known := whole && reply.status == 200 && len(reply.body) >= e.options.Payload && e.dialect.read(s.stage, reply.body, &s.record.backend)
	last := s.stage+1 == len(e.requests)
	if known && !last && reply.keep && !s.finSeen {
		s.held = append(s.held[:0], s.record.backend.pod...)
		s.record.backend.pod = s.held
		e.ask(s, s.stage+1)
		return
	}
	s.record.replyMicros = micros(e.now - s.asked)
	switch {
	case !known:
		e.answer(s, e.stranger(s, reply, whole), false)
	case !last:
		e.answer(s, "the server closed before it could be asked for the client's address", false)
	default:
		e.answer(s, "", reply.keep && !s.finSeen)
	}
}

// stranger describes an answer that is not of the wanted dialect.
func (e *engine) stranger(s *slot, reply httpReply, whole bool) string {
	if !whole {
		return "not understood: " + excerpt(s.input[:s.used])
	}
	if len(reply.body) < e.options.Payload && reply.status == 200 {
		return "not understood: a body of " + strconv.Itoa(len(reply.body)) + " bytes, shorter than the request's " + strconv.Itoa(e.options.Payload) + ": " + excerpt(reply.body)
	}
	if e.options.Protocol == "udp" {
		return "not understood: " + excerpt(reply.body)
	}
	return "not understood: HTTP " + strconv.Itoa(reply.status) + ": " + excerpt(reply.body)
}

// answer reports an answered attempt, then closes the connection in an orderly
// way or keeps it.
func (e *engine) answer(s *slot, detail string, keep bool) {
	switch {
	case e.options.KeepAlive && keep:
		e.report(s, Answered, detail)
		e.putBack(s)
	case e.options.Protocol == "udp" || s.finSeen:
		e.end(s, Answered, detail)
	default:
		e.report(s, Answered, detail)
		s.phase = draining
		s.deadline = e.now + drainLimit
		e.drain(s)
		e.noteDeadline(s)
	}
}

// drain waits for the server's FIN before closing, for a moment: who closes
// first keeps TIME_WAIT (see makeRequests). Closing by RST would avoid that,
// too, but a RST is not what clients send, the server would log an error, and
// conntrack forgets a reset connection at once, which a later attempt from the
// same port would notice.
func (e *engine) drain(s *slot) {
	for {
		n, errno := sys.Receive(s.fd, s.input)
		if errno == unix.EAGAIN {
			return
		}
		if n == 0 || errno != 0 {
			e.release(s)
			return
		}
	}
}

// grow makes room for more of a reply; false if it is too long.
func (s *slot) grow() bool {
	if len(s.input) >= maxReply {
		return false
	}
	larger := make([]byte, min(4*len(s.input), maxReply))
	copy(larger, s.input[:s.used])
	s.input = larger
	return true
}
