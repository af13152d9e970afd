package usage

import (
	"strings"
	"testing"
	"time"
)

func TestOneOfListsTheValidValues(t *testing.T) {
	o := OneOf{Value: "tcp", Valid: []string{"tcp", "udp"}}
	if err := o.Set("sctp"); err == nil || err.Error() != "valid values: tcp, udp" || o.Value != "tcp" {
		t.Errorf("%v, %s", err, o.Value)
	}
	if err := o.Set("udp"); err != nil || o.String() != "udp" {
		t.Errorf("%v, %s", err, &o)
	}
}

func TestSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "2": 2 * time.Second, "1.5": 1500 * time.Millisecond, "1500ms": 1500 * time.Millisecond, "4.0": 4 * time.Second,
	} {
		var s Seconds
		if err := s.Set(text); err != nil || time.Duration(s) != want {
			t.Errorf("%s: %v, %v", text, s.String(), err)
		}
	}
	for _, text := range []string{"", "x", "-1", "-1s", "NaN", "1 s", "Inf", "1e300"} {
		var s Seconds
		if err := s.Set(text); err == nil {
			t.Errorf("%q was taken as %v", text, s.String())
		}
	}
}

func TestList(t *testing.T) {
	var l List
	for _, text := range []string{":80,:8080", ":90"} {
		if err := l.Set(text); err != nil {
			t.Fatal(err)
		}
	}
	if l.String() != ":80,:8080,:90" {
		t.Error(l.String())
	}
	if l.Set("a,,b") == nil {
		t.Error("an empty value was taken")
	}
}

func TestParseRefusesWhatIsLeftOver(t *testing.T) {
	flags := NewFlags("x")
	if err := Parse(flags, []string{"extra"}); err == nil || !strings.Contains(err.Error(), "extra") {
		t.Error(err)
	}
}
