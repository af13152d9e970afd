package flatjson

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/quick"
	"unicode/utf8"
)

func TestAppendStringIsWhatEncodingJSONReads(t *testing.T) {
	check := func(text string) bool {
		var back string
		if err := json.Unmarshal(AppendString(nil, text), &back); err != nil {
			return false
		}
		return back == text || !utf8.ValidString(text)
	}
	for _, text := range []string{"", "web-1", `"\`, "\x00\n\x1f\x7f", "pod-é-日本", "bad \xff utf-8", "\u2028"} {
		if !check(text) {
			t.Errorf("%q became %s", text, AppendString(nil, text))
		}
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

func TestScanAcceptsFlatObjects(t *testing.T) {
	tests := map[string]string{
		`{}`:                          ``,
		` { } `:                       ``,
		`{"a":"b"}`:                   `a="b" `,
		`{"a":"b","n":17}`:            `a="b" n=17 `,
		"{\r\n\t\"a\" : \"b\" }\n":    `a="b" `,
		`{"a":"x\"\\\/\b\f\n\r\t"}`:   `a="x\"\\\/\b\f\n\r\t" `,
		`{"a":"\u00e9\ud83d\ude00é"}`: `a="\u00e9\ud83d\ude00é" `,
	}
	for input, want := range tests {
		got := ""
		ok := Scan([]byte(input), func(f Field) {
			if f.IsString {
				got += fmt.Sprintf(`%s="%s" `, f.Key, f.Value)
			} else {
				got += fmt.Sprintf("%s=%s ", f.Key, f.Value)
			}
		})
		if !ok || got != want {
			t.Errorf("%s: %v, %s; want %s", input, ok, got, want)
		}
	}
}

func TestScanRefusesTheRest(t *testing.T) {
	for _, input := range []string{
		``, `x`, `[]`, `"a"`, `{`, `{"a"`, `{"a"}`, `{"a":`, `{"a":}`, `{"a":"b"`, `{"a":"b",}`, `{,}`,
		`{"a":{"b":1}}`, `{"a":[1]}`, `{"a":true}`, `{"a":-1}`, `{"a":1.5}`, `{"a":"b"} x`, `{"a":"b"}{}`,
		"{\"a\":\"line\nbreak\"}", "{\"a\":\"\xff\"}", `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\u00zz"}`,
		`{"a":"\ud800"}`, `{"a":"\udc00"}`, `{"a":"\ud800\u0041"}`, `{"a":"\`, `{a:"b"}`,
	} {
		if Scan([]byte(input), func(Field) {}) {
			t.Errorf("accepted %q", input)
		}
	}
}

// FuzzScan: what Scan accepts, encoding/json accepts, too; its values can be
// put between quotes elsewhere.
func FuzzScan(f *testing.F) {
	f.Add([]byte(`{"pod":"web-1","client_port":80}`))
	f.Add([]byte(`{"a":"\ud83d\ude00"}`))
	f.Fuzz(func(t *testing.T, input []byte) {
		var fields []Field
		if !Scan(input, func(field Field) { fields = append(fields, field) }) {
			return
		}
		var any map[string]any
		if err := json.Unmarshal(input, &any); err != nil && !leadingZero(fields) {
			t.Fatalf("encoding/json refuses %q: %v", input, err)
		}
		for _, field := range fields {
			if field.IsString && !json.Valid([]byte(`"`+string(field.Value)+`"`)) {
				t.Errorf("not a string: %q", field.Value)
			}
		}
	})
}

// leadingZero is where Scan is laxer: 007 is no JSON number.
func leadingZero(fields []Field) bool {
	for _, field := range fields {
		if !field.IsString && len(field.Value) > 1 && field.Value[0] == '0' {
			return true
		}
	}
	return false
}
