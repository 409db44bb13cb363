package oodaa

import (
	"github.com/oodaa/signaling/server/rawjson/reference"

	"bytes"
	"encoding/json"
)

// What the package does once more, made of encoding/json: slow, and by other
// means. The tables and the fuzz targets compare with it.

// referenceRelay is ReadRelay. valid tells whether the arguments are JSON, and
// good whether they make a relay.
func referenceRelay(rest []byte, body string) (to, from []uint16, raw []byte, valid, good, known bool) {
	args := append([]byte(`["event"`), rest...)
	value, behind, ok, known := reference.Value(args)
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
	members := reference.Members(elements[1])
	for _, key := range []string{"to", "from"} {
		if len(members[key]) <= 2 || members[key][0] != '"' {
			return nil, nil, nil, true, false, true
		}
	}
	if reference.Falsy(members[body]) {
		return nil, nil, nil, true, false, true
	}
	return reference.Units(members["to"]), reference.Units(members["from"]), members[body], true, true, true
}
