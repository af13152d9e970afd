package probe

import (
	"net/netip"
	"strconv"

	"svcproof.dev/echo-hostname/internal/flatjson"
)

// absent marks a duration that there is not.
const absent = -1

// backend is what a reply said about its sender: text ready to stand between
// quotes in JSON, pointing into the reply's buffer.
type backend struct {
	pod, uid, node, namespace, run []byte
	sourceAddress, sourcePort      []byte
}

// record is one attempt: svcproof.history.Attempt.
type record struct {
	atNS          int64
	outcome       Outcome
	resolveMicros int64
	connectMicros int64
	replyMicros   int64
	backend       backend
	local, remote netip.AddrPort
	rcode         string
	answers       []string
	detail        string
}

// blank is a record that tells nothing yet.
func blank(atNS int64) record {
	return record{atNS: atNS, resolveMicros: absent, connectMicros: absent, replyMicros: absent}
}

// appendTo appends the record as a JSON line. Fields with their default value
// are left out, as in every other line of a history.
func (r *record) appendTo(to []byte) []byte {
	to = append(to, `{"at_ns":`...)
	to = strconv.AppendInt(to, r.atNS, 10)
	to = append(to, `,"outcome":"`...)
	to = append(to, r.outcome...)
	to = append(to, '"')
	to = appendMicros(to, `,"resolve_us":`, r.resolveMicros)
	to = appendMicros(to, `,"connect_us":`, r.connectMicros)
	to = appendMicros(to, `,"reply_us":`, r.replyMicros)
	to = r.backend.appendTo(to)
	to = appendAddress(to, `,"local_address":"`, r.local)
	to = appendAddress(to, `,"remote_address":"`, r.remote)
	to = appendText(to, `,"rcode":`, r.rcode)
	to = appendTexts(to, `,"answers":[`, r.answers)
	to = appendText(to, `,"detail":`, r.detail)
	return append(to, "}\n"...)
}

func (b *backend) appendTo(to []byte) []byte {
	if len(b.pod) > 0 {
		to = append(to, `,"backend":{"pod":"`...)
		to = append(to, b.pod...)
		to = append(to, '"')
		to = appendQuoted(to, `,"uid":"`, b.uid)
		to = appendQuoted(to, `,"node":"`, b.node)
		to = appendQuoted(to, `,"namespace":"`, b.namespace)
		to = appendQuoted(to, `,"run":"`, b.run)
		to = append(to, '}')
	}
	to = appendQuoted(to, `,"source_address":"`, b.sourceAddress)
	if len(b.sourcePort) > 0 {
		to = append(to, `,"source_port":`...)
		to = append(to, b.sourcePort...)
	}
	return to
}

func appendQuoted(to []byte, key string, value []byte) []byte {
	if len(value) == 0 {
		return to
	}
	to = append(to, key...)
	to = append(to, value...)
	return append(to, '"')
}

func appendMicros(to []byte, key string, micros int64) []byte {
	if micros == absent {
		return to
	}
	return strconv.AppendInt(append(to, key...), micros, 10)
}

func appendAddress(to []byte, key string, address netip.AddrPort) []byte {
	if !address.IsValid() {
		return to
	}
	to = address.AppendTo(append(to, key...))
	return append(to, '"')
}

func appendText(to []byte, key, text string) []byte {
	if text == "" {
		return to
	}
	return flatjson.AppendString(append(to, key...), text)
}

func appendTexts(to []byte, key string, texts []string) []byte {
	if len(texts) == 0 {
		return to
	}
	to = append(to, key...)
	for i, text := range texts {
		if i > 0 {
			to = append(to, ',')
		}
		to = flatjson.AppendString(to, text)
	}
	return append(to, ']')
}
