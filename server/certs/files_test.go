package certs

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const fast = 5 * time.Millisecond

// write replaces a file at once, as careful programs do.
func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// onDisk is a Files of a pair, and where it is.
func onDisk(t *testing.T, p pair, log *logs, interval time.Duration) (f *Files, certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write(t, certFile, p.cert)
	write(t, keyFile, p.key)
	f, err := newFiles(certFile, keyFile, log.logger(), interval)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f, certFile, keyFile
}

func serves(t *testing.T, f *Files, p pair) bool {
	t.Helper()
	cert, err := f.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf.Equal(p.leaf)
}

func TestFilesMustBeUsableAtStart(t *testing.T) {
	a, b := newPair(t, nextMonth()), newPair(t, nextMonth())
	for name, files := range map[string]struct{ cert, key []byte }{
		"no certificate": {nil, a.key},
		"no key":         {a.cert, nil},
		"empty":          {[]byte{}, []byte{}},
		"not PEM":        {[]byte("certificate"), a.key},
		"another's key":  {a.cert, b.key},
		"swapped":        {a.key, a.cert},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
			if files.cert != nil {
				write(t, certFile, files.cert)
			}
			if files.key != nil {
				write(t, keyFile, files.key)
			}
			var log logs
			if f, err := NewFiles(certFile, keyFile, log.logger()); err == nil {
				f.Close()
				t.Fatal("accepted")
			}
			if log.String() != "" {
				t.Errorf("logged what it returned: %s", log.String())
			}
		})
	}
}

func TestFilesReload(t *testing.T) {
	old := newPair(t, nextMonth(), "old.example")
	renewed := newPair(t, nextMonth().Add(time.Hour), "new.example")

	t.Run("both at once", func(t *testing.T) {
		var log logs
		f, certFile, keyFile := onDisk(t, old, &log, fast)
		if !f.Expires().Equal(old.leaf.NotAfter) {
			t.Errorf("expires %v, want %v", f.Expires(), old.leaf.NotAfter)
		}
		write(t, certFile, renewed.cert)
		write(t, keyFile, renewed.key)
		eventually(t, "the new pair", func() bool { return serves(t, f, renewed) })
		if !f.Expires().Equal(renewed.leaf.NotAfter) {
			t.Errorf("expires %v, want %v", f.Expires(), renewed.leaf.NotAfter)
		}
		f.Close() // logs what it has taken
		if n := log.count("level=INFO", "certificate loaded", "new.example"); n != 1 {
			t.Errorf("logged %d times: %s", n, log.String())
		}
	})

	t.Run("in two steps", func(t *testing.T) {
		var log logs
		f, certFile, keyFile := onDisk(t, old, &log, fast)
		write(t, certFile, renewed.cert)
		eventually(t, "a warning", func() bool { return log.count("level=WARN") > 0 })
		if !serves(t, f, old) {
			t.Fatal("the old pair is gone")
		}
		write(t, keyFile, renewed.key)
		eventually(t, "the new pair", func() bool { return serves(t, f, renewed) })
		if n := log.count("level=WARN"); n != 1 {
			t.Errorf("%d warnings: %s", n, log.String())
		}
	})

	t.Run("in place with the same time and size", func(t *testing.T) {
		var log logs
		f, certFile, keyFile := onDisk(t, old, &log, fast)
		long := max(len(old.cert), len(renewed.cert)) + 1
		pad := func(pem []byte) []byte {
			return append(pem[:len(pem):len(pem)], strings.Repeat("\n", long-len(pem))...)
		}
		write(t, certFile, pad(old.cert))
		eventually(t, "the padded file", func() bool { return log.count("certificate loaded") == 2 })
		was, err := os.Stat(certFile)
		if err != nil {
			t.Fatal(err)
		}
		write(t, keyFile, renewed.key)
		eventually(t, "a warning", func() bool { return log.count("level=WARN") == 1 })
		if err := os.WriteFile(certFile+".new", pad(renewed.cert), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(certFile+".new", was.ModTime(), was.ModTime()); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(certFile+".new", certFile); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the new pair", func() bool { return serves(t, f, renewed) })
	})

	for name, bad := range map[string]struct{ cert, key []byte }{
		"broken":     {[]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), renewed.key},
		"cut short":  {renewed.cert[:len(renewed.cert)/2], renewed.key},
		"mismatched": {renewed.cert, newPair(t, nextMonth()).key},
		"gone":       {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var log logs
			f, certFile, keyFile := onDisk(t, old, &log, time.Hour)
			if bad.cert != nil {
				write(t, certFile, bad.cert)
				write(t, keyFile, bad.key)
			} else if err := os.Remove(certFile); err != nil {
				t.Fatal(err)
			}
			if err := f.load(); err == nil {
				t.Error("the change is not reported")
			}
			for range 3 {
				if err := f.load(); err != nil {
					t.Errorf("reported again: %v", err)
				}
			}
			if !serves(t, f, old) {
				t.Error("the old pair is gone")
			}
			write(t, certFile, renewed.cert)
			write(t, keyFile, renewed.key)
			if err := f.load(); err != nil || !serves(t, f, renewed) {
				t.Errorf("the good pair is not taken: %v", err)
			}
		})
	}

	t.Run("an expired one is served, with a warning", func(t *testing.T) {
		var log logs
		ended := newPair(t, time.Now().Add(-time.Hour))
		f, _, _ := onDisk(t, ended, &log, fast)
		if !serves(t, f, ended) || log.count("level=WARN", "certificate loaded") != 1 {
			t.Errorf("logged %s", log.String())
		}
	})
}

