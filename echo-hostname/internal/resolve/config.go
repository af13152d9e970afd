// Package resolve asks DNS for one address, the way a Pod's C library does:
// search list, ndots, servers in order, TCP after truncation. Unlike that it
// keeps no cache, reads no /etc/hosts and says exactly what the servers said.
package resolve

import (
	"bufio"
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// Resolver is a resolv.conf.
type Resolver struct {
	servers  []netip.AddrPort
	search   []string // with the final dot
	ndots    int
	timeout  time.Duration // of one question to one server
	attempts int           // rounds over all servers
	stream   bool          // ask by TCP at once
}

// limits of glibc's resolver: resolv.conf(5).
const (
	maxServers  = 3
	maxNdots    = 15
	maxTimeout  = 30
	maxAttempts = 5
)

// FromFile reads a resolv.conf.
func FromFile(path string) (*Resolver, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("name servers: %w", err)
	}
	r, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("name servers: %s: %w", path, err)
	}
	return r, nil
}

func parse(text []byte) (*Resolver, error) {
	r := &Resolver{ndots: 1, timeout: 5 * time.Second, attempts: 2}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			server, err := ParseServer(fields[1])
			if err != nil {
				return nil, fmt.Errorf("nameserver %q: not an address", fields[1])
			}
			if len(r.servers) < maxServers {
				r.servers = append(r.servers, server)
			}
		case "domain", "search": // the last of them counts
			r.search = r.search[:0]
			for _, domain := range fields[1:] {
				r.search = append(r.search, absolute(domain))
			}
		case "options":
			r.readOptions(fields[1:])
		}
	}
	if len(r.servers) == 0 {
		return nil, fmt.Errorf("no nameserver")
	}
	return r, lines.Err()
}

// Only makes it ask this one server, in the place of those of resolv.conf.
func (r *Resolver) Only(server netip.AddrPort) { r.servers = []netip.AddrPort{server} }

// ByTCP makes it ask by TCP at once.
func (r *Resolver) ByTCP() { r.stream = true }

// ParseServer reads an address, or [ADDRESS]:PORT as in OpenBSD's resolv.conf.
func ParseServer(text string) (netip.AddrPort, error) {
	host, port := text, uint64(53)
	if inner, ok := strings.CutPrefix(text, "["); ok {
		address, number, _ := strings.Cut(inner, "]:")
		parsed, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return netip.AddrPort{}, err
		}
		host, port = address, parsed
	}
	address, err := netip.ParseAddr(host)
	return netip.AddrPortFrom(address, uint16(port)), err
}

func (r *Resolver) readOptions(options []string) {
	for _, option := range options {
		name, value, _ := strings.Cut(option, ":")
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			continue
		}
		switch name {
		case "ndots":
			r.ndots = min(n, maxNdots)
		case "timeout":
			r.timeout = time.Duration(min(max(n, 1), maxTimeout)) * time.Second
		case "attempts":
			r.attempts = min(max(n, 1), maxAttempts)
		}
	}
}

func absolute(name string) string {
	if strings.HasSuffix(name, ".") {
		return name
	}
	return name + "."
}

// maxName is the longest name in text form, with the final dot.
const maxName = 254

// names are the names to ask for in the place of host, in order.
func (r *Resolver) names(host string) []string {
	if strings.HasSuffix(host, ".") {
		return []string{host}
	}
	var names []string
	asItIs := absolute(host)
	enoughDots := strings.Count(host, ".") >= r.ndots
	if enoughDots {
		names = append(names, asItIs)
	}
	for _, domain := range r.search {
		if name := host + "." + strings.TrimPrefix(domain, "."); len(name) <= maxName {
			names = append(names, name)
		}
	}
	if !enoughDots {
		names = append(names, asItIs)
	}
	return names
}
