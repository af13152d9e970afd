package probe

import (
	"bytes"
	"strconv"
)

// maxReply bounds what is read of one reply. Everything that is understood is
// far smaller.
const maxReply = 64 << 10

// progress is how far a reply has come.
type progress uint8

const (
	incomplete progress = iota
	complete
	// foreign: it is not HTTP, and more of it would not make it so.
	foreign
)

// httpReply is a reply read from the beginning of input.
type httpReply struct {
	status int
	body   []byte
	keep   bool // the server will take another request
}

// parseHTTP reads a reply. atEnd says that the server has closed: some replies
// (HTTP/1.0, the notes' image) end only so.
func parseHTTP(input []byte, atEnd bool) (reply httpReply, state progress) {
	const version = "HTTP/1."
	if n := min(len(input), len(version)); string(input[:n]) != version[:n] {
		return reply, foreign
	}
	header, body, ok := bytes.Cut(input, []byte("\r\n\r\n"))
	if !ok {
		return reply, incomplete
	}
	line, fields, _ := bytes.Cut(header, []byte("\r\n"))
	status, ok := statusOf(line)
	if !ok {
		return reply, foreign
	}
	reply.status, reply.keep = status, line[len(version)] == '1'
	length, chunked := reply.readFields(fields)
	switch {
	case chunked:
		return reply, reply.readChunks(body)
	case length >= 0:
		if len(body) < length {
			return reply, incomplete
		}
		reply.body = body[:length]
		return reply, complete
	case atEnd:
		reply.body, reply.keep = body, false
		return reply, complete
	default:
		return reply, incomplete
	}
}

// statusOf reads "HTTP/1.1 200 OK".
func statusOf(line []byte) (int, bool) {
	const before = len("HTTP/1.1 ")
	if len(line) < before+3 || line[before-1] != ' ' {
		return 0, false
	}
	status, err := strconv.Atoi(string(line[before : before+3]))
	return status, err == nil && status >= 100
}

// readFields finds how the body ends; length is -1 if no field says.
func (r *httpReply) readFields(fields []byte) (length int, chunked bool) {
	length = -1
	for len(fields) > 0 {
		var line []byte
		line, fields, _ = bytes.Cut(fields, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if n, err := strconv.Atoi(string(value)); err == nil && n >= 0 {
				length = n
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("Connection")):
			r.keep = r.keep && !bytes.EqualFold(value, []byte("close")) || bytes.EqualFold(value, []byte("keep-alive"))
		}
	}
	return length, chunked
}

// readChunks decodes a chunked body.
func (r *httpReply) readChunks(input []byte) progress {
	var body []byte
	for {
		line, rest, ok := bytes.Cut(input, []byte("\r\n"))
		if !ok {
			return incomplete
		}
		digits, _, _ := bytes.Cut(line, []byte(";"))
		size, err := strconv.ParseUint(string(bytes.TrimSpace(digits)), 16, 31)
		if err != nil {
			return foreign
		}
		if size == 0 {
			r.body = body
			return trailerEnd(rest)
		}
		if uint64(len(rest)) < size+2 {
			return incomplete
		}
		body = append(body, rest[:size]...)
		input = rest[size+2:]
	}
}

// trailerEnd looks for the empty line after the last chunk.
func trailerEnd(rest []byte) progress {
	if bytes.HasPrefix(rest, []byte("\r\n")) || bytes.Contains(rest, []byte("\r\n\r\n")) {
		return complete
	}
	return incomplete
}
