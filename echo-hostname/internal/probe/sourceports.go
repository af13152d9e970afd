package probe

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// portRange is LOW-HIGH; the zero value is no range.
type portRange struct{ low, high uint16 }

// parsePortRange reads LOW-HIGH.
func parsePortRange(text string) (portRange, error) {
	lowText, highText, _ := strings.Cut(text, "-")
	low, lowErr := strconv.ParseUint(lowText, 10, 16)
	high, highErr := strconv.ParseUint(highText, 10, 16)
	if lowErr != nil || highErr != nil || low == 0 || low > high {
		return portRange{}, fmt.Errorf("want LOW-HIGH, ports of 1 to 65535")
	}
	return portRange{low: uint16(low), high: uint16(high)}, nil
}

func (p portRange) size() int {
	if p.low == 0 {
		return 0
	}
	return int(p.high) - int(p.low) + 1
}

func (p portRange) String() string {
	return strconv.Itoa(int(p.low)) + "-" + strconv.Itoa(int(p.high))
}

// sourcePorts is a range walked round and round, by several engines at once.
type sourcePorts struct {
	portRange
	steps atomic.Uint64
}

// size is the length of one round; nil is the kernel's choice.
func (p *sourcePorts) size() int {
	if p == nil {
		return 0
	}
	return p.portRange.size()
}

// next is the port after the one that was returned last.
func (p *sourcePorts) next() uint16 {
	step := p.steps.Add(1) - 1
	return p.low + uint16(step%uint64(p.portRange.size()))
}

// ephemeralPorts is the kernel's own range, begun somewhere.
//
// For UDP we choose in its place. The kernel picks at random and so repeats
// ports, and a repeated one can meet the conntrack entry that the earlier
// datagram left (UDP entries live 30 s and more): it would go to the earlier
// backend, and not be a fresh choice. TCP has no such trouble: a SYN that meets
// an entry of a connection that both sides have closed gets a new one.
func ephemeralPorts() *sourcePorts {
	ports := portRange{low: 32768, high: 60999}
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		if read, err := parsePortRange(strings.Join(strings.Fields(string(text)), "-")); err == nil {
			ports = read
		}
	}
	walk := &sourcePorts{portRange: ports}
	walk.steps.Store(rand.Uint64N(uint64(ports.size())))
	return walk
}
