// Package rawjson reads and writes JSON as the bytes it is: it checks documents,
// finds members of objects, and spells strings. It decodes nothing that is only
// passed on, has no limit on nesting and does not recurse. Strings and what is
// false follow JavaScript.
package rawjson

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"
)

// SkipSpace returns p without its leading JSON white space.
func SkipSpace(p []byte) []byte {
	return p[space(p, 0):]
}

// SkipValue checks that p begins with one JSON value (RFC 8259), white space
// before it allowed, and returns the value and what follows it. Nesting has no
// limit. p must be valid UTF-8.
func SkipValue(p []byte) (value, rest []byte, ok bool) {
	start := space(p, 0)
	end := skipValue(p, start)
	if end < 0 {
		return nil, nil, false
	}
	return p[start:end], p[end:], true
}

// Valid reports whether p is one JSON value. p must be valid UTF-8.
func Valid(p []byte) bool {
	_, rest, ok := SkipValue(p)
	return ok && len(SkipSpace(rest)) == 0
}

// ScanObject checks that p begins with a JSON object and finds members of it in
// the same pass: values[i] becomes the raw value of the last member whose key
// is keys[i], or nil. A key that is spelled with escapes is that key. p must be
// valid UTF-8; there are at least as many values as keys.
func ScanObject(p []byte, keys []string, values [][]byte) (rest []byte, ok bool) {
	clear(values)
	i := space(p, 0)
	if i >= len(p) || p[i] != '{' {
		return nil, false
	}
	i = space(p, i+1)
	if i < len(p) && p[i] == '}' {
		return p[i+1:], true
	}
	for {
		start := i
		if i = skipString(p, i); i < 0 {
			return nil, false
		}
		key := p[start+1 : i-1]
		if i = space(p, i); i >= len(p) || p[i] != ':' {
			return nil, false
		}
		start = space(p, i+1)
		if i = skipValue(p, start); i < 0 {
			return nil, false
		}
		if k := indexKey(keys, key); k >= 0 {
			values[k] = p[start:i:i]
		}
		if i = space(p, i); i >= len(p) {
			return nil, false
		}
		switch p[i] {
		case ',':
			i = space(p, i+1)
		case '}':
			return p[i+1:], true
		default:
			return nil, false
		}
	}
}

// ValidTail reports whether rest is the end of a JSON array, from behind one of
// its elements on. rest must be valid UTF-8.
func ValidTail(rest []byte) bool {
	for {
		rest = SkipSpace(rest)
		if len(rest) == 0 {
			return false
		}
		if rest[0] == ']' {
			return len(SkipSpace(rest[1:])) == 0
		}
		if rest[0] != ',' {
			return false
		}
		var ok bool
		if _, rest, ok = SkipValue(rest[1:]); !ok {
			return false
		}
	}
}

// indexKey returns the index of a raw key, or -1. None of keys needs an escape.
func indexKey(keys []string, key []byte) int {
	for i, k := range keys {
		if string(key) == k {
			return i
		}
	}
	if bytes.IndexByte(key, '\\') < 0 {
		return -1
	}
	return slices.Index(keys, string(appendUnescaped(nil, key)))
}

// nesting remembers which containers are open, one bit each: the first ones in
// place, so that a usual message allocates nothing.
type nesting struct {
	depth int
	first [4]uint64
	more  []uint64
}

func (n *nesting) word(i int) *uint64 {
	if i < len(n.first) {
		return &n.first[i]
	}
	return &n.more[i-len(n.first)]
}

func (n *nesting) push(object bool) {
	i, bit := n.depth/64, uint64(1)<<(n.depth%64)
	if i == len(n.first)+len(n.more) {
		n.more = append(n.more, 0)
	}
	if w := n.word(i); object {
		*w |= bit
	} else {
		*w &^= bit
	}
	n.depth++
}

func (n *nesting) inObject() bool {
	top := n.depth - 1
	return *n.word(top / 64)>>(top%64)&1 != 0
}

// skipValue returns the end of the value that starts at p[i], or -1.
func skipValue(p []byte, i int) int {
	if i >= len(p) {
		return -1
	}
	if p[i] != '{' && p[i] != '[' {
		return skipScalar(p, i)
	}
	var open nesting
	for {
		// p[i] is where a value starts.
		if i >= len(p) {
			return -1
		}
		switch c := p[i]; c {
		case '{', '[':
			open.push(c == '{')
			i = space(p, i+1)
			if i >= len(p) {
				return -1
			}
			if c == '[' && p[i] != ']' {
				continue
			}
			if c == '{' && p[i] != '}' {
				if i = skipKey(p, i); i < 0 {
					return -1
				}
				continue
			}
		default:
			if i = skipScalar(p, i); i < 0 {
				return -1
			}
			i = space(p, i)
		}
		// p[i] is behind a value, or closes an empty container.
		for {
			if i >= len(p) {
				return -1
			}
			if p[i] == ',' {
				i = space(p, i+1)
				if open.inObject() {
					if i = skipKey(p, i); i < 0 {
						return -1
					}
				}
				break
			}
			if open.inObject() && p[i] != '}' || !open.inObject() && p[i] != ']' {
				return -1
			}
			i++
			if open.depth--; open.depth == 0 {
				return i
			}
			i = space(p, i)
		}
	}
}

