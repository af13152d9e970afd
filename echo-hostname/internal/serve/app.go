package serve

import (
	"html"
	"net/netip"
	"strconv"
	"time"

	"svcproof.dev/echo-hostname/internal/identity"
)

// maxLarge bounds GET /large: far above every MTU, window and buffer that it is
// meant to exercise.
const maxLarge = 16 << 20

// app is what the server answers, apart from how it is sent.
type app struct {
	json      identity.JSON
	page      []byte
	pod       []byte
	readyFrom time.Time
	unready   bool // as switched by POST /ready
	ending    bool // SIGTERM was received
}

func newApp(id identity.Identity, readyFrom time.Time) *app {
	return &app{
		json:      identity.NewJSON(id),
		page:      page(id.Pod),
		pod:       []byte(id.Pod),
		readyFrom: readyFrom,
	}
}

// page is the study notes' page. Their command is `curl … | grep Hello`, so the
// line with the name is what must stay as it is, spaces included.
func page(pod string) []byte {
	return []byte(`<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>echo-hostname</title>
  </head>
  <body>
    <p>Hello, ` + html.EscapeString(pod) + `</p>
  </body>
</html>
`)
}

// notReady is why a readiness probe must fail, "" if it must not.
func (a *app) notReady(now time.Time) string {
	switch {
	case a.ending:
		return "ending: SIGTERM was received"
	case a.unready:
		return "switched off by POST /ready?value=false"
	case now.Before(a.readyFrom):
		return "still starting: --ready-after"
	default:
		return ""
	}
}

// response is a status, a type and a body; filler is how many spaces follow in it,
// which are never held in memory as a whole.
type response struct {
	status      int
	contentType string
	body        []byte
	filler      int64
	allow       string
}

const (
	plain = "text/plain; charset=utf-8"
	htmlT = "text/html; charset=utf-8"
	jsonT = "application/json"
)

// respond answers a request; scratch is room for a body made for it.
func (a *app) respond(req *request, client netip.AddrPort, scratch []byte) response {
	path := string(req.path)
	if path == "/ready" {
		return a.switchReady(req)
	}
	if m := string(req.method); m != "GET" && m != "HEAD" {
		return response{status: 405, contentType: plain, body: []byte("only GET and HEAD here\n"), allow: "GET, HEAD"}
	}
	switch path {
	case "/json":
		body := a.json.Append(scratch, client)
		return response{status: 200, contentType: jsonT, body: body, filler: max(0, req.body-int64(len(body)))}
	case "/", "/index.html":
		return response{status: 200, contentType: htmlT, body: a.page}
	case "/hostname": // agnhost netexec's dialect: no newline
		return response{status: 200, contentType: plain, body: a.pod}
	case "/clientip":
		return response{status: 200, contentType: plain, body: client.AppendTo(scratch)}
	case "/healthz":
		return response{status: 200, contentType: plain, body: []byte("ok\n")}
	case "/readyz":
		return a.readyz()
	case "/large":
		return large(req)
	default:
		return response{status: 404, contentType: plain, body: []byte("not found; there are / /json /hostname /clientip /healthz /readyz /ready /large\n")}
	}
}

func (a *app) readyz() response {
	if reason := a.notReady(time.Now()); reason != "" {
		return response{status: 503, contentType: plain, body: []byte("not ready: " + reason + "\n")}
	}
	return response{status: 200, contentType: plain, body: []byte("ok\n")}
}

func (a *app) switchReady(req *request) response {
	if string(req.method) != "POST" {
		return response{status: 405, contentType: plain, body: []byte("POST /ready?value=true or ?value=false; GET /readyz tells\n"), allow: "POST"}
	}
	value, err := strconv.ParseBool(req.parameter("value"))
	if err != nil {
		return response{status: 400, contentType: plain, body: []byte("value must be true or false\n")}
	}
	a.unready = !value
	return response{status: 200, contentType: plain, body: []byte("ready: " + strconv.FormatBool(value) + "\n")}
}

func large(req *request) response {
	size, err := strconv.ParseInt(req.parameter("bytes"), 10, 64)
	if err != nil || size < 0 || size > maxLarge {
		return response{status: 400, contentType: plain, body: []byte("bytes must be 0 to " + strconv.Itoa(maxLarge) + "\n")}
	}
	return response{status: 200, contentType: "application/octet-stream", filler: size}
}
