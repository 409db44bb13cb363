package socketio

import (
	"slices"
	"strconv"

	"github.com/oodaa/signaling/server/rawjson"
)

var placeholderKeys = []string{"_placeholder", "num"}

// placeholder is an object `{"_placeholder":true,"num":0}` that stands for an
// attachment (Socket.IO protocol 5, "Binary").
type placeholder struct {
	start, end int // of num's value
	num        int
}

// Attach finds the attachments that body refers to. Where they are not just
// the first ones in their order, it returns a body that refers to them by their
// place in used, spelled as clients expect it. ok is false if body refers to an
// attachment that is not there. body must be valid JSON.
func Attach(body []byte, attachments [][]byte) (attached []byte, used [][]byte, ok bool) {
	found, ok := placeholders(body, len(attachments))
	if !ok {
		return nil, nil, false
	}
	// One inside of another was found before it.
	slices.SortFunc(found, func(a, b placeholder) int { return a.start - b.start })
	places := make(map[int]int, len(attachments))
	copied := 0
	for _, p := range found {
		place, seen := places[p.num]
		if !seen {
			place = len(used)
			places[p.num] = place
			used = append(used, attachments[p.num])
		}
		digits := strconv.Itoa(place)
		if string(body[p.start:p.end]) == digits {
			continue
		}
		attached = append(append(attached, body[copied:p.start]...), digits...)
		copied = p.end
	}
	if copied == 0 {
		return body, used, true
	}
	return append(attached, body[copied:]...), used, true
}

// maxPlaceholders bounds how often a body may refer to attachments.
const maxPlaceholders = 1 << 10

// candidate is an open object that has one of placeholderKeys.
type candidate struct {
	depth  int
	marked bool // has "_placeholder":true
	num    placeholder
}

// placeholders returns the placeholders in body, in the order of their ends.
func placeholders(body []byte, attachments int) (found []placeholder, ok bool) {
	var open []candidate
	key := -1 // of placeholderKeys, that the next value belongs to
	for w := rawjson.Walk(body); ; {
		token, start, end, more := w.Next()
		if !more {
			return found, true
		}
		switch token {
		case rawjson.Key:
			if key = rawjson.KeyIndex(placeholderKeys, body[start:end]); key < 0 {
				continue
			}
			if n := len(open); n == 0 || open[n-1].depth != w.Depth() {
				open = append(open, candidate{depth: w.Depth()})
			}
			continue
		case rawjson.Close:
			n := len(open) - 1
			if n < 0 || open[n].depth != w.Depth()+1 {
				break
			}
			c := open[n]
			open = open[:n]
			if !c.marked {
				break
			}
			p, valid := c.num.in(body, attachments)
			if !valid || len(found) == maxPlaceholders {
				return nil, false
			}
			found = append(found, p)
		case rawjson.Open, rawjson.Scalar: // the value, or what it begins with
			switch key {
			case 0:
				open[len(open)-1].marked = string(body[start:end]) == "true"
			case 1:
				open[len(open)-1].num = placeholder{start: start, end: end}
			}
		}
		key = -1
	}
}

// in reads the number of a placeholder, and reports whether it names one of the
// attachments.
func (p placeholder) in(body []byte, attachments int) (placeholder, bool) {
	num, err := strconv.ParseFloat(string(body[p.start:p.end]), 64)
	p.num = int(num)
	return p, err == nil && num >= 0 && num < float64(attachments) && num == float64(p.num)
}
