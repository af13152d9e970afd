package probe

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"svcproof.dev/echo-hostname/internal/resolve"
	"svcproof.dev/echo-hostname/internal/usage"
)

// Options are what the command line says; svcproof.ports.ProbePlan says what
// most of them mean.
type Options struct {
	Host           string
	Port           uint16
	Count          int
	Protocol       string
	Family         string
	Concurrency    int
	Rate           float64
	SourcePorts    portRange
	Bind           netip.Prefix // the addresses to connect from; none is the kernel's choice
	ConnectTimeout time.Duration
	AttemptTimeout time.Duration
	ResolveTimeout time.Duration
	Dialect        string
	KeepAlive      bool
	Payload        int
	FinishAtEOF    bool
	Query          string // a record type: nothing is connected to
	ResolvConf     string
	Server         netip.AddrPort // to be asked in the place of those of ResolvConf
	ByTCP          bool           // with Query: not by UDP first

	literal netip.Addr // Host, if it is an address
}

const (
	maxCount       = 100_000_000
	maxConcurrency = 4096
	maxPayload     = 65536
	// maxDatagram is a round number below what fits into an IP packet.
	maxDatagram = 65000
	// maxSourceBits is how many bits of the source address may vary.
	maxSourceBits = 16
)

// rangeFlag is --source-ports.
type rangeFlag struct{ ports *portRange }

func (r rangeFlag) String() string { return "" }

func (r rangeFlag) Set(text string) (err error) {
	*r.ports, err = parsePortRange(text)
	return err
}

func parse(arguments []string) (Options, *flag.FlagSet, error) {
	o := Options{}
	protocol := usage.OneOf{Value: "tcp", Valid: []string{"tcp", "udp"}}
	family := usage.OneOf{Value: "ipv4", Valid: []string{"ipv4", "ipv6"}}
	dialect := usage.OneOf{Value: "echo", Valid: []string{"echo", "agnhost", "notes", "healthz", "connect"}}
	query := usage.OneOf{Valid: resolve.Kinds}
	connect, attempt, resolving := usage.Seconds(4*time.Second), usage.Seconds(6*time.Second), usage.Seconds(6*time.Second)
	var port uint
	var bind, server string
	flags := usage.NewFlags("probe")
	flags.StringVar(&o.Host, "host", "", "literal `ADDRESS` or name to connect to; a name is asked of DNS for each connection (/etc/hosts is not read)")
	flags.UintVar(&port, "port", 0, "`PORT` to connect to")
	flags.IntVar(&o.Count, "count", 1, "how many attempts to make")
	flags.Var(&protocol, "protocol", "tcp or udp")
	flags.Var(&family, "family", "ipv4 or ipv6")
	flags.IntVar(&o.Concurrency, "concurrency", 8, "how many attempts may be under way at once")
	flags.Float64Var(&o.Rate, "rate", 0, "attempts started per second; 0 is as fast as it goes")
	flags.Var(rangeFlag{&o.SourcePorts}, "source-ports", "use only source ports `LOW-HIGH`, one after the other")
	flags.StringVar(&bind, "bind", "", "connect from this `ADDRESS`, or from those of a PREFIX, one after the other")
	flags.Var(&connect, "connect-timeout", "limit for a connection to be established, in seconds or with a unit")
	flags.Var(&attempt, "attempt-timeout", "limit for an answer, connecting included, resolving not")
	flags.Var(&resolving, "resolve-timeout", "limit for finding a name's address, or for the answer to --query")
	flags.Var(&dialect, "dialect", "what the server understands: echo, agnhost (netexec), or only over tcp notes, healthz (kube-proxy's health checks) and connect (nothing is sent)")
	flags.BoolVar(&o.FinishAtEOF, "finish-at-eof", false, "begin no other attempt once standard input has ended, and wait for those under way")
	flags.BoolVar(&o.KeepAlive, "keep-alive", false, "keep connections open and send later requests over them: the attempts are then not fresh")
	flags.IntVar(&o.Payload, "payload", 0, "send this many `BYTES` besides, and take no reply whose body is shorter (dialect echo)")
	flags.Var(&query, "query", "ask DNS for --host's records of this `TYPE` and connect to nothing: A, AAAA, CNAME, SRV or PTR")
	flags.StringVar(&server, "server", "", "with --query ask the name server at this `ADDRESS` ([ADDRESS]:PORT if it is not 53)")
	flags.BoolVar(&o.ByTCP, "by-tcp", false, "with --query ask by TCP at once, not only what does not fit into a datagram")
	flags.StringVar(&o.ResolvConf, "resolv-conf", "/etc/resolv.conf", "`FILE` with the name servers")
	if err := usage.Parse(flags, arguments); err != nil {
		return o, flags, err
	}
	o.Protocol, o.Family, o.Dialect, o.Query = protocol.Value, family.Value, dialect.Value, query.Value
	o.ConnectTimeout, o.AttemptTimeout, o.ResolveTimeout = time.Duration(connect), time.Duration(attempt), time.Duration(resolving)
	if port == 0 && o.Query == "" || port > 65535 {
		return o, flags, fmt.Errorf("--port %d: give 1 to 65535", port)
	}
	o.Port = uint16(port)
	if server != "" {
		var err error
		if o.Server, err = resolve.ParseServer(server); err != nil {
			return o, flags, fmt.Errorf("--server %q: not an address", server)
		}
	}
	return o, flags, o.complete(bind)
}

