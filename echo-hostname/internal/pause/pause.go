// Package pause is a process that does nothing and holds namespaces open: the
// Pod sandbox's process, and PID 1 of a node's PID namespace.
package pause

import (
	"os"
	"os/signal"
	"syscall"
)

// Wait returns at SIGTERM or SIGINT. Until then it reaps every child: as PID 1
// it inherits all orphans of its namespace, and nobody else would.
//
// The handlers matter: PID 1 is not ended by a signal that it does not handle.
// The two channels matter as well: a signal that finds its channel full is
// dropped, so a crowd of dying children must not share one with SIGTERM.
func Wait() {
	end := make(chan os.Signal, 1)
	child := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(child, syscall.SIGCHLD)
	defer signal.Stop(end)
	defer signal.Stop(child)
	reap() // children that ended before the handler was there
	for {
		select {
		case <-end:
			return
		case <-child:
			reap()
		}
	}
}

// reap collects all that have ended: several deaths can be one signal.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
	}
}
