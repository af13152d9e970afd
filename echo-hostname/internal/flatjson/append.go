// Package flatjson writes and reads JSON objects that hold only strings and
// numbers, without allocating: one is written and read for each connection.
package flatjson

import "unicode/utf8"

const hex = "0123456789abcdef"

// AppendString appends text as a JSON string. What is not UTF-8 becomes U+FFFD.
func AppendString(to []byte, text string) []byte {
	to = append(to, '"')
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			to = appendASCII(to, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		to = utf8.AppendRune(to, r)
		i += size
	}
	return append(to, '"')
}

func appendASCII(to []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(to, '\\', c)
	case c < ' ' || c == 0x7f:
		return append(to, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	default:
		return append(to, c)
	}
}
