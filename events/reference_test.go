package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// What the package does once more, made of encoding/json: slow, and by other
// means. The tables and the fuzz targets compare with it.

// maxReferenceDepth is the nesting that encoding/json goes along with.
const maxReferenceDepth = 10_000

// tooDeep reports whether encoding/json refuses p for its nesting.
func tooDeep(err error) bool {
	var syntax *json.SyntaxError
	return errors.As(err, &syntax) && syntax.Error() == "exceeded max depth"
}

// referenceValue is SkipValue. known is false if encoding/json gives no opinion.
func referenceValue(p []byte) (value, rest []byte, ok, known bool) {
	d := json.NewDecoder(bytes.NewReader(p))
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return nil, nil, false, !tooDeep(err)
	}
	return raw, p[d.InputOffset():], true, true
}

// referenceMembers is what ScanObject finds, for all keys; nil if value, which
// is JSON, is no object.
func referenceMembers(value []byte) (members map[string]json.RawMessage) {
	if !bytes.HasPrefix(value, []byte("{")) {
		return nil
	}
	if err := json.Unmarshal(value, &members); err != nil {
		panic(err)
	}
	return members
}

// referenceUnits is the JavaScript string that a raw JSON string stands for.
func referenceUnits(raw []byte) []uint16 {
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

// referenceFalsy is Falsy.
func referenceFalsy(raw []byte) bool {
	switch s := string(raw); s {
	case "", "null", "false", `""`:
		return true
	default:
		return strings.ContainsRune("-0123456789", rune(s[0])) && referenceZero(s)
	}
}

func referenceZero(number string) bool {
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

// referenceRelay is ReadRelay. valid tells whether the arguments are JSON, and
// good whether they make a relay.
func referenceRelay(rest []byte, body string) (to, from []uint16, raw []byte, valid, good, known bool) {
	args := append([]byte(`["event"`), rest...)
	value, behind, ok, known := referenceValue(args)
	if !ok || len(bytes.Trim(behind, " \t\r\n")) > 0 {
		return nil, nil, nil, false, false, known
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(value, &elements); err != nil {
		panic(err)
	}
	if len(elements) < 2 {
		return nil, nil, nil, true, false, true
	}
	members := referenceMembers(elements[1])
	for _, key := range []string{"to", "from"} {
		if len(members[key]) <= 2 || members[key][0] != '"' {
			return nil, nil, nil, true, false, true
		}
	}
	if referenceFalsy(members[body]) {
		return nil, nil, nil, true, false, true
	}
	return referenceUnits(members["to"]), referenceUnits(members["from"]), members[body], true, true, true
}

// A node is a JSON value that knows where it stands.
type node struct {
	start, end int // of a scalar
	token      json.Token
	keys       []string // of an object
	children   []*node
}

// referenceTree reads the value that d is at.
func referenceTree(d *json.Decoder) *node {
	token, err := d.Token()
	if err != nil {
		panic(err)
	}
	n := &node{token: token, end: int(d.InputOffset())}
	if number, ok := token.(json.Number); ok {
		n.start = n.end - len(number)
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return n
	}
	for d.More() {
		if delim == '{' {
			key, err := d.Token()
			if err != nil {
				panic(err)
			}
			n.keys = append(n.keys, key.(string))
		}
		n.children = append(n.children, referenceTree(d))
	}
	if _, err := d.Token(); err != nil && err != io.EOF {
		panic(err)
	}
	return n
}

// member is the last one with that key, or nil.
func (n *node) member(key string) *node {
	for i, k := range slices.Backward(n.keys) {
		if k == key {
			return n.children[i]
		}
	}
	return nil
}

// placeholders appends the placeholders in n, in the order of their numbers' places.
func (n *node) placeholders(found []placeholder, attachments int) (_ []placeholder, ok bool) {
	for _, c := range n.children {
		if found, ok = c.placeholders(found, attachments); !ok {
			return nil, false
		}
	}
	if mark := n.member("_placeholder"); mark == nil || mark.token != true {
		return found, true
	}
	num := n.member("num")
	if num == nil {
		return nil, false
	}
	number, ok := num.token.(json.Number)
	if !ok {
		return nil, false
	}
	f, err := number.Float64()
	if err != nil || f < 0 || f >= float64(attachments) || f != float64(int(f)) {
		return nil, false
	}
	return append(found, placeholder{start: num.start, end: num.end, num: int(f)}), true
}

// referenceAttach is Attach; used are numbers of attachments.
func referenceAttach(body []byte, attachments int) (attached []byte, used []int, ok bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	found, ok := referenceTree(d).placeholders(nil, attachments)
	if !ok || len(found) > maxPlaceholders {
		return nil, nil, false
	}
	slices.SortFunc(found, func(a, b placeholder) int { return a.end - b.end })
	places := make([]string, len(found))
	for i, p := range found {
		place := slices.Index(used, p.num)
		if place < 0 {
			place = len(used)
			used = append(used, p.num)
		}
		places[i] = strconv.Itoa(place)
	}
	text := string(body)
	for i, p := range slices.Backward(found) {
		text = text[:p.start] + places[i] + text[p.end:]
	}
	return []byte(text), used, true
}
