package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// asProgram makes this test binary be the program itself.
const asProgram = "ECHO_HOSTNAME_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func program(arguments ...string) *exec.Cmd {
	command := exec.Command(os.Args[0], arguments...)
	command.Env = append(os.Environ(), asProgram+"=1", "SVCPROOF_POD=web-1")
	return command
}

// ended runs the program to its end.
func ended(t *testing.T, arguments ...string) (code int, output, errors string) {
	t.Helper()
	var out, err bytes.Buffer
	command := program(arguments...)
	command.Stdout, command.Stderr = &out, &err
	return exitCode(t, command.Run()), out.String(), err.String()
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	default:
		t.Fatal(err)
		return -1
	}
}

func TestCommandLines(t *testing.T) {
	for line, want := range map[string]struct {
		code           int
		output, errors string
	}{
		"--version":                         {0, "echo-hostname 1\n", ""},
		"--help":                            {0, "commands:", ""},
		"probe --help":                      {0, "-source-ports", ""},
		"serve -h":                          {0, "-linger", ""},
		"":                                  {2, "", "no command"},
		"server":                            {2, "", "valid: serve, probe, agent, ready, look, pause"},
		"pause 1":                           {2, "", "no arguments"},
		"agent 1":                           {2, "", "no arguments"},
		"ready":                             {2, "", "true or false"},
		"ready maybe":                       {2, "", "maybe"},
		"ready true --port 0":               {2, "", "--port 0"},
		"ready --help":                      {0, "-port", ""},
		"look at":                           {2, "", "unexpected argument"},
		"probe --host a --port 80 --rate x": {2, "", "-rate"},
		"probe --host a --dialect x":        {2, "", "valid values: echo, agnhost, notes"},
		"serve --port 80":                   {2, "", "not defined: -port"},
		"serve --http 192.0.2.77:80":        {1, "", "cannot listen on tcp 192.0.2.77:80"},
		"probe --host a --port 80 --resolv-conf /nonexistent": {1, "", "/nonexistent"},
	} {
		code, output, errors := ended(t, strings.Fields(line)...)
		if code != want.code || !strings.Contains(output, want.output) || !strings.Contains(errors, want.errors) {
			t.Errorf("%q: exit code %d\n%s\n%s", line, code, output, errors)
		}
		if (want.errors == "") != (errors == "") || (want.output == "") != (output == "") {
			t.Errorf("%q: on the wrong stream:\n%s\n%s", line, output, errors)
		}
	}
}

// server starts serve and returns its address once it listens.
func server(t *testing.T, flags ...string) (*exec.Cmd, string) {
	t.Helper()
	command := program(append([]string{"serve", "--http", "127.0.0.1:0"}, flags...)...)
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var listening struct{ Address string }
	if err := json.Unmarshal(line, &listening); err != nil {
		t.Fatal(err)
	}
	return command, listening.Address
}

func TestServeAndProbeAsProcesses(t *testing.T) {
	serving, address := server(t)
	host, port, _ := net.SplitHostPort(address)
	code, output, errors := ended(t, "probe", "--host", host, "--port", port, "--count", "20", "--concurrency", "4")
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if code != 0 || errors != "" || len(lines) != 21 || lines[20] != `{"type":"end","attempts":20}` {
		t.Errorf("exit code %d\n%s\n%s", code, output, errors)
	}
	for _, line := range lines[:20] {
		if !strings.Contains(line, `"outcome":"answered"`) || !strings.Contains(line, `"pod":"web-1"`) {
			t.Error(line)
		}
	}
	if err := serving.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(t, serving.Wait()); code != 0 {
		t.Errorf("serve: exit code %d", code)
	}
}

func TestServeLingersAfterSIGTERMButNotAfterSIGINT(t *testing.T) {
	serving, address := server(t, "--linger", "3600")
	if err := serving.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(address)
	if code, output, _ := ended(t, "probe", "--host", host, "--port", port); code != 0 || !strings.Contains(output, `"answered"`) {
		t.Errorf("exit code %d: %s", code, output)
	}
	if err := serving.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(t, serving.Wait()); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestASignalledProbeReportsEveryAttempt(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		silent, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		_, port, _ := net.SplitHostPort(silent.Addr().String())
		command := program("probe", "--host", "127.0.0.1", "--port", port, "--count", "500", "--attempt-timeout", "3600")
		var out bytes.Buffer
		command.Stdout = &out
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := silent.Accept(); err != nil { // now it is under way
			t.Fatal(err)
		}
		if err := command.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if code := exitCode(t, command.Wait()); code != 1 {
			t.Errorf("%v: exit code %d", signal, code)
		}
		if got := strings.Count(out.String(), `"outcome":"unknown"`); got != 500 || !strings.HasSuffix(out.String(), fmt.Sprintf("{\"type\":\"end\",\"attempts\":%d}\n", got)) {
			t.Errorf("%v: %d attempts\n%.300s", signal, got, &out)
		}
	}
}

func TestAProbeWhoseReaderIsGoneEnds(t *testing.T) {
	// kubectl exec was cut: the prober must not go on in the Pod for ever.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, port, _ := net.SplitHostPort(silent.Addr().String())
	command := program("probe", "--host", "127.0.0.1", "--port", port, "--count", "100000000", "--attempt-timeout", "0.01", "--concurrency", "100")
	reading, writing, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	command.Stdout = writing
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	writing.Close()
	reading.Close()
	if err := command.Wait(); err == nil {
		t.Error("it went on to the end")
	}
}
