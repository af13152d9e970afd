package serve

import (
	"bytes"
	"net/netip"

	"golang.org/x/sys/unix"
)

// answerDatagram makes the reply to one datagram: agnhost netexec's dialect
// where it is spoken, the identity as JSON for everything else, filled up to the
// length of what came.
func (a *app) answerDatagram(datagram []byte, client netip.AddrPort, scratch []byte) []byte {
	word := bytes.ToLower(bytes.TrimSpace(datagram))
	switch {
	case bytes.HasPrefix(word, []byte("hostname")):
		return append(scratch, a.pod...)
	case bytes.Equal(word, []byte("clientip")):
		return client.AppendTo(scratch)
	default:
		reply := a.json.Append(scratch, client)
		return append(reply, filler[:max(0, len(datagram)-len(reply))]...)
	}
}

// datagrams serves a UDP socket. It answers from the address that was asked.
type datagrams struct {
	in, control, out []byte
}

func newDatagrams() *datagrams {
	return &datagrams{in: make([]byte, 64<<10), control: make([]byte, 256), out: make([]byte, 0, 2048)}
}

// perTurn bounds how long one busy socket keeps the loop from the others.
const perTurn = 64

func (d *datagrams) serve(fd int, a *app) {
	for range perTurn {
		n, controlLength, _, from, err := unix.Recvmsg(fd, d.in, d.control, 0)
		if err == unix.EAGAIN {
			return
		}
		if err != nil {
			continue // an earlier answer's ICMP error, or EINTR
		}
		reply := a.answerDatagram(d.in[:n], clientOf(from), d.out[:0])
		// A full send buffer loses the reply, as a network would.
		_ = unix.Sendmsg(fd, reply, replyControl(d.control[:controlLength]), from, unix.MSG_NOSIGNAL)
	}
}

func clientOf(from unix.Sockaddr) netip.AddrPort {
	switch from := from.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(from.Addr), uint16(from.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(from.Addr).Unmap(), uint16(from.Port))
	default:
		return netip.AddrPort{}
	}
}

// replyControl turns "this is where it was sent to" into "send from there". It
// is the same message but for the interface, which the routes shall choose.
func replyControl(control []byte) []byte {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for _, message := range messages {
		switch {
		case message.Header.Level == unix.IPPROTO_IPV6 && message.Header.Type == unix.IPV6_PKTINFO && len(message.Data) >= unix.SizeofInet6Pktinfo:
			info := unix.Inet6Pktinfo{Addr: [16]byte(message.Data[:16])}
			return unix.PktInfo6(&info)
		case message.Header.Level == unix.IPPROTO_IP && message.Header.Type == unix.IP_PKTINFO && len(message.Data) >= unix.SizeofInet4Pktinfo:
			// in_pktinfo: interface, local address (ipi_spec_dst), header's destination.
			info := unix.Inet4Pktinfo{Spec_dst: [4]byte(message.Data[8:12])}
			return unix.PktInfo4(&info)
		}
	}
	return nil
}
