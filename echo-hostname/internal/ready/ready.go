// Package ready switches the readiness of an app that runs beside it: images of
// echo-hostname have no shell and no curl to do it with.
package ready

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"svcproof.dev/echo-hostname/internal/usage"
)

const patience = 5 * time.Second

// Main runs the subcommand: ready true|false [--port PORT].
func Main(arguments []string) int {
	flags := usage.NewFlags("ready true|false")
	port := flags.Uint("port", 80, "`PORT` where serve listens for HTTP")
	value := false
	err := errors.New("say whether: true or false")
	if len(arguments) > 0 && !strings.HasPrefix(arguments[0], "-") {
		value, err = strconv.ParseBool(arguments[0])
		arguments = arguments[1:]
	}
	if flagsErr := usage.Parse(flags, arguments); flagsErr != nil {
		err = flagsErr
	}
	if err == nil && (*port == 0 || *port > 65535) {
		err = fmt.Errorf("--port %d: give 1 to 65535", *port)
	}
	if err != nil {
		usage.Exit(flags, err)
	}
	if err := Switch(uint16(*port), value); err != nil {
		fmt.Fprintf(os.Stderr, "echo-hostname ready: %v\n", err)
		return 1
	}
	return 0
}

// Switch asks the app on this port of loopback, of whichever family.
func Switch(port uint16, value bool) (err error) {
	for _, loopback := range []string{"127.0.0.1", "::1"} {
		var connection net.Conn
		address := net.JoinHostPort(loopback, strconv.Itoa(int(port)))
		if connection, err = net.DialTimeout("tcp", address, patience); err == nil {
			defer connection.Close()
			return ask(connection, value)
		}
	}
	return err
}

func ask(connection net.Conn, value bool) error {
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(connection, "POST /ready?value=%t HTTP/1.0\r\n\r\n", value); err != nil {
		return err
	}
	status, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return err
	}
	if fields := strings.Fields(status); len(fields) < 2 || fields[1] != "200" {
		return fmt.Errorf("the app answered %q", strings.TrimSpace(status))
	}
	return nil
}
