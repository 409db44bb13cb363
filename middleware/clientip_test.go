package middleware

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func proxies(t testing.TB, s string) Proxies {
	t.Helper()
	p, err := ParseProxies(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// clientOf returns what Addr says behind ClientIP.
func clientOf(trusted Proxies, r *http.Request) (addr netip.Addr) {
	h := ClientIP(trusted, slog.New(slog.DiscardHandler))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { addr = Addr(r) }))
	h.ServeHTTP(httptest.NewRecorder(), r)
	return addr
}

func TestParseProxies(t *testing.T) {
	tests := []struct {
		in       string
		hops     int
		prefixes []string
		bad      string // what the error names
	}{
		{in: ""},
		{in: "  "},
		{in: "1", hops: 1},
		{in: " 3 ", hops: 3},
		{in: "10.0.0.0/8", prefixes: []string{"10.0.0.0/8"}},
		{in: "10.1.2.3/8", prefixes: []string{"10.0.0.0/8"}},
		{in: "127.0.0.1, ::1 ,192.168.0.0/16", prefixes: []string{"127.0.0.1/32", "::1/128", "192.168.0.0/16"}},
		{in: "2001:db8::/32", prefixes: []string{"2001:db8::/32"}},
		{in: "::ffff:10.0.0.0/104", prefixes: []string{"10.0.0.0/8"}},
		{in: "::ffff:10.0.0.1", prefixes: []string{"10.0.0.1/32"}},
		{in: "0", bad: `"0"`},
		{in: "-1", bad: `"-1"`},
		{in: "1.5", bad: `"1.5"`},
		{in: "10.0.0.0/8,1", bad: `"1"`},
		{in: "10.0.0.0/8,,::1", bad: `""`},
		{in: "10.0.0.0/33", bad: `"10.0.0.0/33"`},
		{in: "10.0.0.0/8, proxy.local", bad: `"proxy.local"`},
		{in: "fe80::1%eth0", bad: `"fe80::1%eth0"`},
		{in: "0.0.0.0/0", bad: `"0.0.0.0/0"`},
		{in: "::/0", bad: `"::/0"`},
		{in: "::ffff:0.0.0.0/96", bad: `"::ffff:0.0.0.0/96"`},
		{in: "::ffff:0.0.0.0/90", bad: `"::ffff:0.0.0.0/90"`},
		{in: "99999999999999999999", bad: `"99999999999999999999"`},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			p, err := ParseProxies(tt.in)
			if tt.bad != "" {
				if err == nil || !strings.Contains(err.Error(), tt.bad) {
					t.Errorf("error = %v, want one that names %s", err, tt.bad)
				}
				return
			}
			var prefixes []string
			for _, prefix := range p.prefixes {
				prefixes = append(prefixes, prefix.String())
			}
			if err != nil || p.hops != tt.hops || !slices.Equal(prefixes, tt.prefixes) {
				t.Errorf("= %v, %v; want hops %d, prefixes %v", p, err, tt.hops, tt.prefixes)
			}
		})
	}
}

