package probe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"svcproof.dev/echo-hostname/internal/identity"
	"svcproof.dev/echo-hostname/internal/serve"
)

// attempt is svcproof.history.Attempt.
type attempt struct {
	AtNS      int64   `json:"at_ns"`
	Outcome   Outcome `json:"outcome"`
	ResolveUS *int64  `json:"resolve_us"`
	ConnectUS *int64  `json:"connect_us"`
	ReplyUS   *int64  `json:"reply_us"`
	Backend   *struct {
		Pod       string `json:"pod"`
		UID       string `json:"uid"`
		Node      string `json:"node"`
		Namespace string `json:"namespace"`
		Run       string `json:"run"`
	} `json:"backend"`
	SourceAddress string   `json:"source_address"`
	SourcePort    int      `json:"source_port"`
	LocalAddress  string   `json:"local_address"`
	RemoteAddress string   `json:"remote_address"`
	Rcode         string   `json:"rcode"`
	Answers       []string `json:"answers"`
	Detail        string   `json:"detail"`
}

// limit is for what must happen; it is only waited for when a test fails.
const limit = 30 * time.Second

// run makes the attempts that the flags say. They must all be there, and the
// end line after them.
func run(t *testing.T, flags ...string) []attempt {
	t.Helper()
	options := parsed(t, flags...)
	var out bytes.Buffer
	interrupted, err := Run(options, &out, Signals{})
	if err != nil || interrupted {
		t.Fatalf("%v, interrupted %v", err, interrupted)
	}
	return read(t, out.String(), options.Count)
}

func parsed(t *testing.T, flags ...string) Options {
	t.Helper()
	options, _, err := parse(append([]string{"--connect-timeout=30", "--attempt-timeout=30", "--host=127.0.0.1"}, flags...))
	if err != nil {
		t.Fatal(err)
	}
	return options
}

func read(t *testing.T, out string, count int) (attempts []attempt) {
	t.Helper()
	body, ended := strings.CutSuffix(out, fmt.Sprintf("{\"type\":\"end\",\"attempts\":%d}\n", count))
	if !ended {
		t.Fatalf("no end line: %q", out[max(0, len(out)-200):])
	}
	for line := range strings.Lines(body) {
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		var a attempt
		if err := decoder.Decode(&a); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		attempts = append(attempts, a)
	}
	if len(attempts) != count {
		t.Fatalf("%d attempts, want %d", len(attempts), count)
	}
	return attempts
}

// app runs the real server on loopback and returns the --port for it.
func app(t *testing.T, address string) string {
	t.Helper()
	listen := netip.MustParseAddrPort(address)
	server, err := serve.New(serve.Options{HTTP: []netip.AddrPort{listen}, UDP: []netip.AddrPort{listen}},
		identity.Identity{Pod: "web-1", UID: "3f0c", Node: "node-1", Namespace: "ns", Run: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	if err := server.Announce(&lines); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Run() }()
	t.Cleanup(func() {
		server.StopNow()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	ports := map[string]string{}
	for line := range strings.Lines(lines.String()) {
		var listening struct{ Protocol, Address string }
		if err := json.Unmarshal([]byte(line), &listening); err != nil {
			t.Fatal(err)
		}
		ports[listening.Protocol] = "--port=" + listening.Address[strings.LastIndexByte(listening.Address, ':')+1:]
	}
	udpPorts.Store(ports["tcp"], ports["udp"])
	return ports["tcp"]
}

// udpPorts tells the UDP port of an app by its TCP port.
var udpPorts sync.Map

func udpOf(tcp string) string {
	port, _ := udpPorts.Load(tcp)
	return port.(string)
}

// tcpServer runs handle for each connection and returns the --port.
func tcpServer(t *testing.T, handle func(*net.TCPConn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(limit))
				handle(c.(*net.TCPConn))
			}()
		}
	}()
	return portFlag(listener.Addr())
}

func portFlag(address net.Addr) string {
	_, port, _ := net.SplitHostPort(address.String())
	return "--port=" + port
}

// readRequest takes one request, so that closing afterwards is orderly.
func readRequest(c net.Conn) string {
	var request []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(request, []byte("\r\n\r\n")) {
		if _, err := c.Read(one); err != nil {
			break
		}
		request = append(request, one[0])
	}
	return string(request)
}

func reply(text string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		readRequest(c)
		_, _ = io.WriteString(c, text)
	}
}

func one(t *testing.T, flags ...string) attempt {
	t.Helper()
	return run(t, append(flags, "--count=1")...)[0]
}

