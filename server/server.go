// Package server puts the parts together: the routes, the engine, the hub and
// the gateways, from start to stop.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/httprate"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/middleware"
	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/cluster"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/oodaa"
	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/turn"
	"github.com/oodaa/signaling/server/volli"
	"github.com/oodaa/signaling/server/wire"
)

// A Server is one instance of the signaling server. Make it with New.
type Server struct {
	opts      Options
	proxies   middleware.Proxies // that name clients in HTTP
	log       *slog.Logger
	started   time.Time
	http      *http.Server
	limiter   *middleware.Limiter
	files     *middleware.Limiter // of the pages
	deadlines *wire.Deadlines
	account   *wire.Account // of what is held for and from clients
	loops     *wire.Loops
	limits    *wire.Limits   // of each connection
	tokens    *auth.Verifier // nil: clients need none
	hub       *hub.Hub
	cluster   cluster.Member // nil: there is one instance
	handlers  *events.Handlers
	engine    socketio.Engine
	oodaa     *oodaa.Gateway
	volli     *volli.Gateway
	turn      *turn.Server // nil: there is none
	ice       turn.ICE
	latency   *wire.Histogram
	metrics   http.Handler
	gate      gate
	feed      *feed // of the status page; nil without the pages
	census    sync.WaitGroup
	stop      chan struct{}
	draining  atomic.Bool // load balancers are to send nobody any more
	stopping  atomic.Bool // new connections are refused
}

// New builds a server. Shutdown ends it.
func New(opts Options, log *slog.Logger) (*Server, error) {
	s := &Server{
		loops: new(wire.Loops),
		limits: &wire.Limits{
			Packets: opts.MessageRate, PacketBurst: opts.MessageBurst,
			Bytes: opts.ByteRate, ByteBurst: opts.ByteBurst,
		},
		opts:      opts,
		proxies:   opts.Proxies,
		log:       log,
		started:   time.Now(),
		latency:   wire.NewLatency(),
		deadlines: wire.NewDeadlines(),
		account:   wire.NewAccount(opts.MaxHeld),
		stop:      make(chan struct{}),
	}
	if opts.ProxyProtocol {
		s.proxies = opts.Proxies.BehindNearest()
	}
	if err := s.build(); err != nil {
		return nil, errors.Join(err, s.close(context.Background()))
	}
	s.census.Add(1)
	go s.count()
	return s, nil
}

// build makes the parts. What it has made when it fails, close ends.
func (s *Server) build() error {
	s.gate.server = s
	s.gate.addresses = addresses{limit: s.opts.MaxConnectionsPerIP, proxies: s.proxies, log: s.log}
	if err := s.newTokens(); err != nil {
		return err
	}
	if err := s.newTURN(); err != nil {
		return err
	}
	s.newHub()
	s.handlers = &events.Handlers{
		Hub:             s.hub,
		Deadlines:       s.deadlines,
		ICE:             &s.ice,
		Log:             s.log,
		Tokens:          s.tokens,
		Guarded:         s.opts.KeyProof != volli.ProofOff,
		RegisterTimeout: s.opts.RegisterTimeout,
		Account:         s.account,
		Limits:          s.limits,
	}
	var counters func(time.Duration) httprate.LimitCounter
	if s.cluster != nil {
		counters = s.cluster.LimitCounter
	}
	s.limiter = middleware.NewLimiter(s.opts.RateLimit, counters)
	s.files = middleware.NewLimiter(fileFactor*s.opts.RateLimit, nil)
	if err := s.newEngine(); err != nil {
		return err
	}
	s.newVolli()
	s.metrics = s.newMetrics()
	if s.opts.StatusPages {
		s.newPages()
	}
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 10 * time.Second,
		// Handlers that answer later, or more than once, set their own deadlines.
		WriteTimeout: 30 * time.Second,
		// Longer than load balancers keep a connection that they may still use.
		IdleTimeout:    75 * time.Second,
		MaxHeaderBytes: 32 << 10,
		ConnState: func(c net.Conn, state http.ConnState) {
			s.gate.addresses.watch(c, state)
			if state == http.StateActive {
				growStack()
			}
		},
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	middleware.HeadersOnOwnAnswers(s.http)
	return nil
}

