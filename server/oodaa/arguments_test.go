package oodaa

import (
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson/reference"

	"github.com/oodaa/signaling/server/rawjson"

	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestReadRegister(t *testing.T) {
	repeat := strings.Repeat
	tests := []struct {
		name, rest, id string
	}{
		{"plain", `,{"userId":"alice"}]`, "alice"},
		{"one letter", `,{"userId":"a"}]`, "a"},
		{"a space", `,{"userId":" "}]`, " "},
		{"zero in words", `,{"userId":"0"}]`, "0"},
		{"white space", " , { \"userId\" : \"alice\" } ] \n", "alice"},
		{"more arguments", `,{"userId":"alice"},{"userId":"bob"},1,null]`, "alice"},
		{"more members", `,{"id":1,"userId":"alice","x":{"userId":"bob"}}]`, "alice"},
		{"last duplicate", `,{"userId":7,"userId":"bob","userId":"alice"}]`, "alice"},
		{"escaped key", `,{"user\u0049d":"alice"}]`, "alice"},
		{"escaped value", `,{"userId":"\u0061lic\u0065\n"}]`, "alice\n"},
		{"lone surrogate", `,{"userId":"\ud800"}]`, "\xed\xa0\x80"},
		{"50 letters", `,{"userId":"` + repeat("a", 50) + `"}]`, repeat("a", 50)},
		{"51 letters", `,{"userId":"` + repeat("a", 51) + `"}]`, ""},
		{"50 of two bytes", `,{"userId":"` + repeat("é", 50) + `"}]`, repeat("é", 50)},
		{"51 of two bytes", `,{"userId":"` + repeat("é", 51) + `"}]`, ""},
		{"50 of three bytes", `,{"userId":"` + repeat("你", 50) + `"}]`, repeat("你", 50)},
		{"25 of two code units", `,{"userId":"` + repeat("😀", 25) + `"}]`, repeat("😀", 25)},
		{"25 of two code units and a letter", `,{"userId":"` + repeat("😀", 25) + `a"}]`, ""},
		{"50 escaped", `,{"userId":"` + repeat(`\u0061`, 50) + `"}]`, repeat("a", 50)},
		{"25 escaped pairs", `,{"userId":"` + repeat(`\ud83d\ude00`, 25) + `"}]`, repeat("😀", 25)},
		{"26 escaped pairs", `,{"userId":"` + repeat(`\ud83d\ude00`, 26) + `"}]`, ""},
		{"50 lone surrogates", `,{"userId":"` + repeat(`\ud83d`, 50) + `"}]`, repeat("\xed\xa0\xbd", 50)},
		{"51 lone surrogates", `,{"userId":"` + repeat(`\ud83d`, 51) + `"}]`, ""},

		{"no argument", `]`, ""},
		{"empty", `,{"userId":""}]`, ""},
		{"missing", `,{}]`, ""},
		{"other case", `,{"userid":"alice"}]`, ""},
		{"null", `,{"userId":null}]`, ""},
		{"number", `,{"userId":123}]`, ""},
		{"true", `,{"userId":true}]`, ""},
		{"array", `,{"userId":["alice"]}]`, ""},
		{"object", `,{"userId":{"userId":"alice"}}]`, ""},
		{"last duplicate is none", `,{"userId":"alice","userId":null}]`, ""},
		{"argument null", `,null]`, ""},
		{"argument string", `,"alice"]`, ""},
		{"argument number", `,5]`, ""},
		{"argument array", `,[{"userId":"alice"}]]`, ""},
		{"second argument", `,null,{"userId":"alice"}]`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := hub.OK
			if tt.id == "" {
				want = hub.InvalidUserID
			}
			id, code, ok := readRegister([]byte(tt.rest))
			if !ok || code != want || id != tt.id {
				t.Errorf("got %q, code %d, %v; want %q, code %d", id, code, ok, tt.id, want)
			}
		})
	}
}

// malformed is what may stand behind an event's name and makes no JSON of it.
var malformed = []string{
	``, ` `, `,`, `{}]`, `x]`, `:1]`, `,]`, `,{}`, `,{}}`, `,{}]]`, `,{}]x`, `,{}],`, `,{},]`, `,{} {}]`, `,{},{]`,
	`,{"to":"b","from":"a","offer":1`, `,{"to":"b","from":"a","offer":1}`, `,{"to":"b","from":"a","offer":01}]`,
	`,{"to":"b","from":"a","offer":1},tru]`, `,{"to":"b","from":"a","offer":[}]}]`, `,{"userId":"alice"},nul]`,
	`,{"userId":"alice"`, `,{"userId":"al` + "\n" + `ice"}]`, `,{"userId":"\x"}]`, `,{'userId':"alice"}]`, `,{"userId":"alice",}]`,
	`,[}]`, `,"]`, `,1.]`, `,{"a"}]`, `]]`, `] ]`, `]x`,
}

