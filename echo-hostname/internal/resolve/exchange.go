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

// askOne asks one server, by UDP and, if the answer was too long for that, by
// TCP. It opens a socket of its own, and so has a source port of its own: DNS
// goes through a Service, too, and is to be balanced like everything else.
func (r *Resolver) askOne(q question, server netip.AddrPort, deadline time.Time) reply {
	id := uint16(rand.Uint32())
	packet, err := q.pack(id)
	if err != nil {
		return reply{err: err}
	}
	got := exchange("udp", server, deadline, func(c net.Conn) reply {
		return askUDP(c, q, packet, id)
	})
	if !got.truncated {
		return got
	}
	return exchange("tcp", server, deadline, func(c net.Conn) reply {
		return askTCP(c, q, packet, id)
	})
}

func exchange(network string, server netip.AddrPort, deadline time.Time, ask func(net.Conn) reply) reply {
	dialer := net.Dialer{Deadline: deadline, KeepAlive: -1}
	connection, err := dialer.Dial(network, server.String())
	if err != nil {
		return silence(err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(deadline); err != nil {
		return silence(err)
	}
	return ask(connection)
}

func askUDP(c net.Conn, q question, packet []byte, id uint16) reply {
	if _, err := c.Write(packet); err != nil {
		return silence(err)
	}
	buffer := make([]byte, 4<<10)
	for {
		n, err := c.Read(buffer)
		if err != nil {
			return silence(err)
		}
		if got, ours := q.read(buffer[:n], id); ours {
			return got
		}
	}
}

// askTCP: each message is preceded by its length in two bytes.
func askTCP(c net.Conn, q question, packet []byte, id uint16) reply {
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
