package certs

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// exchange sends a request as it is written here, which no client would, and
// reads the answer.
func exchange(t *testing.T, h http.Handler, request string) *http.Response {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res
}

// only knows the domains; none of them are any host.
func only(domains []string) func(string) bool {
	ours := map[string]bool{}
	for _, d := range domains {
		if name, err := domainName(d); err == nil {
			ours[name] = true
		}
	}
	return func(host string) bool { return ours[host] || len(domains) == 0 }
}

func TestRedirect(t *testing.T) {
	ours := []string{"signal.example.com", "Bücher.example"}
	long := strings.Repeat("a", 63)
	for _, c := range []struct {
		name, line, host string
		port             int
		domains          []string
		status           int
		location         string
	}{
		{"plain", "GET /", "signal.example.com", 443, nil, 301, "https://signal.example.com/"},
		{"path and query", "GET /demo/a%2Fb%20c?x=1&y=%2F", "signal.example.com", 443, nil, 301, "https://signal.example.com/demo/a%2Fb%20c?x=1&y=%2F"},
		{"its own port goes", "GET /x", "signal.example.com:8080", 443, nil, 301, "https://signal.example.com/x"},
		{"another HTTPS port", "GET /x", "signal.example.com:8080", 3443, nil, 301, "https://signal.example.com:3443/x"},
		{"empty port", "GET /x", "signal.example.com:", 443, nil, 301, "https://signal.example.com/x"},
		{"capitals and a last dot", "GET /x", "Signal.Example.COM.", 443, nil, 301, "https://signal.example.com/x"},
		{"IPv4", "GET /x", "192.0.2.1:80", 443, nil, 301, "https://192.0.2.1/x"},
		{"IPv6", "GET /x", "[2001:DB8::1]", 443, nil, 301, "https://[2001:db8::1]/x"},
		{"IPv6 with ports", "GET /x", "[::1]:80", 3443, nil, 301, "https://[::1]:3443/x"},
		{"localhost", "GET /x", "localhost", 3443, nil, 301, "https://localhost:3443/x"},
		{"container name", "GET /x", "signal_1", 443, nil, 301, "https://signal_1/x"},
		{"long label", "GET /", long + ".example", 443, nil, 301, "https://" + long + ".example/"},

		{"HEAD", "HEAD /x", "a.example", 443, nil, 301, "https://a.example/x"},
		{"POST", "POST /x", "a.example", 443, nil, 308, "https://a.example/x"},
		{"PUT", "PUT /x?y", "a.example", 443, nil, 308, "https://a.example/x?y"},
		{"CONNECT", "CONNECT a.example:443", "a.example:443", 443, nil, 400, ""},

		{"two slashes", "GET //evil.example/x", "a.example", 443, nil, 301, "https://a.example//evil.example/x"},
		{"three slashes", "GET ///evil.example", "a.example", 443, nil, 301, "https://a.example///evil.example"},
		{"backslash", `GET /\evil.example`, "a.example", 443, nil, 301, "https://a.example/%5Cevil.example"},
		{"at sign in the path", "GET /@evil.example", "a.example", 443, nil, 301, "https://a.example/@evil.example"},
		{"dots", "GET /../../evil.example", "a.example", 443, nil, 301, "https://a.example/../../evil.example"},
		{"escaped line break", "GET /%0d%0aLocation:%20https://evil.example", "a.example", 443, nil, 301, "https://a.example/%0d%0aLocation:%20https://evil.example"},
		{"URL in the query", "GET /?https://evil.example", "a.example", 443, nil, 301, "https://a.example/?https://evil.example"},
		{"number sign in the query", "GET /x?y#%", "a.example", 443, nil, 301, "https://a.example/x?y%23%"},
		{"absolute target", "GET http://b.example/x?y", "a.example", 443, nil, 301, "https://b.example/x?y"},
		{"absolute target without path", "GET http://b.example?y", "a.example", 443, nil, 301, "https://b.example/?y"},
		{"absolute target with userinfo", "GET http://a.example@b.example/x", "a.example", 443, nil, 301, "https://b.example/x"},

		{"userinfo", "GET /", "a.example@evil.example", 443, nil, 400, ""},
		{"userinfo with port", "GET /", "a.example:80@evil.example", 443, nil, 400, ""},
		{"no host", "GET /", "", 443, nil, 400, ""},
		{"port alone", "GET /", ":80", 443, nil, 400, ""},
		{"port of letters", "GET /", "a.example:x", 443, nil, 400, ""},
		{"dot alone", "GET /", ".", 443, nil, 400, ""},
		{"empty label", "GET /", "a..example", 443, nil, 400, ""},
		{"label too long", "GET /", long + "a.example", 443, nil, 400, ""},
		{"name too long", "GET /", strings.Repeat("abcd.", 60) + "example", 443, nil, 400, ""},
		{"escapes", "GET /", "a%2eexample", 443, nil, 400, ""},
		{"list", "GET /", "a.example,evil.example", 443, nil, 400, ""},
		{"IPv6 without brackets", "GET /", "2001:db8::1", 443, nil, 400, ""},
		{"IPv6 open", "GET /", "[::1", 443, nil, 400, ""},
		{"IPv6 with zone", "GET /", "[fe80::1%25eth0]", 443, nil, 400, ""},
		{"IPv6 with a rest", "GET /", "[::1]evil.example", 443, nil, 400, ""},
		{"IPv4 in brackets", "GET /", "[192.0.2.1]", 443, nil, 400, ""},

		{"one of the domains", "GET /x", "signal.example.com:80", 443, ours, 301, "https://signal.example.com/x"},
		{"its capitals", "GET /x", "SIGNAL.example.com.", 443, ours, 301, "https://signal.example.com/x"},
		{"one of the domains, in Punycode", "GET /x", "xn--bcher-kva.example", 443, ours, 301, "https://xn--bcher-kva.example/x"},
		{"none of them", "GET /x", "evil.example", 443, ours, 421, ""},
		{"below one of them", "GET /x", "a.signal.example.com", 443, ours, 421, ""},
		{"ending like one of them", "GET /x", "evilsignal.example.com", 443, ours, 421, ""},
		{"absolute target, none of them", "GET http://evil.example/x", "signal.example.com", 443, ours, 421, ""},
		{"address instead of one", "GET /x", "127.0.0.1", 443, ours, 421, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := exchange(t, Redirect(c.port, only(c.domains)), c.line+" HTTP/1.1\r\nHost: "+c.host+"\r\n\r\n")
			if location := res.Header.Get("Location"); res.StatusCode != c.status || location != c.location {
				t.Errorf("got %d %q, want %d %q", res.StatusCode, location, c.status, c.location)
			}
		})
	}

	t.Run("HTTP/1.0 without a host", func(t *testing.T) {
		if res := exchange(t, Redirect(443, only(nil)), "GET / HTTP/1.0\r\n\r\n"); res.StatusCode != 400 {
			t.Errorf("got %d", res.StatusCode)
		}
	})
}

// Whatever a client sends, browsers and we agree on the host it is sent to.
func FuzzRedirectStaysOnHost(f *testing.F) {
	for _, s := range []string{"/", "//evil.example", `/\evil.example`, "/x?y#z", "/x?y#%", "/%2f%2fevil", "/@evil"} {
		f.Add("a.example:80", s)
		f.Add("a.example@evil.example", s)
		f.Add("[::1]:80", s)
	}
	f.Fuzz(func(t *testing.T, host, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Skip()
		}
		w := httptest.NewRecorder()
		Redirect(443, only(nil)).ServeHTTP(w, &http.Request{Method: http.MethodGet, Host: host, URL: u})
		if w.Code != http.StatusMovedPermanently {
			return
		}
		to, err := url.Parse(w.Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		// Without its port, and with neither case nor a last dot.
		want, _ := hostname(host)
		if to.Scheme != "https" || to.Host != want || to.User != nil || strings.ContainsAny(to.Host, `@/\?#`) {
			t.Errorf("%q %q leads to %q", host, target, to)
		}
	})
}
