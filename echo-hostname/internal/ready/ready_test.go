package ready

import (
	"net/netip"
	"strings"
	"testing"

	"svcproof.dev/echo-hostname/internal/identity"
	"svcproof.dev/echo-hostname/internal/serve"
)

// app runs the real server and returns its port, and what it says of its readiness.
func app(t *testing.T, address string) (port uint16, readyz func() string) {
	t.Helper()
	options := serve.Options{HTTP: []netip.AddrPort{netip.MustParseAddrPort(address)}}
	server, err := serve.New(options, identity.Identity{Pod: "web-1"})
	if err != nil {
		t.Fatal(err)
	}
	var announced strings.Builder
	if err := server.Announce(&announced); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Run() }()
	t.Cleanup(func() {
		server.StopNow()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	_, text, _ := strings.Cut(announced.String(), `"address":"`)
	text, _, _ = strings.Cut(text, `"`)
	listening := netip.MustParseAddrPort(text)
	return listening.Port(), func() string { return get(t, "http://"+text+"/readyz") }
}

func TestItSwitchesTheAppBesideIt(t *testing.T) {
	port, readyz := app(t, "127.0.0.1:0")
	for _, step := range []struct {
		value bool
		want  string
	}{{false, "503"}, {false, "503"}, {true, "200"}} {
		if err := Switch(port, step.value); err != nil {
			t.Fatal(err)
		}
		if got := readyz(); got != step.want {
			t.Errorf("after %t: %s", step.value, got)
		}
	}
}

func TestAnAppThatIsNotThereOrAnother(t *testing.T) {
	if err := Switch(1, true); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
	port := stranger(t, "HTTP/1.0 404 Not Found\r\n\r\n")
	if err := Switch(port, true); err == nil || !strings.Contains(err.Error(), "404 Not Found") {
		t.Error(err)
	}
}
