package resolve

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// notableDelay: who is woken so much later than asked for had no processor.
	notableDelay = 20 * time.Millisecond
	maxLent      = 5 * time.Second
)

// askOne asks one server, by UDP and, if the answer was too long for that or UDP
// is not wanted, by TCP. It opens a socket of its own, and so has a source port of its own: DNS
// goes through a Service, too, and is to be balanced like everything else.
//
// The patience is for the server: what this machine takes until the question is
// sent does not count.
func (r *Resolver) askOne(q question, server netip.AddrPort, patience time.Duration) reply {
	id := uint16(rand.Uint32())
	packet, err := q.pack(id)
	if err != nil {
		return reply{err: err}
	}
	if !r.stream {
		got := exchange("udp", server, patience, func(c net.Conn) reply {
			return askUDP(c, q, packet, id, patience)
		})
		if !got.truncated {
			return got
		}
	}
	return exchange("tcp", server, patience, func(c net.Conn) reply {
		return askTCP(c, q, packet, id, patience)
	})
}

func exchange(network string, server netip.AddrPort, patience time.Duration, ask func(net.Conn) reply) reply {
	dialer := net.Dialer{Timeout: patience, KeepAlive: -1}
	connection, err := dialer.Dial(network, server.String())
	if err != nil {
		return silence(err)
	}
	defer connection.Close()
	return ask(connection)
}

func askUDP(c net.Conn, q question, packet []byte, id uint16, patience time.Duration) reply {
	if _, err := c.Write(packet); err != nil {
		return silence(err)
	}
	deadline := time.Now().Add(patience)
	if err := c.SetReadDeadline(deadline); err != nil {
		return silence(err)
	}
	buffer := make([]byte, 4<<10)
	for lent := false; ; {
		n, err := c.Read(buffer)
		if late := time.Since(deadline); err != nil && !lent && late > notableDelay {
			// We were held up, not the server: what has arrived meanwhile has arrived,
			// and what has not gets the time that we took.
			lent = true
			_ = c.SetReadDeadline(time.Now().Add(min(late, maxLent)))
			continue
		}
		if err != nil {
			return silence(err)
		}
		if got, ours := q.read(buffer[:n], id); ours {
			return got
		}
	}
}

// askTCP: each message is preceded by its length in two bytes.
func askTCP(c net.Conn, q question, packet []byte, id uint16, patience time.Duration) reply {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return silence(err)
	}
	framed := binary.BigEndian.AppendUint16(nil, uint16(len(packet)))
	if _, err := c.Write(append(framed, packet...)); err != nil {
		return silence(err)
	}
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return silence(err)
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(c, message); err != nil {
		return silence(err)
	}
	if got, ours := q.read(message, id); ours {
		got.truncated = false
		return got
	}
	return reply{rcode: timeout, remark: " (by TCP came something else)"}
}

// silence is a server that did not answer, unless the trouble is our own.
func silence(err error) reply {
	for _, ours := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM} {
		if errors.Is(err, ours) {
			return reply{err: err}
		}
	}
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		return reply{rcode: timeout}
	}
	return reply{rcode: timeout, remark: " (" + err.Error() + ")"}
}
