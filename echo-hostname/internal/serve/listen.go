package serve

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"svcproof.dev/echo-hostname/internal/sys"
)

// endpoint is a listening socket.
type endpoint struct {
	fd       int
	protocol string // "tcp" or "udp"
	address  netip.AddrPort
}

// parseListen reads ":80", "127.0.0.1:80" or "[::1]:80". Without an address the
// wildcard of IPv6 is meant, which takes IPv4 as well.
func parseListen(text string) (netip.AddrPort, error) {
	if port, ok := strings.CutPrefix(text, ":"); ok {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("%q: not a port", text)
		}
		return netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(number)), nil
	}
	address, err := netip.ParseAddrPort(text)
	if err != nil || address.Addr().Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf(`%q: not an address to listen on: write ":80", "127.0.0.1:80" or "[::1]:80"`, text)
	}
	return address, nil
}

func listen(protocol string, address netip.AddrPort) (*endpoint, error) {
	fd, err := open(protocol, address)
	if err == unix.EAFNOSUPPORT && address.Addr() == netip.IPv6Unspecified() {
		// A kernel without IPv6: the wildcard of IPv4 is all there is.
		fd, err = open(protocol, netip.AddrPortFrom(netip.IPv4Unspecified(), address.Port()))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s %s: %w", protocol, address, err)
	}
	return &endpoint{fd: fd, protocol: protocol, address: sys.LocalAddress(fd)}, nil
}

func open(protocol string, address netip.AddrPort) (int, error) {
	kind := unix.SOCK_STREAM
	if protocol == "udp" {
		kind = unix.SOCK_DGRAM
	}
	fd, errno := sys.Socket(sys.Domain(address.Addr()), kind)
	if errno != 0 {
		return -1, errno
	}
	if err := setUp(fd, kind, address); err != nil {
		sys.Close(fd)
		return -1, err
	}
	return fd, nil
}

func setUp(fd, kind int, address netip.AddrPort) error {
	if address.Addr().Is6() {
		// Both families on the wildcard, whatever net.ipv6.bindv6only says.
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			return err
		}
	}
	if kind == unix.SOCK_STREAM {
		// A restarted container finds connections of its predecessor in TIME_WAIT.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return err
		}
	} else if err := askForDestination(fd, address); err != nil {
		return err
	}
	var raw sys.Sockaddr
	raw.Set(address)
	if errno := sys.Bind(fd, &raw); errno != 0 {
		return errno
	}
	if kind == unix.SOCK_STREAM {
		return syscall.Listen(fd, 4096) // the kernel lowers it to net.core.somaxconn
	}
	return nil
}

// askForDestination makes the kernel tell which address a datagram was sent to,
// so that the answer can come from that one: on a host with several addresses
// the kernel would otherwise choose, and a client accepts no other.
func askForDestination(fd int, address netip.AddrPort) error {
	if address.Addr().Is6() {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
}