func TestClientIP(t *testing.T) {
	const internal = "10.0.0.0/8, 2001:db8::/32, fe80::/10"
	tests := []struct {
		name    string
		proxies string
		remote  string
		xff     []string
		want    string
	}{
		{"no proxies", "", "192.0.2.1:5000", nil, "192.0.2.1"},
		{"no proxies, header ignored", "", "192.0.2.1:5000", []string{"203.0.113.7"}, "192.0.2.1"},
		{"no proxies, IPv6", "", "[2001:db8::1]:5000", nil, "2001:db8::1"},
		{"no proxies, zone kept", "", "[fe80::1%eth0]:5000", nil, "fe80::1%eth0"},
		{"no proxies, v4-mapped", "", "[::ffff:192.0.2.1]:5000", nil, "192.0.2.1"},
		{"no proxies, bare address", "", "192.0.2.1", nil, "192.0.2.1"},
		{"no proxies, Unix socket", "", "@", []string{"203.0.113.7"}, "0.0.0.0"},

		{"prefixes", internal, "10.0.0.1:5000", []string{"203.0.113.7"}, "203.0.113.7"},
		{"prefixes, forged entry on the left", internal, "10.0.0.1:5000", []string{"198.51.100.9, 203.0.113.7"}, "203.0.113.7"},
		{"prefixes, two proxies", internal, "10.0.0.1:5000", []string{"203.0.113.7, 10.0.0.2"}, "203.0.113.7"},
		{"prefixes, two headers", internal, "10.0.0.1:5000", []string{"198.51.100.9", "203.0.113.7, 10.0.0.2"}, "203.0.113.7"},
		{"prefixes, untrusted peer", internal, "192.0.2.1:5000", []string{"203.0.113.7"}, "192.0.2.1"},
		{"prefixes, untrusted peer plays proxy", internal, "192.0.2.1:5000", []string{"203.0.113.7, 10.0.0.1"}, "192.0.2.1"},
		{"prefixes, mapped peer", internal, "[::ffff:10.0.0.1]:5000", []string{"203.0.113.7"}, "203.0.113.7"},
		{"prefixes, mapped hop", internal, "10.0.0.1:5000", []string{"203.0.113.7, ::ffff:10.0.0.2"}, "203.0.113.7"},
		{"prefixes, peer with a zone", internal, "[fe80::1%eth0]:5000", []string{"203.0.113.7"}, "203.0.113.7"},
		{"prefixes, IPv6 client", internal, "[2001:db8::1]:5000", []string{"2001:db9::7"}, "2001:db9::7"},
		{"prefixes, no header", internal, "10.0.0.1:5000", nil, "10.0.0.1"},
		{"prefixes, empty header", internal, "10.0.0.1:5000", []string{""}, "10.0.0.1"},
		{"prefixes, all trusted", internal, "10.0.0.1:5000", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.1"},
		{"prefixes, garbage where the client should be", internal, "10.0.0.1:5000", []string{"203.0.113.7, unknown, 10.0.0.2"}, "10.0.0.1"},
		{"prefixes, garbage left of the client", internal, "10.0.0.1:5000", []string{"unknown, 203.0.113.7"}, "203.0.113.7"},
		{"prefixes, Unix socket", internal, "@", []string{"203.0.113.7"}, "0.0.0.0"},

		{"one hop", "1", "10.0.0.1:5000", []string{"203.0.113.7"}, "203.0.113.7"},
		{"one hop, forged entry on the left", "1", "10.0.0.1:5000", []string{"198.51.100.9, 203.0.113.7"}, "203.0.113.7"},
		{"one hop, forged header before", "1", "10.0.0.1:5000", []string{"198.51.100.9", "203.0.113.7"}, "203.0.113.7"},
		{"one hop, no header", "1", "10.0.0.1:5000", nil, "10.0.0.1"},
		{"one hop, garbage", "1", "10.0.0.1:5000", []string{"203.0.113.7, unknown"}, "10.0.0.1"},
		{"one hop, Unix socket", "1", "@", []string{"203.0.113.7"}, "203.0.113.7"},
		{"two hops", "2", "10.0.0.1:5000", []string{"203.0.113.7, 10.9.9.9"}, "203.0.113.7"},
		{"one hop, with a port", "1", "10.0.0.1:5000", []string{"203.0.113.7:41007"}, "203.0.113.7"},
		{"one hop, IPv6 with a port", "1", "10.0.0.1:5000", []string{"[2001:db9::7]:443"}, "2001:db9::7"},
		{"one hop, IPv6 in brackets", "1", "10.0.0.1:5000", []string{"198.51.100.9, [2001:db9::7]"}, "2001:db9::7"},
		{"one hop, half a bracket", "1", "10.0.0.1:5000", []string{"2001:db9::7]:443"}, "10.0.0.1"},
		{"prefixes, with ports", internal, "10.0.0.1:5000", []string{"203.0.113.7:41007, 10.0.0.2:5", "[2001:db8::1]:443"}, "203.0.113.7"},
		{"two hops, too short a header", "2", "10.0.0.1:5000", []string{"203.0.113.7"}, "10.0.0.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(tt.remote)
			r.Header["X-Forwarded-For"] = tt.xff
			if got := clientOf(proxies(t, tt.proxies), r); got.String() != tt.want {
				t.Errorf("= %s, want %s", got, tt.want)
			}
		})
	}
}

