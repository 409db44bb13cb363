package socketio

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// numbered are n attachments that hold their numbers.
func numbered(n int) [][]byte {
	attachments := make([][]byte, n)
	for i := range attachments {
		attachments[i] = []byte{byte(i)}
	}
	return attachments
}

func TestAttach(t *testing.T) {
	const p, q = `{"_placeholder":true,"num":`, `}`
	tests := []struct {
		name, body string
		n          int    // attachments
		want       string // or nothing, if body is left alone
		used       []int
	}{
		{"none", `{"a":[1,"x",null,true]}`, 2, ``, nil},
		{"a scalar", `"_placeholder"`, 2, ``, nil},
		{"a number", `17`, 2, ``, nil},
		{"empty containers", `[{},[],{"a":{}}]`, 1, ``, nil},
		{"all of it", p + `0` + q, 1, ``, []int{0}},
		{"in order", `[` + p + `0` + q + `,{"x":` + p + `1` + q + `},` + p + `2` + q + `]`, 3, ``, []int{0, 1, 2}},
		{"the first ones", `[` + p + `0` + q + `,` + p + `1` + q + `]`, 3, ``, []int{0, 1}},
		{"repeated in order", `[` + p + `0` + q + `,` + p + `0` + q + `,` + p + `1` + q + `,` + p + `0` + q + `]`, 2, ``, []int{0, 1}},
		{"white space", " [ { \"_placeholder\" : true ,\n\t\"num\" : 0 \r} , 1 ] ", 1, ``, []int{0}},
		{"num first", `{"num":0,"_placeholder":true}`, 1, ``, []int{0}},
		{"more members", `{"a":5,"num":0,"b":[5],"_placeholder":true,"c":"num"}`, 1, ``, []int{0}},
		{"ten", `[` + p + `9` + q + `]`, 10, `[` + p + `0` + q + `]`, []int{9}},

		{"only the last", p + `2` + q, 3, p + `0` + q, []int{2}},
		{"out of order", `[` + p + `1` + q + `,` + p + `0` + q + `]`, 2, `[` + p + `0` + q + `,` + p + `1` + q + `]`, []int{1, 0}},
		{"partly used", `{"a":` + p + `1` + q + `,"b":` + p + `3` + q + `}`, 4, `{"a":` + p + `0` + q + `,"b":` + p + `1` + q + `}`, []int{1, 3}},
		{"repeated", `[` + p + `2` + q + `,` + p + `1` + q + `,` + p + `2` + q + `]`, 3, `[` + p + `0` + q + `,` + p + `1` + q + `,` + p + `0` + q + `]`, []int{2, 1}},
		{"other lengths", `[` + p + `11` + q + `,"` + "\u2028" + `",` + p + `10` + q + `,` + p + `2` + q + `,` + p + `11` + q + `]`, 12,
			`[` + p + `0` + q + `,"` + "\u2028" + `",` + p + `1` + q + `,` + p + `2` + q + `,` + p + `0` + q + `]`, []int{11, 10, 2}},
		{"bytes around", "[ 1.50e+01 ,\"\\u0061\\/\", {\"num\" :\t1 , \"_placeholder\":true} ]", 2, "[ 1.50e+01 ,\"\\u0061\\/\", {\"num\" :\t0 , \"_placeholder\":true} ]", []int{1}},

		// Clients index a list with the number; some know integers only.
		{"spelled 0e0", p + `0e0` + q, 1, p + `0` + q, []int{0}},
		{"spelled -0", p + `-0` + q, 1, p + `0` + q, []int{0}},
		{"spelled 1e0", `[` + p + `0` + q + `,` + p + `1e0` + q + `]`, 2, `[` + p + `0` + q + `,` + p + `1` + q + `]`, []int{0, 1}},
		{"spelled 10e-1", p + `10e-1` + q, 2, p + `0` + q, []int{1}},
		{"spelled 2.000", p + `2.000` + q, 3, p + `0` + q, []int{2}},
		{"almost zero", p + `1e-400` + q, 1, p + `0` + q, []int{0}},

		{"escaped keys", `{"_pl\u0061ceholder":true,"n\u0075m":1}`, 2, `{"_pl\u0061ceholder":true,"n\u0075m":0}`, []int{1}},
		{"last duplicate", `{"_placeholder":false,"num":"x","_placeholder":true,"num":0,"num":1}`, 2, `{"_placeholder":false,"num":"x","_placeholder":true,"num":0,"num":0}`, []int{1}},
		{"nested deeply", `[[[{"a":[{"b":` + p + `1` + q + `}]}]]]`, 2, `[[[{"a":[{"b":` + p + `0` + q + `}]}]]]`, []int{1}},
		{"one inside of another", p + `0,"x":` + p + `1.0` + q + q, 2, p + `0,"x":` + p + `1` + q + q, []int{0, 1}},
		{"one inside of another, before its number", `{"x":` + p + `1.0` + q + `,"_placeholder":true,"num":0}`, 2, `{"x":` + p + `0` + q + `,"_placeholder":true,"num":1}`, []int{1, 0}},

		{"marked with a string", `{"_placeholder":"true","num":7}`, 1, ``, nil},
		{"marked with one", `{"_placeholder":1,"num":7}`, 1, ``, nil},
		{"marked false", `{"_placeholder":false,"num":7}`, 1, ``, nil},
		{"marked with an object", `{"_placeholder":{"_placeholder":false},"num":7}`, 1, ``, nil},
		{"marked no more", `{"_placeholder":true,"num":7,"_placeholder":null}`, 1, ``, nil},
		{"marked no more, but with an array", `{"_placeholder":true,"num":7,"_placeholder":[true]}`, 1, ``, nil},
		{"mark elsewhere", `{"x":{"_placeholder":false},"y":true,"num":7,"z":["_placeholder",true]}`, 1, ``, nil},
		{"mark of another", `[{"_placeholder":[{"num":7}]},{"num":true}]`, 1, ``, nil},
		{"in a string", `"{\"_placeholder\":true,\"num\":7}"`, 1, ``, nil},
		{"other keys", `{"placeholder":true,"_Placeholder":true,"_placeholder ":true,"num":7}`, 1, ``, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, attachments := []byte(tt.body), numbered(tt.n)
			attached, used, ok := Attach(body, attachments)
			want := tt.want
			if want == "" {
				want = tt.body
				if ok && len(attached) > 0 && &attached[0] != &body[0] {
					t.Error("copied")
				}
			}
			if !ok || string(attached) != want || fmt.Sprint(numbers(used)) != fmt.Sprint(tt.used) {
				t.Errorf("got  %s, %v, %v\nwant %s, %v", attached, numbers(used), ok, want, tt.used)
			}
			if string(body) != tt.body {
				t.Errorf("changed what it was given: %s", body)
			}
			checkAttach(t, body, tt.n)
		})
	}
}

