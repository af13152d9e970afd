package serve

import (
	"bytes"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"svcproof.dev/echo-hostname/internal/sys"
)

const (
	idleLimit   = 75 * time.Second // between requests, and for a header to arrive
	lingerLimit = time.Second      // for the client to take in a refusal
	maxBody     = 1 << 20          // of a request, discarded
)

// filler is what long bodies are filled up with. Spaces may follow every JSON value.
var filler = bytes.Repeat([]byte{' '}, 64<<10)

// phase is what a connection waits for.
type phase uint8

const (
	reading phase = iota
	// discarding: the response is laid out, but the request's body is still arriving.
	// It must have: a network that loses large packets shall not look well.
	discarding
	writing
	// lingering: the last response is sent and so is our FIN; what the client
	// still sends is thrown away until it closes. To close at once would make
	// the kernel answer unread data with RST, and a RST destroys a response
	// that the client has not read yet.
	lingering
	closed
)

// conn is one client connection. Connections are reused, buffers and all.
type conn struct {
	fd         int
	generation int32
	phase      phase
	watched    uint32 // what the poller watches it for, 0 if it does not
	peer       netip.AddrPort
	since      time.Time // when it was accepted or last took bytes from us
	in         [maxHeader]byte
	inLength   int
	skip       int64  // bytes of a request body still to be discarded
	out        []byte // not sent yet; points into outSpace
	outSpace   []byte
	scratch    []byte
	fillerLeft int64
	closing    bool // after this response
	served     bool // a request, at least
}

// advance does all that can be done without waiting.
func (c *conn) advance(a *app, now time.Time) {
	for {
		switch c.phase {
		case reading:
			if !c.serveBuffered(a) && !c.receive() {
				return
			}
		case discarding:
			if !c.discard() && !c.receive() {
				return
			}
		case writing:
			if !c.send(now) {
				return
			}
		case lingering:
			n, errno := sys.Receive(c.fd, c.in[:])
			if errno == unix.EAGAIN {
				return
			}
			if n == 0 || errno != 0 {
				c.phase = closed
			}
		case closed:
			return
		}
	}
}

// receive reads more of a request; false if there is nothing more for now.
func (c *conn) receive() bool {
	n, errno := sys.Receive(c.fd, c.in[c.inLength:])
	switch {
	case errno == unix.EAGAIN:
		return false
	case errno != 0 || n == 0:
		c.phase = closed
		return true
	}
	c.inLength += n
	return true
}

// serveBuffered answers a request that has arrived whole; false if none has.
func (c *conn) serveBuffered(a *app) bool {
	if c.inLength == 0 {
		return false
	}
	req, length, refuse := parseRequest(c.in[:c.inLength])
	if req.body > maxBody {
		refuse = 413
	}
	switch {
	case refuse != 0:
		c.refuse(refuse)
	case length == 0:
		return false
	default:
		c.closing, c.served = !req.keep || a.ending, true
		c.prepare(a.respond(&req, c.peer, c.scratch[:0]), string(req.method) == "HEAD")
		c.consume(length)
		c.phase, c.skip = discarding, req.body
	}
	return true
}

// discard throws away what has come of a request's body; false if more must come.
func (c *conn) discard() bool {
	n := int(min(c.skip, int64(c.inLength)))
	c.consume(n)
	if c.skip -= int64(n); c.skip > 0 {
		return false
	}
	c.phase = writing
	return true
}

func (c *conn) consume(n int) {
	copy(c.in[:], c.in[n:c.inLength])
	c.inLength -= n
}

// refuse answers what is not a request, and gives up the connection: where the
// next request would begin is anybody's guess.
func (c *conn) refuse(status int) {
	c.closing = true
	c.prepare(response{status: status, contentType: plain, body: []byte(statusText(status) + "\n")}, false)
	c.skip = 1 // there may be more: linger
}

// prepare lays the response out for sending.
func (c *conn) prepare(r response, headOnly bool) {
	length := int64(len(r.body)) + r.filler
	out := append(c.outSpace[:0], "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(r.status), 10)
	out = append(out, ' ')
	out = append(out, statusText(r.status)...)
	out = append(out, "\r\nContent-Type: "...)
	out = append(out, r.contentType...)
	out = append(out, "\r\nContent-Length: "...)
	out = strconv.AppendInt(out, length, 10)
	if r.allow != "" {
		out = append(append(out, "\r\nAllow: "...), r.allow...)
	}
	if c.closing {
		out = append(out, "\r\nConnection: close\r\n\r\n"...)
	} else {
		out = append(out, "\r\nConnection: keep-alive\r\n\r\n"...)
	}
	if !headOnly {
		out = append(out, r.body...)
		c.fillerLeft = r.filler
	}
	c.outSpace, c.out, c.phase = out, out, writing
}

// send writes what it can; false if the client must read first.
func (c *conn) send(now time.Time) bool {
	for len(c.out) > 0 || c.fillerLeft > 0 {
		if len(c.out) == 0 {
			c.out = filler[:min(c.fillerLeft, int64(len(filler)))]
			c.fillerLeft -= int64(len(c.out))
		}
		n, errno := sys.Send(c.fd, c.out, c.sendFlags())
		if errno == unix.EAGAIN {
			return false
		}
		if errno != 0 {
			c.phase = closed
			return true
		}
		c.out, c.since = c.out[n:], now
	}
	switch {
	case !c.closing:
		c.phase = reading
	case c.skip > 0 || c.inLength > 0:
		_ = syscall.Shutdown(c.fd, syscall.SHUT_WR)
		c.phase = lingering
	default:
		c.phase = closed
	}
	return true
}

// sendFlags holds the last bytes back before a close: the close then sends them
// and the FIN in one packet, instead of in two.
func (c *conn) sendFlags() int {
	if c.closing && c.fillerLeft == 0 {
		return unix.MSG_MORE
	}
	return 0
}

// kept says whether the connection only waits for a next request.
func (c *conn) kept() bool {
	return c.phase == reading && c.served && c.inLength == 0 && c.skip == 0
}

// wants is what the poller must watch a connection for.
func (c *conn) wants() uint32 {
	if c.phase == writing {
		return unix.EPOLLOUT
	}
	return unix.EPOLLIN
}

// expired says whether the connection has stalled. Bytes that trickle in do not
// count as progress, so a header cannot be drawn out for ever.
func (c *conn) expired(now time.Time) bool {
	if c.phase == lingering {
		return now.Sub(c.since) > lingerLimit
	}
	return now.Sub(c.since) > idleLimit
}

func statusText(status int) string {
	switch status {
	case 200:
		return "OK"
	case 400:
		return "Bad Request"
	case 404:
		return "Not Found"
	case 405:
		return "Method Not Allowed"
	case 413:
		return "Content Too Large"
	case 431:
		return "Request Header Fields Too Large"
	case 501:
		return "Not Implemented"
	case 503:
		return "Service Unavailable"
	case 505:
		return "HTTP Version Not Supported"
	default:
		return "Status"
	}
}