// Both replace a symbolic link, and leave the files behind it alone.
func TestFilesFollowSymbolicLinks(t *testing.T) {
	old, renewed := newPair(t, nextMonth()), newPair(t, nextMonth())
	link := func(t *testing.T, target, name string) {
		t.Helper()
		if err := os.Symlink(target, name+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	put := func(t *testing.T, dir string, p pair) {
		t.Helper()
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "tls.crt"), p.cert)
		write(t, filepath.Join(dir, "tls.key"), p.key)
	}

	t.Run("of a directory, as in a Kubernetes volume", func(t *testing.T) {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "..1"), old)
		link(t, "..1", filepath.Join(dir, "..data"))
		link(t, "..data/tls.crt", filepath.Join(dir, "tls.crt"))
		link(t, "..data/tls.key", filepath.Join(dir, "tls.key"))
		var log logs
		f, err := newFiles(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), log.logger(), fast)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		put(t, filepath.Join(dir, "..2"), renewed)
		link(t, "..2", filepath.Join(dir, "..data"))
		eventually(t, "the new pair", func() bool { return serves(t, f, renewed) })
	})

	t.Run("of each file, as by certbot", func(t *testing.T) {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "archive1"), old)
		put(t, filepath.Join(dir, "archive2"), renewed)
		certFile, keyFile := filepath.Join(dir, "fullchain.pem"), filepath.Join(dir, "privkey.pem")
		link(t, "archive1/tls.crt", certFile)
		link(t, "archive1/tls.key", keyFile)
		var log logs
		f, err := newFiles(certFile, keyFile, log.logger(), fast)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		link(t, "archive2/tls.key", keyFile)
		link(t, "archive2/tls.crt", certFile)
		eventually(t, "the new pair", func() bool { return serves(t, f, renewed) })
	})
}

// echo takes the connection over, as an upgrade to WebSocket does, and sends
// back each line.
func echo(w http.ResponseWriter, _ *http.Request) {
	c, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer c.Close()
	_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
	for {
		line, err := buffered.ReadString('\n')
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, line)
	}
}

func TestConnectionsOutliveReload(t *testing.T) {
	old, renewed := newPair(t, nextMonth()), newPair(t, nextMonth())
	var log logs
	f, certFile, keyFile := onDisk(t, old, &log, fast)
	l := listen(t)
	serve(t, l, f, http.HandlerFunc(echo))
	addr := l.Addr().String()

	conn, err := dial(t, addr, &tls.Config{RootCAs: old.roots()})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(60 * time.Second))
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(res, err)
	}
	ping := func(line string) {
		t.Helper()
		if _, err := io.WriteString(conn, line); err != nil {
			t.Fatal(err)
		}
		if got, err := r.ReadString('\n'); err != nil || got != line {
			t.Fatalf("echo of %q: %q, %v", line, got, err)
		}
	}

	ping("before\n")
	write(t, certFile, renewed.cert)
	write(t, keyFile, renewed.key)
	eventually(t, "a handshake with the new certificate", func() bool {
		return handshake(t, addr, "").Equal(renewed.leaf)
	})
	ping("after\n")
	if _, err := dial(t, addr, &tls.Config{RootCAs: renewed.roots()}); err != nil {
		t.Errorf("a client that trusts the new certificate: %v", err)
	}
	if _, err := dial(t, addr, &tls.Config{RootCAs: old.roots()}); err == nil {
		t.Error("the old certificate is still served")
	}
	ping("last\n")
}
