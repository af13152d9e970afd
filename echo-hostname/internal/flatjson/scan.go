package flatjson

import "unicode/utf8"

// Field is one member of an object: its key, and its value as it stands in the
// input. A string's value is without its quotes but still escaped, so that it
// can be put between quotes elsewhere unchanged.
type Field struct {
	Key      []byte
	Value    []byte
	IsString bool
}

// Scan calls visit for each member of a flat object and reports whether the
// whole input was one: other than strings and plain numbers as values, a
// nested value, anything after the object, and text that is not UTF-8 make it
// false. Members visited before the flaw was met have then been visited.
func Scan(input []byte, visit func(Field)) bool {
	s := scanner{rest: input}
	if !s.take('{') {
		return false
	}
	if s.take('}') {
		return s.atEnd()
	}
	for {
		key, ok := s.quoted()
		if !ok || !s.take(':') {
			return false
		}
		field := Field{Key: key}
		if field.Value, field.IsString, ok = s.value(); !ok {
			return false
		}
		visit(field)
		if s.take(',') {
			continue
		}
		return s.take('}') && s.atEnd()
	}
}

type scanner struct{ rest []byte }

func (s *scanner) skipSpace() {
	for len(s.rest) > 0 {
		switch s.rest[0] {
		case ' ', '\t', '\r', '\n':
			s.rest = s.rest[1:]
		default:
			return
		}
	}
}

func (s *scanner) take(c byte) bool {
	s.skipSpace()
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) atEnd() bool {
	s.skipSpace()
	return len(s.rest) == 0
}

func (s *scanner) value() (value []byte, isString, ok bool) {
	s.skipSpace()
	if len(s.rest) > 0 && s.rest[0] == '"' {
		value, ok = s.quoted()
		return value, true, ok
	}
	n := 0
	for n < len(s.rest) && s.rest[n] >= '0' && s.rest[n] <= '9' {
		n++
	}
	value, s.rest = s.rest[:n], s.rest[n:]
	return value, false, n > 0
}

// quoted reads a string and returns what is between its quotes.
func (s *scanner) quoted() ([]byte, bool) {
	if !s.take('"') {
		return nil, false
	}
	for i := 0; i < len(s.rest); {
		switch c := s.rest[i]; {
		case c == '"':
			text := s.rest[:i]
			s.rest = s.rest[i+1:]
			return text, true
		case c < ' ':
			return nil, false
		case c == '\\':
			n := escapeLength(s.rest[i:])
			if n == 0 {
				return nil, false
			}
			i += n
		case c < utf8.RuneSelf:
			i++
		default:
			r, size := utf8.DecodeRune(s.rest[i:])
			if r == utf8.RuneError && size == 1 {
				return nil, false
			}
			i += size
		}
	}
	return nil, false
}

// escapeLength is the length of the escape that text begins with, 0 if it is
// none. A lone surrogate (\ud800) is refused: strict readers of the line that
// it would be copied to refuse it, too.
func escapeLength(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		unit, ok := codeUnit(text)
		switch {
		case !ok || unit >= 0xdc00 && unit < 0xe000:
			return 0
		case unit < 0xd800 || unit >= 0xe000:
			return 6
		}
		if low, ok := codeUnit(text[6:]); ok && low >= 0xdc00 && low < 0xe000 {
			return 12
		}
	}
	return 0
}

// codeUnit reads \uXXXX.
func codeUnit(text []byte) (unit rune, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	for _, c := range text[2:6] {
		switch {
		case c >= '0' && c <= '9':
			unit = unit<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			unit = unit<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			unit = unit<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return unit, true
}
