package socketio

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"
)

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

// A node is a JSON value that knows where it stands.
type node struct {
	start, end int // of a scalar
	token      json.Token
	keys       []string // of an object
	children   []*node
}
