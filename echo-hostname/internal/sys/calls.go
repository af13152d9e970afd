package sys

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// None of these calls blocks, because every socket here is non-blocking. So
// they are made as "raw" system calls, which spare the Go scheduler its
// bookkeeping for calls that may.

// Accept takes one connection, non-blocking and close-on-exec.
func Accept(listener int) (fd int, peer netip.AddrPort, errno syscall.Errno) {
	var address Sockaddr
	address.size = uint32(len(address.raw))
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener),
			uintptr(unsafe.Pointer(&address.raw)), uintptr(unsafe.Pointer(&address.size)),
			unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch e {
		case 0:
			return int(n), address.Get(), 0
		case unix.EINTR:
		default:
			return -1, netip.AddrPort{}, e
		}
	}
}

// Socket opens a non-blocking, close-on-exec socket.
func Socket(domain, kind int) (fd int, errno syscall.Errno) {
	n, _, e := unix.RawSyscall(unix.SYS_SOCKET, uintptr(domain),
		uintptr(kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC), 0)
	if e != 0 {
		return -1, e
	}
	return int(n), 0
}

// Bind gives a socket its own address.
func Bind(fd int, address *Sockaddr) syscall.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_BIND, uintptr(fd),
		uintptr(unsafe.Pointer(&address.raw)), uintptr(address.size))
	return e
}

// Connect begins a connection: EINPROGRESS is its usual answer.
func Connect(fd int, address *Sockaddr) syscall.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd),
		uintptr(unsafe.Pointer(&address.raw)), uintptr(address.size))
	return e
}

// LocalAddress is a socket's own end.
func LocalAddress(fd int) netip.AddrPort {
	var address Sockaddr
	address.size = uint32(len(address.raw))
	_, _, e := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd),
		uintptr(unsafe.Pointer(&address.raw)), uintptr(unsafe.Pointer(&address.size)))
	if e != 0 {
		return netip.AddrPort{}
	}
	return address.Get()
}

// Send writes what fits. MSG_NOSIGNAL is always added: a peer that went away is
// an answer (EPIPE), not a reason for a signal.
func Send(fd int, data []byte, flags int) (int, syscall.Errno) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)),
			uintptr(flags|unix.MSG_NOSIGNAL), 0, 0)
		switch e {
		case 0:
			return int(n), 0
		case unix.EINTR:
		default:
			return 0, e
		}
	}
}

// Receive reads what is there; 0 without an error is the end of the stream.
func Receive(fd int, into []byte) (int, syscall.Errno) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(into))), uintptr(len(into)), 0, 0, 0)
		switch e {
		case 0:
			return int(n), 0
		case unix.EINTR:
		default:
			return 0, e
		}
	}
}

// Close closes a descriptor. Its errors are of no use: on Linux the descriptor
// is gone in any case.
func Close(fd int) {
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}
