package resolve

import (
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Failure is why there is no address.
type Failure struct {
	// Rcode is NXDOMAIN, SERVFAIL, REFUSED or another response code's name;
	// NODATA for a name that exists without an address of the family; TIMEOUT
	// (Timeout) if no server answered.
	Rcode string
	// Detail tells each name asked for and what came of it.
	Detail string
	// Ours says that it is this machine's trouble, and no Rcode applies.
	Ours bool
}

// verdicts of one name, by how much they weigh when several names of the search
// list failed. It is glibc's order: a server's failure leaves open whether the
// name exists, so it outweighs NXDOMAIN; a name that does exist outweighs that.
var weight = map[string]int{"NXDOMAIN": 1, "NODATA": 3}

const otherWeight = 2

// Lookup finds one address of a name within the limit: the first one of the
// answer, as clients that do not balance by themselves take it.
func (r *Resolver) Lookup(host string, ipv6 bool, limit time.Duration) (netip.Addr, *Failure) {
	kind := dnsmessage.TypeA
	if ipv6 {
		kind = dnsmessage.TypeAAAA
	}
	reply, failure := r.walk(host, question{kind: kind}, limit)
	return reply.address, failure
}

// Answer is what a server says about a name that exists.
type Answer struct {
	Records []string // as "owner TYPE data", sorted
	Detail  string   // without records: each name asked for and what came of it
}

// Query asks for a name's records of one of the Kinds. The whole answer section
// counts, CNAMEs on the way included. That there are none is an answer, too.
func (r *Resolver) Query(host, kind string, limit time.Duration) (Answer, *Failure) {
	reply, failure := r.walk(host, question{kind: kinds[kind], records: true}, limit)
	if failure != nil && failure.Rcode == nodata {
		return Answer{Detail: failure.Detail}, nil
	}
	return Answer{Records: reply.records}, failure
}

// leastPatience is for each name of the search list, also when slow answers about
// earlier ones have used up the time: no silence is told that was not listened to.
const leastPatience = time.Second

// walk asks the question about each name of the search list until one has what
// is wanted.
func (r *Resolver) walk(host string, q question, limit time.Duration) (reply, *Failure) {
	deadline := time.Now().Add(limit)
	var worst string
	var story []string
	for i, name := range r.names(host) {
		if least := time.Now().Add(min(leastPatience, limit)); i > 0 && deadline.Before(least) {
			deadline = least
		}
		q.name = name
		got := r.askAll(q, deadline)
		if got.err != nil {
			return got, &Failure{Ours: true, Detail: q.name + " " + got.err.Error()}
		}
		if got.rcode == success {
			return got, nil
		}
		story = append(story, q.name+" "+got.rcode+got.remark)
		if worst == "" || weigh(got.rcode) > weigh(worst) {
			worst = got.rcode
		}
		if got.rcode == timeout {
			worst = timeout // the other names would meet the same silence
			break
		}
	}
	return reply{}, &Failure{Rcode: worst, Detail: strings.Join(story, "; ")}
}

func weigh(rcode string) int {
	if w, ok := weight[rcode]; ok {
		return w
	}
	return otherWeight
}

// askAll asks the servers in order, in rounds, until one knows. What a server
// says instead of an answer (SERVFAIL, REFUSED) is kept in case none does.
func (r *Resolver) askAll(q question, deadline time.Time) reply {
	last := reply{rcode: timeout}
	for round := range r.attempts {
		for i, server := range r.servers {
			now := time.Now()
			if !now.Before(deadline) {
				return last
			}
			left := (r.attempts-round)*len(r.servers) - i
			got := r.askOne(q, server, r.patience(deadline.Sub(now), left))
			if got.err != nil || got.rcode == success || weight[got.rcode] > 0 {
				return got
			}
			if got.rcode != timeout || last.rcode == timeout {
				last = got
			}
		}
		if last.rcode != timeout {
			return last // every server was heard or had its chance
		}
	}
	return last
}

// patience is the time for one question: as resolv.conf says, but such that the
// questions still to come get their share of what is left. Otherwise one lost
// packet could use up everything.
func (r *Resolver) patience(remaining time.Duration, questions int) time.Duration {
	return min(r.timeout, remaining/time.Duration(questions))
}
