package serve

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"svcproof.dev/echo-hostname/internal/identity"
)

var someone = identity.Identity{Pod: "web-1", UID: "3f0c", Node: "node-1", Namespace: "ns", Run: "r1"}

// limit is for what must happen; it is only waited for when a test fails.
const limit = 10 * time.Second

type running struct {
	*Server
	t    *testing.T
	done chan error
}

// start runs a server; the test fails if it does not end without an error.
func start(t *testing.T, options Options) running {
	t.Helper()
	server, err := New(options, someone)
	if err != nil {
		t.Fatal(err)
	}
	r := running{server, t, make(chan error, 1)}
	go func() { r.done <- server.Run() }()
	t.Cleanup(func() {
		server.StopNow()
		r.awaitEnd()
	})
	return r
}

func (r running) awaitEnd() {
	r.t.Helper()
	select {
	case err := <-r.done:
		if err != nil {
			r.t.Error(err)
		}
		r.done <- nil
	case <-time.After(limit):
		r.t.Fatal("the server did not end")
	}
}

func onLoopback() Options {
	return Options{HTTP: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}
}

func (r running) address(number int) string { return r.endpoints[number].address.String() }

func (r running) url(path string) string { return "http://" + r.address(0) + path }

// raw sends bytes and returns all that comes until the server closes.
func (r running) raw(input string) string {
	r.t.Helper()
	c := r.dial()
	defer c.Close()
	if _, err := io.WriteString(c, input); err != nil {
		r.t.Fatal(err)
	}
	reply, err := io.ReadAll(c)
	if err != nil {
		r.t.Fatalf("after %q: %v", reply, err)
	}
	return string(reply)
}