func TestMalformedArguments(t *testing.T) {
	for _, rest := range malformed {
		t.Run(rest, func(t *testing.T) {
			if json.Valid([]byte(`["event"` + rest)) {
				t.Fatal("that is JSON")
			}
			if id, _, ok := readRegister([]byte(rest)); ok || id != "" {
				t.Errorf("ReadRegister: %q, %v", id, ok)
			}
			for kind := range hub.Kinds {
				var r hub.Relay
				if from, _, ok := readRelay([]byte(rest), kind, &r); ok || from != nil || r.To != nil || r.Payload != nil {
					t.Errorf("readRelay(%s): %q, %+v, %v", kind.Event(), from, r, ok)
				}
			}
			if rawjson.ValidTail([]byte(rest)) {
				t.Error("CheckArguments: true")
			}
		})
	}
}

func TestCheckArguments(t *testing.T) {
	for _, rest := range []string{`]`, ` ] `, `,1]`, `,{}]`, `,null,[],{"a":"]"}]`, " ,\t1\n,\r2 ] \n"} {
		if !rawjson.ValidTail([]byte(rest)) {
			t.Errorf("rawjson.ValidTail(%q) is false", rest)
		}
	}
}

func TestReadRelay(t *testing.T) {
	type want struct{ to, from, body string }
	tests := []struct {
		name, rest string // BODY stands for the event's body key
		want       want   // nothing: Invalid … data
	}{
		{"plain", `,{"to":"b","from":"a","BODY":{"sdp":"v=0\r\n"}}]`, want{"b", `"a"`, `{"sdp":"v=0\r\n"}`}},
		{"any order", `,{"BODY":[1],"x":0,"from":"a","to":"b"}]`, want{"b", `"a"`, `[1]`}},
		{"more arguments", `,{"to":"b","from":"a","BODY":1},{"to":"c"},null]`, want{"b", `"a"`, `1`}},
		{"last duplicate", `,{"to":"x","from":0,"BODY":0,"to":"b","from":"a","BODY":1}]`, want{"b", `"a"`, `1`}},
		{"escaped keys", `,{"t\u006f":"b","\u0066rom":"a","BODY":1}]`, want{"b", `"a"`, `1`}},
		{"escaped target", `,{"to":"\u0062\ud83d\ude00\ud800","from":"a","BODY":1}]`, want{"b😀\xed\xa0\x80", `"a"`, `1`}},
		{"escaped sender", `,{"to":"b","from":"\u0061","BODY":1}]`, want{"b", `"\u0061"`, `1`}},
		{"to oneself", `,{"to":"a","from":"a","BODY":1}]`, want{"a", `"a"`, `1`}},
		{"target of any length", `,{"to":"` + strings.Repeat("b", 300) + `","from":"a","BODY":1}]`, want{strings.Repeat("b", 300), `"a"`, `1`}},
		{"white space", " , { \"to\" : \"b\" , \"from\" : \"a\" , \"BODY\" : { \"x\" : [ 1 , 2 ] } } ] ", want{"b", `"a"`, `{ "x" : [ 1 , 2 ] }`}},
		{"bytes of the body", `,{"to":"b","from":"a","BODY":{"z":1.0,"a":1e2,"z":10000000000000000000001,"\u0061":"\u00e9é\/"}}]`,
			want{"b", `"a"`, `{"z":1.0,"a":1e2,"z":10000000000000000000001,"\u0061":"\u00e9é\/"}`}},
		{"body true", `,{"to":"b","from":"a","BODY":true}]`, want{"b", `"a"`, `true`}},
		{"body a string", `,{"to":"b","from":"a","BODY":"0"}]`, want{"b", `"a"`, `"0"`}},
		{"body a space", `,{"to":"b","from":"a","BODY":" "}]`, want{"b", `"a"`, `" "`}},
		{"body empty object", `,{"to":"b","from":"a","BODY":{}}]`, want{"b", `"a"`, `{}`}},
		{"body empty array", `,{"to":"b","from":"a","BODY":[]}]`, want{"b", `"a"`, `[]`}},
		{"body negative", `,{"to":"b","from":"a","BODY":-1e-3}]`, want{"b", `"a"`, `-1e-3`}},
		{"body huge", `,{"to":"b","from":"a","BODY":1e999}]`, want{"b", `"a"`, `1e999`}},

		{"no argument", `]`, want{}},
		{"argument null", `,null]`, want{}},
		{"argument string", `,"to"]`, want{}},
		{"argument array", `,[{"to":"b","from":"a","BODY":1}]]`, want{}},
		{"second argument", `,{},{"to":"b","from":"a","BODY":1}]`, want{}},
		{"to missing", `,{"from":"a","BODY":1}]`, want{}},
		{"to empty", `,{"to":"","from":"a","BODY":1}]`, want{}},
		{"to null", `,{"to":null,"from":"a","BODY":1}]`, want{}},
		{"to a number", `,{"to":5,"from":"a","BODY":1}]`, want{}},
		{"to an object", `,{"to":{"to":"b"},"from":"a","BODY":1}]`, want{}},
		{"to an array", `,{"to":["b"],"from":"a","BODY":1}]`, want{}},
		{"to true", `,{"to":true,"from":"a","BODY":1}]`, want{}},
		{"last to null", `,{"to":"b","from":"a","BODY":1,"to":null}]`, want{}},
		{"from missing", `,{"to":"b","BODY":1}]`, want{}},
		{"from empty", `,{"to":"b","from":"","BODY":1}]`, want{}},
		{"from null", `,{"to":"b","from":null,"BODY":1}]`, want{}},
		{"from a number", `,{"to":"b","from":5,"BODY":1}]`, want{}},
		{"from an object", `,{"to":"b","from":{},"BODY":1}]`, want{}},
		{"body missing", `,{"to":"b","from":"a"}]`, want{}},
		{"body of another case", `,{"to":"b","from":"a","Body":1,"OFFER":1}]`, want{}},
		{"body null", `,{"to":"b","from":"a","BODY":null}]`, want{}},
		{"body false", `,{"to":"b","from":"a","BODY":false}]`, want{}},
		{"body zero", `,{"to":"b","from":"a","BODY":0}]`, want{}},
		{"body minus zero", `,{"to":"b","from":"a","BODY":-0.0e7}]`, want{}},
		{"body almost zero", `,{"to":"b","from":"a","BODY":1e-400}]`, want{}},
		{"body empty string", `,{"to":"b","from":"a","BODY":""}]`, want{}},
		{"last body null", `,{"to":"b","from":"a","BODY":1,"BODY":null}]`, want{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for kind := range hub.Kinds {
				rest := []byte(strings.ReplaceAll(tt.rest, "BODY", kind.Payload()))
				checkRelay(t, rest, kind)

				wantCode := hub.OK
				if tt.want == (want{}) {
					wantCode = hub.InvalidData
				}
				var r hub.Relay
				from, code, ok := readRelay(rest, kind, &r)
				got := want{string(r.To), string(from), string(r.Payload)}
				if !ok || code != wantCode || got != tt.want {
					t.Errorf("%s: %+v, code %d, %v; want %+v, code %d", kind.Event(), got, code, ok, tt.want, wantCode)
				}
				if code == hub.OK && r.Kind != kind {
					t.Errorf("kind %d, want %d", r.Kind, kind)
				}
			}
		})
	}
}