// growStack gives the goroutine of a connection the stack that a request takes, at
// once. It would double several times otherwise, and be copied each time, the last
// times below all the middleware.
//
//go:noinline
func growStack() {
	var room [9 << 10]byte
	runtime.KeepAlive(&room)
}

// count logs once a minute how many are online, and how many were refused since,
// until Shutdown.
func (s *Server) count() {
	defer s.census.Done()
	var refused uint64
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case <-minute.C:
			before := refused
			refused = s.refused()
			s.log.Info("clients counted", "users", s.hub.Online(), "connections", s.gate.connections.Load(), "refused", refused-before)
		case <-s.stop:
			return
		}
	}
}

// refused is how many requests and connections came too often, or were too many
// of one address.
func (s *Server) refused() uint64 {
	return s.limiter.Refused() + s.files.Refused() + s.gate.addresses.refused.Load()
}

func (s *Server) panicked(v any, stack []byte) {
	s.log.Error("panic recovered", "value", fmt.Sprint(v), "stack", string(stack))
}

// newTokens gets ready to check tokens, where clients need any.
func (s *Server) newTokens() (err error) {
	if len(s.opts.Tokens.Secrets) == 0 && s.opts.Tokens.JWKS == "" {
		return nil
	}
	opts := s.opts.Tokens
	opts.Log = s.log
	if s.tokens, err = auth.New(opts); err != nil {
		s.tokens = nil
		return fmt.Errorf("tokens: %w", err)
	}
	return nil
}

// newHub starts the hub, and joins the other instances where there may be any.
func (s *Server) newHub() {
	opts := hub.Options{Presence: s.opts.Presence, Watched: s.opts.Watched, Grace: s.opts.ReconnectGrace, Deadlines: s.deadlines, Account: s.account}
	if s.opts.Redis != nil {
		s.cluster = cluster.NewMember(cluster.Options{
			Redis:       s.opts.Redis,
			Authorities: s.opts.RedisAuthorities,
			Prefix:      s.opts.RedisPrefix,
			Name:        s.opts.NodeID,
			Presence:    s.opts.Presence,
			Grace:       s.opts.ReconnectGrace,
			Account:     s.account,
			Log:         s.log,
		})
		opts.Cluster = s.cluster
	}
	s.hub = hub.New(opts)
	if s.cluster != nil {
		s.cluster.Start(s.hub)
	}
}

func (s *Server) newVolli() {
	s.volli = volli.New(volli.Options{
		Handlers:     s.handlers,
		Wire:         &wire.Config{MaxMessage: s.opts.MaxMessage, MaxOutbox: s.opts.MaxOutbox, StallTimeout: s.opts.PingTimeout, Account: s.account, Loops: s.loops, Deadlines: s.deadlines, Latency: s.latency},
		PingInterval: s.opts.PingInterval,
		PingTimeout:  s.opts.PingTimeout,
		Proxied:      s.proxied(),
		Proof:        s.opts.KeyProof,
		Refuse:       unavailable().Write,
		Panicked:     s.panicked,
	})
}

func (s *Server) newEngine() (err error) {
	s.oodaa = &oodaa.Gateway{
		Handlers:   s.handlers,
		Latency:    s.latency,
		MaxMessage: s.opts.MaxMessage,
		MaxOutbox:  s.opts.MaxOutbox,
	}
	opts := socketio.Options{
		PingInterval:   s.opts.PingInterval,
		PingTimeout:    s.opts.PingTimeout,
		ConnectTimeout: s.connectTimeout(),
		MaxPayload:     s.opts.MaxMessage,
		MaxOutbox:      s.opts.MaxOutbox,
		WebSocket:      s.opts.WebSocket,
		Polling:        s.opts.Polling,
		Namespaces:     map[string]socketio.Namespace{"/": s.oodaa},
		Gate:           &s.gate,
		Proxied:        s.proxied(),
		Limits:         s.limits,
		Account:        s.account,
		Loops:          s.loops,
		Latency:        s.latency,
		Panicked:       s.panicked,
	}
	if s.engine, err = s.opts.Engine(opts); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	return nil
}

