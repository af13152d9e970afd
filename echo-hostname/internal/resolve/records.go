package resolve

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// Kinds are the records that can be asked for.
var Kinds = []string{"A", "AAAA", "CNAME", "SRV", "PTR"}

var kinds = map[string]dnsmessage.Type{
	"A":     dnsmessage.TypeA,
	"AAAA":  dnsmessage.TypeAAAA,
	"CNAME": dnsmessage.TypeCNAME,
	"SRV":   dnsmessage.TypeSRV,
	"PTR":   dnsmessage.TypePTR,
}

// texts are records as "owner TYPE data", sorted; names are in lower case and
// without the final dot. The order in an answer is the server's to choose, and
// so is the case of letters.
func texts(records []dnsmessage.Resource) []string {
	var all []string
	for _, record := range records {
		kind, data := describe(record)
		all = append(all, plainName(record.Header.Name)+" "+kind+" "+data)
	}
	slices.Sort(all)
	return all
}

func describe(record dnsmessage.Resource) (kind, data string) {
	switch body := record.Body.(type) {
	case *dnsmessage.AResource:
		return "A", netip.AddrFrom4(body.A).String()
	case *dnsmessage.AAAAResource:
		return "AAAA", netip.AddrFrom16(body.AAAA).String()
	case *dnsmessage.CNAMEResource:
		return "CNAME", plainName(body.CNAME)
	case *dnsmessage.SRVResource:
		return "SRV", fmt.Sprintf("%d %d %d %s", body.Priority, body.Weight, body.Port, plainName(body.Target))
	case *dnsmessage.PTRResource:
		return "PTR", plainName(body.PTR)
	default:
		// Nobody asked for it. Its type is told, and that suffices to be noticed.
		return fmt.Sprintf("TYPE%d", record.Header.Type), "?"
	}
}

func plainName(name dnsmessage.Name) string {
	return strings.ToLower(strings.TrimSuffix(name.String(), "."))
}
