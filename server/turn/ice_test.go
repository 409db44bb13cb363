package turn

import (
	"encoding/json"
	"testing"
	"time"
)

var (
	stunURLs = []string{"stun:stun.example.com:3478"}
	turnURLs = []string{"turn:192.0.2.1:3478?transport=udp", "turn:[2001:db8::1]:3478?transport=tcp"}
	now      = time.Unix(1_700_000_000, 0)
)

func TestAppendServers(t *testing.T) {
	const (
		stun = `{"urls":["stun:stun.example.com:3478"]}`
		urls = `["turn:192.0.2.1:3478?transport=udp","turn:[2001:db8::1]:3478?transport=tcp"]`
	)
	// Passwords come from Python's hmac module.
	withTURN := func(first, name, password, ttl string) string {
		return `{"iceServers":[` + first + `{"urls":` + urls + `,"username":"` + name + `","credential":"` + password + `"}],` +
			`"username":"` + name + `","password":"` + password + `","ttl":` + ttl + `,"uris":` + urls + `}`
	}
	for _, test := range []struct {
		name string
		ice  ICE
		user string
		want string
	}{
		{"neither", ICE{}, "alice", `{"iceServers":[]}`},
		{"a secret alone", ICE{Secret: "north", TTL: time.Hour}, "alice", `{"iceServers":[]}`},
		{"STUN only", ICE{STUN: stunURLs}, "alice", `{"iceServers":[` + stun + `]}`},
		{"two STUN URLs", ICE{STUN: []string{"stun:a", "stun:b"}}, "", `{"iceServers":[{"urls":["stun:a","stun:b"]}]}`},
		{"both", ICE{STUN: stunURLs, TURN: turnURLs, Secret: "north", TTL: time.Hour}, "alice",
			withTURN(stun+",", "1700003600:alice", "wjwSXO2ch1B6VaLTLMy2Avn5O9o=", "3600")},
		{"TURN only", ICE{TURN: turnURLs, Secret: "north", TTL: time.Hour}, "alice",
			withTURN("", "1700003600:alice", "wjwSXO2ch1B6VaLTLMy2Avn5O9o=", "3600")},
		{"one hour by default", ICE{TURN: turnURLs, Secret: "north"}, "alice",
			withTURN("", "1700003600:alice", "wjwSXO2ch1B6VaLTLMy2Avn5O9o=", "3600")},
		{"one minute", ICE{TURN: turnURLs, Secret: "north", TTL: time.Minute}, "alice",
			withTURN("", "1700000060:alice", "b/MNJ/XdPk4NPaXAvztSvEoz3wM=", "60")},
		{"not registered", ICE{TURN: turnURLs, Secret: "north"}, "",
			withTURN("", "1700003600", "xF4I6gruVt/PjGbjajGu2UlidPk=", "3600")},
		{"quote, colon, backslash", ICE{TURN: turnURLs, Secret: "north"}, `a"b:c\d`,
			withTURN("", `1700003600:a\"b:c\\d`, "yB0QcSPhFWj5DhMfR8E+yzcp1VA=", "3600")},
		{"Unicode", ICE{TURN: turnURLs, Secret: "north"}, "Zoë 日本 😀",
			withTURN("", "1700003600:Zoë 日本 😀", "FNlX/yl2094sW5tfhGu6o+mhEA4=", "3600")},
		{"no UTF-8", ICE{TURN: turnURLs, Secret: "north"}, "a\xffb",
			withTURN("", "1700003600:a\ufffdb", "0K2nAaPnik3s25ZdCDPe5WvBSLU=", "3600")},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := string(test.ice.AppendServers([]byte("before "), test.user, now))
			if want := "before " + test.want; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// Whatever the user id is, the JSON parses, and the name that arrives is the
// one that was signed.
func FuzzAppendServers(f *testing.F) {
	for _, user := range []string{"", "alice", "a\"\\:\x00\u2028<&>", "\xff\xfe", "\xed\xa0\x80", "😀"} {
		f.Add(user)
	}
	ice := ICE{STUN: stunURLs, TURN: turnURLs, Secret: "north"}
	f.Fuzz(func(t *testing.T, user string) {
		text := ice.AppendServers(nil, user, now)
		var got struct {
			Servers []struct {
				URLs                 []string
				Username, Credential string
			} `json:"iceServers"`
			Username, Password string
		}
		if err := json.Unmarshal(text, &got); err != nil || len(got.Servers) != 2 {
			t.Fatalf("%s: %v", text, err)
		}
		relay := got.Servers[1]
		if relay.Username != got.Username || relay.Credential != got.Password {
			t.Errorf("%s: both forms must agree", text)
		}
		if password("north", got.Username) != got.Password {
			t.Errorf("%s: signed another name", text)
		}
		if c, err := parseUsername(got.Username); len(got.Username) <= maxUsername && (err != nil || c.expiry != 1_700_003_600) {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	})
}

func TestRenewAt(t *testing.T) {
	for _, test := range []struct {
		ttl, want time.Duration
	}{
		{0, 48 * time.Minute},
		{time.Hour, 48 * time.Minute},
		{24 * time.Hour, 24 * time.Hour * 4 / 5},
		{time.Minute, 48 * time.Second},
		{30 * time.Second, 20 * time.Second},
		{20 * time.Second, 10 * time.Second},
		{6 * time.Second, 3 * time.Second},
		{time.Millisecond, 500 * time.Millisecond},
	} {
		t.Run(test.ttl.String(), func(t *testing.T) {
			ice := ICE{TURN: turnURLs, TTL: test.ttl}
			if got := ice.RenewAt(now).Sub(now); got != test.want {
				t.Errorf("renewed after %v, want %v", got, test.want)
			}
		})
	}
	if at := (&ICE{STUN: stunURLs}).RenewAt(now); !at.IsZero() {
		t.Errorf("without TURN: %v", at)
	}
}
