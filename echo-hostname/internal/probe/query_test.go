package probe

import (
	"fmt"
	"net"
	"reflect"
	"testing"
)

func TestQueries(t *testing.T) {
	conf, questions := nameServer(t, "web.ns.svc.cluster.local.")
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, port, _ := net.SplitHostPort(silent.LocalAddr().String())
	for _, test := range []struct {
		name    string
		flags   []string
		outcome Outcome
		rcode   string
		answers []string
		detail  string
	}{
		{"records", []string{"--host=web", "--query=A", conf}, Answered, "", []string{"web.ns.svc.cluster.local A 127.0.0.1"}, ""},
		{"no records", []string{"--host=web.ns.svc.cluster.local.", "--query=SRV", conf}, Answered, "", nil,
			"web.ns.svc.cluster.local. NODATA"},
		{"no such name", []string{"--host=nothing.", "--query=A", conf}, NameFailed, "NXDOMAIN", nil, "nothing. NXDOMAIN"},
		{"nobody answers", []string{"--host=web.", "--query=A", resolvConf(t, "[127.0.0.1]:"+port), "--resolve-timeout=0.1"},
			TimedOut, "", nil, "web. TIMEOUT"},
	} {
		t.Run(test.name, func(t *testing.T) {
			flags := append([]string{"--resolve-timeout=30", "--count=5", "--concurrency=2"}, test.flags...)
			for _, a := range run(t, flags...) {
				if a.Outcome != test.outcome || a.Rcode != test.rcode || !reflect.DeepEqual(a.Answers, test.answers) || a.Detail != test.detail {
					t.Errorf("%+v", a)
				}
				if a.ResolveUS == nil || a.ConnectUS != nil || a.ReplyUS != nil || a.RemoteAddress != "" {
					t.Errorf("%+v", a)
				}
			}
		})
	}
	if got := questions.Load(); got != 5+5+5 {
		t.Errorf("%d questions: each attempt asks anew", got)
	}
}

const healthFormat = "{\n\t\"service\": {\n\t\t\"namespace\": \"ns\",\n\t\t\"name\": \"web\"\n\t},\n\t\"localEndpoints\": %d,\n\t\"serviceProxyHealthy\": %v\n}"

func TestHealthChecks(t *testing.T) {
	for _, test := range []struct {
		status, body string
		want         []string
	}{
		{"200 OK", fmt.Sprintf(healthFormat, 1, true), []string{"localEndpoints 1", "service ns/web", "serviceProxyHealthy true", "status 200"}},
		{"503 Service Unavailable", fmt.Sprintf(healthFormat, 0, false), []string{"localEndpoints 0", "service ns/web", "serviceProxyHealthy false", "status 503"}},
		{"200 OK", `{"lastUpdated":"2026-01-01","currentTime":"2026-01-01"}`, []string{"status 200"}},
		{"200 OK", `{"localEndpoints":3,"service":"web"}`, []string{"status 200"}},
		{"404 Not Found", "no", []string{"status 404"}},
		{"204 No Content", "", []string{"status 204"}},
	} {
		text := fmt.Sprintf("HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", test.status, len(test.body), test.body)
		a := one(t, tcpServer(t, reply(text)), "--dialect=healthz")
		if a.Outcome != Answered || !reflect.DeepEqual(a.Answers, test.want) || a.Detail != "" || a.ReplyUS == nil || a.Backend != nil {
			t.Errorf("%s %s: %+v", test.status, test.body, a)
		}
	}
}

func TestAHealthCheckThatIsNotHTTP(t *testing.T) {
	a := one(t, tcpServer(t, reply("SSH-2.0\r\n")), "--dialect=healthz")
	if a.Outcome != Answered || a.Answers != nil || a.Detail != "not understood: SSH-2.0" {
		t.Errorf("%+v", a)
	}
}

func TestAHealthCheckIsAskedForByItsPath(t *testing.T) {
	asked := make(chan string, 1)
	a := one(t, tcpServer(t, func(c *net.TCPConn) {
		asked <- readRequest(c)
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	}), "--dialect=healthz")
	if got := <-asked; a.Outcome != Answered || got[:len("GET /healthz HTTP/1.1\r\n")] != "GET /healthz HTTP/1.1\r\n" {
		t.Errorf("%q, %+v", got, a)
	}
}