// complete checks the values against each other and fills in what follows.
func (o *Options) complete(bind string) error {
	switch {
	case o.Host == "":
		return errors.New("--host is missing: an address or a name")
	case o.Count < 1 || o.Count > maxCount:
		return fmt.Errorf("--count %d: give 1 to %d", o.Count, maxCount)
	case o.Concurrency < 1 || o.Concurrency > maxConcurrency:
		return fmt.Errorf("--concurrency %d: give 1 to %d", o.Concurrency, maxConcurrency)
	case !(o.Rate >= 0 && o.Rate <= 1e6):
		return fmt.Errorf("--rate %g: give 0 to 1000000", o.Rate)
	case o.ConnectTimeout <= 0 || o.AttemptTimeout <= 0 || o.ResolveTimeout <= 0:
		return errors.New("every timeout must be above 0")
	case o.Dialect == "connect" && o.KeepAlive:
		return errors.New("--keep-alive is for requests, and --dialect connect sends none")
	case dialects[o.Dialect].datagrams == nil && o.Protocol == "udp":
		return fmt.Errorf("--dialect %s is only for --protocol tcp", o.Dialect)
	case o.Payload < 0 || o.Payload > o.largest():
		return fmt.Errorf("--payload %d: give 0 to %d", o.Payload, o.largest())
	case o.Payload > 0 && o.Dialect != "echo":
		return errors.New("--payload is only for --dialect echo")
	case o.Query != "" && looksLikeAddress(o.Host):
		return fmt.Errorf("--query asks for a name; --host %s is an address", o.Host)
	case o.Query != "" && (o.SourcePorts.size() > 0 || bind != "" || o.KeepAlive || o.Payload > 0):
		return errors.New("--source-ports, --bind, --keep-alive and --payload are for connections, and --query makes none")
	}
	if o.Query == "" && (o.Server.IsValid() || o.ByTCP) {
		return errors.New("--server and --by-tcp are for --query")
	}
	if bind != "" {
		prefix, err := o.prefix("--bind", bind)
		if err != nil {
			return err
		}
		o.Bind = prefix
	}
	if looksLikeAddress(o.Host) {
		address, err := o.address("--host", o.Host)
		if err != nil {
			return err
		}
		o.literal = address
	}
	if size := o.SourcePorts.size(); size > 0 {
		o.Concurrency = min(o.Concurrency, size) // more would only wait for a port
	}
	o.Concurrency = min(o.Concurrency, o.Count)
	return nil
}

// largest is the largest payload that the protocol carries.
func (o *Options) largest() int {
	if o.Protocol == "udp" {
		return maxDatagram
	}
	return maxPayload
}

func looksLikeAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || strings.Contains(host, ":")
}

// prefix is one address, or all of a prefix, of which at most maxSourceBits may vary.
func (o *Options) prefix(name, text string) (netip.Prefix, error) {
	if _, _, found := strings.Cut(text, "/"); !found {
		address, err := o.address(name, text)
		return netip.PrefixFrom(address, address.BitLen()), err
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return prefix, fmt.Errorf("%s %q: not a prefix", name, text)
	}
	if _, err := o.address(name, prefix.Addr().String()); err != nil {
		return prefix, err
	}
	if free := prefix.Addr().BitLen() - prefix.Bits(); free > maxSourceBits {
		return prefix, fmt.Errorf("%s %s: give /%d or longer", name, prefix, prefix.Addr().BitLen()-maxSourceBits)
	}
	return prefix.Masked(), nil
}

func (o *Options) address(name, text string) (netip.Addr, error) {
	address, err := netip.ParseAddr(text)
	if err != nil || address.Zone() != "" {
		return address, fmt.Errorf("%s %q: not an address (and zones are not supported)", name, text)
	}
	if address = address.Unmap(); address.Is4() != (o.Family == "ipv4") {
		return address, fmt.Errorf("%s %s is not of --family %s", name, text, o.Family)
	}
	return address, nil
}
