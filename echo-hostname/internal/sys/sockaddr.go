// Package sys holds the few socket calls that both event loops make for every
// connection, in a form that allocates nothing. golang.org/x/sys/unix has them
// too, but returns addresses as freshly allocated interfaces and hides the
// number of bytes a flagged send took.
package sys

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Sockaddr is a socket address in the kernel's layout: room for the larger of
// sockaddr_in (16 bytes) and sockaddr_in6 (28 bytes).
type Sockaddr struct {
	raw  [28]byte
	size uint32
}

// Set encodes an address. A socket of family AF_INET6 that also serves IPv4
// wants IPv4 addresses in mapped form: give it those.
func (s *Sockaddr) Set(address netip.AddrPort) {
	ip := address.Addr()
	s.raw = [28]byte{}
	binary.BigEndian.PutUint16(s.raw[2:], address.Port())
	if ip.Is4() {
		binary.NativeEndian.PutUint16(s.raw[:], unix.AF_INET)
		bytes := ip.As4()
		copy(s.raw[4:], bytes[:])
		s.size = unix.SizeofSockaddrInet4
		return
	}
	binary.NativeEndian.PutUint16(s.raw[:], unix.AF_INET6)
	bytes := ip.As16()
	copy(s.raw[8:], bytes[:])
	s.size = unix.SizeofSockaddrInet6
}

// Get decodes the address, IPv4-mapped ones as the IPv4 address that they are.
// Anything that is not an IP address comes back as the invalid AddrPort.
func (s *Sockaddr) Get() netip.AddrPort {
	port := binary.BigEndian.Uint16(s.raw[2:])
	switch binary.NativeEndian.Uint16(s.raw[:]) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(s.raw[4:8])), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(s.raw[8:24])).Unmap(), port)
	default:
		return netip.AddrPort{}
	}
}

// Domain is the address family to open a socket for this address with.
func Domain(ip netip.Addr) int {
	if ip.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
