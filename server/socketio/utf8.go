package socketio

import "unicode/utf8"

// toUTF8 replaces what is not UTF-8 in b by U+FFFD, as the decoders of JavaScript
// do: once for each maximal part of a character, or for a byte that begins none
// (Unicode, section 3.9, "U+FFFD Substitution of Maximal Subparts").
func toUTF8(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	valid := make([]byte, 0, len(b)+utf8.UTFMax)
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			size = maximalSubpart(b)
		}
		valid = utf8.AppendRune(valid, r)
		b = b[size:]
	}
	return valid
}

// maximalSubpart is how many bytes at the start of b, where no whole character
// is, could begin one; at least 1.
func maximalSubpart(b []byte) int {
	n := 0
	for n < len(b) && !utf8.FullRune(b[:n+1]) {
		n++
	}
	return max(n, 1)
}
