package resolve

import (
	"reflect"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestRecordsAreToldInOneForm(t *testing.T) {
	server := serveDNS(t, zone(
		"web.ns. 5 IN A 10.0.0.2",
		"WEB.ns. 5 IN A 10.0.0.1",
		"web.ns. 5 IN AAAA fd00:0:0::7",
		"alias.ns. 5 IN CNAME Real.Example.",
		"real.example. 5 IN A 192.0.2.1",
		"_http._tcp.web.ns. 5 IN SRV 0 33 80 10-0-0-2.web.ns.",
		"_http._tcp.web.ns. 5 IN SRV 0 33 80 10-0-0-1.web.ns.",
	))
	for _, test := range []struct {
		host, kind string
		want       []string
	}{
		{"web.ns", "A", []string{"web.ns A 10.0.0.1", "web.ns A 10.0.0.2"}},
		{"web.ns", "AAAA", []string{"web.ns AAAA fd00::7"}},
		{"alias.ns", "A", []string{"alias.ns CNAME real.example", "real.example A 192.0.2.1"}},
		{"alias.ns", "AAAA", []string{"alias.ns CNAME real.example"}},
		{"alias.ns", "CNAME", []string{"alias.ns CNAME real.example"}},
		{"_http._tcp.web.ns", "SRV", []string{
			"_http._tcp.web.ns SRV 0 33 80 10-0-0-1.web.ns", "_http._tcp.web.ns SRV 0 33 80 10-0-0-2.web.ns"}},
	} {
		answer, failure := resolver(server).Query(test.host, test.kind, patience)
		if failure != nil || !reflect.DeepEqual(answer.Records, test.want) || answer.Detail != "" {
			t.Errorf("%s %s: %+v, %+v", test.host, test.kind, answer, failure)
		}
	}
}

func TestNoRecordsAreAnAnswer(t *testing.T) {
	r := resolver(serveDNS(t, zone("web.a. 5 IN A 10.0.0.1")))
	r.search = []string{"a.", "b."}
	answer, failure := r.Query("web", "SRV", patience)
	if failure != nil || answer.Records != nil || answer.Detail != "web.a. NODATA; web.b. NXDOMAIN; web. NXDOMAIN" {
		t.Errorf("%+v, %+v", answer, failure)
	}
}

func TestAQueryWalksTheSearchListUntilThereAreRecords(t *testing.T) {
	server := serveDNS(t, zone("web.a. 5 IN AAAA fd00::1", "web.b. 5 IN A 10.0.0.1"))
	r := resolver(server)
	r.search = []string{"a.", "b.", "c."}
	answer, failure := r.Query("web", "A", patience)
	if failure != nil || !reflect.DeepEqual(answer.Records, []string{"web.b A 10.0.0.1"}) {
		t.Errorf("%+v, %+v", answer, failure)
	}
	if got := server.questions(); !reflect.DeepEqual(got, []string{"udp web.a. A", "udp web.b. A"}) {
		t.Errorf("%q", got)
	}
}

func TestWhyAQueryFailed(t *testing.T) {
	silent := func(string, dns.Question, *dns.Msg) *dns.Msg { return nil }
	for want, answer := range map[string]answer{
		"NXDOMAIN": zone(),
		"SERVFAIL": failing(dns.RcodeServerFailure),
		"REFUSED":  failing(dns.RcodeRefused),
		Timeout:    silent,
	} {
		limit := patience
		if want == Timeout {
			limit = 100 * time.Millisecond
		}
		got, failure := resolver(serveDNS(t, answer)).Query("web", "A", limit)
		if failure == nil || failure.Rcode != want || failure.Ours || got.Records != nil {
			t.Errorf("%s: %+v, %+v", want, got, failure)
		}
	}
}

func TestManyRecordsComeByTCP(t *testing.T) {
	server := serveDNS(t, func(network string, question dns.Question, reply *dns.Msg) *dns.Msg {
		reply = zone("web. 5 IN A 10.0.0.1", "web. 5 IN A 10.0.0.2")(network, question, reply)
		if network == "udp" { // a part of the answer only, and it says so
			reply.Truncated, reply.Answer = true, reply.Answer[:1]
		}
		return reply
	})
	answer, failure := resolver(server).Query("web.", "A", patience)
	if failure != nil || len(answer.Records) != 2 {
		t.Errorf("%+v, %+v", answer, failure)
	}
}

func TestARecordThatNobodyAskedForIsVisible(t *testing.T) {
	server := serveDNS(t, func(_ string, _ dns.Question, reply *dns.Msg) *dns.Msg {
		record, _ := dns.NewRR(`web. 5 IN TXT "hello"`)
		reply.Answer = append(reply.Answer, record)
		return reply
	})
	answer, failure := resolver(server).Query("web.", "A", patience)
	if failure != nil || !reflect.DeepEqual(answer.Records, []string{"web TYPE16 ?"}) {
		t.Errorf("%+v, %+v", answer, failure)
	}
}
