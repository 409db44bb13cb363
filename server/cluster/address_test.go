package cluster

import (
	"slices"
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for url, want := range map[string]string{
		"redis://h":                             "redis://h:6379",
		"redis://h:1/2":                         "redis://h:1/2",
		"redis://user:p%40ss@h":                 "redis://h:6379",
		"rediss://:pw@[::1]:6380?skip_verify=1": "rediss://[::1]:6380",
		"redis+sentinel://a,b:1/3?master_name=m&sentinel_password=x%26y": "redis+sentinel://a:26379,b:1/3, master m",
		"rediss+sentinel://u:p@a?master_name=m":                          "rediss+sentinel://a:26379, master m",
		"REDIS://h\n":                                                    "redis://h:6379",
		"redis://:p@ss@h":                                                "redis://h:6379",
		"redis+cluster://u:p@a:1,b, c:3":                                 "redis+cluster://a:1,b:6379,c:3",
		"rediss+cluster://a":                                             "rediss+cluster://a:6379",
	} {
		a, err := ParseURL(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if a.String() != want || len(a.Ignored()) > 0 || a.TLS() != strings.HasPrefix(url, "rediss") {
			t.Errorf("%s: %s, ignored %v, TLS %v", url, a, a.Ignored(), a.TLS())
		}
	}
}

func TestURLCredentials(t *testing.T) {
	a, err := ParseURL("redis+sentinel://u:p%3A@h/2?master_name=m&sentinel_username=su&sentinel_password=s%26p")
	if err != nil {
		t.Fatal(err)
	}
	if o := clientOptions(a, "r:1", nil); o.Username != "u" || o.Password != "p:" || o.DB != 2 || o.Addr != "r:1" ||
		a.sentinelUsername != "su" || a.sentinelPassword != "s&p" {
		t.Errorf("%+v, Sentinels %q %q", o, a.sentinelUsername, a.sentinelPassword)
	}
	if a, err = ParseURL("rediss+cluster://a,b"); err != nil {
		t.Fatal(err)
	}
	if o := clientOptions(a, "b:1", nil); o.TLSConfig == nil || o.TLSConfig.ServerName != "b" || o.TLSConfig.InsecureSkipVerify {
		t.Errorf("%+v", o.TLSConfig)
	}
}

// Parameters that only other clients know are named. None is where it could be
// what a password has behind its "&".
func TestURLIgnoredParameters(t *testing.T) {
	for url, want := range map[string][]string{
		"redis://h?family=0": {"family"},
		"redis://h:1/0?family=0&db=3&keyPrefix=x&tls=true":                        {"family", "keyPrefix", "tls"},
		"redis://h?skip_verify=true":                                              {"skip_verify"}, // of TLS
		"redis+sentinel://h?master_name=m&role=master":                            {"role"},
		"redis+sentinel://h?master_name=m&sentinel_password=hunter&hunter3=hunt4": {"…"},
		"redis://h?password=hunter&hunter3":                                       {"…"},
	} {
		a, err := ParseURL(url)
		if err != nil || !slices.Equal(a.Ignored(), want) {
			t.Errorf("%s: %v, %v", url, a.Ignored(), err)
		}
	}
}

// Whatever is wrong with a URL, no part of its password is shown.
func TestMalformedURLs(t *testing.T) {
	for url, want := range map[string]error{
		"h:6379":                                     errScheme,
		"http://:hunter@h":                           errScheme,
		"redis+tls://:hunter@h":                      errScheme,
		"redis-sentinel://:hunter@h":                 errScheme,
		"redis://:hun#ter@h":                         errUserInfo,
		"redis://:hun/ter@h":                         errUserInfo,
		"redis://:hun?ter@h":                         errUserInfo,
		"redis://:hunter@h:0":                        errHost,
		"redis://:hunter@h:65536":                    errHost,
		"redis://:hun%ter@h":                         errUserInfo,
		"redis://:hun%zzter@h:6379/0":                errUserInfo,
		"redis://:hun ter\x01@h":                     errUserInfo,
		"redis://u:1/hunter@h":                       errUserInfo,
		"redis://:hunter@h:port":                     errHost,
		"redis://:hunter":                            errHost,
		"redis+cluster://:hunter@a,,b":               errHost,
		"redis://:hunter@a,b":                        errHosts,
		"redis://:hunter@h/zero":                     errDatabase,
		"redis://:hunter@h/0/1":                      errDatabase,
		"redis+sentinel://:hunter@h":                 errMaster,
		"redis+cluster://:hunter@h/1":                errShards,
		"redis://:hunter@h?db=hunter":                errValue,
		"redis://:hunter@h?a=%zz":                    errValue,
		"rediss://:hunter@h?skip_verify=hunter":      errValue,
		"redis://:hunter@h?password=hunter;sentinel": errValue,
	} {
		_, err := ParseURL(url)
		if err != want {
			t.Errorf("%s: %v", url, err)
		}
		if err != nil && (strings.Contains(err.Error(), "hun") || strings.Contains(err.Error(), "ter@")) {
			t.Errorf("%s: shown in %v", url, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("redis://u:", "hunter2/?#@%&,", "@h:6379/0?family=0")
	f.Add("redis+sentinel://", "a:b@", "h,i/0?master_name=m")
	f.Fuzz(func(t *testing.T, before, password, behind string) {
		a, err := ParseURL(before + password + behind)
		if (a == nil) == (err == nil) {
			t.Fatalf("%v, %v", a, err)
		}
	})
}

func TestInOneSlot(t *testing.T) {
	for prefix, want := range map[string]string{
		"oodaa:": "{oodaa:}", "{a}b:": "{a}b:", "a{b}": "a{b}", "": "{all}", "{": "{{}", "{}a": "{{}a}",
	} {
		if got := inOneSlot(prefix); got != want {
			t.Errorf("%q: %q", prefix, got)
		}
	}
}
