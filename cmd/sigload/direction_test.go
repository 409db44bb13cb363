package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

// Each case is what a client gets when 5 messages were sent to it.
func TestDirectionSeesWhatIsWrong(t *testing.T) {
	plain := func(n int) string {
		return fmt.Sprintf(`42["ice-candidate",{"from":"a","candidate":{"candidate":"%010d"}}]`, n)
	}
	for name, test := range map[string]struct {
		got                                      []string
		received, reordered, duplicated, altered int64
		numbers, errors                          string
	}{
		"in order":         {got: []string{plain(0), plain(1), plain(2)}, received: 3, numbers: "[0 1 2]"},
		"a gap":            {got: []string{plain(0), plain(3)}, received: 2, numbers: "[0 3]"},
		"an overtaken one": {got: []string{plain(0), plain(2), plain(1), plain(3)}, received: 4, reordered: 1, numbers: "[0 2 1 3]"},
		"twice":            {got: []string{plain(0), plain(0), plain(1)}, received: 2, duplicated: 1, numbers: "[0 -1 1]"},
		"late and twice":   {got: []string{plain(1), plain(0), plain(0)}, received: 2, reordered: 1, duplicated: 1, numbers: "[1 0 -1]"},
		"never sent":       {got: []string{plain(5)}, altered: 1, numbers: "[-1]"},
		"spaces are allowed": {
			got: []string{`42["ice-candidate", {"candidate": {"candidate":"0000000000"}, "from": "a"}]`}, received: 1, numbers: "[0]",
		},
		"another body": {
			got: []string{strings.Replace(plain(0), `"}`, ` "}`, 1)}, received: 1, altered: 1, numbers: "[0]",
		},
		"of somebody else": {got: []string{strings.Replace(plain(0), `"a"`, `"x"`, 1)}, altered: 1, numbers: "[-1]"},
		"no number":        {got: []string{strings.Replace(plain(0), "0000000000", "zero", 1)}, altered: 1, numbers: "[-1]"},
		"an error": {
			got: []string{`42["error","User \"b\" not found"]`, plain(0)}, received: 1, numbers: "[-1 0]", errors: `map[User "b" not found:1]`,
		},
		"presence": {got: []string{`42["peer-connected",{"peerId":"x"}]`, plain(0)}, received: 1, numbers: "[-1 0]"},
	} {
		t.Run(name, func(t *testing.T) {
			ts := &tally{protocol: protocols[0]}
			b := body{"ice-candidate", "candidate", `{"candidate":"0000000000"}`, 14}
			d := &direction{from: new(conn), name: "a", rest: protocols[0].template("a", "b", b, false), tally: ts}
			for range 5 {
				d.send(0)
			}
			var numbers []int64
			for _, message := range test.got {
				numbers = append(numbers, d.receive([]byte(message)))
			}
			if d.received.Load() != test.received || ts.reordered.Load() != test.reordered ||
				ts.duplicated.Load() != test.duplicated || ts.altered.Load() != test.altered {
				t.Errorf("received %d, reordered %d, duplicated %d, altered %d", d.received.Load(),
					ts.reordered.Load(), ts.duplicated.Load(), ts.altered.Load())
			}
			if got := fmt.Sprint(numbers); got != test.numbers {
				t.Errorf("numbers %s, want %s", got, test.numbers)
			}
			if errors := ts.all(); fmt.Sprint(errors) != test.errors && len(errors) > 0 {
				t.Errorf("errors %v", errors)
			}
		})
	}
}

func TestAnOfferComesBeforeItsCandidates(t *testing.T) {
	ts := &tally{protocol: protocols[1]}
	offer := body{"offer", "offer", `{"sdp":"0000000000"}`, 8}
	b := body{"ice-candidate", "candidate", `{"candidate":"0000000000"}`, 14}
	d := &direction{
		from: new(conn), name: "a", tally: ts,
		first: protocols[1].template("a", "b", offer, false), rest: protocols[1].template("a", "b", b, false),
	}
	for range 3 {
		d.send(0)
	}
	for _, message := range []string{
		`{"type":"ice-candidate","from":"a","to":"b","candidate":{"candidate":"0000000001"}}`,
		`{"type":"offer","from":"a","to":"b","offer":{"sdp":"0000000000"}}`,
		`{"type":"ice-candidate","from":"a","to":"b","candidate":{"candidate":"0000000002"}}`,
	} {
		if d.receive([]byte(message)) < 0 {
			t.Errorf("not known: %s", message)
		}
	}
	if d.received.Load() != 3 || ts.reordered.Load() != 1 || ts.altered.Load() != 0 {
		t.Errorf("received %d, reordered %d, altered %d", d.received.Load(), ts.reordered.Load(), ts.altered.Load())
	}
}

// sigload shares the machine with the server that it measures.
func TestMessagesCostNoAllocation(t *testing.T) {
	for _, protocol := range protocols {
		b, err := candidate(200)
		if err != nil {
			t.Fatal(err)
		}
		d := &direction{
			from: new(conn), name: "a", tally: &tally{protocol: protocol},
			rest: protocol.template("a", "b", b, false), times: make([]atomic.Int64, 1),
		}
		message := bytes.Clone(d.rest.received)
		var h histogram
		if n := testing.AllocsPerRun(1000, func() {
			d.from.out = d.from.out[:0]
			d.send(1)
			putNumber(message[d.rest.receivedAt:], d.next)
			if n := d.receive(message); n < 0 || len(d.from.out) == 0 {
				t.Fatal("not sent, or not received")
			}
			h.add(d.sentAt(0))
		}); n > 0 {
			t.Errorf("%s: %g allocations a message", protocol.name, n)
		}
	}
}
