// Package identity is who this server says it is, and the replies that say so.
package identity

import (
	"net/netip"
	"os"
	"strconv"

	"svcproof.dev/echo-hostname/internal/flatjson"
)

// Identity is a Pod as the downward API describes it.
type Identity struct {
	Pod       string
	UID       string
	Node      string
	Namespace string
	Run       string
}

// FromEnvironment reads the SVCPROOF_* variables. Without a Pod name the host
// name stands in for it: in a Pod the two are the same.
func FromEnvironment() Identity {
	id := Identity{
		Pod:       os.Getenv("SVCPROOF_POD"),
		UID:       os.Getenv("SVCPROOF_POD_UID"),
		Node:      os.Getenv("SVCPROOF_NODE"),
		Namespace: os.Getenv("SVCPROOF_NAMESPACE"),
		Run:       os.Getenv("SVCPROOF_RUN"),
	}
	if id.Pod == "" {
		id.Pod, _ = os.Hostname()
	}
	return id
}

// JSON writes the identity with the client's address. All but that address is
// made once, because it is asked for by every connection.
type JSON struct{ prefix []byte }

// NewJSON prepares the constant part.
func NewJSON(id Identity) JSON {
	var prefix []byte
	for _, field := range [...]struct{ key, value string }{
		{`{"pod":`, id.Pod},
		{`,"uid":`, id.UID},
		{`,"node":`, id.Node},
		{`,"namespace":`, id.Namespace},
		{`,"run":`, id.Run},
	} {
		prefix = append(prefix, field.key...)
		prefix = flatjson.AppendString(prefix, field.value)
	}
	return JSON{prefix: append(prefix, `,"client_address":"`...)}
}

// Append appends the object. The address needs no escaping: it has no zone, as
// none arrives from the network.
func (j JSON) Append(to []byte, client netip.AddrPort) []byte {
	to = append(to, j.prefix...)
	to = client.Addr().WithZone("").AppendTo(to)
	to = append(to, `","client_port":`...)
	to = strconv.AppendUint(to, uint64(client.Port()), 10)
	return append(to, '}')
}
