package middleware

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// serveOwn serves with the headers on all answers until the test ends.
func serveOwn(t *testing.T, handler http.HandlerFunc, config *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if config != nil {
		l = tls.NewListener(l, config)
	}
	s := &http.Server{Handler: Headers()(handler), MaxHeaderBytes: 4 << 10, ReadHeaderTimeout: time.Minute}
	HeadersOnOwnAnswers(s)
	done := make(chan error, 1)
	go func() { done <- s.Serve(OwnAnswers(l)) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return addr
}

func selfSigned(t *testing.T) *tls.Config {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	t.Cleanup(s.Close)
	return &tls.Config{Certificates: s.TLS.Certificates}
}

// What net/http answers by itself carries the headers once, and is otherwise as it
// was.
func TestOwnAnswersCarryTheHeaders(t *testing.T) {
	hello := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\n\r\n") // not to be taken for an answer
	}
	for name, config := range map[string]*tls.Config{"plain": nil, "TLS": selfSigned(t)} {
		addr := serveOwn(t, hello, config)
		for _, test := range []struct {
			name, request string
			status        int
		}{
			{"a handler's", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200},
			{"malformed", "GARBAGE\r\n\r\n", 400},
			{"no host", "GET / HTTP/1.1\r\n\r\n", 400},
			{"expectation", "POST / HTTP/1.1\r\nHost: x\r\nExpect: foo\r\nContent-Length: 1\r\n\r\na", 417},
			{"header too large", "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 9000) + "\r\n\r\n", 431},
			{"unknown coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", 501},
			{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 200},
			{"behind another", "GET / HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE\r\n\r\n", 400},
		} {
			t.Run(name+", "+test.name, func(t *testing.T) {
				var c net.Conn
				var err error
				if c, err = net.Dial("tcp", addr); config != nil {
					c, err = tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
				}
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(c, test.request); err != nil {
					t.Fatal(err)
				}
				in := bufio.NewReader(c)
				answer, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				if body, err := io.ReadAll(answer.Body); err != nil || test.status == 200 && test.name != "OPTIONS *" && string(body) != "HTTP/1.1 200 OK\r\n\r\n" {
					t.Errorf("body %q, %v", body, err)
				}
				if test.name == "behind another" {
					if answer, err = http.ReadResponse(in, nil); err != nil {
						t.Fatal(err)
					}
				}
				if answer.StatusCode != test.status {
					t.Errorf("status %d", answer.StatusCode)
				}
				for name, want := range helmetHeaders() {
					if got := answer.Header[http.CanonicalHeaderKey(name)]; len(got) != 1 || got[0] != want[0] {
						t.Errorf("%s: %q", name, got)
					}
				}
			})
		}
	}
}

func TestPlainHTTPToTLS(t *testing.T) {
	addr := serveOwn(t, func(http.ResponseWriter, *http.Request) {}, selfSigned(t))
	answer, err := http.Get("http://" + addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); answer.StatusCode != 400 || !strings.Contains(string(body), "HTTPS") || answer.Header.Get("X-Frame-Options") == "" {
		t.Errorf("%v %q", answer, body)
	}
}

func TestTLSIsKnownToHandlers(t *testing.T) {
	addr := serveOwn(t, func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || !r.TLS.HandshakeComplete {
			http.Error(w, "no TLS", http.StatusInternalServerError)
		}
	}, selfSigned(t))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	answer, err := client.Get("https://" + addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Error(answer.Status)
	}
}
