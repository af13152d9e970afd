package serve

import (
	"bytes"
	"strconv"
)

// maxHeader bounds a request's first line and header together.
const maxHeader = 8 << 10

// request is what a response depends on; the slices point into the input.
type request struct {
	method []byte
	path   []byte
	query  []byte
	// body is the length of the body that follows, which nothing here reads.
	body int64
	// keep says whether the connection may serve another request afterwards.
	keep bool
}

// parseRequest reads one request from the beginning of input. It returns the
// length of its header, 0 while that is incomplete, and instead of a request
// the HTTP status to refuse with (0 if there is none).
//
// Lines may end with a bare LF: people type requests into nc.
func parseRequest(input []byte) (req request, length, refuse int) {
	rest := input
	line, rest, complete := cutLine(rest)
	for complete && len(line) == 0 && len(rest) < len(input) { // RFC 9112 2.2: skip empty lines before
		line, rest, complete = cutLine(rest)
	}
	if !complete {
		return req, 0, tooLarge(input)
	}
	if refuse = req.readFirstLine(line); refuse != 0 {
		return req, 0, refuse
	}
	for {
		if line, rest, complete = cutLine(rest); !complete {
			return req, 0, tooLarge(input)
		}
		if len(line) == 0 {
			return req, len(input) - len(rest), 0
		}
		if refuse = req.readField(line); refuse != 0 {
			return req, 0, refuse
		}
	}
}

func tooLarge(input []byte) int {
	if len(input) >= maxHeader {
		return 431
	}
	return 0
}

func cutLine(input []byte) (line, rest []byte, complete bool) {
	line, rest, complete = bytes.Cut(input, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), rest, complete
}

func (r *request) readFirstLine(line []byte) (refuse int) {
	method, rest, ok := bytes.Cut(line, []byte(" "))
	target, version, hasVersion := bytes.Cut(rest, []byte(" "))
	if !ok || !hasVersion || len(method) == 0 || len(target) == 0 {
		return 400
	}
	switch {
	case bytes.Equal(version, []byte("HTTP/1.1")):
		r.keep = true
	case bytes.Equal(version, []byte("HTTP/1.0")):
	case bytes.HasPrefix(version, []byte("HTTP/")):
		return 505
	default:
		return 400
	}
	r.method = method
	r.path, r.query, _ = bytes.Cut(originForm(target), []byte("?"))
	return 0
}

// originForm strips the scheme and host that a request through a proxy has.
func originForm(target []byte) []byte {
	after, absolute := bytes.CutPrefix(target, []byte("http://"))
	if !absolute {
		return target
	}
	if slash := bytes.IndexByte(after, '/'); slash >= 0 {
		return after[slash:]
	}
	return []byte("/")
}

func (r *request) readField(line []byte) (refuse int) {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || len(name) == 0 {
		return 400
	}
	value = bytes.Trim(value, " \t")
	switch {
	case bytes.EqualFold(name, []byte("Connection")):
		r.readConnection(value)
	case bytes.EqualFold(name, []byte("Content-Length")):
		length, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil || length < 0 {
			return 400
		}
		r.body = length
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		return 501 // no request here needs a body
	}
	return 0
}

func (r *request) readConnection(value []byte) {
	for option := range bytes.SplitSeq(value, []byte(",")) {
		option = bytes.Trim(option, " \t")
		if bytes.EqualFold(option, []byte("close")) {
			r.keep = false
		} else if bytes.EqualFold(option, []byte("keep-alive")) {
			r.keep = true
		}
	}
}

// parameter finds one value of the query; "" if it is not there.
func (r *request) parameter(name string) string {
	for pair := range bytes.SplitSeq(r.query, []byte("&")) {
		key, value, _ := bytes.Cut(pair, []byte("="))
		if string(key) == name {
			return string(value)
		}
	}
	return ""
}