// numbers are the numbers that attachments hold.
func numbers(attachments [][]byte) (n []int) {
	for _, a := range attachments {
		n = append(n, int(a[0]))
	}
	return n
}

func TestAttachRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"past the end":         `{"_placeholder":true,"num":2}`,
		"far past the end":     `{"_placeholder":true,"num":1e300}`,
		"infinite":             `{"_placeholder":true,"num":1e999}`,
		"negative":             `{"_placeholder":true,"num":-1}`,
		"fraction":             `{"_placeholder":true,"num":0.5}`,
		"string":               `{"_placeholder":true,"num":"0"}`,
		"null":                 `{"_placeholder":true,"num":null}`,
		"array":                `{"_placeholder":true,"num":[0]}`,
		"empty array":          `{"_placeholder":true,"num":[]}`,
		"object":               `{"_placeholder":true,"num":{"num":0}}`,
		"none":                 `{"_placeholder":true}`,
		"last is none":         `{"_placeholder":true,"num":0,"num":null}`,
		"the number of others": `{"num":0,"x":[{"_placeholder":true}]}`,
		"one good, one bad":    `[{"_placeholder":true,"num":1},{"_placeholder":true,"num":2}]`,
		"bad inside of good":   `{"_placeholder":true,"num":0,"x":{"_placeholder":true,"num":2}}`,
		"too many":             `[` + strings.Repeat(`{"_placeholder":true,"num":0},`, maxPlaceholders) + `{"_placeholder":true,"num":0}]`,
	} {
		t.Run(name, func(t *testing.T) {
			if attached, used, ok := Attach([]byte(body), numbered(2)); ok {
				t.Errorf("got %s, %v", attached, numbers(used))
			}
			checkAttach(t, []byte(body), 2)
		})
	}
	body := `[` + strings.Repeat(`{"_placeholder":true,"num":0},`, maxPlaceholders-1) + `{"_placeholder":true,"num":0}]`
	if _, used, ok := Attach([]byte(body), numbered(1)); !ok || len(used) != 1 {
		t.Errorf("refused at the limit: %v, %v", used, ok)
	}
}

