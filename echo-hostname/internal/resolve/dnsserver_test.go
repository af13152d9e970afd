package resolve

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// dnsServer answers by UDP and TCP on one port of loopback, with an
// implementation of DNS that is not the one under test.
type dnsServer struct {
	address netip.AddrPort
	mutex   sync.Mutex
	asked   []string // "udp web. A"
}

// answer makes the reply to a question; nil is silence.
type answer func(network string, question dns.Question, reply *dns.Msg) *dns.Msg

func serveDNS(t *testing.T, answer answer) *dnsServer {
	t.Helper()
	s := &dnsServer{}
	packets, streams := listenBoth(t)
	s.address = packets.LocalAddr().(*net.UDPAddr).AddrPort()
	for network, server := range map[string]*dns.Server{"udp": {PacketConn: packets}, "tcp": {Listener: streams}} {
		server.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, request *dns.Msg) {
			s.handle(w, network, request, answer)
		})
		go server.ActivateAndServe()
		t.Cleanup(func() { _ = server.Shutdown() })
	}
	return s
}

// listenBoth finds a port that is free for UDP and TCP alike.
func listenBoth(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	var lastErr error
	for range 100 {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		streams, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, streams
		}
		packets.Close()
		lastErr = err
	}
	t.Fatal(lastErr)
	return nil, nil
}

func (s *dnsServer) handle(w dns.ResponseWriter, network string, request *dns.Msg, answer answer) {
	question := request.Question[0]
	s.mutex.Lock()
	s.asked = append(s.asked, network+" "+question.Name+" "+dns.TypeToString[question.Qtype])
	s.mutex.Unlock()
	if reply := answer(network, question, new(dns.Msg).SetReply(request)); reply != nil {
		_ = w.WriteMsg(reply)
	}
}

func (s *dnsServer) questions() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.asked
}

// zone answers from records in text form; a name without any is NXDOMAIN, and a
// CNAME brings the records of its target along.
func zone(records ...string) answer {
	return func(_ string, question dns.Question, reply *dns.Msg) *dns.Msg {
		exists := false
		name := question.Name
		told := map[string]bool{}
		for range records {
			before := name
			for _, text := range records {
				record, err := dns.NewRR(text)
				if err != nil {
					panic(err)
				}
				if !strings.EqualFold(record.Header().Name, name) {
					continue
				}
				exists = true
				cname, isCNAME := record.(*dns.CNAME)
				if (isCNAME || record.Header().Rrtype == question.Qtype) && !told[text] {
					told[text] = true
					reply.Answer = append(reply.Answer, record)
				}
				if isCNAME {
					name = cname.Target
				}
			}
			if name == before {
				break
			}
		}
		if !exists {
			reply.Rcode = dns.RcodeNameError
		}
		return reply
	}
}

func failing(rcode int) answer {
	return func(_ string, _ dns.Question, reply *dns.Msg) *dns.Msg {
		reply.Rcode = rcode
		return reply
	}
}

// resolver of these servers, patient enough for a busy machine.
func resolver(servers ...*dnsServer) *Resolver {
	r := &Resolver{ndots: 5, timeout: 10 * time.Second, attempts: 2}
	for _, server := range servers {
		r.servers = append(r.servers, server.address)
	}
	return r
}
