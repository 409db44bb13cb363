package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/oodaa/signaling/middleware"
)

// A side is an HTTP server beside the one for clients.
type side struct {
	http   *http.Server
	addr   net.Addr
	failed chan error
}

// newSide starts a side. Close ends it.
func newSide(what string, listener net.Listener, handler http.Handler, log *slog.Logger) *side {
	s := &side{
		http: &http.Server{
			Handler:           middleware.Headers()(handler),
			ReadHeaderTimeout: 10 * time.Second,
			ReadTimeout:       30 * time.Second,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    32 << 10,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
		addr:   listener.Addr(),
		failed: make(chan error, 1),
	}
	middleware.HeadersOnOwnAnswers(s.http)
	go func() { s.failed <- s.http.Serve(middleware.OwnAnswers(listener)) }()
	log.Info(what, "addr", s.addr.String())
	return s
}

// Close ends the server and waits for it, cutting what is still going on.
func (s *side) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	if failed := <-s.failed; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, failed)
	}
	return err
}

// onLoopback makes an address without a host one on loopback: profiles show
// what the process works on, and taking them costs.
func onLoopback(addr string) string {
	if host, port, err := net.SplitHostPort(addr); err == nil && host == "" {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}

// profiles serves profiles of the running process (net/http/pprof).
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