// checkAttach compares Attach with what encoding/json finds.
func checkAttach(t *testing.T, body []byte, n int) {
	t.Helper()
	want, wantUsed, wantOK := referenceAttach(body, n)
	attached, used, ok := Attach(bytes.Clone(body), numbered(n))
	if ok != wantOK || !bytes.Equal(attached, want) || fmt.Sprint(numbers(used)) != fmt.Sprint(wantUsed) {
		t.Fatalf("Attach(%q, %d) = %q, %v, %v; want %q, %v, %v", body, n, attached, numbers(used), ok, want, wantUsed, wantOK)
	}
	if !ok {
		return
	}
	if !json.Valid(attached) {
		t.Fatalf("Attach(%q, %d) = %q is no JSON", body, n, attached)
	}
	again, same, ok := Attach(attached, used)
	if !ok || !bytes.Equal(again, attached) || fmt.Sprint(numbers(same)) != fmt.Sprint(numbers(used)) {
		t.Fatalf("once more, Attach(%q) = %q, %v, %v", attached, again, numbers(same), ok)
	}
}

// TestAttachIsLinear gives Attach the worst that one message can hold. Were it
// quadratic, some of it would take minutes, or a thousand copies.
func TestAttachIsLinear(t *testing.T) {
	const size = 1_000_000
	placeholder := `{"_placeholder":true,"num":1}`
	padding := strings.Repeat(" ", size/maxPlaceholders-len(placeholder)-1)
	tests := map[string]struct {
		body string
		used int
		ok   bool
	}{
		"deep arrays":       {strings.Repeat(`[`, size/2) + placeholder + strings.Repeat(`]`, size/2), 1, true},
		"deep objects":      {strings.Repeat(`{"num":`, size/8) + placeholder + strings.Repeat(`}`, size/8), 1, true},
		"deep placeholders": {strings.Repeat(`{"_placeholder":true,"num":1,"":`, 1000) + `0` + strings.Repeat(`}`, 1000), 1, true},
		"wide":              {`[` + strings.Repeat(`{"num":1},`, size/10) + placeholder + `]`, 1, true},
		"renumbered":        {`[` + strings.Repeat(placeholder+padding+`,`, maxPlaceholders-1) + placeholder + `]`, 1, true},
		"escaped keys":      {`{` + strings.Repeat(`"\u006eum":1,`, size/13) + `"_placeholder":true}`, 1, true},
		"long number":       {`{"_placeholder":true,"num":1.` + strings.Repeat("0", size) + `}`, 1, true},
		"many, all illegal": {`[` + strings.Repeat(`{"_placeholder":true},`, size/22) + `0]`, 0, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			body := []byte(tt.body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			attached, used, ok := Attach(body, numbered(2))
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if allocated := after.TotalAlloc - before.TotalAlloc; took > 30*time.Second || allocated > 100*size {
				t.Errorf("took %v and %d bytes", took, allocated)
			}
			if ok != tt.ok || len(used) != tt.used {
				t.Fatalf("%v, used %v", ok, numbers(used))
			}
			if ok && (!json.Valid(attached) && name != "deep arrays" && name != "deep objects" || bytes.Contains(attached, []byte(placeholder))) {
				t.Error("not renumbered")
			}
		})
	}
}

// FuzzAttach compares Attach with a walk through what encoding/json reads.
func FuzzAttach(f *testing.F) {
	const p = `{"_placeholder":true,"num":`
	for _, body := range []string{
		`{}`, `[1,"x",{"y":null}]`, p + `0}`, `[` + p + `1},` + p + `0}]`, p + `0,"x":` + p + `1.0}}`, p + `1e0}`, p + `-0}`, p + `7}`, p + `0.5}`,
		`{"_pl\u0061ceholder":true,"num":[0],"num":2}`, `{"_placeholder":true,"_placeholder":{},"num":9}`, `[[[` + p + `1} ] , {"a":` + p + `2}}]]`,
		`{"sdp":"v=0\r\n","file":` + p + `3}}`,
	} {
		f.Add([]byte(body), uint8(3))
	}
	f.Fuzz(func(t *testing.T, body []byte, n uint8) {
		if !utf8.Valid(body) || !json.Valid(body) {
			return
		}
		checkAttach(t, body, int(n)%12)
	})
}
