package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"

	"github.com/oodaa/signaling/server"
	"github.com/oodaa/signaling/server/certs"
	"github.com/oodaa/signaling/server/proxyproto"
	"github.com/oodaa/signaling/server/volli"
)

// A process is everything that runs between a start and a stop.
type process struct {
	config   *config
	log      *slog.Logger
	listener net.Listener
	certs    certs.Source // nil: plain HTTP
	server   *server.Server
	sides    []*side
	trimmer  *trimmer
	failed   chan error // the end of serving
}

// start starts everything, or nothing.
func start(c *config, log *slog.Logger) (_ *process, err error) {
	p := &process{config: c, log: log, failed: make(chan error, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stop(context.Background()))
		}
	}()
	if err := p.secure(); err != nil {
		return nil, err
	}
	if p.listener, err = p.listen(c.address()); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if c.ProxyProtocol {
		c.TURN.Accept = p.named
	}
	if p.certs != nil {
		c.CertificateExpires = p.certs.Expires
		// No protocols to choose from (ALPN), since some clients offer TURN's only.
		c.TURN.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: p.certs.GetCertificate}
	}
	if p.server, err = server.New(c.Options, log); err != nil {
		return nil, err
	}
	if c.debugAddr != "" {
		if err := p.side("serving profiles", onLoopback(c.debugAddr), profiles()); err != nil {
			return nil, err
		}
	}
	if c.metricsAddr != "" {
		metrics := http.NewServeMux()
		metrics.Handle("GET /metrics", p.server.Metrics())
		if err := p.side("serving metrics", c.metricsAddr, metrics); err != nil {
			return nil, err
		}
	}
	if c.redirectAddr != "" {
		if err := p.side("redirecting to HTTPS", c.redirectAddr, p.redirect()); err != nil {
			return nil, err
		}
	}
	p.trimmer = startTrimmer(trimEvery)
	go func() {
		if p.certs == nil {
			p.failed <- p.server.Serve(p.listener)
		} else {
			p.failed <- p.server.ServeTLS(p.listener, certs.Config(p.certs))
		}
	}()
	if acme, ok := p.certs.(*certs.ACME); ok {
		acme.Start() // who answers its challenges is there now
	}
	return p, nil
}

// listen listens for TCP connections.
func (p *process) listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil || !p.config.ProxyProtocol {
		return l, err
	}
	return p.named(l), nil
}

// named has connections come with the addresses of clients, where a proxy names
// them by the PROXY protocol.
func (p *process) named(l net.Listener) net.Listener {
	return proxyproto.Wrap(l, p.config.Proxies.TrustAddr, p.log)
}

// urls is where clients and people reach the server, as attributes of a log line.
func (p *process) urls() []any {
	c := p.config
	port := strconv.Itoa(p.listener.Addr().(*net.TCPAddr).Port)
	host, secure := "localhost", ""
	switch {
	case len(c.acme.Domains) > 0:
		host = c.acme.Domains[0]
	case len(c.PublicHosts) > 0:
		host = c.PublicHosts[0]
	}
	if p.certs != nil {
		secure = "s"
	}
	base := net.JoinHostPort(host, port) + c.BasePath
	attrs := []any{"socketio", "http" + secure + "://" + base, "volli", "ws" + secure + "://" + base + "/signaling"}
	if c.StatusPages {
		attrs = append(attrs, "demo", "http"+secure+"://"+base+"/demo", "status", "http"+secure+"://"+base+"/status")
	}
	return attrs
}

// features are what is switched on, by the words of the settings.
func (c *config) features() (on []string) {
	add := func(when bool, name string) {
		if when {
			on = append(on, name)
		}
	}
	add(c.WebSocket, "websocket")
	add(c.offersPolling(), "polling")
	add(c.secure(), "tls")
	add(c.needsTokens(), "tokens")
	add(c.KeyProof != volli.ProofOff, "key-proof")
	add(c.Presence && !c.Watched, "presence")
	add(c.Watched, "presence-watched")
	add(c.Redis != nil, "cluster")
	add(c.hasTURN(), "turn")
	add(c.TURN.ListenTLS != "", "turn-tls")
	add(c.Proxies.String() != "", "trusted-proxies")
	add(c.ProxyProtocol, "proxy-protocol")
	return on
}

// secure gets ready to serve certificates, where there are any.
func (p *process) secure() (err error) {
	c := p.config
	switch {
	case c.certFile != "":
		p.certs, err = certs.NewFiles(c.certFile, c.keyFile, p.log)
	case len(c.acme.Domains) > 0:
		c.acme.Log = p.log
		var acme *certs.ACME
		if acme, err = certs.NewACME(c.acme); err == nil {
			p.certs = acme
		}
	}
	if err != nil {
		p.certs = nil
		return err
	}
	return nil
}

// redirect is what the plain listener serves.
func (p *process) redirect() http.Handler {
	port := p.listener.Addr().(*net.TCPAddr).Port
	redirect := p.server.Health(certs.Redirect(port, func(host string) bool {
		return p.certs.Covers(host) || slices.Contains(p.config.PublicHosts, host)
	}))
	if acme, ok := p.certs.(*certs.ACME); ok {
		return acme.HTTPHandler(redirect)
	}
	return redirect
}

func (p *process) side(what, addr string, handler http.Handler) error {
	listener, err := p.listen(addr)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	s := newSide(what, listener, handler, p.log)
	p.sides = append(p.sides, s)
	return nil
}

// stop stops everything that was started, in reverse order.
func (p *process) stop(ctx context.Context) (err error) {
	if p.trimmer != nil {
		p.trimmer.Close()
	}
	if p.server != nil {
		err = p.server.Shutdown(ctx)
	}
	if p.listener != nil {
		_ = p.listener.Close() // closed already, where it was served
	}
	for i := len(p.sides) - 1; i >= 0; i-- {
		err = errors.Join(err, p.sides[i].Close(ctx))
	}
	if p.certs != nil {
		p.certs.Close()
	}
	return err
}
