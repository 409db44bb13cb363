package certs

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const quarter = 90 * 24 * time.Hour

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// newACME is a source for the domains at the authority p. The test ends it.
func newACME(t *testing.T, p *authority, cache string, log *logs, domains ...string) *ACME {
	t.Helper()
	a, err := NewACME(ACMEOptions{
		Domains: domains, Email: "admin@example.com", CacheDir: cache,
		DirectoryURL: p.Directory, Roots: p.own.roots(), Log: log.logger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func TestTLSALPNChallenge(t *testing.T) {
	l := listen(t)
	p := startPebble(t, port(l), port(l), quarter)
	cache := filepath.Join(t.TempDir(), "made", "by the server")
	var log logs
	a := newACME(t, p, cache, &log, "one.example", "Two.example.")
	serve(t, l, a, http.NotFoundHandler())
	addr := l.Addr().String()
	roots := p.Roots

	if !a.Expires().IsZero() {
		t.Errorf("expires %v before there is a certificate", a.Expires())
	}
	if handshake(t, addr, "one.example") != nil || p.orders() != 0 {
		t.Error("served or ordered before the start")
	}
	a.Start()
	eventually(t, "two certificates", func() bool { return log.count("level=INFO", "certificate ready") == 2 })

	for _, name := range []string{"one.example", "two.example", "TWO.example"} {
		// Each of these verifies the chain and the name.
		for client, config := range map[string]*tls.Config{
			"any":     {},
			"TLS 1.2": {MaxVersion: tls.VersionTLS12},
			"TLS 1.3": {MinVersion: tls.VersionTLS13},
		} {
			config.RootCAs, config.ServerName, config.NextProtos = roots, name, []string{"h2", "http/1.1"}
			c, err := dial(t, addr, config)
			if err != nil {
				t.Fatalf("%s, %s: %v", name, client, err)
			}
			if got := c.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
				t.Errorf("%s, %s: speaks %q", name, client, got)
			}
		}
	}
	leaf := handshake(t, addr, "one.example")
	if other := handshake(t, addr, "two.example"); a.Expires().After(leaf.NotAfter) || a.Expires().After(other.NotAfter) {
		t.Errorf("expires %v, certificates end %v and %v", a.Expires(), leaf.NotAfter, other.NotAfter)
	}
	if got := handshake(t, addr, ""); !got.Equal(leaf) {
		t.Error("a client that names no domain does not get the first one's")
	}
	for _, name := range []string{"three.example", "www.one.example", "evilone.example", "localhost", "blocked.example"} {
		if handshake(t, addr, name) != nil {
			t.Errorf("%s is served", name)
		}
	}
	if n := p.orders(); n != 2 {
		t.Errorf("%d orders for two domains", n)
	}
	if mode, err := os.Stat(cache); err != nil || mode.Mode().Perm() != 0o700 {
		t.Errorf("cache directory: %v, %v", mode.Mode(), err)
	}

	t.Run("restart", func(t *testing.T) {
		a.Close()
		l := listen(t)
		var log logs
		again := newACME(t, p, cache, &log, "one.example", "two.example")
		serve(t, l, again, http.NotFoundHandler())
		again.Start()
		eventually(t, "two certificates", func() bool { return log.count("level=INFO", "certificate ready") == 2 })
		if got := handshake(t, l.Addr().String(), "one.example"); !got.Equal(leaf) {
			t.Error("another certificate than before")
		}
		if n := p.orders(); n != 2 {
			t.Errorf("%d orders, want the two of before", n)
		}
		if !again.Expires().Equal(a.Expires()) {
			t.Errorf("expires %v, want %v", again.Expires(), a.Expires())
		}
	})
}

func TestHTTPChallenge(t *testing.T) {
	plain, secure := listen(t), listen(t)
	// A plain listener at its TLS port is what makes TLS-ALPN-01 fail.
	p := startPebble(t, port(plain), port(plain), quarter)
	var log logs
	a := newACME(t, p, t.TempDir(), &log, "one.example")
	serve(t, secure, a, http.NotFoundHandler())
	h := &http.Server{Handler: a.HTTPHandler(Redirect(443, a.Covers))}
	var serving sync.WaitGroup
	serving.Go(func() { _ = h.Serve(plain) })
	defer serving.Wait()
	defer h.Close()
	a.Start()
	eventually(t, "a certificate", func() bool { return log.count("level=INFO", "certificate ready") == 1 })

	if _, err := dial(t, secure.Addr().String(), &tls.Config{RootCAs: p.Roots, ServerName: "one.example"}); err != nil {
		t.Error(err)
	}
	if len(p.Log.Lines("validate w/ HTTP")) == 0 {
		t.Error("not by HTTP-01")
	}

	long := strings.Repeat("a", 5000)
	for _, c := range []struct {
		target, host string
		status       int
	}{
		{"/demo", "one.example", 301},
		{"/demo", "evil.example", 421},
		{"/.well-known/acme-challenge/unknown", "one.example", 404},
		{"/.well-known/acme-challenge/unknown", "one.example:80", 404},
		{"/.well-known/acme-challenge/unknown", "evil.example", 403},
		{"/.well-known/acme-challenge/", "one.example", 404},
		{"/.well-known/acme-challenge/a%00b", "one.example", 404},
		{"/.well-known/acme-challenge/" + long, "one.example", 404},
		{"/.well-known/acme-challenge/..%2f..%2fone.example", "one.example", 404},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, c.target, nil)
		r.Host = c.host
		h.Handler.ServeHTTP(w, r)
		if body, _ := io.ReadAll(w.Body); w.Code != c.status || strings.Contains(string(body), os.TempDir()) {
			t.Errorf("%.60s at %s: %d %.200s", c.target, c.host, w.Code, body)
		}
	}
}

// Handshakes must neither cause orders nor wait for one.
func TestFailedOrder(t *testing.T) {
	l := listen(t)
	p := startPebble(t, port(l), port(l), quarter)
	for _, c := range []struct {
		name, domain, directory, why string
		orders                       int
	}{
		{"refused", "blocked.example", p.Directory, "rejectedIdentifier", 1},
		{"no such authority", "one.example", "https://127.0.0.1:1/dir", "refused", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := p.orders()
			var log logs
			a, err := NewACME(ACMEOptions{
				Domains: []string{c.domain}, DirectoryURL: c.directory, Roots: p.own.roots(), Log: log.logger(),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			l := listen(t)
			serve(t, l, a, http.NotFoundHandler())
			a.Start()
			eventually(t, "a warning", func() bool { return log.count("certificate not issued") > 0 })
			for range 30 {
				if handshake(t, l.Addr().String(), c.domain) != nil {
					t.Fatal("served")
				}
			}
			if n := log.count("level=WARN", "certificate not issued", "domain="+c.domain, c.why); n != 1 {
				t.Errorf("logged %d times: %s", n, log.String())
			}
			if n := p.orders() - before; n != c.orders {
				t.Errorf("%d orders, want %d", n, c.orders)
			}
		})
	}

	// autocert alone says only that no challenge is left.
	t.Run("the authority's reason is logged", func(t *testing.T) {
		var log logs
		a := newACME(t, p, t.TempDir(), &log, "one.example")
		_ = l.Close() // nobody answers the challenge
		a.Start()
		eventually(t, "a warning", func() bool { return log.count("certificate not issued") > 0 })
		if log.count("level=WARN", "domain=one.example", `validation="tls-alpn-01: Failed to connect`) != 1 {
			t.Errorf("logged %s", log.String())
		}
	})
}

func TestRenewal(t *testing.T) {
	l := listen(t)
	p := startPebble(t, port(l), port(l), 8*time.Second)
	var log logs
	a := newACME(t, p, t.TempDir(), &log, "one.example")
	serve(t, l, a, http.NotFoundHandler())
	a.Start()
	eventually(t, "a certificate", func() bool { return log.count("level=INFO", "certificate ready") == 1 })
	first := handshake(t, l.Addr().String(), "one.example")
	if first == nil {
		t.Fatal("not served")
	}
	eventually(t, "another certificate", func() bool {
		now := handshake(t, l.Addr().String(), "one.example")
		return now != nil && !now.Equal(first)
	})
	if !a.Expires().After(first.NotAfter) {
		t.Errorf("expires %v, the first one did %v", a.Expires(), first.NotAfter)
	}
}

// What is in the cache is served while the authority cannot be reached.
func TestCachedCertificates(t *testing.T) {
	cache := t.TempDir()
	day := 24 * time.Hour
	sooner, later := newPair(t, time.Now().Add(50*day), "b.example"), newPair(t, time.Now().Add(60*day), "a.example")
	write(t, filepath.Join(cache, "a.example"), append(later.key, later.cert...))
	write(t, filepath.Join(cache, "b.example"), append(sooner.key, sooner.cert...))
	var log logs
	a, err := NewACME(ACMEOptions{
		Domains: []string{"a.example", "b.example"}, CacheDir: cache, DirectoryURL: "https://127.0.0.1:1/dir", Log: log.logger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	a.Start()
	eventually(t, "two certificates", func() bool { return log.count("level=INFO", "certificate ready") == 2 })
	l := listen(t)
	serve(t, l, a, http.NotFoundHandler())
	if got := handshake(t, l.Addr().String(), "a.example"); !got.Equal(later.leaf) {
		t.Error("not the one of the cache")
	}
	if !a.Expires().Equal(sooner.leaf.NotAfter) {
		t.Errorf("expires %v, want that of the first to end, %v", a.Expires(), sooner.leaf.NotAfter)
	}
}

// TestMain sees that nothing is left.
func TestCloseDuringOrder(t *testing.T) {
	closeSoon := func(t *testing.T, a *ACME, log *logs) {
		t.Helper()
		closed := make(chan struct{})
		go func() {
			a.Close()
			close(closed)
		}()
		select {
		case <-closed:
		case <-time.After(requestTimeout / 2):
			t.Error("does not close")
			<-closed
		}
		if log.count("certificate not issued") != 0 {
			t.Errorf("the end of the server is no failure: %s", log.String())
		}
	}

	t.Run("while it validates", func(t *testing.T) {
		l := listen(t) // accepts, but nobody answers
		p := startPebble(t, port(l), port(l), quarter)
		var log logs
		a := newACME(t, p, t.TempDir(), &log, "one.example")
		a.Start()
		eventually(t, "a validation", func() bool { return len(p.Log.Lines("Starting 3 validations")) == 1 })
		closeSoon(t, a, &log)
	})

	t.Run("while the authority does not answer", func(t *testing.T) {
		l := listen(t)
		var log logs
		a, err := NewACME(ACMEOptions{
			Domains: []string{"one.example"}, CacheDir: t.TempDir(), DirectoryURL: "https://" + l.Addr().String(), Log: log.logger(),
		})
		if err != nil {
			t.Fatal(err)
		}
		a.Start()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		closeSoon(t, a, &log)
	})
}

func TestOverdue(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		name       string
		life, left time.Duration
		want       bool
	}{
		{"new", 90 * day, 90 * day, false},
		{"renewal has begun", 90 * day, 29 * day, false},
		{"renewal fails for a week", 90 * day, 22 * day, true},
		{"ended", 90 * day, -day, true},
		{"a year's, renewal has begun", 365 * day, 29 * day, false},
		{"a year's, renewal fails", 365 * day, 20 * day, true},
		{"six days', renewal has begun", 6 * day, 40 * time.Hour, false},
		{"six days', renewal fails", 6 * day, 30 * time.Hour, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Now()
			leaf := newPair(t, now.Add(c.left)).leaf
			leaf.NotBefore = leaf.NotAfter.Add(-c.life)
			if overdue(leaf, now) != c.want {
				t.Errorf("want %v", c.want)
			}
		})
	}
}

func TestRetriesSlowDown(t *testing.T) {
	var spent time.Duration
	attempts := 0
	for failures := 1; spent < 24*time.Hour; failures++ {
		delay := retryDelay(failures)
		// autocert repeats a failure for a minute without an attempt.
		if delay <= time.Minute || delay > time.Hour {
			t.Fatalf("%v after %d failures", delay, failures)
		}
		spent += delay
		attempts++
	}
	if attempts > 30 {
		t.Errorf("%d attempts a day", attempts)
	}
}

func TestACMEOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	for _, c := range []struct {
		name string
		opts ACMEOptions
		want []string // parts of the error; none: accepted
	}{
		{"least", ACMEOptions{Domains: []string{"a.example"}}, nil},
		{"all", ACMEOptions{Domains: []string{"A.example.", "bücher.example"}, Email: "a@b.example", CacheDir: t.TempDir(), DirectoryURL: "https://acme.example/dir"}, nil},
		{"no domains", ACMEOptions{}, []string{"no domains"}},
		{"wildcard", ACMEOptions{Domains: []string{"*.a.example"}}, []string{`"*.a.example"`}},
		{"address", ACMEOptions{Domains: []string{"192.0.2.1"}}, []string{`"192.0.2.1"`}},
		{"IPv6 address", ACMEOptions{Domains: []string{"[::1]"}}, []string{`"[::1]"`}},
		{"single label", ACMEOptions{Domains: []string{"localhost"}}, []string{`"localhost"`}},
		{"with a port", ACMEOptions{Domains: []string{"a.example:443"}}, []string{`"a.example:443"`}},
		{"URL", ACMEOptions{Domains: []string{"https://a.example"}}, []string{`"https://a.example"`}},
		{"empty", ACMEOptions{Domains: []string{""}}, []string{`""`}},
		{"email", ACMEOptions{Domains: []string{"a.example"}, Email: "A <a@b.example>"}, []string{"email"}},
		{"directory", ACMEOptions{Domains: []string{"a.example"}, DirectoryURL: "http://acme.example/dir"}, []string{"directory"}},
		{"cache", ACMEOptions{Domains: []string{"a.example"}, CacheDir: filepath.Join(file, "x")}, []string{"cache"}},
		{"several", ACMEOptions{Domains: []string{"x y.example", "b"}, Email: "a", DirectoryURL: "acme"}, []string{`"x y.example"`, `"b"`, "email", "directory"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log logs
			c.opts.Log = log.logger()
			a, err := NewACME(c.opts)
			if err == nil {
				a.Close()
				if len(c.want) > 0 {
					t.Error("accepted")
				}
				return
			}
			if len(c.want) == 0 {
				t.Error(err)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not name %q", err, part)
				}
			}
		})
	}
}
