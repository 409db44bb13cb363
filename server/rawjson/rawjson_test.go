package rawjson

import (
	"github.com/oodaa/signaling/server/rawjson/reference"

	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// documents are JSON, and almost JSON. What they become when they are cut off
// anywhere, or one of their bytes is another, is tested as well.
var documents = []string{
	``, ` `, "\t\r\n", `null`, `true`, `false`, `nul`, `nulll`, `True`, `NaN`, `Infinity`, `undefined`,
	`0`, `-0`, `-`, `+1`, `01`, `-01`, `00`, `1.`, `.5`, `1.5`, `1.5.5`, `1e5`, `1E+5`, `1e-5`, `1e`, `1e+`,
	`0.0e-0`, `-1.25E+30`, `1e5.5`, `0x10`, `1_000`, `9007199254740993`, `1 2`, `--1`, `1-`,
	`""`, `"a"`, `"`, `"a`, `'a'`, `"\"\\\/\b\f\n\r\t"`, `"\a"`, `"\u0041\uD83D\ude00\ud800"`, `"\u00g0"`, `"\u00"`,
	`"\U0041"`, `"é 😀 \u2028"`, "\"\u2028\x7f\"", "\"a\nb\"", "\"\x00\"", "\"\x1f\"", "\ufeff1",
	`[]`, ` [ ] `, `[1]`, `[1,2]`, `[1,]`, `[,1]`, `[,]`, `[1 2]`, `[[],[[]],{}]`, `[`, `]`, `[]]`, `[1}`, `[1:2]`,
	`{}`, ` { } `, `{"a":1}`, `{ "a" : 1 , "b" : [ 2 , { "c" : null } ] }`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`,
	`{"a" 1}`, `{a:1}`, `{1:1}`, `{"a":1]`, `{"a":1 "b":2}`, `{"a":1,"a":2}`, `{"":{}}`, `{"a":{"b":{}}}`, `{`, `}`,
	`{"t\u006f":"x","from":"y","o\u0066fer":{"to":"z"}}`, `{"to":1,"to":2,"from":[],"offer":"o"} tail`,
	`[{"a":[{"b":[{}]}]},"x",-1.5e-7,true,false,null]`, `{"a":[1,{"b":"\\"}],"c":"\\\""}`,
	`[{},[1,2],{"a":[{}],"b":[]},[{"c":3},[]]]`,
	"[\n\t{\r\n\"k\" :\t\"v\"\n}\n]", `[1]//`, `/**/1`, `[1],[2]`, `"a""b"`, `nulltrue`, `{}{}`,
}

func TestScanAgainstEncodingJSON(t *testing.T) {
	const replacements = "\"\\{}[]:,truefalsn0159-+.eEuUgG/ \t\n\r\x00\x1f\x7f'x"
	for _, doc := range documents {
		t.Run(doc, func(t *testing.T) {
			p := []byte(doc)
			checkScan(t, p)
			for i := range p {
				checkScan(t, p[:i])
				checkScan(t, p[i:])
				checkScan(t, append(bytes.Clone(p[:i]), p[i+1:]...))
				for _, c := range []byte(replacements) {
					changed := bytes.Clone(p)
					changed[i] = c
					checkScan(t, changed)
				}
			}
		})
	}
}

// TestScanStrings puts every byte at every place of strings, and behind a
// backslash, and what ends or interrupts a string next to what almost does.
func TestScanStrings(t *testing.T) {
	for c := range utf8.RuneSelf {
		checkScan(t, []byte{'"', '\\', byte(c), '"'})
		checkScan(t, []byte{'"', '\\', byte(c), '0', '0', '4', '1', '"'})
		checkScan(t, []byte{'"', '\\', 'u', '0', '0', '4', byte(c), '"'})
	}
	for _, n := range []int{1, 7, 8, 9, 16, 17} {
		for i := range n {
			for c := range utf8.RuneSelf {
				inner := bytes.Repeat([]byte("a"), n)
				inner[i] = byte(c)
				checkScan(t, []byte(`{"a":"`+string(inner)+`"}`))
				checkScan(t, []byte(`["`+string(inner)))
			}
		}
	}
	parts := []string{"a", `\"`, `\\`, `\n`, `\u0022`, "!", "#", "[", "]", " ", "\x7f", "é", "😀", "\x1f", `"`, `\`}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 5_000 {
		inner := ""
		for range rng.IntN(20) {
			inner += parts[rng.IntN(len(parts)-3*rng.IntN(2))] // half of them well-formed
		}
		checkScan(t, []byte(`"`+inner+`"`))
	}
}

var scanKeys = []string{"to", "from", "offer", "a", ""}

// checkScan compares SkipValue and ScanObject with encoding/json on p.
func checkScan(t *testing.T, p []byte) {
	t.Helper()
	if !utf8.Valid(p) {
		return
	}
	wantValue, wantRest, want, known := reference.Value(p)
	if !known {
		return
	}
	value, rest, ok := SkipValue(p)
	if ok != want || !bytes.Equal(value, wantValue) || !bytes.Equal(rest, wantRest) {
		t.Fatalf("SkipValue(%q) = %q, %q, %v; want %q, %q, %v", p, value, rest, ok, wantValue, wantRest, want)
	}
	if whole := ok && len(SkipSpace(rest)) == 0; whole != json.Valid(p) {
		t.Fatalf("SkipValue takes all of %q for JSON: %v; json.Valid: %v", p, whole, json.Valid(p))
	}

	members := reference.Members(wantValue)
	values := make([][]byte, len(scanKeys)+1)
	for i := range values {
		values[i] = []byte("stale")
	}
	rest, ok = ScanObject(p, scanKeys, values)
	if ok != (members != nil) || !bytes.Equal(rest, wantRest) && ok {
		t.Fatalf("ScanObject(%q) = %q, %v; want %q, %v", p, rest, ok, wantRest, members != nil)
	}
	if !ok {
		return
	}
	for i, key := range scanKeys {
		if want, there := members[key]; !bytes.Equal(values[i], want) || there != (values[i] != nil) {
			t.Fatalf("ScanObject(%q): %q is %q, want %q", p, key, values[i], want)
		}
	}
	if values[len(scanKeys)] != nil {
		t.Fatalf("ScanObject(%q): a value without a key is %q", p, values[len(scanKeys)])
	}
}

func TestScanObject(t *testing.T) {
	tests := []struct {
		name, in string
		values   [3]string // of to, from and offer
	}{
		{"empty", `{}`, [3]string{}},
		{"in order", `{"to":"b","from":"a","offer":{"x":1}}`, [3]string{`"b"`, `"a"`, `{"x":1}`}},
		{"other order", `{"offer":[1],"from":2,"to":null}`, [3]string{`null`, `2`, `[1]`}},
		{"others between", `{"x":{"to":"no"},"to":1,"y":"to","z":["to"]}`, [3]string{`1`}},
		{"last duplicate", `{"to":1,"to":{"a":2},"to":3}`, [3]string{`3`}},
		{"escaped duplicate", `{"to":1,"t\u006f":2}`, [3]string{`2`}},
		{"all of it escaped", `{"\u0074\u006F":1,"\u0066rom":2}`, [3]string{`1`, `2`}},
		{"escapes that are others", `{"t\\u006f":1,"t\/o":2,"\to":3,"to\u0000":4}`, [3]string{}},
		{"prefixes", `{"t":1,"too":2,"fro":3,"offers":4,"To":5,"":6}`, [3]string{}},
		{"white space", " \t\r\n{ \"to\"\n:\r\"b\"\t,\"offer\" : {  } \n}", [3]string{`"b"`, ``, `{  }`}},
		{"spans", `{"to":  1.50e+01  ,"from":"\u0061\/" ,"offer":[ 1 , 2 ]  }`, [3]string{`1.50e+01`, `"\u0061\/"`, `[ 1 , 2 ]`}},
		{"braces in strings", `{"to":"}","from":"\"}","offer":"{\\"}`, [3]string{`"}"`, `"\"}"`, `"{\\"`}},
		{"unicode", `{"to":"é😀","from":"\ud800","offer":"` + "\u2028" + `"}`, [3]string{`"é😀"`, `"\ud800"`, "\"\u2028\""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const tail = ` ,"rest"]`
			p := []byte(tt.in + tail)
			var values [3][]byte
			rest, ok := ScanObject(p, []string{"to", "from", "offer"}, values[:])
			if !ok || string(rest) != tail {
				t.Fatalf("rest %q, %v", rest, ok)
			}
			for i, want := range tt.values {
				if string(values[i]) != want {
					t.Errorf("value %d is %q, want %q", i, values[i], want)
				}
				if cap(values[i]) != len(values[i]) {
					t.Errorf("appending to value %d overwrites what follows it", i)
				}
			}
		})
	}
}

// nests are n containers in each other; what is innermost, and what closes them.
func nests(n int) map[string][2]string {
	return map[string][2]string{
		"arrays":  {strings.Repeat(`[`, n), strings.Repeat(`]`, n)},
		"objects": {strings.Repeat(`{"a":`, n-1) + `{`, strings.Repeat(`}`, n)},
		"mixed":   {strings.Repeat(`[0,{"a":`, n/2), `null` + strings.Repeat(`}]`, n/2)},
		"spaced":  {strings.Repeat(` [ `, n), strings.Repeat(` ] `, n)},
	}
}

func TestNesting(t *testing.T) {
	for _, n := range []int{1, 2, 63, 64, 65, 255, 256, 257, 319, 320, 321, reference.MaxDepth, 500_000} {
		for name, nest := range nests(n) {
			if n < 2 && name == "mixed" || n > 100_000 && name == "spaced" {
				continue
			}
			t.Run(fmt.Sprint(n, " ", name), func(t *testing.T) {
				open, closed := nest[0], nest[1]
				if n <= reference.MaxDepth && !json.Valid([]byte(open+closed)) {
					t.Fatal("the test's own document is no JSON")
				}
				value, rest, ok := SkipValue([]byte(open + closed + "]"))
				if !ok || string(value) != strings.TrimSpace(open+closed) || strings.TrimSpace(string(rest)) != "]" {
					t.Errorf("refused, or not as one value: %v, rest of %d bytes", ok, len(rest))
				}
				closed = strings.TrimSpace(closed)
				last := closed[len(closed)-1]
				for _, broken := range []string{
					open,
					open + closed[:len(closed)-1],
					open + closed[:len(closed)-1] + string(']'^'}'^rune(last)),
					open + "," + closed,
				} {
					if _, _, ok := SkipValue([]byte(broken)); ok {
						t.Errorf("accepted where the end is …%q", broken[max(0, len(broken)-10):])
					}
				}

				var values [1][]byte
				object := `{"a":` + open + nest[1] + `}`
				if _, ok := ScanObject([]byte(object), []string{"a"}, values[:]); !ok || string(values[0]) != strings.TrimSpace(open+nest[1]) {
					t.Errorf("ScanObject does not find it: %v", ok)
				}
			})
		}
	}
}

// TestNestingIsRemembered closes containers at each depth with the wrong bracket.
func TestNestingIsRemembered(t *testing.T) {
	const depth = 400 // past what is remembered in place
	for seed := range uint64(2) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var open, closed []byte
		for range depth {
			if rng.IntN(2) == 0 {
				open, closed = append(open, `[`...), append(closed, ']')
			} else {
				open, closed = append(open, `{"":`...), append(closed, '}')
			}
		}
		for i := range closed[:depth/2] {
			closed[i], closed[depth-1-i] = closed[depth-1-i], closed[i]
		}
		whole := append(append(open, '0'), closed...)
		checkScan(t, whole)
		for i := range closed {
			whole[len(open)+1+i] ^= ']' ^ '}'
			checkScan(t, whole)
			whole[len(open)+1+i] ^= ']' ^ '}'
		}
	}
}

func TestFalsy(t *testing.T) {
	falsy := []string{
		``, `null`, `false`, `""`,
		`0`, `-0`, `0.0`, `-0.0`, `0.000`, `0e5`, `0E5`, `-0E-7`, `0e+999`, `0.0e999999999999999999999`, `-0e-0`,
		`1e-400`, `-1e-400`, `1E-324`, `100e-326`, `2.4703282292062327e-324`, `1e-99999999999999999999`, `0.` + strings.Repeat("0", 400) + `1`,
	}
	truthy := []string{
		`true`, `[]`, `{}`, `[0]`, `" "`, `"0"`, `"false"`, `"null"`, `"\u0000"`,
		`1`, `-1`, `10`, `0.1`, `-0.1`, `1e400`, `-1e400`, `1e0`, `5e-324`, `-5e-324`, `2.4703282292062328e-324`, `1e-300`,
		`9007199254740993`, `0.` + strings.Repeat("0", 400) + `1e400`,
	}
	for _, raw := range falsy {
		if !Falsy([]byte(raw)) {
			t.Errorf("Falsy(%.40q) is false", raw)
		}
		if !reference.Falsy([]byte(raw)) {
			t.Errorf("the reference takes %.40q for truthy", raw)
		}
	}
	if !Falsy(nil) {
		t.Error("Falsy(nil) is false")
	}
	for _, raw := range truthy {
		if Falsy([]byte(raw)) {
			t.Errorf("Falsy(%.40q) is true", raw)
		}
		if reference.Falsy([]byte(raw)) {
			t.Errorf("the reference takes %.40q for falsy", raw)
		}
	}
}

func TestIsString(t *testing.T) {
	for raw, want := range map[string]bool{``: false, `""`: true, `"a"`: true, `1`: false, `null`: false, `["a"]`: false, `{"a":"b"}`: false} {
		if got := IsString([]byte(raw)); got != want {
			t.Errorf("IsString(%q) = %v", raw, got)
		}
	}
}

func ascii() []rune {
	list := make([]rune, 128)
	for i := range list {
		list[i] = rune(i)
	}
	return list
}

// The scanner goes in strides, and must see every byte in every place of one.
func TestStringsOfEveryLength(t *testing.T) {
	for length := range 70 {
		plain := strings.Repeat("x", length)
		for _, c := range slices.Concat(ascii(), []rune("\u0080é\u07ff\u0800你\uffff😀\U0010ffff")) {
			for _, tail := range []string{`"`, `y"`, `n"`, `n\r\n"`, `u0041"`, `\r\n\r\n0123456789abcdef0123456789abcdef"`, ``} {
				text := []byte(`"` + plain + string(c) + tail)
				if got, want := Valid(text), json.Valid(text); got != want {
					t.Fatalf("Valid(%q) = %v", text, got)
				}
			}
		}
	}
}
