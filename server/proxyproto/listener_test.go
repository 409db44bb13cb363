package proxyproto

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const enough = 20 * time.Second // for what must happen

func everybody(netip.Addr) bool { return true }
func nobody(netip.Addr) bool    { return false }

// start listens on loopback until the test ends.
func start(t *testing.T, trusted func(netip.Addr) bool, patience time.Duration, limit int) *Listener {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := wrap(inner, trusted, slog.New(slog.DiscardHandler), patience, limit)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// dial connects and sends.
func dial(t *testing.T, l net.Listener, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(enough)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// accept returns the next connection, and what arrives on it.
func accept(t *testing.T, l net.Listener, size int) (net.Conn, string) {
	t.Helper()
	defer time.AfterFunc(enough, func() { _ = l.Close() }).Stop()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	p := make([]byte, size)
	if _, err := io.ReadFull(c, p); err != nil {
		t.Fatal(err)
	}
	return c, string(p)
}

func TestClientsAreNamed(t *testing.T) {
	l := start(t, everybody, enough, 10)
	const request = "GET /health HTTP/1.1\r\n"
	for _, test := range headers {
		if test.source == "-" {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			client := dial(t, l, test.header+request)
			c, got := accept(t, l, len(request))
			want := test.source
			if want == "" {
				want = client.LocalAddr().String()
			}
			if c.RemoteAddr().String() != want || got != request {
				t.Errorf("%v sent %q", c.RemoteAddr(), got)
			}
			// What reads and writes by descriptor can go on doing so.
			if _, ok := c.(syscall.Conn); !ok {
				t.Errorf("%T is no syscall.Conn", c)
			}
		})
	}
	t.Run("no header", func(t *testing.T) {
		client := dial(t, l, request)
		c, got := accept(t, l, len(request))
		if c.RemoteAddr().String() != client.LocalAddr().String() || got != request {
			t.Errorf("%v sent %q", c.RemoteAddr(), got)
		}
	})
	t.Run("no header, copied", func(t *testing.T) {
		client := dial(t, l, request)
		if err := client.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got, err := io.ReadAll(c); string(got) != request || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestStrangersAreNotBelieved(t *testing.T) {
	l := start(t, nobody, enough, 10)
	header := headers[0].header
	client := dial(t, l, header)
	if c, got := accept(t, l, len(header)); got != header || c.RemoteAddr().String() != client.LocalAddr().String() {
		t.Errorf("%v sent %q", c.RemoteAddr(), got)
	}
}

// ended waits for the server's end of the connection.
func ended(t *testing.T, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, net.ErrClosed) {
		t.Errorf("read %d bytes, %v", n, err)
	}
	var timeout net.Error
	if _, err := c.Read(make([]byte, 1)); errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("still open")
	}
}

// One that sends no header, or nonsense, delays nobody and is ended.
func TestHeadersHaveADeadline(t *testing.T) {
	l := start(t, everybody, 100*time.Millisecond, 10)
	silent, half := dial(t, l, ""), dial(t, l, headers[0].header[:20])
	wrong := dial(t, l, "PROXY TCP4 x y 1 2\r\n")
	dial(t, l, headers[0].header+"!")
	if c, got := accept(t, l, 1); got != "!" || c.RemoteAddr().String() != headers[0].source {
		t.Errorf("%v sent %q", c.RemoteAddr(), got)
	}
	for _, c := range []net.Conn{silent, half, wrong} {
		ended(t, c)
	}
}

func TestPendingHeadersAreBounded(t *testing.T) {
	l := start(t, everybody, enough, 3)
	first := dial(t, l, "")
	for range 3 {
		dial(t, l, "")
	}
	ended(t, first)
	dial(t, l, headers[0].header+"!")
	if _, got := accept(t, l, 1); got != "!" {
		t.Errorf("got %q", got)
	}
}

func TestCloseEndsAll(t *testing.T) {
	l := start(t, everybody, enough, 10)
	pending, waiting := dial(t, l, ""), dial(t, l, headers[0].header)
	failed := make(chan error, 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := l.Accept()
		failed <- err
	}()
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	ended(t, pending)
	ended(t, waiting)
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second time: %v", err)
	}
}
