package probe

import (
	"encoding/json"
	"slices"
	"strconv"
)

// health is what kube-proxy says beside the status (pkg/proxy/healthcheck). Its
// versions differ in what they say, so anything may be absent.
type health struct {
	Service struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"service"`
	LocalEndpoints      *int  `json:"localEndpoints"`
	ServiceProxyHealthy *bool `json:"serviceProxyHealthy"`
}

// readHealthz turns a health check's response into words, sorted.
func readHealthz(reply httpReply) []string {
	words := []string{"status " + strconv.Itoa(reply.status)}
	var said health
	if json.Unmarshal(reply.body, &said) != nil {
		return words // somebody else's, or of another form: the status stands
	}
	if said.LocalEndpoints != nil {
		words = append(words, "localEndpoints "+strconv.Itoa(*said.LocalEndpoints))
	}
	if said.ServiceProxyHealthy != nil {
		words = append(words, "serviceProxyHealthy "+strconv.FormatBool(*said.ServiceProxyHealthy))
	}
	if s := said.Service; s.Namespace != "" && s.Name != "" {
		words = append(words, "service "+s.Namespace+"/"+s.Name)
	}
	slices.Sort(words)
	return words
}
