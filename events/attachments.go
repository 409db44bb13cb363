package events

import (
	"slices"
	"strconv"
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

// frame is an object or array that is being walked through.
type frame struct {
	object     bool
	marked     bool // has "_placeholder":true
	start, end int  // of the value of "num", if there is one
	key        int  // which of placeholderKeys the next value belongs to, or -1
}

// maxPlaceholders bounds how often a body may refer to attachments.
const maxPlaceholders = 1 << 10

// placeholders returns the placeholders in body, in their order.
func placeholders(body []byte, attachments int) (found []placeholder, ok bool) {
	var open []frame
	value := func(start, end int) { // a value has ended
		if len(open) == 0 {
			return
		}
		switch f := &open[len(open)-1]; f.key {
		case 0:
			f.marked = string(body[start:end]) == "true"
		case 1:
			f.start, f.end = start, end
		}
	}
	for i := 0; i < len(body); {
		switch c := body[i]; c {
		case ' ', '\t', '\n', '\r', ':':
			i++
		case ',':
			i++
			if f := &open[len(open)-1]; f.object {
				i, f.key = placeholderKey(body, i)
			}
		case '{':
			open = append(open, frame{object: true, key: -1})
			i = space(body, i+1)
			if body[i] != '}' {
				i, open[len(open)-1].key = placeholderKey(body, i)
			}
		case '[':
			open = append(open, frame{key: -1})
			i++
		case '}', ']':
			f := open[len(open)-1]
			open = open[:len(open)-1]
			i++
			value(i-1, i) // neither true nor a number
			if !f.marked {
				continue
			}
			num, err := strconv.ParseFloat(string(body[f.start:f.end]), 64)
			if err != nil || num < 0 || num >= float64(attachments) || num != float64(int(num)) || len(found) == maxPlaceholders {
				return nil, false
			}
			found = append(found, placeholder{start: f.start, end: f.end, num: int(num)})
		default:
			end := skipScalar(body, i)
			value(i, end)
			i = end
		}
	}
	return found, true
}

// placeholderKey reads the key at body[i] and returns where its value starts.
func placeholderKey(body []byte, i int) (value, key int) {
	start := space(body, i)
	end := skipString(body, start)
	return skipKey(body, start), indexKey(placeholderKeys, body[start+1:end-1])
}
