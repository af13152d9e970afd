package resolve

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

const patience = 30 * time.Second

func TestAnAddressIsFound(t *testing.T) {
	server := serveDNS(t, zone(
		"web.ns.svc.cluster.local. 5 IN A 10.96.0.7",
		"web.ns.svc.cluster.local. 5 IN AAAA fd00::7",
		"alias.ns.svc.cluster.local. 5 IN CNAME my.database.com.",
		"my.database.com. 5 IN CNAME other.example.",
		"other.example. 5 IN A 192.0.2.1",
	))
	r := resolver(server)
	r.search = []string{"ns.svc.cluster.local.", "svc.cluster.local."}
	for _, test := range []struct {
		host string
		ipv6 bool
		want string
	}{
		{"web", false, "10.96.0.7"},
		{"web", true, "fd00::7"},
		{"web.ns", false, "10.96.0.7"},
		{"WEB.ns.svc.cluster.local.", false, "10.96.0.7"}, // the answer's record is in small letters
		{"web.ns.svc.cluster.local.", false, "10.96.0.7"},
		{"alias", false, "192.0.2.1"},
	} {
		address, failure := r.Lookup(test.host, test.ipv6, patience)
		if failure != nil || address != netip.MustParseAddr(test.want) {
			t.Errorf("%s: %v, %+v", test.host, address, failure)
		}
	}
}

func TestFailuresAreNamed(t *testing.T) {
	tests := []struct {
		name   string
		answer answer
		search []string
		rcode  string
		detail string
	}{
		{name: "NXDOMAIN", answer: zone(), rcode: "NXDOMAIN", detail: "web. NXDOMAIN"},
		{name: "SERVFAIL", answer: failing(dns.RcodeServerFailure), rcode: "SERVFAIL", detail: "web. SERVFAIL"},
		{name: "REFUSED", answer: failing(dns.RcodeRefused), rcode: "REFUSED", detail: "web. REFUSED"},
		{name: "NOTIMP", answer: failing(dns.RcodeNotImplemented), rcode: "NOTIMP", detail: "web. NOTIMP"},
		{name: "FORMERR", answer: failing(dns.RcodeFormatError), rcode: "FORMERR", detail: "web. FORMERR"},
		{name: "a code without a name", answer: failing(dns.RcodeNotAuth), rcode: "RCODE9", detail: "web. RCODE9"},
		{name: "NODATA", answer: zone("web. 5 IN AAAA fd00::7"), rcode: "NODATA", detail: "web. NODATA"},
		{name: "dangling CNAME", answer: zone("web. 5 IN CNAME my.database.com."),
			rcode: "NODATA", detail: "web. NODATA (CNAME my.database.com., without an address)"},
		{name: "CNAME loop", answer: zone("web. 5 IN CNAME b.", "b. 5 IN CNAME web."),
			rcode: "NODATA", detail: ""},
		{name: "the search list is told", answer: zone(), search: []string{"a.", "b."},
			rcode: "NXDOMAIN", detail: "web.a. NXDOMAIN; web.b. NXDOMAIN; web. NXDOMAIN"},
		{name: "NODATA weighs more", answer: zone("web.a. 5 IN AAAA fd00::7"), search: []string{"a.", "b."},
			rcode: "NODATA", detail: "web.a. NODATA; web.b. NXDOMAIN; web. NXDOMAIN"},
		{name: "SERVFAIL leaves it open", search: []string{"a."}, rcode: "SERVFAIL", detail: "web.a. NXDOMAIN; web. SERVFAIL",
			answer: func(network string, question dns.Question, reply *dns.Msg) *dns.Msg {
				if question.Name == "web." {
					return failing(dns.RcodeServerFailure)(network, question, reply)
				}
				return zone()(network, question, reply)
			}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := resolver(serveDNS(t, test.answer))
			r.search = test.search
			address, failure := r.Lookup("web", false, patience)
			if failure == nil {
				t.Fatal(address)
			}
			if failure.Rcode != test.rcode || test.detail != "" && failure.Detail != test.detail || failure.Ours {
				t.Errorf("%+v", failure)
			}
		})
	}
}