func TestAnAnswerTellsEverything(t *testing.T) {
	before := time.Now().UnixNano()
	a := one(t, app(t, "127.0.0.1:0"))
	after := time.Now().UnixNano()
	if a.Outcome != Answered || a.Detail != "" || a.Rcode != "" || a.ResolveUS != nil {
		t.Errorf("%+v", a)
	}
	if b := a.Backend; b == nil || b.Pod != "web-1" || b.UID != "3f0c" || b.Node != "node-1" || b.Namespace != "ns" || b.Run != "r1" {
		t.Errorf("%+v", b)
	}
	if a.SourceAddress != "127.0.0.1" || a.LocalAddress != fmt.Sprintf("127.0.0.1:%d", a.SourcePort) || !strings.HasPrefix(a.RemoteAddress, "127.0.0.1:") {
		t.Errorf("%+v", a)
	}
	if a.ConnectUS == nil || a.ReplyUS == nil || *a.ConnectUS < 0 || *a.ReplyUS < 0 || *a.ConnectUS+*a.ReplyUS > (after-before)/1000 {
		t.Errorf("%+v", a)
	}
	if a.AtNS < before || a.AtNS > after {
		t.Errorf("at %d, not between %d and %d", a.AtNS, before, after)
	}
}

func TestEveryDialectOverEveryProtocol(t *testing.T) {
	port := app(t, "127.0.0.1:0")
	for _, test := range []struct {
		protocol, dialect string
		sees              bool
	}{{"tcp", "echo", true}, {"tcp", "agnhost", true}, {"tcp", "notes", false}, {"udp", "echo", true}, {"udp", "agnhost", true}} {
		to := port
		if test.protocol == "udp" {
			to = udpOf(port)
		}
		for _, a := range run(t, to, "--protocol="+test.protocol, "--dialect="+test.dialect, "--count=20", "--concurrency=3") {
			if a.Outcome != Answered || a.Backend == nil || a.Backend.Pod != "web-1" || a.Detail != "" {
				t.Fatalf("%s %s: %+v", test.protocol, test.dialect, a)
			}
			own := fmt.Sprintf("%s:%d", a.SourceAddress, a.SourcePort)
			if test.sees && own != a.LocalAddress || !test.sees && a.SourceAddress != "" {
				t.Fatalf("%s %s: %+v", test.protocol, test.dialect, a)
			}
			if (a.ConnectUS != nil) != (test.protocol == "tcp") {
				t.Fatalf("%s %s: %+v", test.protocol, test.dialect, a)
			}
		}
	}
}

func TestToConnectIsEnoughWhereNothingIsSent(t *testing.T) {
	for _, a := range run(t, app(t, "127.0.0.1:0"), "--dialect=connect", "--count=20", "--concurrency=3") {
		if a.Outcome != Answered || a.Backend != nil || a.ConnectUS == nil || a.ReplyUS != nil || !reflect.DeepEqual(a.Answers, []string{"connected"}) {
			t.Fatalf("%+v", a)
		}
	}
	if a := one(t, "--dialect=connect", fmt.Sprintf("--port=%d", freePorts(t, 1))); a.Outcome != Refused {
		t.Errorf("%+v", a)
	}
}

func TestAPayloadTravelsBothWays(t *testing.T) {
	port := app(t, "127.0.0.1:0")
	for _, protocol := range []string{"tcp", "udp"} {
		to, largest := port, maxPayload
		if protocol == "udp" {
			to, largest = udpOf(port), maxDatagram
		}
		for _, size := range []int{1, 500, 1400, 9000, largest} {
			for _, a := range run(t, to, "--protocol="+protocol, fmt.Sprintf("--payload=%d", size), "--count=20", "--concurrency=3") {
				if a.Outcome != Answered || a.Backend == nil || a.Backend.Pod != "web-1" || a.Detail != "" {
					t.Fatalf("%s %d: %+v", protocol, size, a)
				}
			}
		}
	}
}

func TestAPayloadIsBesideTheRequest(t *testing.T) {
	// Nothing changes on the wire where there is none.
	for size, want := range map[int]string{
		0: "GET /json HTTP/1.1\r\nHost: 127.0.0.1:80\r\nUser-Agent: svcproof-probe\r\nConnection: close\r\n\r\n",
		3: "GET /json HTTP/1.1\r\nHost: 127.0.0.1:80\r\nUser-Agent: svcproof-probe\r\nConnection: close\r\nContent-Length: 3\r\n\r\n   ",
	} {
		c := newCampaign(parsed(t, "--port=80", fmt.Sprintf("--payload=%d", size)), nil)
		if got := string(c.requests[0]); got != want {
			t.Errorf("%q", got)
		}
	}
	for size, want := range map[int]string{0: "json", 3: "json", 6: "json  "} {
		c := newCampaign(parsed(t, "--port=80", "--protocol=udp", fmt.Sprintf("--payload=%d", size)), nil)
		if got := string(c.requests[0]); got != want {
			t.Errorf("%q", got)
		}
	}
}

