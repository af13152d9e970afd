package identity

import (
	"encoding/json"
	"net/netip"
	"os"
	"testing"
)

type reply struct {
	Pod           string `json:"pod"`
	UID           string `json:"uid"`
	Node          string `json:"node"`
	Namespace     string `json:"namespace"`
	Run           string `json:"run"`
	ClientAddress string `json:"client_address"`
	ClientPort    int    `json:"client_port"`
}

func TestJSONTellsAllThatTheEnvironmentDoes(t *testing.T) {
	t.Setenv("SVCPROOF_POD", `web-"1"`)
	t.Setenv("SVCPROOF_POD_UID", "3f0c")
	t.Setenv("SVCPROOF_NODE", "node-1")
	t.Setenv("SVCPROOF_NAMESPACE", "svcproof-1")
	t.Setenv("SVCPROOF_RUN", "r1")
	made := NewJSON(FromEnvironment())
	for text, want := range map[string]string{
		"10.0.0.7:4711":       "10.0.0.7",
		"[2001:db8::1]:4711":  "2001:db8::1",
		"[fe80::1%eth0]:4711": "fe80::1",
	} {
		var got reply
		if err := json.Unmarshal(made.Append(nil, netip.MustParseAddrPort(text)), &got); err != nil {
			t.Fatal(err)
		}
		if got != (reply{`web-"1"`, "3f0c", "node-1", "svcproof-1", "r1", want, 4711}) {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func TestWithoutAPodTheHostNameStandsIn(t *testing.T) {
	t.Setenv("SVCPROOF_POD", "")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if got := FromEnvironment().Pod; got != host {
		t.Errorf("%q, want %q", got, host)
	}
}
