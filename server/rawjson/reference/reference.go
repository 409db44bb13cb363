// Package reference does for tests what rawjson does once more, made of
// encoding/json: slowly, and by other means.
package reference

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is the nesting that encoding/json goes along with.
const MaxDepth = 10_000

// TooDeep reports whether encoding/json refuses p for its nesting.
func TooDeep(err error) bool {
	var syntax *json.SyntaxError
	return errors.As(err, &syntax) && syntax.Error() == "exceeded max depth"
}

// Value is SkipValue. known is false if encoding/json gives no opinion.
func Value(p []byte) (value, rest []byte, ok, known bool) {
	d := json.NewDecoder(bytes.NewReader(p))
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return nil, nil, false, !TooDeep(err)
	}
	return raw, p[d.InputOffset():], true, true
}

// Members is what ScanObject finds, for all keys; nil if value, which
// is JSON, is no object.
func Members(value []byte) (members map[string]json.RawMessage) {
	if !bytes.HasPrefix(value, []byte("{")) {
		return nil
	}
	if err := json.Unmarshal(value, &members); err != nil {
		panic(err)
	}
	return members
}

// Units is the JavaScript string that a raw JSON string stands for.
func Units(raw []byte) []uint16 {
	units := []uint16{}
	inner := string(raw[1 : len(raw)-1])
	for inner != "" {
		if strings.HasPrefix(inner, `\u`) {
			unit, err := strconv.ParseUint(inner[2:6], 16, 16)
			if err != nil {
				panic(err)
			}
			units = append(units, uint16(unit))
			inner = inner[6:]
			continue
		}
		_, n := utf8.DecodeRuneInString(inner)
		if inner[0] == '\\' {
			n = 2
		}
		var s string
		if err := json.Unmarshal([]byte(`"`+inner[:n]+`"`), &s); err != nil {
			panic(err)
		}
		units = append(units, utf16.Encode([]rune(s))...)
		inner = inner[n:]
	}
	return units
}

// Falsy is Falsy.
func Falsy(raw []byte) bool {
	switch s := string(raw); s {
	case "", "null", "false", `""`:
		return true
	default:
		return strings.ContainsRune("-0123456789", rune(s[0])) && zero(s)
	}
}

func zero(number string) bool {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	if strings.Trim(mantissa, "-0.") == "" {
		return true
	}
	if len(exponent) > 9 {
		return exponent[0] == '-'
	}
	f, _, err := big.ParseFloat(number, 10, 4000, big.ToNearestEven)
	if err != nil {
		panic(err)
	}
	f64, _ := f.Float64()
	return f64 == 0
}
