package turn

import (
	"strings"
	"testing"
	"time"
)

func TestParseUsername(t *testing.T) {
	long := strings.Repeat("x", maxUsername-len("1:"))
	for _, test := range []struct {
		name string
		want credential
	}{
		{"1700003600:alice", credential{1_700_003_600, "alice"}},
		{"1700003600", credential{1_700_003_600, ""}},
		{"1700003600:", credential{1_700_003_600, ""}},
		{"1700003600:a:b", credential{1_700_003_600, "a:b"}},
		{"1700003600::", credential{1_700_003_600, ":"}},
		{"0:12:alice", credential{0, "12:alice"}},
		{"9223372036854775807:a", credential{1<<63 - 1, "a"}},
		{"1:" + long, credential{1, long}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, err := parseUsername(test.name); err != nil || got != test.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	for _, name := range []string{
		"", ":", "alice", ":alice", "alice:1700003600", "-1:alice", "+1:alice", " 1:alice", "1 :alice", "1.5:alice",
		"0x10:alice", "1_000:alice", "1e9:alice", "١٢:alice", "9223372036854775808:alice", "99999999999999999999", "1:x" + long,
	} {
		t.Run("refused "+name, func(t *testing.T) {
			if got, err := parseUsername(name); err == nil {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestCredentialExpires(t *testing.T) {
	c := credential{expiry: now.Unix()}
	for _, test := range []struct {
		at   time.Duration
		want bool
	}{{-time.Hour, false}, {-time.Second, false}, {-1, false}, {0, true}, {time.Second, true}} {
		if got := c.expired(now.Add(test.at)); got != test.want {
			t.Errorf("at %v: %v", test.at, got)
		}
	}
}

func FuzzParseUsername(f *testing.F) {
	for _, name := range []string{"1700003600:alice", "1", "1:", ":", "01:a", "-1", "18446744073709551615:a", "1:a:b", "1:\x00\xff"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		c, err := parseUsername(name)
		if err != nil {
			return
		}
		if c.expiry < 0 || !strings.HasSuffix(name, c.user) || len(name) > maxUsername {
			t.Fatalf("%q: %+v", name, c)
		}
		if again, err := parseUsername(c.username()); err != nil || again != c {
			t.Errorf("%q: %+v, then %+v, %v", name, c, again, err)
		}
	})
}
