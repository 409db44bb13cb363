package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/oodaa/signaling/server"
)

// announce says that the server has started: for a person at a terminal in
// plain text, else in the log.
func (p *process) announce(w io.Writer, warnings []string) {
	if p.config.production || !isTerminal(w) {
		p.log.Info("listening", append([]any{
			"addr", p.listener.Addr().String(), "version", server.Build().Version,
			"engine", p.config.engine, "features", strings.Join(p.config.features(), " "),
		}, p.urls()...)...)
		for _, warning := range warnings {
			p.log.Warn("check the configuration", "warning", warning)
		}
		return
	}
	_, _ = io.WriteString(w, p.banner(warnings))
}

// banner is what a person sees: version, mode, URLs, and warnings.
func (p *process) banner(warnings []string) string {
	var b strings.Builder
	instances := "one instance"
	if p.config.Redis != nil {
		instances = "in a cluster"
	}
	fmt.Fprintf(&b, "%s, %s mode, %s\n\n", server.Build(), p.config.environment, instances)
	names := map[string]string{"demo": "Demo", "status": "Status", "socketio": "Socket.IO", "volli": "WebSocket"}
	urls := p.urls()
	for i := 0; i < len(urls); i += 2 {
		fmt.Fprintf(&b, "  %-10s %s\n", names[urls[i].(string)], urls[i+1])
	}
	for _, warning := range warnings {
		fmt.Fprintf(&b, "\nWarning: %s\n", strings.Join(wrap(warning, 76), "\n         "))
	}
	b.WriteString("\nPress Ctrl-C to stop.\n\n")
	return b.String()
}

// isTerminal reports whether a person reads what is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&fs.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// remedy is why the server cannot start in one sentence, with what to change.
func (c *config) remedy(err error) error {
	var listen *net.OpError
	var file *fs.PathError
	switch {
	case errors.As(err, &listen) && listen.Op == "listen" && listen.Addr != nil:
		addr := listen.Addr.String()
		host, port, _ := net.SplitHostPort(addr)
		setting := c.listens(addr)
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			return fmt.Errorf("port %s is already in use: stop the process that listens there, or change %s", port, setting)
		case errors.Is(err, fs.ErrPermission):
			return fmt.Errorf("no permission to listen on port %s: set %s to a port above 1023, or give the process CAP_NET_BIND_SERVICE", port, setting)
		case errors.Is(err, syscall.EADDRNOTAVAIL):
			return fmt.Errorf("%s is not an address of this machine: change %s", host, strings.Replace(setting, "PORT", "HOST", 1))
		}
	case errors.As(err, &file):
		for _, s := range [][2]string{
			{"TLS_CERT_FILE", c.certFile}, {"TLS_KEY_FILE", c.keyFile}, {"AUTH_JWKS", c.Tokens.JWKS}, {"ACME_CACHE_DIR", c.acme.CacheDir},
		} {
			if s[1] == file.Path {
				return fmt.Errorf("cannot use the path in %s=%q: %w", s[0], s[1], file.Err)
			}
		}
	}
	return err
}

// listens is the setting with an address that the server listens on.
func (c *config) listens(addr string) string {
	for _, s := range [][2]string{
		{"METRICS_ADDR", c.metricsAddr}, {"DEBUG_ADDR", onLoopback(c.debugAddr)}, {"HTTP_REDIRECT_ADDR", c.redirectAddr},
		{"TURN_LISTEN", c.TURN.Listen}, {"TURN_TLS_LISTEN", c.TURN.ListenTLS},
	} {
		if s[1] == addr {
			return s[0]
		}
	}
	return "PORT"
}
