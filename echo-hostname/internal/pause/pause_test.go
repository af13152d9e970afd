package pause

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// helperVariable makes this test binary be a pausing process instead.
const helperVariable = "PAUSE_TEST_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperVariable) == "" {
		os.Exit(m.Run())
	}
	// As PID 1 would, inherit the orphans of our descendants.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	// Three shells that each leave an orphan behind: it ends when its pipe, our
	// standard input, is closed. Their process IDs go to standard output.
	for range 3 {
		child, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", `cat <&3 >/dev/null & echo $!`},
			&syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2, 0}})
		if err != nil {
			panic(err)
		}
		fmt.Println(child)
	}
	_ = syscall.Close(0)
	Wait()
	fmt.Println("ended")
	os.Exit(0)
}

func TestOrphansAreReapedUntilTheEnd(t *testing.T) {
	for _, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(end.String(), func(t *testing.T) { reapUntil(t, end) })
	}
}

func reapUntil(t *testing.T, end syscall.Signal) {
	t.Helper()
	pause := exec.Command(os.Args[0])
	pause.Env = append(os.Environ(), helperVariable+"=1")
	orphansLive, err := pause.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := pause.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := pause.Start(); err != nil {
		t.Fatal(err)
	}
	defer pause.Process.Kill()
	lines := bufio.NewScanner(output)
	var pids []string
	for len(pids) < 6 && lines.Scan() {
		pids = append(pids, lines.Text())
	}
	orphansLive.Close()
	for _, pid := range pids {
		awaitGone(t, pid)
	}
	if err := pause.Process.Signal(end); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() || lines.Text() != "ended" {
		t.Errorf("got %q", lines.Text())
	}
	if err := pause.Wait(); err != nil {
		t.Error(err)
	}
}

// awaitGone waits until a process is not even a zombie any more.
func awaitGone(t *testing.T, pid string) {
	t.Helper()
	state := ""
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		text, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			return
		}
		state = string(text[strings.LastIndexByte(string(text), ')')+1:])
	}
	t.Errorf("process %s is still there: %s", pid, state)
}