// proxied tells whether a request came by a proxy, which would acknowledge relays
// that its client does not have; nil: nothing is delivered again.
func (s *Server) proxied() func(*http.Request) bool {
	if s.hub.Grace() == 0 {
		return nil
	}
	proxied := s.opts.Proxies.String() != ""
	return func(r *http.Request) bool {
		return proxied || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Via") != ""
	}
}

// errors are the errors that clients were answered with, by text.
func (s *Server) errors() map[string]uint64 {
	m := make(map[string]uint64)
	s.oodaa.Errors(m)
	s.volli.Errors(m)
	return m
}

// connectTimeout is how long a Socket.IO session may be in no namespace, as with
// stock socket.io.
func (s *Server) connectTimeout() time.Duration {
	const stock = 45 * time.Second
	if s.opts.RegisterTimeout > 0 {
		return min(stock, s.opts.RegisterTimeout)
	}
	return stock
}

// socketIOPath is where Socket.IO clients connect, whatever follows it.
const socketIOPath = "/socket.io"

// routes is all that the server answers.
func (s *Server) routes() http.Handler {
	origins := middleware.NewOrigins(s.opts.Origins)
	fromHere := middleware.Origin(origins, middleware.OwnHosts{Public: s.opts.PublicHosts, Proxies: s.proxies}, s.log)
	r := chi.NewRouter()
	r.Use(
		chimiddleware.RequestID,
		middleware.Headers(),
		middleware.ClientIP(s.proxies, s.log),
		s.below(s.opts.BasePath),
		middleware.RequestLog(s.log, func(r *http.Request) bool {
			return s.routine(r) || isVolli(r)
		}),
		middleware.Recover(s.log),
		impatient,
		middleware.CORS(origins, isMonitor),
		s.limiter.Handler(s.unlimited),
		s.files.Handler(func(r *http.Request) bool { return !s.isPageFile(r) }),
		s.volliUpgrade(fromHere),
		chimiddleware.GetHead,
	)
	r.NotFound(s.notFound)
	r.MethodNotAllowed(methodNotAllowed)

	r.Get("/", s.index)
	r.Get(faviconPath, favicon)
	r.Get("/signaling", upgradeRequired)
	r.Get("/ws", upgradeRequired)
	for _, path := range healthPaths {
		r.Get(path, s.health)
	}
	for _, path := range readyPaths {
		r.Get(path, s.ready)
	}
	r.Get("/.well-known/security.txt", s.securityTxt)
	r.Get("/stats", s.stats)
	r.Get("/ice-servers", s.iceServers)
	if s.opts.Metrics {
		r.Method(http.MethodGet, "/metrics", s.metrics)
	}
	if s.opts.StatusPages {
		s.pages(r)
	}
	for _, name := range clientScripts {
		r.Get(socketIOPath+"/"+name, s.clientScript)
	}
	r.Group(func(r chi.Router) {
		r.Use(fromHere)
		r.Handle(socketIOPath, s.engine)
		r.Handle(socketIOPath+"/*", s.engine)
	})
	return r
}

// bodyTimeout is how long a body may take that no route reads.
const bodyTimeout = 10 * time.Second

// impatient bounds such bodies: net/http waits for them before it answers. Who
// reads one sets a deadline of its own.
func impatient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		}
		next.ServeHTTP(w, r)
	})
}

