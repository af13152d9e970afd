package probe

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
)

// portRange is the source ports to use, walked round and round. The zero value
// leaves the choice to the kernel.
type portRange struct {
	low, high uint16
	offset    int
}

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

func (p *portRange) size() int {
	if p.low == 0 {
		return 0
	}
	return int(p.high) - int(p.low) + 1
}

// next is the port after the one that was returned last.
func (p *portRange) next() uint16 {
	port := int(p.low) + p.offset
	p.offset = (p.offset + 1) % p.size()
	return uint16(port)
}

// ephemeralPorts is the kernel's own range, begun somewhere.
//
// For UDP we choose in its place. The kernel picks at random and so repeats
// ports, and a repeated one can meet the conntrack entry that the earlier
// datagram left (UDP entries live 30 s and more): it would go to the earlier
// backend, and not be a fresh choice. TCP has no such trouble: a SYN that meets
// an entry of a connection that both sides have closed gets a new one.
func ephemeralPorts() portRange {
	ports := portRange{low: 32768, high: 60999}
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		if read, err := parsePortRange(strings.Join(strings.Fields(string(text)), "-")); err == nil {
			ports = read
		}
	}
	ports.offset = rand.IntN(ports.size())
	return ports
}
