package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
	"golang.org/x/net/idna"
)

// ACMEOptions configure an ACME source.
type ACMEOptions struct {
	// Domains get one certificate each. At least one; no wildcards, which need
	// challenges that a server cannot answer (RFC 8555, section 7.1.3).
	Domains []string
	// Email is where the authority writes to about problems; empty for none.
	Email string
	// CacheDir keeps the certificates, their keys and the account's key over
	// restarts. Empty: in memory only, and each restart orders new ones, until the
	// authority's limits forbid it.
	CacheDir string
	// DirectoryURL is the authority's; empty for Let's Encrypt.
	DirectoryURL string
	// Roots are who may vouch for the directory's server; nil for the system's.
	Roots *x509.CertPool
	Log   *slog.Logger
}

// ACME is a Source that orders certificates for its domains, by the challenges
// TLS-ALPN-01 (RFC 8737) and, where HTTPHandler is in use, HTTP-01 (RFC 8555,
// section 8.3). By starting it, the operator accepts the authority's terms.
//
// Orders are made by Start alone, not when a client asks for a name: who
// connects can neither wait for an order nor cause one.
type ACME struct {
	domains   []string // in ASCII; the first is for clients that name none
	issued    map[string]*atomic.Bool
	manager   *autocert.Manager
	directory *directory
	stopgap   *tls.Certificate // for health checks while there is no other
	log       *slog.Logger
	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	orders    sync.WaitGroup
}

// NewACME makes the cache directory. Its error joins one for each option that
// cannot be used.
func NewACME(opts ACMEOptions) (*ACME, error) {
	a := &ACME{issued: make(map[string]*atomic.Bool), log: opts.Log}
	var errs []error
	for _, d := range opts.Domains {
		name, err := domainName(d)
		if err != nil {
			errs = append(errs, fmt.Errorf("domain %q: %w", d, err))
		} else if a.issued[name] == nil {
			a.issued[name] = new(atomic.Bool)
			a.domains = append(a.domains, name)
		}
	}
	if len(opts.Domains) == 0 {
		errs = append(errs, errors.New("no domains"))
	}
	if at, err := mail.ParseAddress(opts.Email); opts.Email != "" && (err != nil || at.Address != opts.Email) {
		errs = append(errs, fmt.Errorf("email %q: not an address", opts.Email))
	}
	if opts.DirectoryURL == "" {
		opts.DirectoryURL = autocert.DefaultACMEDirectory
	}
	// RFC 8555, section 6.1: HTTPS is a must.
	if u, err := url.Parse(opts.DirectoryURL); err != nil || u.Scheme != "https" || u.Host == "" {
		errs = append(errs, fmt.Errorf("directory %q: not an https URL", opts.DirectoryURL))
	}
	var cache autocert.Cache
	if opts.CacheDir != "" {
		cache = autocert.DirCache(opts.CacheDir)
		if err := writable(opts.CacheDir); err != nil {
			errs = append(errs, fmt.Errorf("cache: %w", err))
		}
	}
	var err error
	if a.stopgap, err = selfSigned(); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("acme: %w", errors.Join(errs...))
	}

	if cache == nil {
		a.log.Warn("no cache directory, so each restart orders new certificates")
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.directory = newDirectory(a.ctx, opts.Roots)
	a.manager = &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      cache,
		HostPolicy: a.policy,
		Email:      opts.Email,
		Client: &acme.Client{
			DirectoryURL: opts.DirectoryURL,
			HTTPClient:   &http.Client{Transport: a.directory, Timeout: requestTimeout},
			RetryBackoff: backoff,
			UserAgent:    "oodaa-signaling",
		},
	}
	return a, nil
}

// writable makes the directory, and reports if files cannot be made in it.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	probe, err := os.CreateTemp(dir, "probe")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// domainName is a domain in lower case and ASCII, without a dot at its end.
func domainName(s string) (string, error) {
	if _, err := netip.ParseAddr(s); err == nil {
		return "", errors.New("an address, not a name")
	}
	name, err := idna.Lookup.ToASCII(strings.TrimSuffix(s, "."))
	if err != nil {
		return "", err
	}
	if host, ok := hostname(name); !ok || host != name || !strings.Contains(name, ".") {
		return "", errors.New("not a full domain name")
	}
	return name, nil
}

// policy is the autocert.HostPolicy, also for Host headers, which have ports.
func (a *ACME) policy(_ context.Context, host string) error {
	name, ok := hostname(host)
	if !ok || a.issued[name] == nil {
		return errors.New("not one of the domains")
	}
	return nil
}

// Start gets the certificates, from the cache or by orders, and goes on in the
// background until Close: what fails is tried again, what ends is renewed. Call
// it once, when the listeners that answer the challenges are open, and after
// HTTPHandler, without which HTTP-01 is not tried.
func (a *ACME) Start() {
	for _, d := range a.domains {
		a.orders.Go(func() {
			if a.obtain(d) {
				a.watch(d)
			}
		})
	}
}

// ask is the request for a domain's certificate. It is not the client's own,
// since autocert orders an RSA certificate beside the ECDSA one when it sees no
// cipher suite of ECDSA's, and those of TLS 1.3 name no key type.
func ask(domain string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName:   domain,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	}
}

