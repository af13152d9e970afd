package agent

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// limit is for what must happen; it is only waited for when a test fails.
const limit = 30 * time.Second

// conversation is an agent, its input, and its output line by line.
type conversation struct {
	t      *testing.T
	orders *io.PipeWriter
	lines  chan string
	ended  chan error
}

func start(t *testing.T) *conversation {
	t.Helper()
	input, orders := io.Pipe()
	output, to := io.Pipe()
	c := &conversation{t, orders, make(chan string, 10_000), make(chan error, 1)}
	go func() {
		c.ended <- Serve(input, to)
		input.Close()
	}()
	go func() {
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			c.lines <- lines.Text()
		}
	}()
	t.Cleanup(func() { orders.Close() })
	return c
}

func (c *conversation) say(format string, arguments ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.orders, format+"\n", arguments...); err != nil {
		c.t.Fatal(err)
	}
}

// hear waits for one line.
func (c *conversation) hear() string {
	c.t.Helper()
	select {
	case line := <-c.lines:
		return line
	case <-time.After(limit):
		c.t.Fatal("no line")
		return ""
	}
}

func (c *conversation) end() error {
	c.t.Helper()
	c.orders.Close()
	select {
	case err := <-c.ended:
		return err
	case <-time.After(limit):
		c.t.Fatal("it does not end")
		return nil
	}
}

// closedPort is refused on loopback.
func closedPort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func TestSeveralProbesAtOnceEachWithItsLines(t *testing.T) {
	c, port := start(t), closedPort(t)
	for id := range 3 {
		c.say(`{"id":%d,"arguments":["--host=127.0.0.1","--port=%d","--count=%d"]}`, id+1, port, id+1)
	}
	heard := map[string]int{}
	for range 1 + 2 + 3 + 3 {
		id, line, _ := strings.Cut(c.hear(), " ")
		switch {
		case strings.Contains(line, `"outcome":"refused"`):
			heard[id]++
		case line != fmt.Sprintf(`{"type":"end","attempts":%s}`, id):
			t.Errorf("%s: %s", id, line)
		case fmt.Sprint(heard[id]) != id:
			t.Errorf("%s ended after %d attempts", id, heard[id])
		}
	}
	if err := c.end(); err != nil {
		t.Error(err)
	}
}

func TestALineComesWhenItsAttemptHasEnded(t *testing.T) {
	c := start(t)
	c.say(`{"id":7,"arguments":["--host=127.0.0.1","--port=%d","--count=1000000","--rate=20"]}`, closedPort(t))
	for range 3 { // the whole would take half a day
		if line := c.hear(); !strings.HasPrefix(line, `7 {"at_ns":`) {
			t.Error(line)
		}
	}
}

func TestAFinishedProbeTellsHowManyItMade(t *testing.T) {
	c := start(t)
	c.say(`{"id":1,"arguments":["--host=127.0.0.1","--port=%d","--count=1000000","--rate=50"]}`, closedPort(t))
	c.hear()
	c.say(`{"id":1,"finish":true}`)
	for made := 1; ; made++ {
		line := c.hear()
		if made > 100 {
			t.Fatal("it goes on")
		}
		if strings.HasPrefix(line, `1 {"type"`) {
			if line != fmt.Sprintf(`1 {"type":"end","attempts":%d}`, made) {
				t.Error(line, made)
			}
			return
		}
	}
}

func TestAStoppedProbeSaysNothingMore(t *testing.T) {
	c, port := start(t), closedPort(t)
	c.say(`{"id":1,"arguments":["--host=127.0.0.1","--port=%d","--count=1000000","--rate=50"]}`, port)
	c.hear()
	c.say(`{"id":1,"stop":true}`)
	c.say(`{"id":1,"stop":true}`) // again, and of one that never was: no error
	c.say(`{"id":99,"stop":true}`)
	c.say(`{"id":2,"arguments":["--host=127.0.0.1","--port=%d","--count=5","--rate=50"]}`, port)
	for before := 0; ; before++ {
		line := c.hear()
		if strings.HasPrefix(line, "2 ") {
			break
		}
		if before > 100 {
			t.Fatal("it goes on")
		}
	}
	for range 5 {
		if line := c.hear(); !strings.HasPrefix(line, "2 ") {
			t.Error(line)
		}
	}
}

func TestWhatCannotBeProbedIsSaid(t *testing.T) {
	c, id := start(t), 0
	for arguments, want := range map[string]string{
		`"--port=80"`: "--host is missing",
		`"--host=127.0.0.1","--port=80","--dialect=x"`:                      "valid values: echo",
		`"--host=name","--port=80","--resolv-conf=/nonexistent"`:            "/nonexistent",
		`"--host=127.0.0.1","--port=80","--count=2","left over"`:            "left over",
		`"--host=127.0.0.1","--port=80","--bind=192.0.2.1","--family=ipv6"`: "family ipv6",
	} {
		id++
		c.say(`{"id":%d,"arguments":[%s]}`, id, arguments)
		if line := c.hear(); !strings.HasPrefix(line, fmt.Sprintf(`%d {"type":"failed","detail":"`, id)) || !strings.Contains(line, want) {
			t.Errorf("%s: %s", arguments, line)
		}
	}
}

func TestAPingIsAnswered(t *testing.T) {
	c := start(t)
	c.say(`{"id":3,"ping":true}`)
	if line := c.hear(); line != `3 {"type":"pong"}` {
		t.Error(line)
	}
}

func TestOrdersWithoutSenseEndIt(t *testing.T) {
	for _, line := range []string{"hello", "{", `{"arguments":[]}`, `{"id":-1}`, `{"id":"1"}`, `{"id":1,"arguments":"--host=a"}`, ""} {
		if err := Serve(strings.NewReader(line+"\n"), io.Discard); err == nil {
			t.Errorf("%q is taken for an order", line)
		}
	}
}

func TestANumberIsNotForTwo(t *testing.T) {
	order := fmt.Sprintf(`{"id":1,"arguments":["--host=127.0.0.1","--port=%d","--count=100","--rate=1"]}`, closedPort(t))
	err := Serve(strings.NewReader(order+"\n"+order+"\n"), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "under way") {
		t.Error(err)
	}
}

// stuck is a reader that has gone without saying so.
type stuck struct {
	once    sync.Once
	reached chan struct{}
}

func (s *stuck) Write([]byte) (int, error) {
	s.once.Do(func() { close(s.reached) })
	select {}
}

func TestItEndsWithItsInputEvenIfNobodyReads(t *testing.T) {
	output := &stuck{reached: make(chan struct{})}
	input, orders := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Serve(input, output) }()
	fmt.Fprintf(orders, `{"id":1,"arguments":["--host=127.0.0.1","--port=%d"]}`+"\n", closedPort(t))
	<-output.reached
	orders.Close()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(limit):
		t.Fatal("it waits for its reader")
	}
}
