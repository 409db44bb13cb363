package socketio

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/oodaa/signaling/errcode"
	"github.com/oodaa/signaling/server/wire"
)

// EngineIO serves Engine.IO 4, the transport below Socket.IO: sessions over
// WebSocket or long-polling, with upgrade from the latter to the former.
type EngineIO struct {
	opts      Options
	open      func(*Session) MessageHandler
	wire      wire.Config
	deadlines *wire.Deadlines

	mu       sync.Mutex
	sessions map[string]*Session // by id
	polling  int                 // how many of them have no WebSocket

	group wire.Group[*Session] // and connections, also those of no session
}

// A MessageHandler takes the messages of one session. It is called from one
// goroutine at a time, in order.
type MessageHandler interface {
	// Message is called for each message. payload is valid, and may be
	// changed, during the call. An error closes the session; a Hold, which comes
	// without one, delays the next message.
	Message(payload []byte, binary bool, batch *wire.Batch) (wire.Hold, error)
	// TooLarge is called when a message over Options.MaxPayload arrived; the
	// session is closed after it.
	TooLarge()
	// OverRate is called when the client has overdrawn its budget for ten seconds
	// on end; the session is closed after it.
	OverRate()
	// Closed is called once, last.
	Closed(reason string)
}

// NewEngineIO returns a server that calls open for each new session, before
// anything is read from it. Of opts, Namespaces and ConnectTimeout do not
// matter. Shutdown ends it.
func NewEngineIO(opts Options, open func(*Session) MessageHandler) *EngineIO {
	deadlines := wire.NewDeadlines()
	return &EngineIO{
		opts:      opts,
		open:      open,
		wire:      wire.Config{MaxMessage: opts.MaxPayload, MaxOutbox: opts.MaxOutbox, StallTimeout: opts.PingTimeout, Account: opts.Account, Loops: opts.Loops, Deadlines: deadlines, Latency: opts.Latency},
		deadlines: deadlines,
		sessions:  make(map[string]*Session),
	}
}

// Waiting is how many bytes wait for clients that do not take them.
func (e *EngineIO) Waiting() int64 {
	e.mu.Lock()
	var sessions []*Session
	if e.polling > 0 {
		for _, s := range e.sessions {
			if s.polling != nil {
				sessions = append(sessions, s)
			}
		}
	}
	e.mu.Unlock()
	waiting := e.wire.Waiting()
	for _, s := range sessions {
		waiting += int64(s.polling.waiting())
	}
	return waiting
}

// An engineError is an answer to a request that belongs to no session, or that
// a session cannot take; the codes are those of Node's engine.
type engineError struct {
	status, code int
	message      string
}

var (
	errTransportUnknown = &engineError{http.StatusBadRequest, 0, "Transport unknown"}
	errSessionUnknown   = &engineError{http.StatusBadRequest, 1, "Session ID unknown"}
	errHandshakeMethod  = &engineError{http.StatusBadRequest, 2, "Bad handshake method"}
	errBadRequest       = &engineError{http.StatusBadRequest, 3, "Bad request"}
	errVersion          = &engineError{http.StatusBadRequest, 5, "Unsupported protocol version"}
	errPayloadTooLarge  = &engineError{http.StatusRequestEntityTooLarge, 3, "Payload too large"}
	errDraining         = &engineError{http.StatusServiceUnavailable, 3, "Server unavailable"}
)

func (e *engineError) Error() string { return e.message }

func (e *engineError) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	_, _ = w.Write([]byte(`{"code":` + strconv.Itoa(e.code) + `,"message":"` + e.message + `"}`))
}

// ServeHTTP serves one request of a client (Engine.IO protocol 4, "Transports").
func (e *EngineIO) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// net/http waits for the body before it answers, whether we read it or not.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(e.requestTimeout()))
	}
	if err := e.serve(w, r); err != nil {
		err.write(w)
	}
}

func (e *EngineIO) serve(w http.ResponseWriter, r *http.Request) *engineError {
	query := r.URL.Query()
	upgrade := wire.IsUpgrade(r)
	transport := query.Get("transport")
	switch {
	case transport == "websocket" && e.opts.WebSocket, transport == "polling" && e.opts.Polling:
	default:
		return errTransportUnknown
	}
	if query.Get("EIO") != "4" {
		return errVersion
	}
	if upgrade != (transport == "websocket") {
		return errBadRequest
	}
	if sid := query.Get("sid"); sid != "" {
		s := e.session(sid)
		switch {
		case s == nil:
			return errSessionUnknown
		case upgrade:
			return s.serveUpgrade(w, r)
		}
		return s.servePolling(w, r)
	}
	if r.Method != http.MethodGet {
		return errHandshakeMethod
	}
	return e.handshake(w, r, query)
}