// What is wrong with proxies is logged, once.
func TestClientIPLogs(t *testing.T) {
	const unreadable, untrusted = "entry that is not an address", "untrusted proxy"
	for _, tt := range []struct {
		name, proxies string
		header        []string
		want          string // "": nothing
	}{
		{"no header", "", nil, ""},
		{"nobody trusted", "", []string{"X-Forwarded-For", "203.0.113.7"}, untrusted},
		{"nobody trusted, Via", "", []string{"Via", "1.1 proxy"}, untrusted},
		{"another one trusted", "10.9.0.0/16", []string{"X-Forwarded-For", "203.0.113.7"}, untrusted},
		{"trusted", "10.0.0.1", []string{"X-Forwarded-For", "203.0.113.7:5", "Via", "1.1 proxy"}, ""},
		{"one hop", "1", []string{"X-Forwarded-For", "203.0.113.7"}, ""},
		{"garbage", "1", []string{"X-Forwarded-For", "unknown"}, unreadable},
		{"garbage by the client", "1", []string{"X-Forwarded-For", "unknown, 203.0.113.7"}, ""},
		{"garbage by the first of two", "2", []string{"X-Forwarded-For", "unknown, 203.0.113.7"}, unreadable},
		{"garbage of a trusted one", "10.0.0.0/8", []string{"X-Forwarded-For", "unknown, 10.0.0.2"}, unreadable},
		{"garbage left of the client", "10.0.0.0/8", []string{"X-Forwarded-For", "unknown, 203.0.113.7"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var logged strings.Builder
			h := ClientIP(proxies(t, tt.proxies), slog.New(slog.NewTextHandler(&logged, nil)))(ok)
			for range 3 {
				h.ServeHTTP(httptest.NewRecorder(), request("10.0.0.1:5000", tt.header...))
			}
			lines := strings.Count(logged.String(), "\n")
			if tt.want == "" && lines > 0 || tt.want != "" && (lines != 1 || !strings.Contains(logged.String(), tt.want)) {
				t.Errorf("want %q once, logged %s", tt.want, &logged)
			}
			if tt.want == untrusted && !strings.Contains(logged.String(), "TRUSTED_PROXIES=10.0.0.1") {
				t.Errorf("does not name the setting: %s", &logged)
			}
		})
	}
}

func TestAddrWithoutClientIP(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:5000":          "192.0.2.1",
		"[::ffff:192.0.2.1]:5000": "192.0.2.1",
		"2001:db8::1":             "2001:db8::1",
		"@":                       "0.0.0.0",
		"":                        "0.0.0.0",
	} {
		if got := Addr(request(remote, "X-Forwarded-For", "203.0.113.7")); got.String() != want {
			t.Errorf("%q: %s, want %s", remote, got, want)
		}
	}
}

func TestLimitKey(t *testing.T) {
	tests := []struct{ addr, want string }{
		{"192.0.2.1", "192.0.2.1"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"2001:db8:1:2::", "2001:db8:1:2::/64"},
		{"2001:db8:1:3::", "2001:db8:1:3::/64"},
		{"fe80::1%eth0", "fe80::/64"},
		{"::1", "::/64"},
	}
	for _, tt := range tests {
		t.Run(tt.addr, func(t *testing.T) {
			if got := LimitKey(netip.MustParseAddr(tt.addr)); got != tt.want {
				t.Errorf("= %s, want %s", got, tt.want)
			}
		})
	}
	_ = LimitKey(netip.Addr{}) // does not panic
}

