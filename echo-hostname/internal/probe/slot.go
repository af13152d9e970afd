package probe

import (
	"net/netip"
	"time"
)

// phase is what a slot waits for.
type phase uint8

const (
	idle phase = iota
	resolvingName
	awaitingPort
	connectingTCP
	awaitingReply
	// draining: the attempt has ended, its connection not quite. See engine.end.
	draining
)

// slot is room for one connection at a time. All times are since the start of
// the program.
type slot struct {
	index      int32
	generation int32 // tells this connection's events from the previous one's
	phase      phase
	fd         int // -1: none
	peer       netip.AddrPort
	finSeen    bool          // the server has closed its side
	began      time.Duration // the attempt
	dialled    time.Duration // the connection
	asked      time.Duration // the first request
	deadline   time.Duration
	heldUp     time.Duration // the engine's, when the attempt began
	lent       time.Duration // by how much the deadline was put off
	stage      int           // which of the dialect's requests
	input      []byte
	used       int
	// held keeps the part of an earlier reply that the record points to.
	held   []byte
	record record
}