func (r running) dial() net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.address(0))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r running) do(method, path string) (int, string) {
	r.t.Helper()
	request, err := http.NewRequest(method, r.url(path), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestThePageHasTheNotesLine(t *testing.T) {
	status, body := start(t, onLoopback()).do("GET", "/")
	if status != 200 || !strings.Contains(body, "\n    <p>Hello, web-1</p>\n") {
		t.Errorf("%d %s", status, body)
	}
}

func TestTheWholeReplyOfOneRequest(t *testing.T) {
	got := start(t, onLoopback()).raw("GET /hostname HTTP/1.1\r\nConnection: close\r\n\r\n")
	want := "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\nConnection: close\r\n\r\nweb-1"
	if got != want {
		t.Errorf("%q", got)
	}
}

func TestJSONAndClientIPTellTheClientsOwnEnd(t *testing.T) {
	r := start(t, onLoopback())
	c := r.dial()
	defer c.Close()
	replies := bufio.NewReader(c)
	ask := func(path string) string {
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\n\r\n", path)
		response, err := http.ReadResponse(replies, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	local := c.LocalAddr().(*net.TCPAddr)
	want := fmt.Sprintf(`{"pod":"web-1","uid":"3f0c","node":"node-1","namespace":"ns","run":"r1","client_address":"127.0.0.1","client_port":%d}`, local.Port)
	if got := ask("/json"); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := ask("/clientip"); got != local.String() {
		t.Errorf("%s, want %s", got, local)
	}
}

func TestStatuses(t *testing.T) {
	r := start(t, onLoopback())
	for request, want := range map[string]int{
		"GET /healthz":              200,
		"GET /readyz":               200,
		"HEAD /json":                200,
		"GET /nowhere":              404,
		"GET /ready":                405,
		"DELETE /":                  405,
		"POST /ready":               400,
		"POST /ready?value=maybe":   400,
		"POST /ready?value=true":    200,
		"GET /large?bytes=0":        200,
		"GET /large":                400,
		"GET /large?bytes=-1":       400,
		"GET /large?bytes=16777217": 400,
	} {
		method, path, _ := strings.Cut(request, " ")
		if status, body := r.do(method, path); status != want {
			t.Errorf("%s: %d %s, want %d", request, status, body, want)
		}
	}
}

func TestRefusalsArriveWhole(t *testing.T) {
	// More than what is read before the refusal: closing at once would make
	// the kernel send RST, and the client would see that in the reply's place.
	r := start(t, onLoopback())
	long := strings.Repeat("x", 100_000)
	for input, want := range map[string]string{
		"GET /" + long + " HTTP/1.1\r\n\r\n":                            "HTTP/1.1 431 ",
		"nonsense\r\n" + long:                                           "HTTP/1.1 400 ",
		"POST / HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n" + long:     "HTTP/1.1 413 ",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx":   "HTTP/1.1 501 ",
		"GET / HTTP/3\r\n\r\n":                                          "HTTP/1.1 505 ",
		"GET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\nGET " + long: "HTTP/1.1 404 ",
	} {
		c := r.dial()
		if _, err := io.WriteString(c, input); err != nil {
			t.Fatal(err)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if reply, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(reply), want) {
			t.Errorf("%.30q: %.40q, %v; want %s", input, reply, err, want)
		}
		c.Close()
	}
}

func TestPipelinedAndDividedRequestsOverOneConnection(t *testing.T) {
	r := start(t, onLoopback())
	c := r.dial()
	defer c.Close()
	input := "GET /hostname HTTP/1.1\r\n\r\nPOST /ready?value=false HTTP/1.1\r\nContent-Length: 4\r\n\r\nbodyGET /readyz HTTP/1.1\r\nConnection: close\r\n\r\n"
	for _, part := range []string{input[:20], input[20:30], input[30:90], input[90:]} {
		if _, err := io.WriteString(c, part); err != nil {
			t.Fatal(err)
		}
	}
	replies := bufio.NewReader(c)
	for _, want := range []int{200, 200, 503} {
		response, err := http.ReadResponse(replies, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		if response.StatusCode != want {
			t.Errorf("%d, want %d", response.StatusCode, want)
		}
	}
	if _, err := replies.ReadByte(); err != io.EOF {
		t.Errorf("after the last reply: %v", err)
	}
}

func TestTheIdentityIsFilledUpToTheLengthOfTheRequestsBody(t *testing.T) {
	r := start(t, onLoopback())
	c := r.dial()
	defer c.Close()
	replies := bufio.NewReader(c)
	for _, size := range []int{0, 1, 1400, 8192, 65536, maxBody} {
		fmt.Fprintf(c, "GET /json HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size))
		response, err := http.ReadResponse(replies, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(body) || len(body) < size || size > 1000 && len(body) > size {
			t.Errorf("%d: %d bytes: %.200s", size, len(body), body)
		}
	}
}

func TestNothingIsAnsweredBeforeTheWholeRequestIsThere(t *testing.T) {
	r := start(t, onLoopback())
	early, late := r.dial(), r.dial()
	defer late.Close()
	fmt.Fprint(early, "GET /json HTTP/1.1\r\nContent-Length: 10000\r\n\r\n"+strings.Repeat("x", 9999))
	fmt.Fprint(late, "GET /json HTTP/1.1\r\nContent-Length: 10000\r\n\r\n"+strings.Repeat("x", 9999))
	r.do("GET", "/healthz") // has come after them, and is answered
	_ = early.(*net.TCPConn).CloseWrite()
	if reply, err := io.ReadAll(early); err != nil || len(reply) > 0 {
		t.Errorf("a request without its end: %.100q, %v", reply, err)
	}
	fmt.Fprint(late, "x")
	response, err := http.ReadResponse(bufio.NewReader(late), nil)
	if err != nil || response.StatusCode != 200 || response.ContentLength != 10000 {
		t.Errorf("%+v, %v", response, err)
	}
}

func TestHeadHasTheLengthButNoBody(t *testing.T) {
	got := start(t, onLoopback()).raw("HEAD /large?bytes=70000 HTTP/1.1\r\nConnection: close\r\n\r\n")
	if !strings.Contains(got, "\r\nContent-Length: 70000\r\n") || !strings.HasSuffix(got, "\r\n\r\n") {
		t.Errorf("%q", got)
	}
}

func TestLargeBodiesArriveWhole(t *testing.T) {
	r := start(t, onLoopback())
	for _, size := range []int{0, 1, 65536, 65537, maxLarge} {
		status, body := r.do("GET", fmt.Sprintf("/large?bytes=%d", size))
		if status != 200 || len(body) != size {
			t.Errorf("%d: %d, %d bytes", size, status, len(body))
		}
	}
}

func TestReadinessCanBeSwitched(t *testing.T) {
	r := start(t, onLoopback())
	for _, step := range []struct {
		value string
		want  int
	}{{"false", 503}, {"false", 503}, {"true", 200}} {
		r.do("POST", "/ready?value="+step.value)
		if status, body := r.do("GET", "/readyz"); status != step.want {
			t.Errorf("after %s: %d %s", step.value, status, body)
		}
		if status, _ := r.do("GET", "/healthz"); status != 200 {
			t.Errorf("liveness must not follow readiness: %d", status)
		}
	}
}

func TestReadinessBeginsAfterTheDelay(t *testing.T) {
	begin := time.Now()
	a := newApp(someone, begin.Add(2*time.Second))
	if a.notReady(begin.Add(1999*time.Millisecond)) == "" {
		t.Error("ready too early")
	}
	if reason := a.notReady(begin.Add(2 * time.Second)); reason != "" {
		t.Error(reason)
	}
	options := onLoopback()
	options.ReadyAfter = time.Hour
	if status, _ := start(t, options).do("GET", "/readyz"); status != 503 {
		t.Errorf("%d", status)
	}
}

func TestLingerServesOnAfterSIGTERM(t *testing.T) {
	options := onLoopback()
	options.Linger = time.Hour
	r := start(t, options)
	r.StopSoon()
	for begin := time.Now(); ; {
		status, body := r.do("GET", "/readyz")
		if status == 503 && strings.Contains(body, "SIGTERM") {
			break
		}
		if time.Since(begin) > limit {
			t.Fatal("still ready")
		}
	}
	if status, _ := r.do("GET", "/json"); status != 200 {
		t.Errorf("lingering, but %d", status)
	}
	r.StopNow()
	r.awaitEnd()
	if c, err := net.Dial("tcp", r.address(0)); err == nil {
		c.Close()
		t.Error("still listening")
	}
}

// endsSoon is a server that got SIGTERM and whose grace time is about to end.
func endsSoon(t *testing.T) (r running, grace time.Duration) {
	t.Helper()
	options := onLoopback()
	options.Linger = 300 * time.Millisecond
	return start(t, options), options.Linger
}

func TestWhatIsOpenWhenTheGraceTimeEndsIsFinished(t *testing.T) {
	r, grace := endsSoon(t)
	fresh, half, large, kept := r.dial(), r.dial(), r.dial(), r.dial()
	fmt.Fprint(half, "GET /hostname HTTP/1.1\r\nHo")
	fmt.Fprintf(large, "GET /large?bytes=%d HTTP/1.0\r\n\r\n", maxLarge) // more than fits unread
	fmt.Fprint(kept, "GET /json HTTP/1.1\r\n\r\n")
	if _, err := kept.Read(make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	r.StopSoon()
	time.Sleep(grace + 100*time.Millisecond)
	if _, err := kept.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a connection that only waits is not closed: %v", err)
	}
	fmt.Fprint(fresh, "GET /hostname HTTP/1.1\r\n\r\n")
	fmt.Fprint(half, "st: x\r\n\r\n")
	for name, c := range map[string]net.Conn{"fresh": fresh, "half": half} {
		if reply, err := io.ReadAll(c); err != nil || !bytes.HasSuffix(reply, []byte("web-1")) {
			t.Errorf("%s: %q, %v", name, reply, err)
		}
	}
	if reply, err := io.ReadAll(large); err != nil || len(reply) < maxLarge {
		t.Errorf("large: %d bytes, %v", len(reply), err)
	}
	r.awaitEnd()
}

func TestASilentConnectionDoesNotHoldUpTheEnd(t *testing.T) {
	r, _ := endsSoon(t)
	r.dial()
	r.StopSoon()
	r.awaitEnd()
}

func TestAfterSIGTERMEveryResponseIsTheLastOfItsConnection(t *testing.T) {
	options := onLoopback()
	options.Linger = time.Hour
	r := start(t, options)
	r.StopSoon()
	for begin := time.Now(); ; { // the signal is heeded between two events
		if status, _ := r.do("GET", "/readyz"); status == 503 {
			break
		}
		if time.Since(begin) > limit {
			t.Fatal("still ready")
		}
	}
	if reply := r.raw("GET /json HTTP/1.1\r\n\r\n"); !strings.Contains(reply, "Connection: close") {
		t.Error(reply)
	}
}

// A rollout: connections come in without a pause while the server is told to
// end, and clients go elsewhere before its grace time is over.
func TestNoRequestIsLostInARollout(t *testing.T) {
	options := onLoopback()
	options.Linger = 500 * time.Millisecond
	r := start(t, options)
	var clients sync.WaitGroup
	var answered atomic.Int64
	until := time.Now().Add(400 * time.Millisecond)
	for range 8 {
		clients.Go(func() {
			client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			for time.Now().Before(until) {
				response, err := client.Get(r.url("/json"))
				if err != nil {
					t.Error(err)
					return
				}
				response.Body.Close()
				answered.Add(1)
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	before := answered.Load()
	r.StopSoon()
	clients.Wait()
	if after := answered.Load(); after <= before {
		t.Errorf("%d answers before SIGTERM, %d in all", before, after)
	}
	r.awaitEnd()
}

func TestTheGraceTimeEndsAndIsNotBegunAnew(t *testing.T) {
	options := onLoopback()
	options.Linger = 5 * time.Second
	server, err := New(options, someone)
	if err != nil {
		t.Fatal(err)
	}
	defer server.close()
	begin := server.now
	if server.ended() || server.patience() >= 0 {
		t.Error("ended without a signal")
	}
	server.StopSoon()
	for after, want := range []bool{0: false, 1: false, 4: false, 5: true, 6: true} {
		server.now = begin.Add(time.Duration(after) * time.Second)
		if got := server.ended(); got != want {
			t.Errorf("after %d s: %v", after, got)
		}
		if left := server.patience(); left != max(0, 5*time.Second-server.now.Sub(begin)) {
			t.Errorf("after %d s it would wait for %v", after, left)
		}
		server.StopSoon()
	}
}

func TestWithoutLingerItEndsAtOnceAndAnswersWhatHasArrived(t *testing.T) {
	server, err := New(onLoopback(), someone)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", server.endpoints[0].address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /hostname HTTP/1.0\r\n\r\n")
	server.StopSoon() // before Run has looked at the connection
	if err := server.Run(); err != nil {
		t.Fatal(err)
	}
	if reply, err := io.ReadAll(c); err != nil || !bytes.HasSuffix(reply, []byte("web-1")) {
		t.Errorf("%q, %v", reply, err)
	}
}

func TestWhenFullConnectionsWaitInsteadOfFailing(t *testing.T) {
	server, err := New(onLoopback(), someone)
	if err != nil {
		t.Fatal(err)
	}
	server.limit = 2
	r := running{server, t, make(chan error, 1)}
	var waiting []net.Conn
	for range 5 {
		c := r.dial()
		defer c.Close()
		waiting = append(waiting, c)
	}
	go func() { r.done <- server.Run() }()
	defer func() { server.StopNow(); r.awaitEnd() }()
	for _, c := range waiting { // in the order in which they were accepted
		fmt.Fprint(c, "GET /hostname HTTP/1.0\r\n\r\n")
		if reply, err := io.ReadAll(c); err != nil || !bytes.HasSuffix(reply, []byte("web-1")) {
			t.Errorf("%q, %v", reply, err)
		}
	}
}

func TestStalledConnectionsAreEnded(t *testing.T) {
	begin := time.Now()
	c := &conn{phase: reading, since: begin}
	if c.expired(begin.Add(idleLimit)) || !c.expired(begin.Add(idleLimit+1)) {
		t.Error("reading")
	}
	c.phase = lingering
	if c.expired(begin.Add(lingerLimit)) || !c.expired(begin.Add(lingerLimit+1)) {
		t.Error("lingering")
	}
}

func TestUDPAnswersFromTheAddressThatWasAsked(t *testing.T) {
	r := start(t, Options{UDP: []netip.AddrPort{mustParseListen(t, ":0")}})
	port := r.endpoints[0].address.Port()
	for _, host := range []string{"127.0.0.1", "127.0.0.2", "::1"} {
		t.Run(host, func(t *testing.T) {
			// A connected socket takes no answer from another address.
			c, err := net.Dial("udp", net.JoinHostPort(host, strconv.Itoa(int(port))))
			if err != nil {
				t.Skipf("no such address here: %v", err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(limit))
			ask := func(text string) string {
				if _, err := io.WriteString(c, text); err != nil {
					t.Fatal(err)
				}
				buffer := make([]byte, 2048)
				n, err := c.Read(buffer)
				if err != nil {
					t.Fatal(err)
				}
				return string(buffer[:n])
			}
			local := c.LocalAddr().(*net.UDPAddr)
			var reply struct {
				Pod     string
				Address string `json:"client_address"`
				Port    int    `json:"client_port"`
			}
			if err := json.Unmarshal([]byte(ask("anything")), &reply); err != nil {
				t.Fatal(err)
			}
			if reply.Pod != "web-1" || reply.Address != local.IP.String() || reply.Port != local.Port {
				t.Errorf("%+v, want %s", reply, local)
			}
			if got := ask("HostName\n"); got != "web-1" {
				t.Error(got)
			}
			if got := ask("clientip"); got != local.String() {
				t.Errorf("%s, want %s", got, local)
			}
			if got := ask(""); !strings.HasPrefix(got, `{"pod":"web-1"`) {
				t.Error(got)
			}
		})
	}
}

func TestTheWildcardServesBothFamiliesAndSeveralPorts(t *testing.T) {
	r := start(t, Options{HTTP: []netip.AddrPort{mustParseListen(t, ":0"), mustParseListen(t, ":0")}})
	for _, e := range r.endpoints {
		for host, want := range map[string]string{"127.0.0.1": `"client_address":"127.0.0.1"`, "[::1]": `"client_address":"::1"`} {
			response, err := http.Get(fmt.Sprintf("http://%s:%d/json", host, e.address.Port()))
			if err != nil {
				if host == "[::1]" && e.address.Addr().Is4() {
					continue // a kernel without IPv6
				}
				t.Fatal(err)
			}
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if !strings.Contains(string(body), want) {
				t.Errorf("%s: %s", host, body)
			}
		}
	}
}

func TestAnnounceNamesThePorts(t *testing.T) {
	r := start(t, Options{HTTP: []netip.AddrPort{mustParseListen(t, "127.0.0.1:0")}, UDP: []netip.AddrPort{mustParseListen(t, "127.0.0.1:0")}})
	var lines bytes.Buffer
	if err := r.Announce(&lines); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("{\"type\":\"listening\",\"protocol\":\"tcp\",\"address\":%q}\n{\"type\":\"listening\",\"protocol\":\"udp\",\"address\":%q}\n", r.address(0), r.address(1))
	if lines.String() != want {
		t.Errorf("%s\nwant %s", &lines, want)
	}
}

func TestAPortInUseIsAnErrorThatNamesIt(t *testing.T) {
	taken := start(t, onLoopback()).endpoints[0].address
	_, err := New(Options{HTTP: []netip.AddrPort{taken}}, someone)
	if err == nil || !strings.Contains(err.Error(), taken.String()) || !strings.Contains(err.Error(), "in use") {
		t.Error(err)
	}
}

func TestFlags(t *testing.T) {
	options, _, err := parse([]string{"--http", ":80,127.0.0.1:8080", "--http=[::1]:90", "--udp", ":80", "--ready-after", "2s", "--linger", "5"})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(options)
	if want := "{[[::]:80 127.0.0.1:8080 [::1]:90] [[::]:80] 2s 5s}"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if options, _, err := parse(nil); err != nil || fmt.Sprint(options.HTTP) != "[[::]:80]" {
		t.Errorf("%v, %v", options, err)
	}
	for _, wrong := range []string{"--http=80", "--http=:x", "--http=:70000", "--udp=localhost:80", "--http=[fe80::1%lo]:80", "--linger=soon", "--nothing", "extra"} {
		if _, _, err := parse([]string{wrong}); err == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
}

func mustParseListen(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	address, err := parseListen(text)
	if err != nil {
		t.Fatal(err)
	}
	return address
}