// skipKey returns where the value of the member at p[i] starts, or -1.
func skipKey(p []byte, i int) int {
	if i = skipString(p, i); i < 0 {
		return -1
	}
	if i = space(p, i); i >= len(p) || p[i] != ':' {
		return -1
	}
	return space(p, i+1)
}

func skipScalar(p []byte, i int) int {
	switch p[i] {
	case '"':
		return skipString(p, i)
	case 't':
		return skipLiteral(p, i, "true")
	case 'f':
		return skipLiteral(p, i, "false")
	case 'n':
		return skipLiteral(p, i, "null")
	default:
		return skipNumber(p, i)
	}
}

func skipLiteral(p []byte, i int, literal string) int {
	end := i + len(literal)
	if end > len(p) || string(p[i:end]) != literal {
		return -1
	}
	return end
}

func skipNumber(p []byte, i int) int {
	if i < len(p) && p[i] == '-' {
		i++
	}
	switch {
	case i >= len(p):
		return -1
	case p[i] == '0':
		i++
	case p[i] >= '1' && p[i] <= '9':
		i = digits(p, i)
	default:
		return -1
	}
	if i < len(p) && p[i] == '.' {
		start := i + 1
		if i = digits(p, start); i == start {
			return -1
		}
	}
	if i < len(p) && (p[i] == 'e' || p[i] == 'E') {
		i++
		if i < len(p) && (p[i] == '+' || p[i] == '-') {
			i++
		}
		start := i
		if i = digits(p, start); i == start {
			return -1
		}
	}
	return i
}

