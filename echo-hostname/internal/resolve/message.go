package resolve

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	success = ""
	timeout = Timeout
	nodata  = "NODATA"

	// Timeout is the Rcode of a Failure where no server answered.
	Timeout = "TIMEOUT"
)

// question is about one name. Either an address is wanted, the end of a chain of
// CNAMEs, or whatever records the answer has.
type question struct {
	name    string
	kind    dnsmessage.Type
	records bool
}

// reply is what came of one question.
type reply struct {
	rcode     string // success, a response code's name, NODATA or TIMEOUT
	address   netip.Addr
	records   []string
	remark    string // for people: " (…)"
	truncated bool
	err       error // our own trouble
}

// pack writes the question.
func (q question) pack(id uint16) ([]byte, error) {
	name, err := dnsmessage.NewName(q.name)
	if err != nil {
		return nil, err
	}
	message := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: name, Type: q.kind, Class: dnsmessage.ClassINET}},
	}
	return message.Pack()
}

// read reads a message; false if it is not an answer to this question.
func (q question) read(packet []byte, id uint16) (reply, bool) {
	var message dnsmessage.Message
	if err := message.Unpack(packet); err != nil {
		return q.readBroken(packet, id)
	}
	if message.ID != id || !message.Response || len(message.Questions) != 1 {
		return reply{}, false
	}
	asked := message.Questions[0]
	if !sameName(asked.Name.String(), q.name) || asked.Type != q.kind {
		return reply{}, false
	}
	got := reply{truncated: message.Truncated}
	if message.RCode != dnsmessage.RCodeSuccess {
		got.rcode = rcodeName(message.RCode)
		return got, true
	}
	if !q.records {
		return q.follow(message.Answers, got), true
	}
	if got.records = texts(message.Answers); len(got.records) == 0 {
		got.rcode = nodata
	}
	return got, true
}

// readBroken is for a message cut off in the middle: its header still says
// whether it is ours and truncated.
func (q question) readBroken(packet []byte, id uint16) (reply, bool) {
	var parser dnsmessage.Parser
	header, err := parser.Start(packet)
	if err != nil || header.ID != id || !header.Response {
		return reply{}, false
	}
	return reply{rcode: "FORMERR", remark: " (the answer cannot be parsed)", truncated: header.Truncated}, true
}

// follow goes along the CNAMEs to an address. A stub resolver does not ask for
// the end of a chain that the server has not followed; it says so.
func (q question) follow(answers []dnsmessage.Resource, got reply) reply {
	name := q.name
	for range len(answers) + 1 {
		next := ""
		for _, answer := range answers {
			if !sameName(answer.Header.Name.String(), name) {
				continue
			}
			switch body := answer.Body.(type) {
			case *dnsmessage.AResource:
				if q.kind == dnsmessage.TypeA {
					got.address = netip.AddrFrom4(body.A)
					return got
				}
			case *dnsmessage.AAAAResource:
				if q.kind == dnsmessage.TypeAAAA {
					got.address = netip.AddrFrom16(body.AAAA)
					return got
				}
			case *dnsmessage.CNAMEResource:
				next = body.CNAME.String()
			}
		}
		if next == "" {
			break
		}
		name = next
	}
	got.rcode = nodata
	if name != q.name {
		got.remark = " (CNAME " + name + ", without an address)"
	}
	return got
}

// sameName compares names as DNS does, whatever their case.
func sameName(a, b string) bool { return strings.EqualFold(absolute(a), absolute(b)) }

// rcodeName is the name that RFC 1035's successors give a response code.
func rcodeName(code dnsmessage.RCode) string {
	switch code {
	case dnsmessage.RCodeFormatError:
		return "FORMERR"
	case dnsmessage.RCodeServerFailure:
		return "SERVFAIL"
	case dnsmessage.RCodeNameError:
		return "NXDOMAIN"
	case dnsmessage.RCodeNotImplemented:
		return "NOTIMP"
	case dnsmessage.RCodeRefused:
		return "REFUSED"
	default:
		return fmt.Sprintf("RCODE%d", code)
	}
}
