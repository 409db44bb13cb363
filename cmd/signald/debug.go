package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// debugServer serves profiles of the running process (net/http/pprof).
type debugServer struct {
	http   *http.Server
	addr   net.Addr
	failed chan error
}

// listenDebug starts a debugServer. An address without a host is on loopback
// only: profiles show what the process works on, and taking them costs.
func listenDebug(addr string) (*debugServer, error) {
	if host, port, err := net.SplitHostPort(addr); err == nil && host == "" {
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for profiles: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	d := &debugServer{
		http:   &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second},
		addr:   listener.Addr(),
		failed: make(chan error, 1),
	}
	go func() { d.failed <- d.http.Serve(listener) }()
	return d, nil
}

// Close ends the server and waits for it, cutting what is still going on.
func (d *debugServer) Close(ctx context.Context) error {
	err := d.http.Shutdown(ctx)
	if err != nil {
		err = d.http.Close()
	}
	if failed := <-d.failed; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, failed)
	}
	return err
}