func TestAReplyShorterThanThePayloadIsNotUnderstood(t *testing.T) {
	const body = `{"pod":"web-1","client_address":"127.0.0.1","client_port":1}`
	whole := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
	if a := one(t, tcpServer(t, reply(whole)), "--payload=0"); a.Backend == nil {
		t.Errorf("without a payload: %+v", a)
	}
	ignoring := func(c *net.TCPConn) {
		readRequest(c)
		_, _ = io.CopyN(io.Discard, c, 1400)
		_, _ = io.WriteString(c, whole)
	}
	a := one(t, tcpServer(t, ignoring), "--payload=1400")
	if a.Outcome != Answered || a.Backend != nil || !strings.Contains(a.Detail, "not understood: a body of 60 bytes") {
		t.Errorf("%+v", a)
	}
}

func TestIPv6(t *testing.T) {
	if probe, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skipf("no IPv6 on loopback: %v", err)
	} else {
		probe.Close()
	}
	a := one(t, app(t, "[::1]:0"), "--host=::1", "--family=ipv6", "--bind=::1", "--dialect=agnhost")
	if a.Outcome != Answered || a.SourceAddress != "::1" || a.LocalAddress != fmt.Sprintf("[::1]:%d", a.SourcePort) || !strings.HasPrefix(a.RemoteAddress, "[::1]:") {
		t.Errorf("%+v", a)
	}
}

func TestThousandsOfConnectionsAreAllFresh(t *testing.T) {
	const count = 5000
	seen := map[int]int{}
	for _, a := range run(t, app(t, "127.0.0.1:0"), fmt.Sprintf("--count=%d", count), "--concurrency=16") {
		if a.Outcome != Answered || a.Backend == nil || a.ConnectUS == nil {
			t.Fatalf("%+v", a)
		}
		seen[a.SourcePort]++
	}
	if len(seen) < count/2 {
		t.Errorf("only %d source ports", len(seen))
	}
}

func TestUDPDoesNotRepeatASourcePort(t *testing.T) {
	seen := map[int]bool{}
	for _, a := range run(t, udpOf(app(t, "127.0.0.1:0")), "--protocol=udp", "--count=3000", "--concurrency=16") {
		if a.Outcome != Answered || seen[a.SourcePort] {
			t.Fatalf("%+v", a)
		}
		seen[a.SourcePort] = true
	}
}

func TestRefused(t *testing.T) {
	// Not one of the kernel's own ports: from such a port, a connection to itself
	// is possible, and succeeds.
	port := fmt.Sprintf("--port=%d", freePorts(t, 1))
	for _, protocol := range []string{"tcp", "udp"} {
		for _, a := range run(t, port, "--protocol="+protocol, "--count=50", "--concurrency=10") {
			if a.Outcome != Refused || a.Backend != nil || a.ConnectUS != nil || a.ReplyUS != nil || !strings.Contains(a.Detail, "ECONNREFUSED") || a.LocalAddress == "" {
				t.Fatalf("%s: %+v", protocol, a)
			}
		}
	}
}