// Established reports whether r is a poll, a post or the first probe of a live
// long-polling session.
func (e *EngineIO) Established(r *http.Request) bool {
	if !strings.ContainsAny(r.URL.RawQuery, "%+") && !strings.Contains(r.URL.RawQuery, "sid=") {
		return false // a handshake: its query is parsed once
	}
	query := r.URL.Query()
	if query.Get("EIO") != "4" {
		return false
	}
	s := e.session(query.Get("sid"))
	if s == nil || s.polling == nil {
		return false
	}
	get, upgrade := r.Method == http.MethodGet, wire.IsUpgrade(r)
	switch query.Get("transport") {
	case "polling":
		return !upgrade && (get || r.Method == http.MethodPost) && !s.polling.wasUpgraded()
	case "websocket":
		return upgrade && get && e.opts.WebSocket && !s.polling.wasProbed()
	}
	return false
}

func (e *EngineIO) session(sid string) *Session {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sessions[sid]
}

// Connections counts the live sessions by transport.
func (e *EngineIO) Connections() (websocket, polling int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.sessions) - e.polling, e.polling
}

// handshake opens a session.
func (e *EngineIO) handshake(w http.ResponseWriter, r *http.Request, query url.Values) *engineError {
	admission, refusal := e.admit(r)
	if refusal != nil {
		refusal.Write(w)
		return nil
	}
	if !e.group.Reserve() {
		e.release(admission)
		return errDraining
	}
	s := &Session{engine: e, id: NewID(), admission: admission, opened: wire.InstantOf(time.Now())}
	s.budget.Limits = e.opts.Limits
	s.textOnly = query.Get("b64") != ""
	if query.Get("transport") == "polling" {
		s.polling = newPolling(s)
		if e.opts.WebSocket {
			s.start(nil, "websocket")
		} else {
			s.start(nil)
		}
		e.insert(s)
		e.group.Release()
		return s.servePolling(w, r)
	}
	conn, err := e.upgrade(w, r, s)
	if err != nil {
		e.release(admission)
		e.group.Release()
		return nil
	}
	s.conn.Store(conn)
	var batch wire.Batch
	s.start(&batch)
	e.insert(s)
	batch.Flush() // a client that has its id is known by it
	e.group.Start(conn, (*webSocket)(s), nil)
	return nil
}

// upgrade makes the request a WebSocket for the session.
func (e *EngineIO) upgrade(w http.ResponseWriter, r *http.Request, s *Session) (*wire.Conn, error) {
	conn, err := wire.Upgrade(w, r, &e.wire, &s.budget)
	if err == nil && e.opts.Proxied != nil {
		conn.Keep(e.opts.Proxied(r))
	}
	return conn, err
}

func (e *EngineIO) admit(r *http.Request) (admission Admission, refusal *Refusal) {
	if e.opts.Gate == nil {
		return Admission{}, nil
	}
	return e.opts.Gate.Admit(r)
}

func (e *EngineIO) release(a Admission) {
	if e.opts.Gate != nil {
		e.opts.Gate.Release(a)
	}
}

// countUpgrade counts a session that polled as one on a WebSocket. Session.mu is
// held.
func (e *EngineIO) countUpgrade() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.polling--
}

// insert makes a session known, unless it has ended already.
func (e *EngineIO) insert(s *Session) {
	e.group.Enter(s)
	e.mu.Lock()
	known := sessionState(s.state.Load()) != gone
	if known {
		e.sessions[s.id] = s
		if s.polling != nil {
			e.polling++
		}
	}
	e.mu.Unlock()
	if !known {
		e.group.Leave(s)
	}
}

// forget removes a session that has ended; polled, one that never left polling.
func (e *EngineIO) forget(s *Session, polled bool) {
	e.mu.Lock()
	if _, known := e.sessions[s.id]; known {
		delete(e.sessions, s.id)
		if polled {
			e.polling--
		}
	}
	e.mu.Unlock()
	e.group.Leave(s)
}

// Dismiss closes all sessions' transports, one after another over the given
// time, or when ctx ends. It does not wait for their ends.
func (e *EngineIO) Dismiss(ctx context.Context, over time.Duration) { e.group.Dismiss(ctx, over) }

// Shutdown closes all sessions and waits for their ends, at most until ctx
// ends; then it cuts them.
func (e *EngineIO) Shutdown(ctx context.Context) error {
	defer e.deadlines.Close()
	return e.group.Shutdown(ctx)
}

// reasonShutdown is why sessions end that the server ends.
const reasonShutdown = "server shutting down"

// Write answers a request with the refusal.
func (r *Refusal) Write(w http.ResponseWriter) {
	for k, v := range r.Header {
		w.Header()[k] = v
	}
	body, err := json.Marshal(errcode.Body{Error: r.Message, Code: r.Code})
	if err != nil {
		panic(err) // strings
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.Status)
	_, _ = w.Write(body)
}
