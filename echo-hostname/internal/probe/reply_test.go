package probe

import (
	"strings"
	"testing"
)

func TestParseHTTP(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	tests := []struct {
		name, input string
		atEnd       bool
		state       progress
		status      int
		body        string
		keep        bool
	}{
		{name: "nothing yet", input: "", state: incomplete},
		{name: "half a version", input: "HTT", state: incomplete},
		{name: "half a header", input: ok + "Content-Le", state: incomplete, status: 0},
		{name: "half a body", input: ok + "Content-Length: 5\r\n\r\nweb", state: incomplete, status: 200, keep: true},
		{name: "whole", input: ok + "Content-Length: 5\r\n\r\nweb-1", state: complete, status: 200, body: "web-1", keep: true},
		{name: "empty body", input: ok + "content-length:0\r\n\r\n", state: complete, status: 200, keep: true},
		{name: "to be closed", input: ok + "Connection: close\r\nContent-Length: 1\r\n\r\nx", state: complete, status: 200, body: "x"},
		{name: "1.0", input: "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", state: complete, status: 200, body: "x"},
		{name: "1.0 to be kept", input: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", state: complete, status: 200, body: "x", keep: true},
		{name: "another status", input: "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", state: complete, status: 503, keep: true},
		{name: "until the end, before it", input: ok + "\r\nweb", state: incomplete, status: 200, keep: true},
		{name: "until the end", input: ok + "\r\nweb-1", atEnd: true, state: complete, status: 200, body: "web-1"},
		{name: "cut off", input: ok + "Content-Length: 5\r\n\r\nweb", atEnd: true, state: incomplete, status: 200, keep: true},
		{name: "chunked", input: ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nweb\r\n2;x=y\r\n-1\r\n0\r\n\r\n", state: complete, status: 200, body: "web-1", keep: true},
		{name: "chunked with trailer", input: ok + "Transfer-Encoding: Chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\n\r\n", state: complete, status: 200, body: "x", keep: true},
		{name: "chunked, half a chunk", input: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nweb", state: incomplete, status: 200, keep: true},
		{name: "chunked, no size yet", input: ok + "Transfer-Encoding: chunked\r\n\r\n5", state: incomplete, status: 200, keep: true},
		{name: "chunked, no last chunk", input: ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", state: incomplete, status: 200, keep: true},
		{name: "chunked, nonsense", input: ok + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", state: foreign, status: 200, keep: true},
		{name: "another protocol", input: "SSH-2.0-OpenSSH\r\n", state: foreign},
		{name: "HTTP/2", input: "HTTP/2 200\r\n\r\n", state: foreign},
		{name: "no status", input: "HTTP/1.1 OK\r\n\r\n", state: foreign},
		{name: "a short status", input: "HTTP/1.1 20\r\n\r\n", state: foreign},
		{name: "a wrong length counts as none", input: ok + "Content-Length: x\r\n\r\nx", atEnd: true, state: complete, status: 200, body: "x"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			reply, state := parseHTTP([]byte(test.input), test.atEnd)
			if state != test.state || reply.status != test.status || reply.keep != test.keep || state == complete && string(reply.body) != test.body {
				t.Errorf("state %d, status %d, keep %v, body %q", state, reply.status, reply.keep, reply.body)
			}
		})
	}
}

// FuzzParseHTTP: a reply that is complete stays what it is when more comes, and
// every proper beginning of it is incomplete.
func FuzzParseHTTP(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nweb-1"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nweb\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		reply, state := parseHTTP(input, false)
		if state != complete {
			return
		}
		again, stateAgain := parseHTTP(append(input[:len(input):len(input)], "more"...), false)
		if stateAgain != complete || string(again.body) != string(reply.body) {
			t.Errorf("%q became %q", reply.body, again.body)
		}
	})
}

func TestDialects(t *testing.T) {
	const echo = `{"pod":"web-1","uid":"u","node":"n","namespace":"ns","run":"r","client_address":"10.0.0.1","client_port":4711}`
	whole := `{"at_ns":0,"outcome":"","backend":{"pod":"web-1","uid":"u","node":"n","namespace":"ns","run":"r"},"source_address":"10.0.0.1","source_port":4711}`
	tests := []struct {
		dialect string
		stage   int
		body    string
		want    string // the record; empty: not understood
	}{
		{"echo", 0, echo, whole},
		{"echo", 0, strings.ReplaceAll(echo, ",", " ,\n"), whole},
		{"echo", 0, `{"pod":"a\"b"}`, `{"at_ns":0,"outcome":"","backend":{"pod":"a\"b"}}`},
		{"echo", 0, `{"pod":"a","more":"x","count":1}`, `{"at_ns":0,"outcome":"","backend":{"pod":"a"}}`},
		{"echo", 0, `{"pod":"a","client_port":99999}`, `{"at_ns":0,"outcome":"","backend":{"pod":"a"}}`},
		{"echo", 0, `{"pod":""}`, ""},
		{"echo", 0, `{"pod":1}`, ""},
		{"echo", 0, `{"hostname":"a"}`, ""},
		{"echo", 0, `{"pod":"a"`, ""},
		{"echo", 0, `<p>Hello, web-1</p>`, ""},
		{"agnhost", 0, "web-1", `{"at_ns":0,"outcome":"","backend":{"pod":"web-1"}}`},
		{"agnhost", 0, "web-1.example\n", `{"at_ns":0,"outcome":"","backend":{"pod":"web-1.example"}}`},
		{"agnhost", 0, "", ""},
		{"agnhost", 0, "404 page not found", ""},
		{"agnhost", 1, "10.0.0.1:4711", `{"at_ns":0,"outcome":"","source_address":"10.0.0.1","source_port":4711}`},
		{"agnhost", 1, "[fd00::7]:4711", `{"at_ns":0,"outcome":"","source_address":"fd00::7","source_port":4711}`},
		{"agnhost", 1, "[::ffff:10.0.0.1]:4711\n", `{"at_ns":0,"outcome":"","source_address":"10.0.0.1","source_port":4711}`},
		{"agnhost", 1, "10.0.0.1", ""},
		{"agnhost", 1, "somebody:80", ""},
		{"agnhost", 1, "10.0.0.1:0", ""},
		{"agnhost", 1, "10.0.0.1:07", ""},
		{"agnhost", 1, "", ""},
		{"notes", 0, "<html>\n    <p>Hello, web-1</p>\n", `{"at_ns":0,"outcome":"","backend":{"pod":"web-1"}}`},
		{"notes", 0, "<html>\n    <p>Hello, </p>\n", ""},
		{"notes", 0, "<p>Hello, <b>you</b></p>", ""},
		{"notes", 0, "<p>Hello, web-1", ""},
		{"notes", 0, "Welcome to nginx!", ""},
	}
	for _, test := range tests {
		r := blank(0)
		understood := dialects[test.dialect].read(test.stage, []byte(test.body), &r.backend)
		got := strings.TrimSpace(string(r.appendTo(nil)))
		switch {
		case understood != (test.want != ""):
			t.Errorf("%s %q: understood %v", test.dialect, test.body, understood)
		case understood && got != test.want:
			t.Errorf("%s %q: %s", test.dialect, test.body, got)
		case !understood && got != `{"at_ns":0,"outcome":""}`:
			t.Errorf("%s %q: not understood, and yet %s", test.dialect, test.body, got)
		}
	}
}

func TestExcerpt(t *testing.T) {
	for input, want := range map[string]string{
		"":                              "",
		"SSH-2.0-OpenSSH\r\n":           "SSH-2.0-OpenSSH",
		"\x16\x03\x01a\x00\x00b\xff":    "a b",
		strings.Repeat("0123456789", 9): strings.Repeat("0123456789", 8),
	} {
		if got := excerpt([]byte(input)); got != want {
			t.Errorf("%q: %q, want %q", input, got, want)
		}
	}
}