func TestReset(t *testing.T) {
	for name, handle := range map[string]func(*net.TCPConn){
		"RST": func(c *net.TCPConn) {
			readRequest(c)
			_ = c.SetLinger(0)
		},
		"RST in mid-reply": func(c *net.TCPConn) {
			readRequest(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
			_ = c.SetLinger(0)
		},
		"closed without a reply": func(c *net.TCPConn) { readRequest(c) },
		"closed in mid-reply":    reply("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"),
		"closed in mid-header":   reply("HTTP/1.1 200 OK\r\nContent-Le"),
		"closed in mid-version":  reply("HTT"),
		"closed in mid-chunk":    reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc"),
	} {
		a := one(t, tcpServer(t, handle))
		if a.Outcome != Reset || a.Backend != nil || a.ConnectUS == nil || a.Detail == "" {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestTheSecondRequestOfADialectCanFail(t *testing.T) {
	hostname := "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nweb-1"
	for name, test := range map[string]struct {
		handle func(*net.TCPConn)
		want   Outcome
		detail string
	}{
		"RST": {func(c *net.TCPConn) {
			reply(hostname)(c)
			readRequest(c)
			_ = c.SetLinger(0)
		}, Reset, "ECONNRESET"},
		"not kept": {reply(strings.Replace(hostname, "Content", "Connection: close\r\nContent", 1)), Answered, "closed before it could be asked"},
		"no such path": {func(c *net.TCPConn) {
			reply(hostname)(c)
			reply("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope")(c)
		}, Answered, "not understood: HTTP 404: nope"},
	} {
		a := one(t, tcpServer(t, test.handle), "--dialect=agnhost")
		if a.Outcome != test.want || a.Backend == nil || a.Backend.Pod != "web-1" || a.SourceAddress != "" || !strings.Contains(a.Detail, test.detail) {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestTimedOutWhileConnecting(t *testing.T) {
	// A listener whose queue is full drops every SYN.
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(listener)
	if err := unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(listener, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(listener)
	if err != nil {
		t.Fatal(err)
	}
	port := name.(*unix.SockaddrInet4).Port
	address := fmt.Sprintf("127.0.0.1:%d", port)
	for {
		c, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
		if err != nil {
			break
		}
		defer c.Close()
	}
	for _, a := range run(t, fmt.Sprintf("--port=%d", port), "--count=5", "--connect-timeout=0.05") {
		if a.Outcome != TimedOut || a.ConnectUS != nil || a.Detail != "connect: not established within 50ms" || a.RemoteAddress != address {
			t.Errorf("%+v", a)
		}
	}
}

func TestTimedOutWaitingForAReply(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	silent := func(c *net.TCPConn) { <-release }
	half := func(c *net.TCPConn) {
		readRequest(c)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nweb")
		<-release
	}
	for name, handle := range map[string]func(*net.TCPConn){"silence": silent, "half a reply": half} {
		for _, a := range run(t, tcpServer(t, handle), "--count=6", "--concurrency=3", "--attempt-timeout=0.1") {
			if a.Outcome != TimedOut || a.ConnectUS == nil || a.ReplyUS != nil || a.Detail != "no complete reply within 100ms" {
				t.Errorf("%s: %+v", name, a)
			}
		}
	}
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if a := one(t, portFlag(socket.LocalAddr()), "--protocol=udp", "--attempt-timeout=0.05"); a.Outcome != TimedOut {
		t.Errorf("%+v", a)
	}
}

func TestWaitingForAProcessorIsNoWaitingForTheNetwork(t *testing.T) {
	const second = time.Second
	options := Options{AttemptTimeout: 6 * second, ConnectTimeout: 4 * second}
	held := func(before, now time.Duration) (*engine, *slot) {
		e := &engine{
			campaign: &campaign{options: options}, out: newOutput(io.Discard),
			now: 5 * second, heldUp: now, nextDeadline: never,
		}
		return e, &slot{fd: -1, phase: connectingTCP, heldUp: before, deadline: 4 * second}
	}

	e, s := held(2*second, 2*second)
	if e.timeOut(s); s.record.outcome != TimedOut {
		t.Errorf("nothing held it up before it began: %v", s.record.outcome)
	}

	e, s = held(0, 3*second)
	if e.timeOut(s); s.phase != connectingTCP || s.deadline != 7*second || e.nextDeadline != 7*second {
		t.Errorf("3 s are lent: %v until %v", s.phase, s.deadline)
	}
	e.now = 7 * second
	if e.timeOut(s); s.record.outcome != TimedOut {
		t.Errorf("lent once, and silent all the same: %v", s.record.outcome)
	}

	e, s = held(0, 7*second)
	if e.timeOut(s); s.record.outcome != Unknown {
		t.Errorf("longer than an attempt may take proves nothing: %v", s.record.outcome)
	}
}

func TestASlowReplyWithinTheLimitIsAnAnswer(t *testing.T) {
	bytewise := func(c *net.TCPConn) {
		readRequest(c)
		for _, b := range []byte("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"pod\":\"a\"}") {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
		}
	}
	if a := one(t, tcpServer(t, bytewise)); a.Outcome != Answered || a.Backend == nil || a.Backend.Pod != "a" {
		t.Errorf("%+v", a)
	}
}

func TestUnreachable(t *testing.T) {
	// A multicast address has no route for TCP, wherever this runs.
	for _, a := range run(t, "--host=224.0.0.1", "--port=80", "--count=3") {
		if a.Outcome != Unreachable || !strings.Contains(a.Detail, "ENETUNREACH") {
			t.Errorf("%+v", a)
		}
	}
}

func TestStrangersAreVisible(t *testing.T) {
	for name, test := range map[string]struct{ reply, detail string }{
		"another server":   {"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found", "not understood: HTTP 404: not found"},
		"another page":     {"HTTP/1.0 200 OK\r\n\r\nWelcome to nginx!", "not understood: HTTP 200: Welcome to nginx!"},
		"a redirect":       {"HTTP/1.1 301 M\r\nContent-Length: 0\r\n\r\n", "not understood: HTTP 301: "},
		"another protocol": {"SSH-2.0-OpenSSH_9.2\r\n", "not understood: SSH-2.0-OpenSSH_9.2"},
		"bad chunks":       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n?\r\n", "not understood: HTTP/1.1 200 OK Transfer-Encoding: chunked ?"},
		"endless":          {"HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", maxReply), "not understood: HTTP/1.1 200 OK xxx"},
	} {
		a := one(t, tcpServer(t, reply(test.reply)))
		if a.Outcome != Answered || a.Backend != nil || a.ReplyUS == nil || !strings.HasPrefix(a.Detail, test.detail) || len(a.Detail) > 120 {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestTheServerIsLetCloseFirst(t *testing.T) {
	// It sends its FIN only after it has seen that the client, which has the
	// whole reply, does not close. If it never comes, the client closes.
	result := make(chan error, 1)
	port := tcpServer(t, func(c *net.TCPConn) {
		if !strings.Contains(readRequest(c), "\r\nConnection: close\r\n") {
			t.Error("the client did not ask for it")
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"pod\":\"a\"}")
		_, err := c.Read(make([]byte, 1))
		result <- err
	})
	if a := one(t, port); a.Outcome != Answered || a.Backend == nil {
		t.Errorf("%+v", a)
	}
	if err := <-result; err != io.EOF {
		t.Errorf("the client did not close in an orderly way: %v", err)
	}
}

func TestKeepAliveSendsEverythingOverOneConnectionAWorker(t *testing.T) {
	port := app(t, "127.0.0.1:0")
	for _, flags := range [][]string{{port}, {port, "--dialect=agnhost"}, {udpOf(port), "--protocol=udp"}} {
		ports, dialled := map[int]int{}, 0
		for _, a := range run(t, append(flags, "--keep-alive", "--count=100", "--concurrency=2")...) {
			if a.Outcome != Answered || a.Backend == nil || a.LocalAddress != fmt.Sprintf("127.0.0.1:%d", a.SourcePort) || a.RemoteAddress == "" {
				t.Fatalf("%+v", a)
			}
			ports[a.SourcePort]++
			if a.ConnectUS != nil {
				dialled++
			}
		}
		if len(ports) > 2 || dialled > 2 {
			t.Errorf("%v: %v, %d times connected", flags, ports, dialled)
		}
	}
}

func TestKeepAliveDialsAnewWhenTheServerHasClosed(t *testing.T) {
	port := tcpServer(t, func(c *net.TCPConn) {
		for range 3 {
			reply("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"pod\":\"a\"}")(c)
		}
		readRequest(c) // the fourth is lost
	})
	outcomes := ""
	for _, a := range run(t, port, "--keep-alive", "--count=8", "--concurrency=1") {
		outcomes += string(a.Outcome) + " "
	}
	if outcomes != "answered answered answered reset answered answered answered reset " {
		t.Error(outcomes)
	}
}

// freePorts finds neighbouring ports of loopback outside the kernel's own range.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	for low := 20000 + os.Getpid()%5000; low < 30000; low += n {
		free := true
		for port := low; free && port < low+n; port++ {
			c, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
			if err != nil {
				free = false
				continue
			}
			c.Close()
		}
		if free {
			return low
		}
	}
	t.Fatal("no free ports")
	return 0
}

func TestSourcePortsAreKeptTo(t *testing.T) {
	port := app(t, "127.0.0.1:0")
	for _, protocol := range []string{"tcp", "udp"} {
		to := port
		if protocol == "udp" {
			to = udpOf(port)
		}
		for _, size := range []int{1, 4} {
			low := freePorts(t, size)
			seen := map[int]int{}
			for _, a := range run(t, to, "--protocol="+protocol, fmt.Sprintf("--source-ports=%d-%d", low, low+size-1), "--count=40", "--concurrency=8") {
				if a.Outcome != Answered {
					t.Fatalf("%s: %+v", protocol, a)
				}
				seen[a.SourcePort]++
			}
			if len(seen) != size || seen[low] == 0 || seen[low+size-1] == 0 {
				t.Errorf("%s: %v, want %d from %d", protocol, seen, size, low)
			}
		}
	}
}

func TestSourcePortsInUseAreOurOwnTrouble(t *testing.T) {
	low := freePorts(t, 2)
	for i := range 2 {
		c, err := net.Listen("tcp", fmt.Sprintf(":%d", low+i))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	options := parsed(t, app(t, "127.0.0.1:0"), fmt.Sprintf("--source-ports=%d-%d", low, low+1), "--count=3")
	c := newCampaign(options, nil)
	c.portPatience = 5 * time.Millisecond
	var out bytes.Buffer
	if err := c.run(&out, Signals{}); err != nil {
		t.Fatal(err)
	}
	for _, a := range read(t, out.String(), 3) {
		if a.Outcome != Unknown || a.Detail != fmt.Sprintf("bind: every source port of %d-%d is in use", low, low+1) {
			t.Errorf("%+v", a)
		}
	}
}

func TestAPortInUseIsPassedOver(t *testing.T) {
	low := freePorts(t, 3)
	c, err := net.Listen("tcp", fmt.Sprintf(":%d", low+1))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, a := range run(t, app(t, "127.0.0.1:0"), fmt.Sprintf("--source-ports=%d-%d", low, low+2), "--count=20", "--concurrency=1") {
		if a.Outcome != Answered || a.SourcePort == low+1 {
			t.Errorf("%+v", a)
		}
	}
}

func TestBind(t *testing.T) {
	port := app(t, "127.0.0.1:0")
	for _, flags := range [][]string{{}, {fmt.Sprintf("--source-ports=%d-%[1]d", freePorts(t, 1))}} {
		if a := one(t, append(flags, port, "--bind=127.0.0.9")...); a.Outcome != Answered || a.SourceAddress != "127.0.0.9" {
			t.Errorf("%+v", a)
		}
	}
	if a := one(t, port, "--bind=192.0.2.77"); a.Outcome != Unknown || !strings.Contains(a.Detail, "EADDRNOTAVAIL") {
		t.Errorf("an address that is not ours: %+v", a)
	}
}

func TestBindToAPrefix(t *testing.T) {
	seen := map[string]int{}
	for _, a := range run(t, app(t, "127.0.0.1:0"), "--bind=127.0.1.254/30", "--count=12") {
		if a.Outcome != Answered {
			t.Errorf("%+v", a)
		}
		seen[a.SourceAddress]++
	}
	want := map[string]int{"127.0.1.252": 3, "127.0.1.253": 3, "127.0.1.254": 3, "127.0.1.255": 3}
	if !maps.Equal(seen, want) {
		t.Errorf("%v, want %v", seen, want)
	}
}

func TestSourceAddressesBeginAnew(t *testing.T) {
	for prefix, want := range map[string][]string{
		"10.0.0.255/32":    {"10.0.0.255", "10.0.0.255"},
		"10.0.0.254/31":    {"10.0.0.254", "10.0.0.255", "10.0.0.254"},
		"fd00::ffff:0/127": {"fd00::ffff:0", "fd00::ffff:1", "fd00::ffff:0"},
	} {
		addresses := sourceAddresses{prefix: netip.MustParsePrefix(prefix)}
		for _, wanted := range want {
			if got := addresses.next().String(); got != wanted {
				t.Errorf("%s: %s, want %s", prefix, got, wanted)
			}
		}
	}
}

func TestRateSpreadsTheAttempts(t *testing.T) {
	attempts := run(t, app(t, "127.0.0.1:0"), "--count=20", "--rate=200", "--concurrency=16")
	first, last := attempts[0].AtNS, attempts[0].AtNS
	for _, a := range attempts {
		first, last = min(first, a.AtNS), max(last, a.AtNS)
	}
	// The first at 0, the twentieth not before 19/200 s.
	if spread := time.Duration(last - first); spread < 90*time.Millisecond {
		t.Errorf("all within %v", spread)
	}
}

func TestAnInterruptReportsTheRestAsUnknown(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	arrived := make(chan struct{}, 100)
	port := tcpServer(t, func(c *net.TCPConn) {
		arrived <- struct{}{}
		<-release
	})
	stop := make(chan struct{})
	go func() {
		<-arrived
		close(stop)
	}()
	options := parsed(t, port, "--count=1000", "--concurrency=10")
	var out bytes.Buffer
	interrupted, err := Run(options, &out, Signals{Stop: stop})
	if err != nil || !interrupted {
		t.Fatal(err, interrupted)
	}
	for _, a := range read(t, out.String(), 1000) {
		if a.Outcome != Unknown || a.Detail != "interrupted" || a.AtNS == 0 {
			t.Fatalf("%+v", a)
		}
	}
}

// What is under way is waited for, so that no attempt that hangs goes untold.
func TestAFinishBeginsNoMoreAndTellsWhatWasUnderWay(t *testing.T) {
	arrived, release := make(chan struct{}, 1000), make(chan struct{})
	port := tcpServer(t, func(c *net.TCPConn) {
		arrived <- struct{}{}
		<-release
	})
	finish := make(chan struct{})
	go func() {
		for range 10 {
			<-arrived
		}
		close(finish)
	}()
	options := parsed(t, port, "--count=1000", "--concurrency=10", "--attempt-timeout=0.3")
	var out bytes.Buffer
	interrupted, err := Run(options, &out, Signals{Finish: finish})
	close(release)
	if err != nil || interrupted {
		t.Fatal(err, interrupted)
	}
	attempts := strings.Count(out.String(), "\n") - 1
	if attempts < 10 || attempts >= 1000 {
		t.Fatalf("%d attempts", attempts)
	}
	for _, a := range read(t, out.String(), attempts) {
		if a.Outcome != TimedOut {
			t.Errorf("%+v", a)
		}
	}
}

func TestWithoutADescriptorItIsUnknown(t *testing.T) {
	port := app(t, "127.0.0.1:0")
	options := parsed(t, port, "--count=3", "--concurrency=2")
	c := newCampaign(options, nil)
	e, err := newEngine(c, 2, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer e.poller.Close()
	for errno, want := range map[unix.Errno]Outcome{unix.EMFILE: Unknown, unix.EADDRNOTAVAIL: Unknown} {
		s := &e.slots[0]
		e.free = e.free[:1]
		s.peer = netip.MustParseAddrPort("127.0.0.1:1")
		e.fail(s, connecting, errno)
		if s.record.outcome != want {
			t.Errorf("%v: %s", errno, s.record.outcome)
		}
	}
	// Without a route, EADDRNOTAVAIL is what the network says.
	s := &e.slots[0]
	s.peer = netip.MustParseAddrPort("255.255.255.255:1")
	e.fail(s, connecting, unix.EADDRNOTAVAIL)
	if s.record.outcome != Unreachable {
		t.Errorf("%s", s.record.outcome)
	}
}

// nameServer answers A for one name with 127.0.0.1 and denies every other. It
// returns the --resolv-conf, and counts the questions.
func nameServer(t *testing.T, name string) (flag string, questions *atomic.Int64) {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	questions = new(atomic.Int64)
	server := &dns.Server{PacketConn: socket, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, request *dns.Msg) {
		questions.Add(1)
		reply := new(dns.Msg).SetReply(request)
		if question := request.Question[0]; question.Name != name {
			reply.Rcode = dns.RcodeNameError
		} else if question.Qtype == dns.TypeA {
			reply.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 5},
				A:   net.IPv4(127, 0, 0, 1),
			}}
		}
		_ = w.WriteMsg(reply)
	})}
	go server.ActivateAndServe()
	t.Cleanup(func() { _ = server.Shutdown() })
	_, port, _ := net.SplitHostPort(socket.LocalAddr().String())
	return resolvConf(t, "[127.0.0.1]:"+port), questions
}

func resolvConf(t *testing.T, server string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	text := "search ns.svc.cluster.local svc.cluster.local\nnameserver " + server + "\noptions ndots:5\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "--resolv-conf=" + path
}

func TestANameIsResolvedForEachAttempt(t *testing.T) {
	conf, questions := nameServer(t, "web.ns.svc.cluster.local.")
	for _, a := range run(t, app(t, "127.0.0.1:0"), "--host=web", conf, "--resolve-timeout=30", "--count=200", "--concurrency=16") {
		if a.Outcome != Answered || a.Backend == nil || a.ResolveUS == nil || !strings.HasPrefix(a.RemoteAddress, "127.0.0.1:") {
			t.Fatalf("%+v", a)
		}
	}
	if got := questions.Load(); got != 200 {
		t.Errorf("%d questions", got)
	}
}

func TestNamesThatFail(t *testing.T) {
	conf, _ := nameServer(t, "web.ns.svc.cluster.local.")
	for _, test := range []struct{ host, family, conf, rcode, detail string }{
		{"nothing", "ipv4", conf, "NXDOMAIN", "nothing.ns.svc.cluster.local. NXDOMAIN; nothing.svc.cluster.local. NXDOMAIN; nothing. NXDOMAIN"},
		{"web.ns.svc.cluster.local.", "ipv6", conf, "NODATA", "web.ns.svc.cluster.local. NODATA"},
		{"web", "ipv4", resolvConf(t, "[127.0.0.153]:9"), "TIMEOUT", ""},
	} {
		for _, a := range run(t, "--host="+test.host, "--port=80", "--family="+test.family, test.conf, "--resolve-timeout=30", "--count=5", "--concurrency=3") {
			if a.Outcome != NameFailed || a.Rcode != test.rcode || a.ResolveUS == nil || a.RemoteAddress != "" || test.detail != "" && a.Detail != test.detail {
				t.Errorf("%s: %+v", test.host, a)
			}
		}
	}
}

func TestAnInterruptDoesNotWaitForNames(t *testing.T) {
	socket, err := net.ListenPacket("udp", "127.0.0.1:0") // says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	stop := make(chan struct{})
	go func() {
		_, _, _ = socket.ReadFrom(make([]byte, 512))
		close(stop)
	}()
	_, port, _ := net.SplitHostPort(socket.LocalAddr().String())
	options := parsed(t, "--host=web", "--port=80", resolvConf(t, "[127.0.0.1]:"+port), "--resolve-timeout=3600", "--count=20", "--concurrency=10")
	var out bytes.Buffer
	if interrupted, err := Run(options, &out, Signals{Stop: stop}); err != nil || !interrupted {
		t.Fatal(err, interrupted)
	}
	for _, a := range read(t, out.String(), 20) {
		if a.Outcome != Unknown || a.Detail != "interrupted" {
			t.Errorf("%+v", a)
		}
	}
}

func TestAMissingResolvConfIsReported(t *testing.T) {
	if _, err := Run(parsed(t, "--host=web", "--port=80", "--resolv-conf=/nonexistent"), io.Discard, Signals{}); err == nil {
		t.Error("it was not")
	}
}

func TestFlagsThatAreWrongAreNamed(t *testing.T) {
	for flags, want := range map[string]string{
		"":                                                    "--port 0: give 1 to 65535",
		"--port=80":                                           "--host is missing",
		"--host=a --port=65536":                               "--port 65536",
		"--host=a --port=80 --count=0":                        "--count 0: give 1 to",
		"--host=a --port=80 --concurrency=0":                  "--concurrency 0: give 1 to",
		"--host=a --port=80 --rate=-1":                        "--rate -1: give 0 to",
		"--host=a --port=80 --rate=NaN":                       "--rate NaN",
		"--host=a --port=80 --protocol=sctp":                  "valid values: tcp, udp",
		"--host=a --port=80 --family=ipv5":                    "valid values: ipv4, ipv6",
		"--host=a --port=80 --dialect=x":                      "valid values: echo, agnhost, notes, healthz, connect",
		"--host=a --port=80 --source-ports=x":                 "LOW-HIGH",
		"--host=a --port=80 --source-ports=80":                "LOW-HIGH",
		"--host=a --port=80 --source-ports=9-8":               "LOW-HIGH",
		"--host=a --port=80 --source-ports=0-8":               "LOW-HIGH",
		"--host=a --port=80 --connect-timeout=0":              "timeout must be above 0",
		"--host=a --port=80 --bind=x":                         `--bind "x": not an address`,
		"--host=::1 --port=80":                                "--host ::1 is not of --family ipv4",
		"--host=1.2.3.4 --port=80 --family=ipv6":              "--host 1.2.3.4 is not of --family ipv6",
		"--host=1:2 --port=80":                                "not an address",
		"--host=fe80::1%lo --port=80":                         "zones are not supported",
		"--host=a --port=80 --bind=::1":                       "--bind ::1 is not of --family ipv4",
		"--host=a --port=80 --bind=10.0.0.0/33":               `--bind "10.0.0.0/33": not a prefix`,
		"--host=a --port=80 --bind=fd00::/112":                "--bind fd00:: is not of --family ipv4",
		"--host=a --port=80 --bind=10.0.0.0/15":               "--bind 10.0.0.0/15: give /16 or longer",
		"--host=a --port=80 --dialect=notes --protocol=udp":   "only for --protocol tcp",
		"--host=a --port=80 --dialect=healthz --protocol=udp": "only for --protocol tcp",
		"--query=A":                                           "--host is missing",
		"--host=a --query=MX":                                 "valid values: A, AAAA, CNAME, SRV, PTR",
		"--host=a --query=a":                                  "valid values: A, AAAA, CNAME, SRV, PTR",
		"--host=1.2.3.4 --query=A":                            "--host 1.2.3.4 is an address",
		"--host=a --query=A --keep-alive":                     "are for connections",
		"--host=a --query=A --source-ports=5-9":               "are for connections",
		"--host=a --query=A --server=x":                       `--server "x": not an address`,
		"--host=a --port=80 --server=1.2.3.4":                 "are for --query",
		"--host=a --port=80 --by-tcp":                         "are for --query",
		"--host=a --port=80 --dialect=connect --protocol=udp": "only for --protocol tcp",
		"--host=a --port=80 --dialect=connect --keep-alive":   "connect sends none",
		"--host=a --port=80 extra":                            "unexpected argument",
	} {
		_, _, err := parse(strings.Fields(flags))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", flags, err, want)
		}
	}
}

func TestConcurrencyDoesNotExceedWhatCanRun(t *testing.T) {
	if o := parsed(t, "--port=80", "--count=3", "--concurrency=100"); o.Concurrency != 3 {
		t.Error(o.Concurrency)
	}
	if o := parsed(t, "--port=80", "--count=300", "--concurrency=100", "--source-ports=5-9"); o.Concurrency != 5 {
		t.Error(o.Concurrency)
	}
}
