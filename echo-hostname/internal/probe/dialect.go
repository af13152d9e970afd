package probe

import (
	"bytes"
	"strconv"

	"svcproof.dev/echo-hostname/internal/flatjson"
)

// dialect is how a server is asked who it is and whom it saw.
type dialect struct {
	// What is sent over one connection, one after the other, by HTTP or by UDP.
	paths     []string
	datagrams []string
	// read takes what the reply to the stage-th of them says; false, and nothing
	// taken, if it is not understood.
	read func(stage int, body []byte, into *backend) bool
	// words are there instead of read where the question is not who answers, but
	// what: every HTTP response is understood then, whatever its status.
	words func(reply httpReply) []string
	// silent: that a connection is made is the answer.
	silent bool
}

var dialects = map[string]dialect{
	// This project's own app.
	"echo": {paths: []string{"/json"}, datagrams: []string{"json"}, read: readEcho},
	// Kubernetes' agnhost netexec: the client's address takes a second request.
	"agnhost": {paths: []string{"/hostname", "/clientip"}, datagrams: []string{"hostname", "clientip"}, read: readAgnhost},
	// The study notes' image, which has the page and nothing else.
	"notes": {paths: []string{"/"}, read: readNotes},
	// A kube-proxy's health check of a Service (healthCheckNodePort) or of itself.
	"healthz": {paths: []string{"/healthz"}, words: readHealthz},
	// Any server at all.
	"connect": {silent: true},
}

func readEcho(_ int, body []byte, into *backend) bool {
	var b backend
	flat := flatjson.Scan(body, func(field flatjson.Field) {
		if !field.IsString {
			if string(field.Key) == "client_port" {
				b.sourcePort = portOf(field.Value)
			}
			return
		}
		switch string(field.Key) {
		case "pod":
			b.pod = field.Value
		case "uid":
			b.uid = field.Value
		case "node":
			b.node = field.Value
		case "namespace":
			b.namespace = field.Value
		case "run":
			b.run = field.Value
		case "client_address":
			b.sourceAddress = field.Value
		}
	})
	if !flat || len(b.pod) == 0 {
		return false
	}
	*into = b
	return true
}

func readAgnhost(stage int, body []byte, into *backend) bool {
	body = bytes.TrimSpace(body)
	if stage == 0 {
		if !isName(body) {
			return false
		}
		into.pod = body
		return true
	}
	colon := bytes.LastIndexByte(body, ':')
	if colon < 0 || portOf(body[colon+1:]) == nil {
		return false
	}
	address := bytes.TrimSuffix(bytes.TrimPrefix(body[:colon], []byte("[")), []byte("]"))
	address = bytes.TrimPrefix(address, []byte("::ffff:"))
	if !isAddress(address) {
		return false
	}
	into.sourceAddress, into.sourcePort = address, body[colon+1:]
	return true
}

func readNotes(_ int, body []byte, into *backend) bool {
	_, after, ok := bytes.Cut(body, []byte("<p>Hello, "))
	name, _, closed := bytes.Cut(after, []byte("</p>"))
	name = bytes.TrimSpace(name)
	if !ok || !closed || !isName(name) {
		return false
	}
	into.pod = name
	return true
}

// isName says whether text can be a Pod's or a host's name. Such text needs no
// escaping in JSON.
func isName(text []byte) bool {
	for _, c := range text {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_') {
			return false
		}
	}
	return len(text) > 0 && len(text) <= 253
}

func isAddress(text []byte) bool {
	for _, c := range text {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c == '.' || c == ':') {
			return false
		}
	}
	return len(text) > 0 && len(text) <= 45
}

// portOf returns text if it is a port number as JSON writes numbers.
func portOf(text []byte) []byte {
	if len(text) == 0 || len(text) > 5 || text[0] == '0' {
		return nil
	}
	if n, err := strconv.Atoi(string(text)); err != nil || n < 1 || n > 65535 {
		return nil
	}
	return text
}

// excerpt is the beginning of something that was not understood: at most 80
// printable characters.
func excerpt(text []byte) string {
	out := make([]byte, 0, 80)
	for _, c := range text {
		if len(out) == cap(out) {
			break
		}
		if c >= ' ' && c < 0x7f {
			out = append(out, c)
		} else if len(out) > 0 && out[len(out)-1] != ' ' {
			out = append(out, ' ')
		}
	}
	return string(bytes.TrimSpace(out))
}
