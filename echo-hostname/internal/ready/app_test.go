package ready

import (
	"bufio"
	"net"
	"net/http"
	"strconv"
	"testing"
)

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return strconv.Itoa(response.StatusCode)
}

// stranger says the same to everybody.
func stranger(t *testing.T, reply string) uint16 {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = bufio.NewReader(connection).ReadString('\n')
			_, _ = connection.Write([]byte(reply))
			connection.Close()
		}
	}()
	return uint16(listener.Addr().(*net.TCPAddr).Port)
}
