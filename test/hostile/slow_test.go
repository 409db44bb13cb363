package hostile

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// headerTimeout is how long headers may take to arrive (contract, section
	// 10), bodyTimeout the same for a body that no route reads, closeTimeout how
	// long a Close frame may take to be answered (server/wire), and
	// upgradeTimeout how long an upgrade (server/socketio).
	headerTimeout  = 10 * time.Second
	bodyTimeout    = 10 * time.Second
	closeTimeout   = 5 * time.Second
	upgradeTimeout = 10 * time.Second

	// slack is for a machine that is busy.
	slack = 10 * time.Second
)

// slowRows take as long as the server's patience does, each, but all at once.
func slowRows(engine string) []row {
	rows := []row{
		cut("slow/nothing", headerTimeout, func(s *server) *conn { return s.tcp() }),
		cut("slow/half a request line", headerTimeout, begun("GET /socket")),
		cut("slow/headers without end", headerTimeout, begun(strings.TrimSuffix(handshake(oodaaPath), "\r\n"))),
		cut("slow/header byte by byte", headerTimeout, func(s *server) *conn { return s.drip(handshake(oodaaPath, "X: "+repeat("x", 1000)+"\r\n")) }),
		cut("slow/header lines without end", headerTimeout, func(s *server) *conn { return s.drip("GET /health HTTP/1.1\r\n" + repeat("A:b\r\n", 1000)) }),
		cut("slow/TLS ClientHello", headerTimeout, begun(clientHello)),
		cut("slow/second request's headers", headerTimeout, func(s *server) *conn {
			c := s.tcp()
			c.put("GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /hea")
			c.status(http.StatusOK)
			return c
		}),
		cut("slow/body of a request that has none", bodyTimeout, begun("GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")),
		cut("slow/body of an unknown route", bodyTimeout, begun("POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")),
		cut("slow/chunks without end", bodyTimeout, func(s *server) *conn {
			return s.drip("POST /none HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", repeat("1\r\nx\r\n", 1000))
		}),
		cut("slow/body of a Socket.IO request", pingInterval+pingTimeout, begun("POST /socket.io/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")),
		cut("slow/body of a stranger's Socket.IO request", pingInterval+pingTimeout, begun("POST /socket.io/ HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.example\r\nContent-Length: 1000\r\n\r\nx")),

		cut("slow/oodaa/no answer to a ping", pingInterval+pingTimeout, (*server).joined),
		cut("slow/oodaa/frame promised, but not sent", pingInterval+pingTimeout, promised((*server).joined)),
		cut("slow/oodaa/message never finished", pingInterval+pingTimeout, func(s *server) *conn {
			c := s.joined()
			c.put(frame(opText, `42["`))
			return c
		}),
		cut("slow/oodaa/attachment never sent", pingInterval+pingTimeout, func(s *server) *conn {
			c := s.joined()
			c.put(text(withFile))
			return c
		}),
		timesOut("slow/oodaa/in no namespace", (*server).opened),
		timesOut("slow/oodaa/not registered", (*server).joined),
		cut("slow/oodaa/Close frame never answered", closeTimeout, func(s *server) *conn {
			c := s.joined()
			c.put(text("4"))
			return c
		}),
		cut("slow/oodaa/never reads", closeTimeout, func(s *server) *conn { return s.deaf((*server).joined, text(`42["get-users","`+repeat("x", 100)+`"]`)) }),
		cut("slow/oodaa/pings without reading", closeTimeout, func(s *server) *conn { return s.deaf((*server).joined, frame(fin|opPing, repeat("x", 125))) }),

		cut("slow/volli/no answer to a ping", pingInterval+pingTimeout, (*server).volli),
		cut("slow/volli/frame promised, but not sent", pingInterval+pingTimeout, promised((*server).volli)),
		cut("slow/volli/message never finished", pingInterval+pingTimeout, func(s *server) *conn {
			c := s.volli()
			c.put(frame(opText, `{"type":"`))
			return c
		}),
		timesOut("slow/volli/not registered", (*server).volli),
		cut("slow/volli/Close frame never answered", closeTimeout, func(s *server) *conn {
			c := s.volli()
			c.put(data("x"))
			return c
		}),
		cut("slow/volli/never reads", closeTimeout, func(s *server) *conn { return s.deaf((*server).volli, text(repeat("x", 100))) }),
		cut("slow/volli/pings without reading", closeTimeout, func(s *server) *conn { return s.deaf((*server).volli, frame(fin|opPing, repeat("x", 125))) }),
	}
	if engine != native {
		return rows
	}
	return append(rows,
		cut("slow/polling/body", pingInterval+pingTimeout, func(s *server) *conn {
			p := s.polls()
			p.put("POST " + p.path() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n3")
			return p.conn
		}),
		cut("slow/polling/body byte by byte", pingInterval+pingTimeout, func(s *server) *conn {
			p := s.polls()
			return s.drip("POST "+p.path()+" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", repeat("3\x1e", 500))
		}),
		cut("slow/polling/chunks without end", pingInterval+pingTimeout, func(s *server) *conn {
			p := s.polls()
			return s.drip("POST "+p.path()+" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", repeat("1\r\n3\r\n1\r\n\x1e\r\n", 500))
		}),
		row{"slow/polling/never polls again", func(s *server) error {
			p := s.pollsInside()
			err := p.end()
			time.Sleep(pingInterval + pingTimeout + slack/2)
			p.over()
			return errors.Join(err, p.err)
		}},
		cut("slow/upgrade/no probe", upgradeTimeout, func(s *server) *conn { return s.polls().probing() }),
		cut("slow/upgrade/no upgrade after the probe", upgradeTimeout, func(s *server) *conn {
			c := s.polls().probing()
			c.put(text("2probe"))
			c.expect("3probe")
			return c
		}),
	)
}

// cut is a connection that the server must end within a time.
func cut(name string, within time.Duration, connect func(*server) *conn) row {
	return row{name, func(s *server) error {
		c := connect(s)
		started := time.Now()
		if c.err == nil {
			c.fail(c.SetReadDeadline(started.Add(within + slack)))
		}
		c.gone()
		if c.err != nil {
			c.err = fmt.Errorf("after %v: %w", time.Since(started).Round(time.Second), c.err)
		}
		return c.end()
	}}
}

// begun is a connection that says something and then nothing more.
func begun(bytes string) func(*server) *conn {
	return func(s *server) *conn {
		c := s.tcp()
		c.put(bytes)
		return c
	}
}

// promised is a client that announces a frame of the largest size and sends one
// byte of it.
func promised(connect func(*server) *conn) func(*server) *conn {
	return func(s *server) *conn {
		c := connect(s)
		c.put(header(fin|opText, 0x80, s.max) + "\x00\x00\x00\x00" + "4")
		return c
	}
}

// drip sends some bytes at once and more one by one, until the connection ends.
func (s *server) drip(bytes string, more ...string) *conn {
	c := s.tcp()
	if c.err != nil {
		return c
	}
	slow := strings.Join(more, "")
	if slow == "" {
		bytes, slow = bytes[:20], bytes[20:]
	}
	c.put(bytes)
	go func() { // ends when the connection does
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for i := range len(slow) {
			if _, err := c.TCPConn.Write([]byte{slow[i]}); err != nil {
				return
			}
			<-tick.C
		}
	}()
	return c
}

// deaf is a client that asks on and on and reads nothing, until the server has
// cut it, which it has at the latest when a ping was not answered. That need not
// show in writing: a reset that is behind what was not read may not be believed
// (RFC 5961, section 3.2). Who begins to read then hears of it.
func (s *server) deaf(connect func(*server) *conn, frame string) *conn {
	c := connect(s)
	if c.err != nil {
		return c
	}
	c.fail(c.SetWriteDeadline(time.Now().Add(pingInterval + pingTimeout + time.Second)))
	chunk := []byte(repeat(frame, 500))
	for c.err == nil {
		if _, err := c.TCPConn.Write(chunk); err != nil {
			break
		}
	}
	return c
}

// timesOut is a client that answers every ping and does nothing else.
func timesOut(name string, connect func(*server) *conn) row {
	return row{name, func(s *server) error {
		c := connect(s)
		if c.err == nil {
			c.fail(c.SetDeadline(time.Now().Add(registerTimeout + slack)))
		}
		c.closed(1000, 1008)
		return c.end()
	}}
}

// clientHello is the beginning of a TLS 1.2 handshake (RFC 5246, section 7.4.1.2).
const clientHello = "\x16\x03\x01\x00\x31\x01\x00\x00\x2d\x03\x03" +
	"0123456789abcdef0123456789abcdef" + "\x00\x00\x06\xc0\x2b\xc0\x2f\x00\xff\x01\x00"