func digits(p []byte, i int) int {
	for i < len(p) && p[i] >= '0' && p[i] <= '9' {
		i++
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// special marks, by their high bit, the bytes of eight that do not stand for
// themselves inside a string: control characters, quotes and backslashes. Marks
// above the lowest one may be wrong.
//
// Flipping the second bit puts the quote, 0x22, next to the control characters,
// which stay among themselves: one subtraction finds both.
func special(eight uint64) uint64 {
	control, backslash := (eight^0x02*ones)-0x21*ones, (eight^'\\'*ones)-ones
	return (control | backslash) &^ eight & highs
}

// skipString returns the end of the string that starts at p[i], or -1.
func skipString(p []byte, i int) int {
	if i >= len(p) || p[i] != '"' {
		return -1
	}
	i++
	for {
		i = skipPlain(p, i)
		if i+4 <= len(p) && binary.LittleEndian.Uint32(p[i:]) == crlf { // most escapes are, in what is relayed
			i += 4
			continue
		}
		if i >= len(p) {
			return -1
		}
		switch c := p[i]; {
		case c == '"':
			return i + 1
		case c < 0x20 || i+2 > len(p):
			return -1
		case c != '\\':
			i++
		case escapes[p[i+1]]:
			i += 2
		default:
			if _, ok := hex4(p, i+2); !ok || p[i+1] != 'u' {
				return -1
			}
			i += 6
		}
	}
}

// crlf is an escaped line end, \r\n, as a little-endian number.
const crlf = '\\' | 'r'<<8 | '\\'<<16 | 'n'<<24

// skipPlain returns where the first byte from p[i] on is that may not stand for
// itself, at the latest where fewer than eight are left.
func skipPlain(p []byte, i int) int {
	for i+32 <= len(p) {
		q := p[i : i+32 : i+32]
		if marks := special(binary.LittleEndian.Uint64(q)); marks != 0 {
			return i + bits.TrailingZeros64(marks)/8
		}
		if marks := special(binary.LittleEndian.Uint64(q[8:])); marks != 0 {
			return i + 8 + bits.TrailingZeros64(marks)/8
		}
		if marks := special(binary.LittleEndian.Uint64(q[16:])); marks != 0 {
			return i + 16 + bits.TrailingZeros64(marks)/8
		}
		if marks := special(binary.LittleEndian.Uint64(q[24:])); marks != 0 {
			return i + 24 + bits.TrailingZeros64(marks)/8
		}
		i += 32
	}
	for i+8 <= len(p) {
		if marks := special(binary.LittleEndian.Uint64(p[i:])); marks != 0 {
			return i + bits.TrailingZeros64(marks)/8
		}
		i += 8
	}
	return i
}

// escapes are the characters that may follow a backslash, but for u.
var escapes = [256]bool{'"': true, '\\': true, '/': true, 'b': true, 'f': true, 'n': true, 'r': true, 't': true}

func hex4(p []byte, i int) (r rune, ok bool) {
	if i+4 > len(p) {
		return 0, false
	}
	for _, c := range p[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func space(p []byte, i int) int {
	for i < len(p) && (p[i] == ' ' || p[i] == '\n' || p[i] == '\t' || p[i] == '\r') {
		i++
	}
	return i
}

// IsString reports whether the raw JSON value is a string.
func IsString(raw []byte) bool { return len(raw) > 0 && raw[0] == '"' }

// DecodeString returns the string that the raw JSON string stands for. What
// JavaScript strings can hold and UTF-8 cannot, lone surrogates, it encodes as
// if they were runes (WTF-8), so that different strings stay different.
func DecodeString(raw []byte) string {
	return string(Decode(raw))
}

// Decode is DecodeString without a copy where there are no escapes: the result
// may be a part of raw.
func Decode(raw []byte) []byte {
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	return appendUnescaped(make([]byte, 0, len(inner)), inner)
}

// appendUnescaped appends the inside of a valid JSON string with its escapes resolved.
func appendUnescaped(dst, inner []byte) []byte {
	for i := 0; i < len(inner); {
		c := inner[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		switch c = inner[i+1]; c {
		case 'u':
			r, _ := hex4(inner, i+2)
			i += 6
			if isHigh(r) && i+1 < len(inner) && inner[i] == '\\' && inner[i+1] == 'u' {
				if low, _ := hex4(inner, i+2); isLow(low) {
					r = (r-0xd800)<<10 | (low - 0xdc00) + 0x10000
					i += 6
				}
			}
			dst = appendRune(dst, r)
			continue
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		}
		dst = append(dst, c)
		i += 2
	}
	return dst
}

func isHigh(r rune) bool { return r >= 0xd800 && r < 0xdc00 }
func isLow(r rune) bool  { return r >= 0xdc00 && r < 0xe000 }

// appendRune is utf8.AppendRune that takes surrogates as they are.
func appendRune(dst []byte, r rune) []byte {
	if isHigh(r) || isLow(r) {
		return append(dst, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
	}
	return utf8.AppendRune(dst, r)
}

// surrogate returns the lone surrogate that s begins with.
func surrogate[T string | []byte](s T) (r rune, ok bool) {
	if len(s) < 3 || s[0] != 0xed || s[1] < 0xa0 || s[1] > 0xbf {
		return 0, false
	}
	return 0xd000 | rune(s[1]&0x3f)<<6 | rune(s[2]&0x3f), true
}

// AppendString appends s, as DecodeString returns them, as a JSON string.
func AppendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\b':
			dst = append(dst, '\\', 'b')
		case c == '\f':
			dst = append(dst, '\\', 'f')
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		case c == 0xed:
			if r, ok := surrogate(s[i:]); ok {
				dst = append(dst, '\\', 'u', hex[r>>12], hex[r>>8&0xf], hex[r>>4&0xf], hex[r&0xf])
				i += 2
				continue
			}
			dst = append(dst, c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// UTF16Len is the length of s, as DecodeString returns them, in UTF-16 code
// units: what JavaScript calls its length.
func UTF16Len(s []byte) int {
	n := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 0xf0:
			n += 2
		case c < 0x80 || c >= 0xc0:
			n++
		}
	}
	return n
}

// StringField returns the string that an object has under key, or "" if there
// is none.
func StringField(object []byte, key string) string {
	var values [1][]byte
	if len(object) == 0 || object[0] != '{' {
		return ""
	}
	if _, ok := ScanObject(object, []string{key}, values[:]); !ok || !IsString(values[0]) {
		return ""
	}
	return DecodeString(values[0])
}

// EachString calls f with the elements of an array of strings, as Decode returns
// them, until f returns false. raw must be valid JSON. It reports whether raw is an
// array, all its elements are strings, and f returned true for each.
func EachString(raw []byte, f func([]byte) bool) bool {
	if len(raw) == 0 || raw[0] != '[' {
		return false
	}
	i := space(raw, 1)
	for raw[i] == '"' {
		start := i
		if i = skipString(raw, i); !f(Decode(raw[start:i])) {
			return false
		}
		if i = space(raw, i); raw[i] == ',' {
			i = space(raw, i+1)
		}
	}
	return raw[i] == ']'
}

// Falsy reports whether a raw JSON value, or its absence, is false to
// JavaScript: null, false, "" and every number that JavaScript reads as 0.
func Falsy(raw []byte) bool {
	if len(raw) == 0 {
		return true
	}
	switch raw[0] {
	case 'n', 'f':
		return true
	case '"':
		return len(raw) == 2
	case '{', '[', 't':
		return false
	}
	if c := raw[0]; c >= '1' && c <= '9' && bytes.IndexByte(raw, '-') < 0 {
		return false
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	return err == nil && f == 0
}