func TestTheSearchListIsWalkedUntilAnAddressIsFound(t *testing.T) {
	server := serveDNS(t, zone("web.b. 5 IN A 10.0.0.1"))
	r := resolver(server)
	r.search = []string{"a.", "b.", "c."}
	if address, failure := r.Lookup("web", false, patience); failure != nil {
		t.Fatal(address, failure)
	}
	want := []string{"udp web.a. A", "udp web.b. A"}
	if got := server.questions(); !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestEachLookupAsksAnew(t *testing.T) {
	server := serveDNS(t, zone("web. 5 IN A 10.0.0.1"))
	for range 3 {
		if _, failure := resolver(server).Lookup("web", false, patience); failure != nil {
			t.Fatal(failure)
		}
	}
	if got := len(server.questions()); got != 3 {
		t.Errorf("%d questions", got)
	}
}

func TestTheFirstAddressIsTaken(t *testing.T) {
	r := resolver(serveDNS(t, zone("web. 5 IN A 10.0.0.2", "web. 5 IN A 10.0.0.1")))
	if address, _ := r.Lookup("web", false, patience); address.String() != "10.0.0.2" {
		t.Error(address)
	}
}

func TestATruncatedAnswerIsAskedForByTCP(t *testing.T) {
	server := serveDNS(t, func(network string, question dns.Question, reply *dns.Msg) *dns.Msg {
		if network == "udp" {
			reply.Truncated = true
			return reply
		}
		return zone("web. 5 IN A 10.0.0.1")(network, question, reply)
	})
	address, failure := resolver(server).Lookup("web", false, patience)
	if failure != nil || address.String() != "10.0.0.1" {
		t.Errorf("%v, %+v", address, failure)
	}
	if got := server.questions(); !reflect.DeepEqual(got, []string{"udp web. A", "tcp web. A"}) {
		t.Errorf("%q", got)
	}
}

func TestByTCPNothingIsAskedByUDP(t *testing.T) {
	server := serveDNS(t, zone("web. 5 IN A 10.0.0.1"))
	r := resolver(server)
	r.ByTCP()
	if answer, failure := r.Query("web.", "A", patience); failure != nil || !reflect.DeepEqual(answer.Records, []string{"web A 10.0.0.1"}) {
		t.Errorf("%v, %+v", answer, failure)
	}
	if got := server.questions(); !reflect.DeepEqual(got, []string{"tcp web. A"}) {
		t.Errorf("%q", got)
	}
}

func TestOnlyTheServerThatIsNamedIsAsked(t *testing.T) {
	usual, named := serveDNS(t, zone()), serveDNS(t, zone("2.0.0.10.in-addr.arpa. 5 IN PTR Web.ns."))
	r := resolver(usual)
	r.Only(named.address)
	answer, failure := r.Query("2.0.0.10.in-addr.arpa.", "PTR", patience)
	if failure != nil || !reflect.DeepEqual(answer.Records, []string{"2.0.0.10.in-addr.arpa PTR web.ns"}) {
		t.Errorf("%v, %+v", answer, failure)
	}
	if got := usual.questions(); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

func TestForeignAnswersAreIgnored(t *testing.T) {
	// A server that sends three wrong answers before the right one.
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	go func() {
		buffer := make([]byte, 512)
		n, client, err := socket.ReadFrom(buffer)
		if err != nil {
			return
		}
		request := new(dns.Msg)
		if request.Unpack(buffer[:n]) != nil {
			return
		}
		wrongID := new(dns.Msg).SetReply(request)
		wrongID.Id++
		wrongQuestion := new(dns.Msg).SetReply(request)
		wrongQuestion.Question = []dns.Question{{Name: "other.", Qtype: dns.TypeA, Qclass: dns.ClassINET}}
		right := zone("web. 5 IN A 10.0.0.1")("udp", request.Question[0], new(dns.Msg).SetReply(request))
		_, _ = socket.WriteTo([]byte("noise"), client)
		for _, message := range []*dns.Msg{wrongID, wrongQuestion, request, right} {
			if packed, err := message.Pack(); err == nil {
				_, _ = socket.WriteTo(packed, client)
			}
		}
	}()
	server := &dnsServer{address: socket.LocalAddr().(*net.UDPAddr).AddrPort()}
	address, failure := resolver(server).Lookup("web", false, patience)
	if failure != nil || address.String() != "10.0.0.1" {
		t.Errorf("%v, %+v", address, failure)
	}
}

func TestTheSecondServerIsAskedWhereTheFirstFails(t *testing.T) {
	good := serveDNS(t, zone("web. 5 IN A 10.0.0.1"))
	for name, bad := range map[string]*dnsServer{
		"SERVFAIL": serveDNS(t, failing(dns.RcodeServerFailure)),
		"REFUSED":  serveDNS(t, failing(dns.RcodeRefused)),
		"nobody":   nobody,
	} {
		address, failure := resolver(bad, good).Lookup("web", false, patience)
		if failure != nil || address.String() != "10.0.0.1" {
			t.Errorf("%s: %v, %+v", name, address, failure)
		}
	}
}

func TestWhatTheSecondServerDeniesIsNotAskedOn(t *testing.T) {
	first, second := serveDNS(t, zone()), serveDNS(t, zone("web. 5 IN A 10.0.0.1"))
	_, failure := resolver(first, second).Lookup("web", false, patience)
	if failure == nil || failure.Rcode != "NXDOMAIN" || len(second.questions()) != 0 {
		t.Errorf("%+v, %q", failure, second.questions())
	}
}

func TestSilenceIsTIMEOUT(t *testing.T) {
	silent := serveDNS(t, func(string, dns.Question, *dns.Msg) *dns.Msg { return nil })
	r := resolver(silent)
	r.search = []string{"a.", "b."}
	begin := time.Now()
	_, failure := r.Lookup("web", false, 100*time.Millisecond)
	if failure == nil || failure.Rcode != "TIMEOUT" || failure.Detail != "web.a. TIMEOUT" || failure.Ours {
		t.Errorf("%+v", failure)
	}
	if took := time.Since(begin); took < 100*time.Millisecond {
		t.Errorf("gave up after %v", took)
	}
	if got := len(silent.questions()); got != 2 { // attempts
		t.Errorf("asked %d times", got)
	}
}

func TestSlowAnswersAboutOtherNamesLeaveTimeForTheNext(t *testing.T) {
	answers := zone("web.b. 1 A 192.0.2.1")
	slow := serveDNS(t, func(network string, question dns.Question, reply *dns.Msg) *dns.Msg {
		time.Sleep(400 * time.Millisecond)
		return answers(network, question, reply)
	})
	r := resolver(slow)
	r.search = []string{"a.", "b."}
	address, failure := r.Lookup("web", false, time.Second)
	if failure != nil || address.String() != "192.0.2.1" {
		t.Errorf("%v %+v", address, failure)
	}
}

// lateWaker is a connection whose reader is woken long after its deadline.
type lateWaker struct {
	net.Conn
	deadline time.Time
	woken    bool
}

func (c *lateWaker) SetReadDeadline(at time.Time) error {
	c.deadline = at
	return c.Conn.SetReadDeadline(at)
}

func (c *lateWaker) Read(into []byte) (int, error) {
	if !c.woken {
		c.woken = true
		time.Sleep(time.Until(c.deadline) + 5*notableDelay)
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Read(into)
}

func TestWhatHasArrivedWhileWeWereHeldUpHasArrived(t *testing.T) {
	prompt := serveDNS(t, zone("web. 1 A 192.0.2.1"))
	q := question{name: "web.", kind: dnsmessage.TypeA}
	packet, err := q.pack(7)
	if err != nil {
		t.Fatal(err)
	}
	got := exchange("udp", prompt.address, time.Second, func(c net.Conn) reply {
		return askUDP(&lateWaker{Conn: c}, q, packet, 7, time.Millisecond)
	})
	if got.rcode != success {
		t.Errorf("it answered before we listened: %+v", got)
	}
}

func TestNobodyThereIsTIMEOUTAndSaysWhy(t *testing.T) {
	_, failure := resolver(nobody).Lookup("web", false, patience)
	if failure == nil || failure.Rcode != "TIMEOUT" || !strings.Contains(failure.Detail, "refused") {
		t.Errorf("%+v", failure)
	}
}

func TestASERVFAILIsRememberedOverSilence(t *testing.T) {
	bad := serveDNS(t, failing(dns.RcodeServerFailure))
	_, failure := resolver(bad, nobody).Lookup("web", false, patience)
	if failure == nil || failure.Rcode != "SERVFAIL" {
		t.Errorf("%+v", failure)
	}
}

func TestOurOwnTroubleIsNotTheServers(t *testing.T) {
	for _, errno := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM} {
		if silence(fmt.Errorf("dial: %w", errno)).err == nil {
			t.Errorf("%v", errno)
		}
	}
	if got := silence(io.EOF); got.err != nil || got.rcode != timeout {
		t.Errorf("%+v", got)
	}
	_, failure := resolver(serveDNS(t, zone())).Lookup(strings.Repeat("x", 64), false, patience)
	if failure == nil || !failure.Ours {
		t.Errorf("a label that is too long: %+v", failure)
	}
}

// nobody is where nobody listens. Its port is not one that the kernel gives to
// sockets by itself: a socket with that port would be talking to itself.
var nobody = &dnsServer{address: netip.MustParseAddrPort("127.0.0.153:9")}

func TestNamesAreTriedInTheOrderOfAnotherImplementation(t *testing.T) {
	check := func(labels []uint8, final bool, ndots uint8, domains uint8) bool {
		var parts []string
		for _, label := range labels[:min(len(labels), 6)] {
			parts = append(parts, fmt.Sprint("n", label))
		}
		host := strings.Join(append(parts, "end"), ".")
		if final {
			host += "."
		}
		r := &Resolver{ndots: int(ndots % 7)}
		config := dns.ClientConfig{Ndots: int(ndots % 7)}
		for i := range domains % 4 {
			config.Search = append(config.Search, fmt.Sprintf("d%d.example", i))
			r.search = append(r.search, fmt.Sprintf("d%d.example.", i))
		}
		got, want := r.names(host), config.NameList(host)
		if !reflect.DeepEqual(got, want) {
			t.Logf("%s, ndots %d, search %q: %q, want %q", host, r.ndots, r.search, got, want)
			return false
		}
		return true
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

func TestANameTooLongForASearchDomainIsNotAskedForThere(t *testing.T) {
	r := &Resolver{ndots: 5, search: []string{strings.Repeat("x", 60) + ".example."}}
	host := strings.Repeat(strings.Repeat("y", 62)+".", 3) + "z"
	if got := r.names(host); !reflect.DeepEqual(got, []string{host + "."}) {
		t.Errorf("%q", got)
	}
}

func TestResolvConf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	text := `# the kubelet writes such files
domain example
search ns.svc.cluster.local svc.cluster.local. cluster.local
nameserver 10.96.0.10
nameserver fd00::10  # comment
nameserver 10.0.0.1
nameserver 10.0.0.2
options ndots:5 timeout:2 attempts:3 rotate edns0 ndots:x
sortlist 1.2.3.4
nonsense
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := FromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := &Resolver{
		servers: []netip.AddrPort{
			netip.MustParseAddrPort("10.96.0.10:53"), netip.MustParseAddrPort("[fd00::10]:53"), netip.MustParseAddrPort("10.0.0.1:53"),
		},
		search: []string{"ns.svc.cluster.local.", "svc.cluster.local.", "cluster.local."},
		ndots:  5, timeout: 2 * time.Second, attempts: 3,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

func TestResolvConfThatIsOfNoUse(t *testing.T) {
	if _, err := FromFile("/nonexistent"); err == nil {
		t.Error("a missing file was taken")
	}
	for _, text := range []string{"", "search a", "nameserver", "nameserver localhost", "nameserver [127.0.0.1]", "nameserver [x]:53", "nameserver [127.0.0.1]:x"} {
		if _, err := parse([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	r, err := parse([]byte("nameserver [127.0.0.1]:5353\noptions ndots:99 timeout:0 attempts:99"))
	if err != nil || r.ndots != maxNdots || r.timeout != time.Second || r.attempts != maxAttempts || r.servers[0] != netip.MustParseAddrPort("127.0.0.1:5353") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestOneLostPacketDoesNotUseUpEverything(t *testing.T) {
	r := &Resolver{timeout: 5 * time.Second}
	for _, test := range []struct {
		remaining time.Duration
		questions int
		want      time.Duration
	}{{6 * time.Second, 2, 3 * time.Second}, {60 * time.Second, 2, 5 * time.Second}, {time.Second, 1, time.Second}} {
		if got := r.patience(test.remaining, test.questions); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}
