package rawjson

import (
	"github.com/oodaa/signaling/server/rawjson/reference"

	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDecodeString(t *testing.T) {
	tests := []struct {
		name, raw, want, again string // again: as AppendString spells it
		length                 int    // as JavaScript counts
	}{
		{"empty", `""`, "", `""`, 0},
		{"plain", `"alice"`, "alice", `"alice"`, 5},
		{"all short escapes", `"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t", `"\"\\/\b\f\n\r\t"`, 8},
		{"control characters", `"\u0000\u0001\u001f\u007f"`, "\x00\x01\x1f\x7f", "\"\\u0000\\u0001\\u001f\x7f\"", 4},
		{"an escape in disguise", `"\\u0041\\n"`, `\u0041\n`, `"\\u0041\\n"`, 8},
		{"letters", `"\u0061\u0041\u00e9\u00E9\u4f60"`, "aAéé你", `"aAéé你"`, 5},
		{"raw unicode", `"é你😀"`, "é你😀", `"é你😀"`, 4},
		{"escaped pair", `"\ud83d\ude00"`, "😀", `"😀"`, 2},
		{"pair in capitals", `"\uD83D\uDE00!"`, "😀!", `"😀!"`, 3},
		{"last code point", `"\udbff\udfff"`, "\U0010ffff", "\"\U0010ffff\"", 2},
		{"first pair", `"\ud800\udc00"`, "\U00010000", "\"\U00010000\"", 2},
		{"separators", `"\u2028\u2029"`, "\u2028\u2029", "\"\u2028\u2029\"", 2},
		{"around the surrogates", `"\ud7ff\ue000\uffff"`, "\ud7ff\ue000\uffff", "\"\ud7ff\ue000\uffff\"", 3},
		{"lone high", `"\ud83d"`, "\xed\xa0\xbd", `"\ud83d"`, 1},
		{"lone low", `"\ude00"`, "\xed\xb8\x80", `"\ude00"`, 1},
		{"first and last lone", `"\ud800 \udbff \udc00 \udfff"`, "\xed\xa0\x80 \xed\xaf\xbf \xed\xb0\x80 \xed\xbf\xbf", `"\ud800 \udbff \udc00 \udfff"`, 7},
		{"wrong way round", `"\ude00\ud83d"`, "\xed\xb8\x80\xed\xa0\xbd", `"\ude00\ud83d"`, 2},
		{"high before a pair", `"\ud83d\ud83d\ude00"`, "\xed\xa0\xbd😀", `"\ud83d😀"`, 3},
		{"high before a letter", `"\ud83da"`, "\xed\xa0\xbda", `"\ud83da"`, 2},
		{"high before an escape", `"\ud83d\n"`, "\xed\xa0\xbd\n", `"\ud83d\n"`, 2},
		{"high before an escaped letter", `"\ud83d\u0061"`, "\xed\xa0\xbda", `"\ud83da"`, 2},
		{"high before what looks like an escape", `"\ud83d\\ude00"`, "\xed\xa0\xbd\\ude00", `"\ud83d\\ude00"`, 7},
		{"joiners", `"👨‍👩‍👧"`, "👨‍👩‍👧", `"👨‍👩‍👧"`, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := DecodeString([]byte(tt.raw))
			if got != tt.want {
				t.Errorf("DecodeString(%s) = %q, want %q", tt.raw, got, tt.want)
			}
			if n := UTF16Len([]byte(got)); n != tt.length {
				t.Errorf("UTF16Len(%q) = %d, want %d", got, n, tt.length)
			}
			if again := string(AppendString([]byte("x"), got)); again != "x"+tt.again {
				t.Errorf("AppendString(%q) = %s, want %s", got, again[1:], tt.again)
			}
			checkString(t, []byte(tt.raw), []byte(`""`))
		})
	}
	for _, a := range tests {
		for _, b := range tests {
			checkString(t, []byte(a.raw), []byte(b.raw))
		}
	}
}

// checkString checks what holds for any two raw JSON strings.
func checkString(t *testing.T, a, b []byte) {
	t.Helper()
	units, decoded := reference.Units(a), DecodeString(a)
	if n := UTF16Len([]byte(decoded)); n != len(units) {
		t.Fatalf("UTF16Len of %s is %d, JavaScript's length %d", a, n, len(units))
	}
	again := AppendString(nil, decoded)
	if !json.Valid(again) || !utf8.Valid(again) {
		t.Fatalf("AppendString(%q) = %q is no JSON", decoded, again)
	}
	if got := reference.Units(again); !slices.Equal(got, units) {
		t.Fatalf("%s becomes %s: %x, not %x", a, again, got, units)
	}
	if got := DecodeString(again); got != decoded {
		t.Fatalf("%s decodes to %q, and that, encoded and decoded, to %q", a, decoded, got)
	}
	if utf8.ValidString(decoded) {
		var want string
		if err := json.Unmarshal(a, &want); err != nil || decoded != want {
			t.Fatalf("DecodeString(%s) = %q, encoding/json: %q, %v", a, decoded, want, err)
		}
	}
	if same := slices.Equal(units, reference.Units(b)); same != (decoded == DecodeString(b)) {
		t.Fatalf("%s and %s are the same string: %v, decoded: %q and %q", a, b, same, decoded, DecodeString(b))
	}
}

func TestLoneSurrogatesStayDifferent(t *testing.T) {
	decoded := make(map[string]string)
	for unit := 0xd800; unit < 0xe000; unit++ {
		raw := fmt.Sprintf(`"\u%04x"`, unit)
		s := DecodeString([]byte(raw))
		if other, ok := decoded[s]; ok {
			t.Fatalf("%s and %s are the same: %q", raw, other, s)
		}
		decoded[s] = raw
		if again := string(AppendString(nil, s)); again != raw {
			t.Fatalf("%s becomes %s", raw, again)
		}
		if n := UTF16Len([]byte(s)); n != 1 {
			t.Fatalf("%s has length %d", raw, n)
		}
	}
}

func TestAppendStringOfAllRunes(t *testing.T) {
	var all strings.Builder
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if utf8.ValidRune(r) {
			all.WriteRune(r)
		}
	}
	raw := AppendString(nil, all.String())
	var got string
	if err := json.Unmarshal(raw, &got); err != nil || got != all.String() {
		t.Fatalf("encoding/json reads something else: %v", err)
	}
	if DecodeString(raw) != all.String() {
		t.Fatal("DecodeString reads something else")
	}
	if n, want := UTF16Len([]byte(all.String())), 0x110000-0x800+0x100000; n != want {
		t.Fatalf("UTF16Len is %d, want %d", n, want)
	}
}

func TestEachString(t *testing.T) {
	for _, tt := range []struct {
		raw  string
		want []string
		ok   bool
	}{
		{`[]`, nil, true},
		{"[ \n]", nil, true},
		{`["a"]`, []string{"a"}, true},
		{"[ \"a\" ,\t\"\\u0062,]\\\"\" , \"\" ]", []string{"a", `b,]"`, ""}, true},
		{`["a",1]`, []string{"a"}, false},
		{`["a",["b"],"c"]`, []string{"a"}, false},
		{`[null]`, nil, false},
		{`{"a":"b"}`, nil, false},
		{`"a"`, nil, false},
		{`5`, nil, false},
		{``, nil, false},
		{`["a","stop","b"]`, []string{"a", "stop"}, false},
	} {
		var got []string
		ok := EachString([]byte(tt.raw), func(s []byte) bool {
			got = append(got, string(s))
			return string(s) != "stop"
		})
		if !slices.Equal(got, tt.want) || ok != tt.ok {
			t.Errorf("%s: %q, %v", tt.raw, got, ok)
		}
	}
}
