package sys

import (
	"bytes"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// RunDelay tells how long a thread had to wait for a processor: the kernel's own
// count (the second number of /proc/PID/schedstat, Documentation/scheduler/sched-stats).
type RunDelay struct{ fd int }

// OpenRunDelay is that of the calling thread, which must be locked to its goroutine.
func OpenRunDelay() RunDelay {
	fd, err := unix.Open("/proc/thread-self/schedstat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return RunDelay{-1} // a kernel that does not count
	}
	return RunDelay{fd}
}

// Total is all waiting so far; 0 where the kernel does not count it.
func (r RunDelay) Total() time.Duration {
	if r.fd < 0 {
		return 0
	}
	var buffer [96]byte
	n, err := unix.Pread(r.fd, buffer[:], 0)
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(buffer[:n], []byte(" "))
	waited, _, _ := bytes.Cut(rest, []byte(" "))
	ns, err := strconv.ParseInt(string(waited), 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(ns)
}

// Close ends the counting.
func (r RunDelay) Close() {
	if r.fd >= 0 {
		Close(r.fd)
	}
}
