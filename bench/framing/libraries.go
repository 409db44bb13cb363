package main

import (
	"context"
	"io"
	"net/http"
	"sync"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
)

// An acceptFunc upgrades one request and starts the goroutine that reads from
// it until the connection ends. It returns at once, so that net/http can free
// what it holds for the request.
type acceptFunc func(w http.ResponseWriter, r *http.Request, id int)

var libraries = map[string]func(*relay) acceptFunc{
	"gws":     newGWS,
	"coder":   newCoder,
	"gobwas":  newGobwas,
	"gorilla": newGorilla,
}

// lxzan/gws

type gwsSeat struct{ *gws.Conn }

func (s gwsSeat) send(text []byte) error { return s.WriteMessage(gws.OpcodeText, text) }

// gwsSession replaces the map that gws would make for each connection.
type gwsSession struct {
	gws.SessionStorage
	id int
}

type gwsEvents struct {
	gws.BuiltinEventHandler
	rl *relay
}

func (e gwsEvents) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	if e.rl.forward(c.Session().(*gwsSession).id, m.Bytes()) != nil {
		c.NetConn().Close()
	}
}

func newGWS(rl *relay) acceptFunc {
	up := gws.NewUpgrader(gwsEvents{rl: rl}, &gws.ServerOption{
		ReadBufferSize:     rl.readBuf,
		ReadMaxPayloadSize: maxMessage,
		NewSession:         func() gws.SessionStorage { return new(gwsSession) },
	})
	return func(w http.ResponseWriter, r *http.Request, id int) {
		c, err := up.Upgrade(w, r)
		if err != nil {
			return
		}
		c.Session().(*gwsSession).id = id
		if rl.join(id, gwsSeat{c}) != nil {
			c.NetConn().Close()
		}
		go c.ReadLoop()
	}
}

// coder/websocket

type coderSeat struct{ *coder.Conn }

func (s coderSeat) send(text []byte) error {
	return s.Write(context.Background(), coder.MessageText, text)
}

func newCoder(rl *relay) acceptFunc {
	opts := &coder.AcceptOptions{InsecureSkipVerify: true, CompressionMode: coder.CompressionDisabled}
	return func(w http.ResponseWriter, r *http.Request, id int) {
		c, err := coder.Accept(w, r, opts)
		if err != nil {
			return
		}
		c.SetReadLimit(maxMessage)
		go func() {
			defer c.CloseNow()
			err := rl.join(id, coderSeat{c})
			for err == nil {
				var r io.Reader
				if _, r, err = c.Reader(context.Background()); err == nil { // a context that ends costs more
					err = rl.forwardAll(id, r)
				}
			}
		}()
	}
}

// gorilla/websocket

// A gorillaSeat has the lock that gorilla wants around its one writer.
type gorillaSeat struct {
	*gorilla.Conn
	mu sync.Mutex
}

func (s *gorillaSeat) send(text []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.WriteMessage(gorilla.TextMessage, text)
}

func newGorilla(rl *relay) acceptFunc {
	up := &gorilla.Upgrader{
		ReadBufferSize:  rl.readBuf,
		WriteBufferSize: 4096,
		WriteBufferPool: &sync.Pool{},
		CheckOrigin:     func(*http.Request) bool { return true },
	}
	return func(w http.ResponseWriter, r *http.Request, id int) {
		c, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		c.SetReadLimit(maxMessage)
		go func() {
			defer c.Close()
			err := rl.join(id, &gorillaSeat{Conn: c})
			for err == nil {
				var r io.Reader
				if _, r, err = c.NextReader(); err == nil {
					err = rl.forwardAll(id, r)
				}
			}
		}()
	}
}