// volliUpgrade takes the WebSocket upgrades of Volli's clients out of what is
// served at their paths.
func (s *Server) volliUpgrade(fromHere func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	upgrade := fromHere(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seat, refusal := s.gate.enter(r)
		if refusal != nil {
			refusal.Write(w)
			return
		}
		s.volli.Serve(w, r, seat.address, func() { s.gate.leave(seat) })
	}))
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isVolli(r) {
				upgrade.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// isVolli reports whether a client of Volli's wants to connect.
func isVolli(r *http.Request) bool {
	switch r.URL.Path {
	case "/", "/signaling", "/ws":
		return r.Method == http.MethodGet && wire.IsUpgrade(r)
	}
	return false
}

// Metrics serves the metrics, for a listener of their own.
func (s *Server) Metrics() http.Handler { return s.metrics }

// Health answers liveness checks, and hands all else to next. It is for a listener
// that does not need what this server's own may still wait for: a certificate.
func (s *Server) Health(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, below := strings.CutPrefix(r.URL.Path, s.opts.BasePath)
		if !below || !slices.Contains(healthPaths, path) || r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		s.health(w, r)
	})
}

// Serve serves on the listener until Shutdown, upon which it returns
// http.ErrServerClosed, or until the listener fails.
func (s *Server) Serve(l net.Listener) error { return s.http.Serve(middleware.OwnAnswers(l)) }

// ServeTLS is Serve with TLS. config must not offer HTTP/2, over which WebSockets do
// not work here.
func (s *Server) ServeTLS(l net.Listener, config *tls.Config) error {
	return s.Serve(wire.ListenTLS(l, config))
}

// Drain turns the server unready, so that load balancers send nobody any more.
// Everything else goes on until Shutdown.
func (s *Server) Drain() { s.draining.Store(true) }

// Shutdown stops the server: it turns unready, refuses new connections, flushes
// what waits for clients, closes their transports, and closes. It takes no longer
// than ctx lasts; what was not sent by then is dropped, and ctx's error returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	s.stopping.Store(true)
	s.hub.Drain()
	if s.feed != nil {
		s.feed.Close()
	}
	var err error
	var gateways sync.WaitGroup
	over := s.dismissal(ctx)
	gateways.Go(func() { s.volli.Dismiss(ctx, over) })
	gateways.Go(func() { s.engine.Dismiss(ctx, over) })
	gateways.Wait()
	var volliErr error
	gateways.Go(func() { volliErr = s.volli.Shutdown(ctx) })
	gateways.Go(func() { err = s.engine.Shutdown(ctx) })
	gateways.Wait()
	err = errors.Join(err, volliErr)
	s.limiter.Close()
	s.files.Close()
	// What is left are single requests, and connections that never made one.
	rest, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if s.http.Shutdown(rest) != nil {
		err = errors.Join(err, s.http.Close())
	}
	close(s.stop)
	s.census.Wait()
	return errors.Join(err, s.close(ctx))
}

// dismissalStep is how far apart clients are told that the server stops, so that
// they do not all come back at once.
const dismissalStep = 2 * time.Millisecond

// dismissal is how long all of them may take: half of what is left of ctx, at
// most.
func (s *Server) dismissal(ctx context.Context) time.Duration {
	over := time.Duration(s.gate.connections.Load()) * dismissalStep
	if deadline, ok := ctx.Deadline(); ok {
		over = min(over, time.Until(deadline)/2)
	}
	if over < 50*dismissalStep {
		return 0 // a few come back at once
	}
	return over
}

// close ends what clients' connections need.
func (s *Server) close(ctx context.Context) (err error) {
	if s.cluster != nil {
		s.cluster.Close(ctx)
	}
	if s.turn != nil {
		err = errors.Join(err, s.turn.Close())
	}
	if s.tokens != nil {
		s.tokens.Close()
	}
	if s.hub != nil {
		s.hub.Close()
	}
	s.account.Close()
	s.deadlines.Close()
	s.loops.Close()
	return err
}