// retryDelay is how long to wait after so many failures. Let's Encrypt takes
// five failed validations an hour, and an attempt can be two; autocert keeps a
// failure for one minute.
func retryDelay(failures int) time.Duration {
	return min(2*time.Minute<<min(failures-1, 10), time.Hour)
}

// retryAfter is how long the authority asks to wait, if its error says so (RFC
// 8555, section 6.6).
func retryAfter(err error, now time.Time) time.Duration {
	var refusal *acme.Error
	if !errors.As(err, &refusal) {
		return 0
	}
	text := refusal.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(now)
	}
	return 0
}

// obtain returns true once there is a certificate, or false upon Close.
func (a *ACME) obtain(domain string) bool {
	for failures := 1; ; failures++ {
		cert, err := a.manager.GetCertificate(ask(domain))
		if err == nil {
			a.issued[domain].Store(true)
			a.log.Info("certificate ready", "domain", domain, "expires", cert.Leaf.NotAfter)
			return true
		}
		if a.ctx.Err() != nil {
			return false
		}
		delay := max(retryDelay(failures), retryAfter(err, time.Now()))
		a.log.Warn("certificate not issued", "domain", domain, "error", err,
			"validation", a.directory.failure(domain), "retry", delay)
		if !a.sleep(delay) {
			return false
		}
	}
}

// watch sees to it that failing renewals do not pass unnoticed: autocert, which
// tries them once in less than an hour, says nothing.
func (a *ACME) watch(domain string) {
	for a.sleep(12 * time.Hour) {
		cert, err := a.manager.GetCertificate(ask(domain))
		if err == nil && overdue(cert.Leaf, time.Now()) {
			a.log.Warn("certificate not renewed", "domain", domain,
				"validation", a.directory.failure(domain), "expires", cert.Leaf.NotAfter)
		}
	}
}

// overdue reports whether a quarter of the time for renewal has passed. It begins
// when a third of the certificate's life is left, or 30 days if that is less.
func overdue(leaf *x509.Certificate, now time.Time) bool {
	renewal := min(leaf.NotAfter.Sub(leaf.NotBefore)/3, 30*24*time.Hour)
	return leaf.NotAfter.Sub(now) < renewal*3/4
}

// sleep returns false when it was ended by Close.
func (a *ACME) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-a.ctx.Done():
		return false
	}
}

// GetCertificate returns the certificate of the domain that the client asks
// for, of the first domain if it names none, or that of a challenge. It fails
// for other names; it never waits. While there is no certificate yet, it fails too,
// except for clients that name no domain: health checks by address, which verify
// nothing, get one that nobody vouches for. Else an orchestrator would restart the
// server, and each start orders again, until the authority's limits forbid it.
func (a *ACME) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := a.domains[0]
	if hello.ServerName != "" {
		var err error
		if name, err = domainName(hello.ServerName); err != nil {
			return nil, fmt.Errorf("acme: server name: %w", err)
		}
	}
	issued := a.issued[name]
	if issued == nil {
		return nil, errors.New("acme: server name is not one of the domains")
	}
	if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acme.ALPNProto {
		return a.manager.GetCertificate(hello)
	}
	if !issued.Load() {
		if hello.ServerName == "" {
			return a.stopgap, nil
		}
		return nil, fmt.Errorf("acme: no certificate for %s yet", name)
	}
	return a.manager.GetCertificate(ask(name))
}

// Covers reports whether the host is one of the domains.
func (a *ACME) Covers(host string) bool { return a.policy(a.ctx, host) == nil }

// Expires is when the first of the certificates ends; zero while there is none.
func (a *ACME) Expires() time.Time {
	var first time.Time
	for _, d := range a.domains {
		if !a.issued[d].Load() {
			continue
		}
		cert, err := a.manager.GetCertificate(ask(d))
		if err == nil && (first.IsZero() || cert.Leaf.NotAfter.Before(first)) {
			first = cert.Leaf.NotAfter
		}
	}
	return first
}

const challengePath = "/.well-known/acme-challenge/"

// tokenChars are what tokens are made of (RFC 8555, section 8.3).
const tokenChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// HTTPHandler answers HTTP-01 challenges, and hands all else to fallback. It is
// for the plain listener, which the authority reaches at port 80.
func (a *ACME) HTTPHandler(fallback http.Handler) http.Handler {
	challenges := a.manager.HTTPHandler(fallback)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// autocert's answer to a token that is not a file name tells the path of
		// the cache.
		token, found := strings.CutPrefix(r.URL.Path, challengePath)
		if found && (len(token) > 128 || strings.Trim(token, tokenChars) != "") {
			http.NotFound(w, r)
			return
		}
		challenges.ServeHTTP(w, r)
	})
}

// Close ends renewals, and waits until orders that are under way have been given
// up, which they are when the authority would be asked next: within seconds.
// Certificates can still be used.
func (a *ACME) Close() {
	a.cancel()
	a.orders.Wait()
	a.directory.base.CloseIdleConnections()
}
