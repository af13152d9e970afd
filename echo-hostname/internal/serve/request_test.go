package serve

import (
	"strings"
	"testing"
)

func TestParseRequest(t *testing.T) {
	long := strings.Repeat("x", maxHeader)
	tests := []struct {
		name, input string
		want        request
		length      int // -1: all of it
		refuse      int
	}{
		{name: "plain", input: "GET /json HTTP/1.1\r\nHost: a\r\n\r\n", length: -1,
			want: request{method: []byte("GET"), path: []byte("/json"), keep: true}},
		{name: "query", input: "POST /ready?value=false&x HTTP/1.1\r\n\r\n", length: -1,
			want: request{method: []byte("POST"), path: []byte("/ready"), query: []byte("value=false&x"), keep: true}},
		{name: "close", input: "GET / HTTP/1.1\r\ncOnnection:  Close \r\n\r\n", length: -1,
			want: request{method: []byte("GET"), path: []byte("/")}},
		{name: "close in a list", input: "GET / HTTP/1.1\r\nConnection: te, close\r\n\r\n", length: -1,
			want: request{method: []byte("GET"), path: []byte("/")}},
		{name: "1.0 closes", input: "GET / HTTP/1.0\r\n\r\n", length: -1,
			want: request{method: []byte("GET"), path: []byte("/")}},
		{name: "1.0 may keep", input: "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", length: -1,
			want: request{method: []byte("GET"), path: []byte("/"), keep: true}},
		{name: "bare LF", input: "GET / HTTP/1.0\n\n", length: -1,
			want: request{method: []byte("GET"), path: []byte("/")}},
		{name: "empty lines before", input: "\r\n\r\nGET / HTTP/1.1\r\n\r\n", length: -1,
			want: request{method: []byte("GET"), path: []byte("/"), keep: true}},
		{name: "through a proxy", input: "GET http://a:80/json?x HTTP/1.1\r\n\r\n", length: -1,
			want: request{method: []byte("GET"), path: []byte("/json"), query: []byte("x"), keep: true}},
		{name: "through a proxy, no path", input: "GET http://a HTTP/1.1\r\n\r\n", length: -1,
			want: request{method: []byte("GET"), path: []byte("/"), keep: true}},
		{name: "body", input: "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", length: 38,
			want: request{method: []byte("POST"), path: []byte("/"), body: 3, keep: true}},
		{name: "two at once", input: "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n", length: 19,
			want: request{method: []byte("GET"), path: []byte("/a"), keep: true}},
		{name: "nothing", input: ""},
		{name: "only an empty line", input: "\r\n"},
		{name: "half a line", input: "GET / HT"},
		{name: "no end", input: "GET / HTTP/1.1\r\nHost: a\r\n"},
		{name: "no method", input: " / HTTP/1.1\r\n\r\n", refuse: 400},
		{name: "no target", input: "GET  HTTP/1.1\r\n\r\n", refuse: 400},
		{name: "no version", input: "GET /\r\n\r\n", refuse: 400},
		{name: "TLS", input: "\x16\x03\x01\x02\x00\x01\n", refuse: 400},
		{name: "another protocol", input: "GET / SPDY/1\r\n\r\n", refuse: 400},
		{name: "HTTP/2", input: "PRI * HTTP/2.0\r\n\r\n", refuse: 505},
		{name: "field without colon", input: "GET / HTTP/1.1\r\nHost\r\n\r\n", refuse: 400},
		{name: "field without name", input: "GET / HTTP/1.1\r\n: a\r\n\r\n", refuse: 400},
		{name: "negative body", input: "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", refuse: 400},
		{name: "chunked body", input: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", refuse: 501},
		{name: "endless line", input: "GET /" + long, refuse: 431},
		{name: "endless field", input: "GET / HTTP/1.1\r\nA: " + long, refuse: 431},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, length, refuse := parseRequest([]byte(test.input))
			if test.length == -1 {
				test.length = len(test.input)
			}
			if length != test.length || refuse != test.refuse {
				t.Fatalf("length %d, refuse %d; want %d, %d", length, refuse, test.length, test.refuse)
			}
			if length == 0 {
				return
			}
			if string(got.method) != string(test.want.method) || string(got.path) != string(test.want.path) ||
				string(got.query) != string(test.want.query) || got.body != test.want.body || got.keep != test.want.keep {
				t.Errorf("got %s %s ? %s, body %d, keep %v", got.method, got.path, got.query, got.body, got.keep)
			}
		})
	}
}

// FuzzParseRequest: whatever comes, the length stays within the input.
func FuzzParseRequest(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		_, length, refuse := parseRequest(input)
		if length < 0 || length > len(input) || length > 0 && refuse != 0 {
			t.Errorf("length %d of %d, refuse %d", length, len(input), refuse)
		}
	})
}
