package middleware

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
)

// HeadersOnOwnAnswers gets a server ready for [OwnAnswers]. Call it before the
// server is used.
func HeadersOnOwnAnswers(s *http.Server) {
	handler, state, fixed := s.Handler, s.ConnState, helmetHeaders()
	s.DisableGeneralOptionsHandler = true
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, answerKey{}, c)
	}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ours := r.Context().Value(answerKey{}).(answering)
		if ours {
			c.set(true)
		}
		if secure, ok := c.(*tlsConn); ok {
			state := secure.ConnectionState()
			r.TLS = &state
		}
		if r.Method == http.MethodOptions && r.RequestURI == "*" {
			maps.Copy(w.Header(), fixed)
			w.Header().Set("Content-Length", "0")
			return
		}
		handler.ServeHTTP(w, r)
	})
	s.ConnState = func(c net.Conn, now http.ConnState) {
		if c, ours := c.(answering); ours && now == http.StateIdle {
			c.set(false)
		}
		if state != nil {
			state(c, now)
		}
	}
}

type answerKey struct{}

// OwnAnswers wraps the listener of a server, so that the answers that net/http
// gives by itself, such as 400 and 431, carry the security headers, too. Those
// never reach a handler: net/http writes them to the connection as they are.
func OwnAnswers(l net.Listener) net.Listener { return ownAnswers{l} }

type ownAnswers struct{ net.Listener }

func (l ownAnswers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	switch c := c.(type) {
	case secured:
		return &tlsConn{secured: c}, nil
	case socket:
		return &plainConn{socket: c}, nil
	}
	return c, nil
}

// answering is a connection that knows whether a handler answers on it.
type answering interface{ set(bool) }

// An answer says whether a handler, not net/http, has the word.
type answer struct{ handled atomic.Bool }

func (a *answer) set(handled bool) { a.handled.Store(handled) }

// write writes p with the headers, if it is an answer of net/http's own.
func (a *answer) write(w io.Writer, p []byte) (int, error) {
	status, rest, found := bytes.Cut(p, []byte("\r\n"))
	if a.handled.Load() || !found || !bytes.HasPrefix(status, []byte("HTTP/1.")) {
		return w.Write(p)
	}
	if _, err := fmt.Fprintf(w, "%s\r\n%s%s", status, headerLines, rest); err != nil {
		return 0, err
	}
	return len(p), nil
}

// headerLines are the security headers as they go over the wire.
var headerLines = func() string {
	var b strings.Builder
	h := helmetHeaders()
	for _, name := range slices.Sorted(maps.Keys(h)) {
		fmt.Fprintf(&b, "%s: %s\r\n", name, h.Get(name))
	}
	return b.String()
}()

// A socket is a TCP connection, or one by way of a proxy. Who takes it over uses
// all of this.
type socket interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
	SetLinger(sec int) error
}

type plainConn struct {
	socket
	answer
}

func (c *plainConn) Write(p []byte) (int, error) { return c.write(c.socket, p) }

// A secured connection is a *tls.Conn, or wraps one. A handler that hijacks it uses
// all of these methods.
type secured interface {
	net.Conn
	ConnectionState() tls.ConnectionState
	NetConn() net.Conn
	CloseWrite() error
}

// A tlsConn hides from net/http that it is TLS, which would write to the
// *tls.Conn. So it also does what net/http does for those: see Read, and where
// r.TLS is set.
type tlsConn struct {
	secured
	answer
}

func (c *tlsConn) Write(p []byte) (int, error) { return c.write(c.secured, p) }

// Read tells a client that speaks plain HTTP so.
func (c *tlsConn) Read(p []byte) (int, error) {
	n, err := c.secured.Read(p)
	var wrong tls.RecordHeaderError
	if errors.As(err, &wrong) && wrong.Conn != nil && slices.Contains(plainHTTP, string(wrong.RecordHeader[:])) {
		_, _ = io.WriteString(wrong.Conn, "HTTP/1.0 400 Bad Request\r\n"+headerLines+"\r\nClient sent an HTTP request to an HTTPS server.\n")
	}
	return n, err
}

// plainHTTP is how requests begin, as long as the header of a TLS record.
var plainHTTP = []string{"GET /", "HEAD ", "POST ", "PUT /", "OPTIO"}
