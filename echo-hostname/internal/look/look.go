// Package look tells what can only be seen from inside a Pod: how its names are
// completed, which addresses there are, and (from a Pod in a node's own network) how that
// node's kube-proxy works.
package look

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"svcproof.dev/echo-hostname/internal/usage"
)

const (
	patience = time.Second
	// metricsPort is kube-proxy's (--metrics-bind-address), on loopback by default.
	metricsPort = "10249"
	// maxReply bounds what is read of a reply: a mode is one word.
	maxReply = 4096
)

type seen struct {
	ResolvConf string `json:"resolv_conf"`
	// ProxyMode is empty where no kube-proxy answers.
	ProxyMode string       `json:"proxy_mode"`
	Addresses []netip.Addr `json:"addresses"`
}

// Main runs the subcommand.
func Main(arguments []string) int {
	flags := usage.NewFlags("look")
	if err := usage.Parse(flags, arguments); err != nil {
		usage.Exit(flags, err)
	}
	resolvConf, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		fmt.Fprintf(os.Stderr, "echo-hostname look: %v\n", err)
		return 1
	}
	own, err := addresses()
	if err != nil {
		fmt.Fprintf(os.Stderr, "echo-hostname look: %v\n", err)
		return 1
	}
	text, err := json.Marshal(seen{string(resolvConf), proxyMode(metricsPort), own})
	if err != nil {
		fmt.Fprintf(os.Stderr, "echo-hostname look: %v\n", err)
		return 1
	}
	fmt.Println(string(text))
	return 0
}

// proxyMode asks kube-proxy on loopback, of whichever family.
func proxyMode(port string) string {
	for _, loopback := range []string{"127.0.0.1", "::1"} {
		if mode := ask(net.JoinHostPort(loopback, port)); mode != "" {
			return mode
		}
	}
	return ""
}

func ask(address string) string {
	connection, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return ""
	}
	defer connection.Close()
	if connection.SetDeadline(time.Now().Add(patience)) != nil {
		return ""
	}
	if _, err := io.WriteString(connection, "GET /proxyMode HTTP/1.0\r\n\r\n"); err != nil {
		return ""
	}
	reply, err := io.ReadAll(io.LimitReader(connection, maxReply))
	if err != nil {
		return ""
	}
	header, body, _ := strings.Cut(string(reply), "\r\n\r\n")
	if fields := strings.Fields(header); len(fields) < 2 || fields[1] != "200" {
		return ""
	}
	return strings.TrimSpace(body)
}
