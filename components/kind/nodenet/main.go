// Command nodenet is the Pod network of kind nodes that share one link.
//
// It writes a CNI configuration from its node's Pod ranges, keeps one route to the
// Pod ranges of every other node, and masquerades what Pods send out of the Pod
// network. It is a privileged Pod in the host network with the node's root file
// system at /host, and runs the node's own ip and nft in there.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	hostRoot       = "/host"
	configPath     = hostRoot + "/etc/cni/net.d/10-nodenet.conflist"
	serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount/"
	interval       = time.Second
)

type node struct {
	Metadata struct{ Name string }
	Spec     struct{ PodCIDRs []string }
	Status   struct {
		Addresses []struct{ Type, Address string }
	}
}

func main() {
	self := os.Getenv("NODE_NAME")
	if err := masquerade(strings.Split(os.Getenv("POD_SUBNET"), ",")); err != nil {
		log.Fatal("masquerading: ", err)
	}
	client, err := newClient()
	if err != nil {
		log.Fatal(err)
	}
	done := map[string]string{}
	for ; ; time.Sleep(interval) {
		nodes, err := client.nodes()
		if err != nil {
			log.Print("nodes: ", err)
			continue
		}
		for _, other := range nodes {
			if err := follow(other, self, done); err != nil {
				log.Print(other.Metadata.Name, ": ", err)
			}
		}
	}
}

// follow does for one node what it takes, unless that is done.
func follow(other node, self string, done map[string]string) error {
	if other.Metadata.Name == self {
		ranges := strings.Join(other.Spec.PodCIDRs, ",")
		if ranges == "" || done[self] == ranges {
			return nil
		}
		done[self] = ranges
		return configure(other.Spec.PodCIDRs)
	}
	for _, podRange := range other.Spec.PodCIDRs {
		via := addressFor(other, podRange)
		if via == "" || done[podRange] == via {
			continue
		}
		if err := onHost("", "/usr/sbin/ip", "route", "replace", podRange, "via", via); err != nil {
			return err
		}
		done[podRange] = via
		log.Print("route to ", podRange, " via ", via)
	}
	return nil
}

func isIPv6(text string) bool { return strings.Contains(text, ":") }

// addressFor is the node's address of the same family as the range.
func addressFor(other node, podRange string) string {
	for _, address := range other.Status.Addresses {
		if address.Type == "InternalIP" && isIPv6(address.Address) == isIPv6(podRange) {
			return address.Address
		}
	}
	return ""
}

// configure writes the CNI configuration: all at once, for containerd watches the directory.
func configure(podRanges []string) error {
	var ranges, routes []any
	for _, podRange := range podRanges {
		ranges = append(ranges, []any{map[string]any{"subnet": podRange}})
		everything := "0.0.0.0/0"
		if isIPv6(podRange) {
			everything = "::/0"
		}
		routes = append(routes, map[string]any{"dst": everything})
	}
	content, err := json.MarshalIndent(map[string]any{
		"cniVersion": "1.0.0",
		"name":       "nodenet",
		"plugins": []any{
			map[string]any{"type": "ptp", "ipMasq": false, "ipam": map[string]any{
				"type": "host-local", "dataDir": "/run/cni-ipam-state",
				"routes": routes, "ranges": ranges,
			}},
			map[string]any{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}},
		},
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(configPath), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(configPath+".new", content, 0o644); err != nil {
		return err
	}
	log.Print("configuration for ", strings.Join(podRanges, ", "))
	return os.Rename(configPath+".new", configPath)
}

// masquerade replaces the node's table of that purpose.
func masquerade(podSubnets []string) error {
	var rules strings.Builder
	for _, subnet := range podSubnets {
		family := "ip"
		if isIPv6(subnet) {
			family = "ip6"
		}
		fmt.Fprintf(&rules, "    %s saddr %s %s daddr != %s masquerade\n", family, subnet, family, subnet)
	}
	table := "table inet nodenet\ndelete table inet nodenet\ntable inet nodenet {\n" +
		"  chain postrouting {\n    type nat hook postrouting priority 110;\n" + rules.String() + "  }\n}\n"
	return onHost(table, "/usr/sbin/nft", "-f", "-")
}

// onHost runs a program of the node. Its path is absolute, for it is looked up before the chroot.
func onHost(input string, argv ...string) error {
	command := exec.Command(argv[0], argv[1:]...)
	command.SysProcAttr = &syscall.SysProcAttr{Chroot: hostRoot}
	command.Dir = "/"
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	command.Stdin = strings.NewReader(input)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, output)
	}
	return nil
}

type client struct {
	http http.Client
	url  string
}

// newClient talks to the API server by its own address: its Service needs kube-proxy, which may be late.
func newClient() (*client, error) {
	endpoint := os.Getenv("CONTROL_PLANE_ENDPOINT")
	if endpoint == "" {
		endpoint = os.Getenv("KUBERNETES_SERVICE_HOST") + ":" + os.Getenv("KUBERNETES_SERVICE_PORT")
	}
	authority, err := os.ReadFile(serviceAccount + "ca.crt")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, errors.New("no certificate in " + serviceAccount + "ca.crt")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	return &client{
		http: http.Client{Timeout: 5 * time.Second, Transport: transport},
		url:  "https://" + endpoint + "/api/v1/nodes",
	}, nil
}

func (c *client) nodes() ([]node, error) {
	token, err := os.ReadFile(serviceAccount + "token")
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequest(http.MethodGet, c.url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	var list struct{ Items []node }
	return list.Items, json.Unmarshal(body, &list)
}
