package volli

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson"
)

// FuzzMessage compares the reading of messages with encoding/json's.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"register","userId":"a","publicKey":"k"}`,
		`{"type":"offer","from":"a","to":"b","offer":{"sdp":"v=0\r\n","n":[1.0,-2e-3,true,null]}}`,
		` {"t\u0079pe" : "x" , "type":"\ud83d\ude00", "type":"\ud800"}` + "\n",
		`{"candidate":{"":[[],{}]},"Candidate":1,"answer":0.0e+0}`,
		`{"type":"x"}{}`, `{"type":01}`, `{"type":"\x"}`, `{"a":1,}`, `[{}]`, `null`, ``, `{`, `{"type":"` + "\x00" + `"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if !utf8.ValidString(p) {
			t.Skip("refused by the framing")
		}
		var m message
		ok := m.read([]byte(p))

		var want map[string]json.RawMessage
		err := json.Unmarshal([]byte(p), &want)
		if err != nil && strings.Contains(err.Error(), "exceeded max depth") {
			t.Skip("nesting has no limit here")
		}
		if object := err == nil && want != nil; ok != object {
			t.Fatalf("read says %v; encoding/json %v, %v", ok, object, err)
		}
		if !ok {
			return
		}
		for i, name := range fieldNames {
			raw, there := want[name]
			if (m[i] != nil) != there || string(m[i]) != string(raw) {
				t.Fatalf("%s: got %q, want %q", name, m[i], raw)
			}
			for _, limit := range []int{4, events.MaxVolliUserID} {
				checkText(t, &m, i, limit)
			}
			if there {
				checkFalsy(t, m[i])
			}
		}
	})
}

// checkText compares the text of a field with encoding/json's, which has
// U+FFFD for half a surrogate pair.
func checkText(t *testing.T, m *message, field, limit int) {
	t.Helper()
	got := m.text(field, limit)
	if len(got) > limit {
		t.Fatalf("%s: %q is longer than %d bytes", m[field], got, limit)
	}
	var want string
	if json.Unmarshal(m[field], &want) != nil || len(want) > limit {
		want = ""
	}
	if !strings.ContainsRune(want, utf8.RuneError) && got != want {
		t.Fatalf("%s: got the text %q, want %q", m[field], got, want)
	}
	if got == "" {
		return
	}
	// What is sent to clients as this string is read as the same again.
	var again message
	again[field] = rawjson.AppendString(nil, got)
	if !json.Valid(again[field]) || again.text(field, limit) != got {
		t.Fatalf("%q goes out as %s", got, again[field])
	}
}

func checkFalsy(t *testing.T, raw []byte) {
	t.Helper()
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return // a number beyond float64, which is true to JavaScript
	}
	want := v == nil || v == false || v == "" || v == 0.0
	if got := rawjson.Falsy(raw); got != want {
		t.Fatalf("%s: falsy is %v, want %v", raw, got, want)
	}
}

// TestMessagesToClientsAreJSON, whatever the names are.
func TestMessagesToClientsAreJSON(t *testing.T) {
	for _, s := range []string{"a", `"\`, "\x00\x1f\x7f", "é😀\u2028", "\xed\xa0\x80", "\xed\xa0\x80x\xed\xb0\x80", "</script>"} {
		u := hub.NewUser(s, s, nil)
		for _, p := range [][]byte{
			appendRegistered(nil, u.JSON), appendDiscovery(nil, s, u), appendDiscovery(nil, s, nil), appendError(nil, hub.NotFound, []byte(s)),
			appendRelay(nil, &hub.Relay{Kind: hub.Offer, From: u, To: []byte(s), Payload: []byte("1")}),
		} {
			if !json.Valid(p) {
				t.Errorf("%q: %s", s, p)
			}
		}
	}
}

func BenchmarkRead(b *testing.B) {
	p := []byte(`{"type":"ice-candidate","from":"alice","to":"bob","candidate":{"candidate":"candidate:1 1 udp 2122260223 192.0.2.1 54321 typ host","sdpMid":"0","sdpMLineIndex":0}}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		var m message
		if !m.read(p) || m.text(fieldTo, events.MaxVolliUserID) != "bob" {
			b.Fatal("not read")
		}
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	p := []byte(`{"type":"offer","from":"alice","to":"bob","offer":{"sdp":"v=0\r\n"}}`)
	if n := testing.AllocsPerRun(100, func() {
		var m message
		if !m.read(p) {
			t.Fatal("not read")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
