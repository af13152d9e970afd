package probe

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Outcome is the fixed vocabulary of svcproof.history.Outcome.
type Outcome string

const (
	Answered    Outcome = "answered"
	Refused     Outcome = "refused"
	Reset       Outcome = "reset"
	TimedOut    Outcome = "timed-out"
	Unreachable Outcome = "unreachable"
	NameFailed  Outcome = "name-failed"
	// Unknown is trouble of our own. It says nothing about the network.
	Unknown Outcome = "unknown"
)

// step is what an attempt was at when an error came.
type step string

const (
	opening    step = "socket"
	binding    step = "bind"
	connecting step = "connect"
	sending    step = "send"
	receiving  step = "receive"
)

// classify says what an error means. The question each time: would another
// client in this place, in good order, have met the same? Then it is an answer
// of the network. Is it about this process or its machine? Then it is unknown.
func classify(at step, errno syscall.Errno) Outcome {
	if at == opening || at == binding {
		return Unknown // no packet was sent yet
	}
	switch errno {
	case unix.ECONNREFUSED:
		return Refused
	case unix.ECONNRESET, unix.EPIPE, unix.ECONNABORTED:
		return Reset
	case unix.ETIMEDOUT:
		return TimedOut // the kernel gave up before we did
	case unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ENETDOWN, unix.EHOSTDOWN, unix.ENONET,
		// ICMP "protocol unreachable" and ICMPv6 "parameter problem".
		unix.ENOPROTOOPT, unix.EPROTO,
		// ICMPv6 "prohibited", a `prohibit` route, and for EPERM a firewall or a
		// socket-level load balancer (Cilium) that forbids what we sent.
		unix.EACCES, unix.EPERM,
		// A `blackhole` route: the address was parsed, so it is not malformed.
		unix.EINVAL:
		return Unreachable
	default:
		// EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRINUSE and what nobody thought of.
		// EADDRNOTAVAIL has two meanings: see engine.sourceTrouble.
		return Unknown
	}
}

// describe is the detail text for people.
func describe(at step, errno syscall.Errno) string {
	name := unix.ErrnoName(errno)
	if name == "" {
		return string(at) + ": " + errno.Error()
	}
	return string(at) + ": " + errno.Error() + " (" + name + ")"
}
