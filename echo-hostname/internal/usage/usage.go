// Package usage is how the subcommands read their flags and complain about them.
package usage

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ExitCode is the exit code of a wrong command line.
const ExitCode = 2

// NewFlags makes a flag set that returns its errors instead of printing them.
func NewFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// Parse reads the arguments; anything left over is an error.
func Parse(flags *flag.FlagSet, arguments []string) error {
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return nil
}

// Exit says what was wrong and which flags there are, and ends the program:
// with 0 if help was asked for, with ExitCode otherwise.
func Exit(flags *flag.FlagSet, err error) {
	code, output := ExitCode, os.Stderr
	if errors.Is(err, flag.ErrHelp) {
		code, output = 0, os.Stdout
	} else {
		fmt.Fprintf(output, "echo-hostname %s: %v\n\n", flags.Name(), err)
	}
	fmt.Fprintf(output, "usage: echo-hostname %s [flags]\n", flags.Name())
	flags.SetOutput(output)
	flags.PrintDefaults()
	os.Exit(code)
}

// OneOf is a flag with a fixed set of values.
type OneOf struct {
	Value string
	Valid []string
}

func (o *OneOf) String() string { return o.Value }

// Set takes a valid value; the error for any other lists the valid ones.
func (o *OneOf) Set(value string) error {
	if !slices.Contains(o.Valid, value) {
		return fmt.Errorf("valid values: %s", strings.Join(o.Valid, ", "))
	}
	o.Value = value
	return nil
}

const maxSeconds = 1_000_000

// Seconds is a duration given as a number of seconds ("1.5") or as Go writes
// durations ("1500ms").
type Seconds time.Duration

func (s *Seconds) String() string { return time.Duration(*s).String() }

// Set takes a duration that is not negative.
func (s *Seconds) Set(value string) error {
	duration, err := time.ParseDuration(value)
	if number, numberErr := strconv.ParseFloat(value, 64); numberErr == nil && number >= 0 && number <= maxSeconds {
		duration, err = time.Duration(number*float64(time.Second)), nil
	}
	if err != nil || duration < 0 || duration > maxSeconds*time.Second {
		return fmt.Errorf(`not a time: give seconds ("1.5") or a unit ("1500ms"), at most %d s`, maxSeconds)
	}
	*s = Seconds(duration)
	return nil
}

// List is a flag of values separated by commas, which may be given repeatedly.
type List []string

func (l *List) String() string { return strings.Join(*l, ",") }

// Set appends the values.
func (l *List) Set(value string) error {
	for part := range strings.SplitSeq(value, ",") {
		if part == "" {
			return errors.New("empty value in the list")
		}
		*l = append(*l, part)
	}
	return nil
}
