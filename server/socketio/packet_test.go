package socketio

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// What socket.io-parser 4 makes of these packets, so do we.
func TestDecodePacket(t *testing.T) {
	packet := func(t PacketType, attachments int, namespace string, id int64, data string) *Packet {
		return &Packet{Type: t, Attachments: attachments, Namespace: []byte(namespace), ID: id, Data: []byte(data)}
	}
	tests := []struct {
		in   string
		want *Packet // nil if it is malformed
	}{
		{"", nil},
		{"7", nil},
		{"9", nil},
		{"a", nil},
		{"-1", nil},
		{" 2[]", nil},
		{"\x00", nil},

		{"0", packet(PacketConnect, 0, "/", NoAck, "")},
		{"0{}", packet(PacketConnect, 0, "/", NoAck, "{}")},
		{`0{"token":"123"}`, packet(PacketConnect, 0, "/", NoAck, `{"token":"123"}`)},
		{`0 {"a":1} `, packet(PacketConnect, 0, "/", NoAck, `{"a":1} `)},
		{"0/admin", packet(PacketConnect, 0, "/admin", NoAck, "")},
		{"0/admin,", packet(PacketConnect, 0, "/admin", NoAck, "")},
		{`0/admin,{"a":[1,2]}`, packet(PacketConnect, 0, "/admin", NoAck, `{"a":[1,2]}`)},
		{"0/", packet(PacketConnect, 0, "/", NoAck, "")},
		{"0/,", packet(PacketConnect, 0, "/", NoAck, "")},
		{"0/a?b=c,{}", packet(PacketConnect, 0, "/a?b=c", NoAck, "{}")},
		{"0/€,{}", packet(PacketConnect, 0, "/€", NoAck, "{}")},
		{"0[]", nil},
		{`0"x"`, nil},
		{"0null", nil},
		{"0true", nil},
		{"0{", nil},
		{"0{}x", nil},
		{"0{} {}", nil},
		{`0{"a":}`, nil},
		{`0{'a':1}`, nil},
		{"0abc", nil},

		{"1", packet(PacketDisconnect, 0, "/", NoAck, "")},
		{"1/admin,", packet(PacketDisconnect, 0, "/admin", NoAck, "")},
		{"1/admin", packet(PacketDisconnect, 0, "/admin", NoAck, "")},
		{"1{}", nil},
		{`1"x"`, nil},
		{"1/admin,[]", nil},

		{"2", packet(PacketEvent, 0, "/", NoAck, "")},
		{`2["a"]`, packet(PacketEvent, 0, "/", NoAck, `["a"]`)},
		{`2["a",1,{}]`, packet(PacketEvent, 0, "/", NoAck, `["a",1,{}]`)},
		{`20["a"]`, packet(PacketEvent, 0, "/", 0, `["a"]`)},
		{`212["a"]`, packet(PacketEvent, 0, "/", 12, `["a"]`)},
		{`2007["a"]`, packet(PacketEvent, 0, "/", 7, `["a"]`)},
		{`2999999999999999["a"]`, packet(PacketEvent, 0, "/", 999999999999999, `["a"]`)},
		{`2/admin,["a"]`, packet(PacketEvent, 0, "/admin", NoAck, `["a"]`)},
		{`2/admin,456["a"]`, packet(PacketEvent, 0, "/admin", 456, `["a"]`)},
		{`2/12,3["a"]`, packet(PacketEvent, 0, "/12", 3, `["a"]`)},
		{"2/admin,", packet(PacketEvent, 0, "/admin", NoAck, "")},
		{"2{}", nil},
		{`2"a"`, nil},
		{"2null", nil},
		{"2x", nil},
		{`2-1["a"]`, nil},
		{`21.5["a"]`, nil},
		{`2/admin["a"]`, packet(PacketEvent, 0, `/admin["a"]`, NoAck, "")},
		{`2/admin["a",1]`, nil}, // a namespace `/admin["a"`, and then no array

		{"3[]", packet(PacketAck, 0, "/", NoAck, "[]")},
		{`31["x"]`, packet(PacketAck, 0, "/", 1, `["x"]`)},
		{`3/admin,456[]`, packet(PacketAck, 0, "/admin", 456, "[]")},
		{"31{}", nil},
		{`31"x"`, nil},

		{`4{"message":"x"}`, packet(PacketConnectError, 0, "/", NoAck, `{"message":"x"}`)},
		{`4/admin,{"message":"x"}`, packet(PacketConnectError, 0, "/admin", NoAck, `{"message":"x"}`)},
		{`4"x"`, packet(PacketConnectError, 0, "/", NoAck, `"x"`)},
		{"4[]", nil},
		{"40 0", nil},

		{`51-["a",{"_placeholder":true,"num":0}]`, packet(PacketBinaryEvent, 1, "/", NoAck, `["a",{"_placeholder":true,"num":0}]`)},
		{`510-["a"]`, packet(PacketBinaryEvent, 10, "/", NoAck, `["a"]`)},
		{`52-/admin,456["a"]`, packet(PacketBinaryEvent, 2, "/admin", 456, `["a"]`)},
		{`511-["a"]`, nil},
		{`5["a"]`, nil},
		{`5-["a"]`, nil},
		{`51["a"]`, nil},
		{`5x-["a"]`, nil},
		{`51x-["a"]`, nil},
		{`5-1-["a"]`, nil},
		{`51.5-["a"]`, nil},
		{`599999999999999999999-["a"]`, nil},
		{"5", nil},
		{"51", nil},
		{"51-{}", nil},
		{`61-12["x"]`, packet(PacketBinaryAck, 1, "/", 12, `["x"]`)},
		{`61-/admin,12["x"]`, packet(PacketBinaryAck, 1, "/admin", 12, `["x"]`)},
		{`611-12["x"]`, nil},
		{"6", nil},

		{`29999999999999999999["a"]`, packet(PacketEvent, 0, "/", -8446744073709551617, `["a"]`)}, // as a uint64
		{`299999999999999999999["a"]`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := DecodePacket([]byte(tt.in))
			if tt.want == nil {
				if !errors.Is(err, ErrMalformed) {
					t.Fatalf("%+v, %v, want ErrMalformed", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Data == nil {
				got.Data = []byte{}
			}
			if !reflect.DeepEqual(&got, tt.want) {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestAppendPacket(t *testing.T) {
	tests := []struct {
		t           PacketType
		attachments int
		namespace   string
		id          int64
		data        string
		want        string
	}{
		{PacketConnect, 0, "/", NoAck, `{"sid":"x"}`, `0{"sid":"x"}`},
		{PacketConnect, 0, "/admin", NoAck, `{"sid":"x"}`, `0/admin,{"sid":"x"}`},
		{PacketDisconnect, 0, "/", NoAck, "", "1"},
		{PacketDisconnect, 0, "/admin", NoAck, "", "1/admin,"},
		{PacketEvent, 0, "/", NoAck, `["a"]`, `2["a"]`},
		{PacketEvent, 0, "/", 0, `["a"]`, `20["a"]`},
		{PacketEvent, 3, "/", 1, `["a"]`, `21["a"]`},
		{PacketEvent, 0, "/admin", 456, `["a"]`, `2/admin,456["a"]`},
		{PacketAck, 0, "/", 999999999999999, "[]", "3999999999999999[]"},
		{PacketConnectError, 0, "/random", NoAck, `{"message":"x"}`, `4/random,{"message":"x"}`},
		{PacketBinaryEvent, 1, "/", NoAck, `["a"]`, `51-["a"]`},
		{PacketBinaryEvent, 10, "/admin", 456, `["a"]`, `510-/admin,456["a"]`},
		{PacketBinaryAck, 2, "/", 7, "[]", "62-7[]"},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			got := AppendPacket([]byte("4"), tt.t, tt.attachments, tt.namespace, tt.id, []byte(tt.data))
			if string(got) != "4"+tt.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestEventName(t *testing.T) {
	tests := []struct {
		data string
		name string
		rest string
		ok   bool
	}{
		{`["offer",{}]`, "offer", ",{}]", true},
		{`["offer"]`, "offer", "]", true},
		{`[ "offer" , 1 ]`, "offer", " , 1 ]", true},
		{`[""]`, "", "]", true},
		{`["o\u0066fer"]`, "offer", "]", true},
		{`["\ud83d\ude00"]`, "😀", "]", true},
		{`["€"]`, "€", "]", true},
		{`[1,"x"]`, "", `,"x"]`, true},
		{`[-1.5e3]`, "", "]", true},
		{`["offer"`, "offer", "", true}, // what follows is for the Receiver to check
		{`["connect"]`, "", "", false},
		{`["connect_error"]`, "", "", false},
		{`["disconnect"]`, "", "", false},
		{`["disconnecting"]`, "", "", false},
		{`["newListener"]`, "", "", false},
		{`["removeListener"]`, "", "", false},
		{`["dis\u0063onnect"]`, "", "", false},
		{`["Connect"]`, "Connect", "]", true},
		{`["connection"]`, "connection", "]", true},
		{`[]`, "", "", false},
		{`[`, "", "", false},
		{`["offer]`, "", "", false},
		{`["\x"]`, "", "", false},
		{`[null]`, "", "", false},
		{`[true]`, "", "", false},
		{`[{}]`, "", "", false},
		{`[["offer"]]`, "", "", false},
		{`[,"offer"]`, "", "", false},
		{`[01]`, "", "1]", true}, // likewise
		{``, "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.data, func(t *testing.T) {
			p := Packet{Data: []byte(tt.data)}
			name, rest, err := p.EventName()
			if !tt.ok {
				if !errors.Is(err, ErrMalformed) {
					t.Fatalf("%q, %q, %v, want ErrMalformed", name, rest, err)
				}
				return
			}
			if string(name) != tt.name || string(rest) != tt.rest || err != nil {
				t.Errorf("%q, %q, %v, want %q, %q", name, rest, err, tt.name, tt.rest)
			}
		})
	}
}

func TestConnectErrorPayload(t *testing.T) {
	for message, want := range map[string]string{
		"Invalid namespace": `{"message":"Invalid namespace"}`,
		"a \"b\" <c> & é":   `{"message":"a \"b\" <c> & é"}`,
		"":                  `{"message":""}`,
	} {
		e := &ConnectError{Message: message}
		if got := string(e.payload()); got != want || e.Error() != message {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Nothing panics, what is decoded has sense in it, and it survives being
// encoded and decoded again.
func FuzzDecodePacket(f *testing.F) {
	for _, seed := range []string{
		"", "0", `0{"token":"x"}`, "0/admin,{}", "1", "1/admin,", "2", `2["a",1]`, `2/admin,12["a",{"b":[]}]`,
		`2["\u0061"]`, "2[1]", "31[]", `4{"message":"x"}`, `51-["a",{"_placeholder":true,"num":0}]`,
		`52-/admin,456["a"]`, `61-12["x"]`, "511-[]", "5-[]", "2999999999999999[]", "29999999999999999[]",
		"2/,[]", "2/[", `2["connect"]`, "0 {} ", "2\t[\n1\r]", "7", "2/€,1[]", "40 0",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !utf8.Valid(b) {
			t.Skip("a text message is UTF-8")
		}
		in := bytes.Clone(b)
		p, err := DecodePacket(b)
		if !bytes.Equal(in, b) {
			t.Fatal("the packet was changed")
		}
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if p.Type > PacketBinaryAck || p.ID != NoAck && uint64(p.ID) > 9_999_999_999_999_999_999 || p.Attachments < 0 || p.Attachments > MaxAttachments || !strings.HasPrefix(string(p.Namespace), "/") {
			t.Fatalf("%+v", p)
		}
		encoded := AppendPacket(nil, p.Type, p.Attachments, string(p.Namespace), p.ID, p.Data)
		again, err := DecodePacket(encoded)
		if err != nil {
			t.Fatalf("%q, encoded as %q: %v", b, encoded, err)
		}
		if len(p.Data) == 0 && len(again.Data) == 0 {
			p.Data, again.Data = nil, nil
		}
		if !reflect.DeepEqual(p, again) {
			t.Fatalf("%q: %+v, again %+v", b, p, again)
		}
		if name, rest, err := p.EventName(); err == nil {
			if reserved(name) || !bytes.HasSuffix(p.Data, rest) {
				t.Fatalf("%q: name %q, rest %q", b, name, rest)
			}
		}
	})
}