// TestBodyKeys tells the bodies of different events apart.
func TestBodyKeys(t *testing.T) {
	rest := []byte(`,{"to":"b","from":"a","offer":"O","answer":"A","candidate":"C","message":"M"}]`)
	for kind, want := range map[hub.Kind]string{hub.Offer: `"O"`, hub.Answer: `"A"`, hub.Candidate: `"C"`, hub.Custom: `"M"`} {
		var r hub.Relay
		if _, code, _ := readRelay(rest, kind, &r); code != hub.OK || string(r.Payload) != want {
			t.Errorf("%s: %s, want %s", kind.Event(), r.Payload, want)
		}
	}
}

// checkRelay compares ReadRelay with what encoding/json reads, and reads again
// what AppendRelay makes of it.
func checkRelay(t *testing.T, rest []byte, kind hub.Kind) {
	t.Helper()
	to, sender, body, valid, good, known := referenceRelay(rest, kind.Payload())
	if !known || !utf8.Valid(rest) {
		return
	}
	var r hub.Relay
	from, code, ok := readRelay(rest, kind, &r)
	if ok != valid || (code == hub.OK) != good || !good && code != hub.InvalidData {
		t.Fatalf("readRelay(%q): code %d, %v; JSON: %v, a relay: %v", rest, code, ok, valid, good)
	}
	if rawjson.ValidTail(rest) != valid {
		t.Fatalf("rawjson.ValidTail(%q) is %v", rest, !valid)
	}
	if !good {
		return
	}
	if got := reference.Units(rawjson.AppendString(nil, string(r.To))); !slices.Equal(got, to) {
		t.Fatalf("readRelay(%q): to %x, want %x", rest, got, to)
	}
	if got := reference.Units(from); !slices.Equal(got, sender) {
		t.Fatalf("readRelay(%q): from %x, want %x", rest, got, sender)
	}
	if !bytes.Equal(r.Payload, body) {
		t.Fatalf("readRelay(%q): body %q, want %q", rest, r.Payload, body)
	}

	r.From = hub.NewUser(rawjson.DecodeString(from), "", nil)
	if !r.From.Named(from) {
		t.Fatalf("%s is not named %s", r.From.JSON, from)
	}
	args := appendRelay([]byte("dst"), &r)
	if want := `dst["` + kind.Event() + `",{"from":` + string(r.From.JSON) + `,"` + kind.Payload() + `":` + string(body) + `}]`; string(args) != want {
		t.Fatalf("AppendRelay is %q, want %q", args, want)
	}
	if args = args[3:]; !json.Valid(args) {
		t.Fatalf("AppendRelay is no JSON: %q", args)
	}
}

