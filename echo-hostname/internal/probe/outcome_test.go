package probe

import (
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWhatAnErrorMeans(t *testing.T) {
	for errno, want := range map[syscall.Errno]Outcome{
		unix.ECONNREFUSED: Refused,
		unix.ECONNRESET:   Reset,
		unix.EPIPE:        Reset,
		unix.ECONNABORTED: Reset,
		unix.ETIMEDOUT:    TimedOut,
		unix.EHOSTUNREACH: Unreachable,
		unix.ENETUNREACH:  Unreachable,
		unix.ENETDOWN:     Unreachable,
		unix.EHOSTDOWN:    Unreachable,
		unix.ENONET:       Unreachable,
		unix.ENOPROTOOPT:  Unreachable,
		unix.EPROTO:       Unreachable,
		unix.EACCES:       Unreachable,
		unix.EPERM:        Unreachable,
		unix.EINVAL:       Unreachable,
		// Our own trouble.
		unix.EMFILE:        Unknown,
		unix.ENFILE:        Unknown,
		unix.ENOBUFS:       Unknown,
		unix.ENOMEM:        Unknown,
		unix.EADDRINUSE:    Unknown,
		unix.EADDRNOTAVAIL: Unknown,
		unix.EBADF:         Unknown,
		unix.EAFNOSUPPORT:  Unknown,
		unix.EMSGSIZE:      Unknown,
	} {
		for _, at := range []step{connecting, sending, receiving} {
			if got := classify(at, errno); got != want {
				t.Errorf("%s: %v is %s, want %s", at, unix.ErrnoName(errno), got, want)
			}
		}
		for _, at := range []step{opening, binding} {
			if got := classify(at, errno); got != Unknown {
				t.Errorf("%s: %v is %s: nothing has been sent yet", at, unix.ErrnoName(errno), got)
			}
		}
	}
}

func TestAnErrorIsDescribedForPeople(t *testing.T) {
	if got := describe(connecting, unix.ECONNREFUSED); got != "connect: connection refused (ECONNREFUSED)" {
		t.Error(got)
	}
	if got := describe(binding, syscall.Errno(4000)); !strings.HasPrefix(got, "bind: ") {
		t.Error(got)
	}
}