func FuzzClientIP(f *testing.F) {
	for _, remote := range []string{"192.0.2.1:5000", "10.0.0.1:5000", "[::ffff:10.0.0.1]:80", "[fe80::1%eth0]:1", "10.0.0.1", "@", "", "10.0.0.1:", "[::1]", "[fe80::1%[]:1"} {
		f.Add(remote, "198.51.100.9", "203.0.113.7, 10.0.0.2")
		f.Add(remote, "", "::ffff:10.0.0.2,%,10.0.0.2%eth0")
		f.Add(remote, ",, ,", "unknown, 203.0.113.7:443")
	}
	trusted := proxies(f, "10.0.0.0/8, fd00::/8")
	f.Fuzz(func(t *testing.T, remote, first, second string) {
		r := request(remote)
		with := func(p Proxies, xff ...string) netip.Addr {
			r.Header["X-Forwarded-For"] = xff
			addr := clientOf(p, r)
			if !addr.IsValid() || addr.Is4In6() {
				t.Fatalf("%v: address %v", p, addr)
			}
			if LimitKey(addr) == "" {
				t.Fatalf("%v: no key for %v", p, addr)
			}
			return addr
		}

		if got, none := with(Proxies{}, first, second), with(Proxies{}); got != none {
			t.Errorf("no proxies: %v, and %v without the header", got, none)
		} else if peer, err := netip.ParseAddrPort(remote); err == nil && got != peer.Addr().Unmap() && !strings.ContainsAny(peer.Addr().Zone(), "[]") {
			t.Errorf("no proxies: %v, want %v", got, peer.Addr())
		}

		isTrusted := func(addr netip.Addr) bool {
			return slices.ContainsFunc(trusted.prefixes, func(p netip.Prefix) bool { return p.Contains(addr.WithZone("")) })
		}
		got, none := with(trusted, first, second), with(trusted)
		if !isTrusted(none) && got != none {
			t.Errorf("untrusted peer %q chose %v", remote, got)
		}
		if got != none && isTrusted(got) {
			t.Errorf("a proxy's address passed for a client's: %v", got)
		}

		// What a trusted proxy appended decides; all before is the client's word.
		r.RemoteAddr = "10.0.0.1:5000"
		if got := with(trusted, first, second+",203.0.113.7"); got.String() != "203.0.113.7" {
			t.Errorf("prefixes: client chose %v", got)
		}
		if got := with(Proxies{hops: 1}, first, second+",203.0.113.7"); got.String() != "203.0.113.7" {
			t.Errorf("one hop: client chose %v", got)
		}
		if got := with(Proxies{hops: 2}, first, second+",203.0.113.7,192.0.2.9"); got.String() != "203.0.113.7" {
			t.Errorf("two hops: client chose %v", got)
		}
	})
}

func FuzzParseProxies(f *testing.F) {
	for _, s := range []string{"", "1", "0", "-1", "10.0.0.0/8", "10.0.0.1,::1/128", "::ffff:10.0.0.0/104", "::ffff:0:0/90", "fe80::1%a", ",", "0.0.0.0/0", "+1", "1,2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseProxies(s)
		if err != nil {
			if p.hops != 0 || p.prefixes != nil {
				t.Errorf("%v beside the error %v", p, err)
			}
			return
		}
		if p.hops < 0 || p.hops > 0 && len(p.prefixes) > 0 {
			t.Errorf("%v", p)
		}
		if none := p.hops == 0 && len(p.prefixes) == 0; none != (strings.TrimSpace(s) == "") {
			t.Errorf("%q: %v", s, p)
		}
		for _, prefix := range p.prefixes {
			if !prefix.IsValid() || prefix.Bits() == 0 || prefix.Addr().Is4In6() {
				t.Errorf("%q: prefix %v", s, prefix)
			}
		}
		ClientIP(p, slog.New(slog.DiscardHandler)) // chi panics at what it does not take
	})
}

// The proxy that sends the PROXY protocol is one of the hops.
func TestProxiesBehindTheNearest(t *testing.T) {
	for in, want := range map[string]string{"": "", "1": "", "3": "the last 2 hops", "10.0.0.0/8": "10.0.0.0/8"} {
		p, err := ParseProxies(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.BehindNearest().String(); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}
