package wire

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/gobwas/ws"
)

// IsUpgrade reports whether r asks for a WebSocket connection.
func IsUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// Subprotocol is the first subprotocol that r offers, or "".
func Subprotocol(r *http.Request) string {
	first, _, _ := strings.Cut(r.Header.Get("Sec-Websocket-Protocol"), ",")
	return strings.TrimSpace(first)
}

// upgradeTimeout is how long a client may take for a refusal: it waits where the
// client has yet to read the answers to earlier requests.
const upgradeTimeout = 5 * time.Second

// Upgrade answers the WebSocket handshake r (RFC 6455, section 4.2) with the
// headers that w holds already, and takes the connection over. Of the
// subprotocols that the client offers it answers the first. What the peer sends is
// charged to budget, which may be nil. On an error the
// request has been answered and its connection closed. The caller must call
// Serve or Start, which write the answer if nothing that was sent before has.
func Upgrade(w http.ResponseWriter, r *http.Request, cfg *Config, budget *Budget) (*Conn, error) {
	if r.ProtoMajor == 1 && r.ProtoMinor == 0 {
		// A proxy that speaks HTTP/1.0 to its upstream passes the 101 on all the
		// same, as nginx does without proxy_http_version.
		r = r.WithContext(r.Context())
		r.ProtoMinor = 1
	}
	a := &answer{ResponseWriter: w}
	nc, rw, _, err := ws.HTTPUpgrader{Header: w.Header(), Protocol: func(string) bool { return true }}.Upgrade(r, a)
	if err != nil {
		if nc != nil {
			_ = nc.SetWriteDeadline(time.Now().Add(upgradeTimeout))
			_, _ = nc.Write(a.text.B) // a refusal
			nc.Close()
		}
		a.text.Free()
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	s := sealedConn(nc)
	if s != nil {
		nc, s.detached = s, true
	}
	var raw syscall.RawConn
	if sc, ok := nc.(syscall.Conn); ok && direct {
		if raw, err = sc.SyscallConn(); err != nil {
			nc.Close()
			a.text.Free()
			return nil, fmt.Errorf("upgrade: %w", err)
		}
	}
	limitUnsent(nc)
	c := newConn(nc, raw, s, cfg, budget)
	c.writer.begins(a.text)
	if n := rw.Reader.Buffered(); n > 0 {
		early, _ := rw.Reader.Peek(n)
		c.reader.in = Borrow(n)
		c.reader.in.B = append(c.reader.in.B, early...)
	}
	if s != nil {
		c.reader.in = c.reader.in.join(s.drain())
	}
	return c, nil
}

// An answer to a handshake is collected, to leave together with what the
// connection is sent first.
type answer struct {
	http.ResponseWriter
	text *Buffer
}

// Hijack takes the connection over.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err == nil {
		a.text = Borrow(minChunk)
		rw.Writer.Reset(a.text)
	}
	return nc, rw, err
}