func TestAppendRelay(t *testing.T) {
	quoted := hub.NewUser("a\"\\\n😀\xed\xa0\x80", "", nil)
	tests := []struct {
		kind hub.Kind
		from *hub.User
		body string
		want string
	}{
		{hub.Offer, hub.NewUser("a", "", nil), `{"type":"offer"}`, `["offer",{"from":"a","offer":{"type":"offer"}}]`},
		{hub.Answer, hub.NewUser("a", "", nil), `[1.0]`, `["answer",{"from":"a","answer":[1.0]}]`},
		{hub.Candidate, hub.NewUser("a", "", nil), `"c\u0061"`, `["ice-candidate",{"from":"a","candidate":"c\u0061"}]`},
		{hub.Custom, quoted, ` true`, `["custom-message",{"from":"a\"\\\n😀\ud800","message": true}]`},
	}
	for _, tt := range tests {
		t.Run(tt.kind.Event(), func(t *testing.T) {
			r := hub.Relay{Kind: tt.kind, From: tt.from, Payload: []byte(tt.body)}
			if got := string(appendRelay(nil, &r)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestAppendAnswers(t *testing.T) {
	bob := hub.NewUser("bo\"b\n😀\xed\xb0\x80", "", nil)
	for name, tt := range map[string]struct{ got, want string }{
		"error":             {string(appendError(nil, "Invalid user ID")), `["error","Invalid user ID"]`},
		"error with a name": {string(appendError(nil, text(hub.NotFound, hub.Offer, []byte("\"\\\n\xed\xa0\x80")))), `["error","User \"\\\n\ud800 not found"]`},
		"failure":           {string(appendFailure(nil, hub.NotFound, `User " not found`)), `[{"ok":false,"error":"User \" not found","code":"not_found"}]`},
		"connected":         {string(spellChange(&hub.Change{User: bob, Online: true})), `["peer-connected",{"peerId":"bo\"b\n😀\udc00"}]`},
		"disconnected":      {string(spellChange(&hub.Change{User: bob})), `["peer-disconnected",{"peerId":"bo\"b\n😀\udc00"}]`},
		"nobody":            {string(spellUsers(nil, bob)), `["user-list",{"users":[]}]`},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("got  %s\nwant %s", tt.got, tt.want)
			}
			if !json.Valid([]byte(tt.got)) {
				t.Error("not JSON")
			}
		})
	}
}

func TestKinds(t *testing.T) {
	want := map[string]string{"offer": "offer", "answer": "answer", "ice-candidate": "candidate", "custom-message": "message"}
	for event, body := range want {
		kind, ok := hub.KindOf([]byte(event))
		if !ok || kind.Event() != event || kind.Payload() != body {
			t.Errorf("KindOf(%s) = %q with body %q, %v", event, kind.Event(), kind.Payload(), ok)
		}
	}
	if len(want) != int(hub.Kinds) {
		t.Errorf("%d kinds, want %d", hub.Kinds, len(want))
	}
	for _, event := range []string{"", "Offer", "offer ", "candidate", "message", "register", "ping", "error"} {
		if _, ok := hub.KindOf([]byte(event)); ok {
			t.Errorf("%q is a relay", event)
		}
	}
	if _, ok := hub.KindOf(nil); ok {
		t.Error("no name is a relay")
	}
}
