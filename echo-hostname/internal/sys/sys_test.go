package sys

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSockaddrThereAndBack(t *testing.T) {
	for text, want := range map[string]struct {
		back string
		size uint32
	}{
		"10.0.0.1:80":            {"10.0.0.1:80", unix.SizeofSockaddrInet4},
		"255.255.255.255:65535":  {"255.255.255.255:65535", unix.SizeofSockaddrInet4},
		"[2001:db8::1]:80":       {"[2001:db8::1]:80", unix.SizeofSockaddrInet6},
		"[::ffff:10.0.0.1]:8080": {"10.0.0.1:8080", unix.SizeofSockaddrInet6},
		"[fe80::1%lo]:80":        {"[fe80::1]:80", unix.SizeofSockaddrInet6},
		"0.0.0.0:0":              {"0.0.0.0:0", unix.SizeofSockaddrInet4},
	} {
		var raw Sockaddr
		raw.Set(netip.MustParseAddrPort(text))
		if got := raw.Get(); got.String() != want.back || raw.size != want.size {
			t.Errorf("%s: %s, %d bytes", text, got, raw.size)
		}
	}
	var unixSocket Sockaddr
	unixSocket.raw[0] = unix.AF_UNIX
	if unixSocket.Get().IsValid() {
		t.Error("a UNIX socket has no IP address")
	}
}

func TestWhatTheKernelSaysComesBack(t *testing.T) {
	const nobodys = 1 << 20 // not an open descriptor
	if _, _, errno := Accept(nobodys); errno != unix.EBADF {
		t.Error(errno)
	}
	if _, errno := Send(nobodys, []byte("x"), 0); errno != unix.EBADF {
		t.Error(errno)
	}
	if _, errno := Receive(nobodys, make([]byte, 1)); errno != unix.EBADF {
		t.Error(errno)
	}
	if _, errno := Socket(-1, unix.SOCK_STREAM); errno != unix.EAFNOSUPPORT {
		t.Error(errno)
	}
	if LocalAddress(nobodys).IsValid() {
		t.Error("an address of nothing")
	}
}

func TestAClosedPeerIsEPIPEAndNoSignal(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(pair[0])
	if _, errno := Receive(pair[0], make([]byte, 1)); errno != unix.EAGAIN {
		t.Error(errno)
	}
	Close(pair[1])
	if _, errno := Send(pair[0], []byte("x"), 0); errno != unix.EPIPE {
		t.Error(errno)
	}
	if n, errno := Receive(pair[0], make([]byte, 1)); n != 0 || errno != 0 {
		t.Error(n, errno)
	}
}
