package look

import (
	"io"
	"net"
	"testing"
)

func TestProxyMode(t *testing.T) {
	for reply, want := range map[string]string{
		"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nnftables\n": "nftables",
		"HTTP/1.0 404 Not Found\r\n\r\nnone":                            "",
		"SSH-2.0-x\r\n":                                                 "",
		"":                                                              "",
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		asked := make(chan string, 1)
		go func() {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			defer connection.Close()
			request := make([]byte, 100)
			n, _ := connection.Read(request)
			asked <- string(request[:n])
			io.WriteString(connection, reply)
		}()
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		if got := proxyMode(port); got != want {
			t.Errorf("%q: got %q, want %q", reply, got, want)
		}
		if request := <-asked; request != "GET /proxyMode HTTP/1.0\r\n\r\n" {
			t.Errorf("asked %q", request)
		}
		listener.Close()
	}
}

func TestNobody(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	if got := proxyMode(port); got != "" {
		t.Errorf("got %q", got)
	}
}
