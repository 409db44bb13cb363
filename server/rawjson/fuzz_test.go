package rawjson

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzScan compares SkipValue and ScanObject with encoding/json.
func FuzzScan(f *testing.F) {
	for _, doc := range documents {
		f.Add([]byte(doc))
	}
	for _, nest := range nests(300) {
		f.Add([]byte(nest[0] + nest[1]))
	}
	f.Add([]byte(`{"to":"bob","from":"alice","offer":{"type":"offer","sdp":"` + strings.Repeat(`a=rtcp-fb:111 transport-cc\r\n`, 90) + `"}}]`))
	f.Fuzz(func(t *testing.T, p []byte) { checkScan(t, p) })
}

// FuzzString compares the strings of two JSON documents with JavaScript's, and
// encodes any string.
func FuzzString(f *testing.F) {
	for _, raw := range []string{
		`"alice"`, `"\"\\\/\b\f\n\r\t\u0000"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\ud83d\ud83d\ude00"`, `"😀é\u2028"`, "\"\x7f\"",
	} {
		f.Add([]byte(raw), []byte(`"\u0061\ud83d"`))
	}
	f.Add([]byte(`a"\`+"\n\x00\x1f"), []byte(`"\ufffd"`))
	isString := func(p []byte) bool { return utf8.Valid(p) && json.Valid(p) && p[0] == '"' && p[len(p)-1] == '"' }
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if isString(a) && isString(b) {
			checkString(t, a, b)
		}
		if !utf8.Valid(a) {
			return
		}
		raw := AppendString(nil, string(a))
		var got string
		if err := json.Unmarshal(raw, &got); err != nil || got != string(a) || DecodeString(raw) != string(a) {
			t.Fatalf("AppendString(%q) = %q, which is %q to encoding/json (%v), and %q to DecodeString", a, raw, got, err, DecodeString(raw))
		}
	})
}

// FuzzEachString compares the reading of lists with encoding/json's.
func FuzzEachString(f *testing.F) {
	for _, seed := range []string{`[]`, `["a","b"]`, "[ \"a\" ,\n\"\\u0062\\\"]\" ]", `["a",1]`, `[["a"]]`, `[null]`, `{}`, `"a"`, `[{"a":["b"]}]`, `["",""]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if !utf8.ValidString(p) || !json.Valid([]byte(p)) {
			t.Skip("callers have checked it")
		}
		raw, _, ok := SkipValue([]byte(p))
		if !ok {
			t.Skip("SkipValue has a fuzz target of its own")
		}
		var list []json.RawMessage
		isList := raw[0] == '[' && json.Unmarshal(raw, &list) == nil
		var want []string
		for _, v := range list {
			if !IsString(v) {
				isList = false
				break
			}
			want = append(want, DecodeString(v))
		}
		var got []string
		ok = EachString(raw, func(s []byte) bool {
			got = append(got, string(s))
			return true
		})
		if ok != isList || !slices.Equal(got, want) {
			t.Errorf("%q, %v, want %q, %v", got, ok, want, isList)
		}
	})
}
