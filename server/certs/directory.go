package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// requestTimeout is how long one request to the authority may take.
	requestTimeout = 30 * time.Second
	// maxAnswer is the size of its answers, in bytes, of which the largest are
	// certificate chains.
	maxAnswer = 1 << 20
)

// A directory is the way to the authority. Other than autocert, it can be
// closed, and remembers why validations failed.
type directory struct {
	base   *http.Transport
	closed context.Context

	mu       sync.Mutex
	failures map[string]string // by domain, what the authority said last
}

// newDirectory works until closed ends.
func newDirectory(closed context.Context, roots *x509.CertPool) *directory {
	return &directory{
		base: &http.Transport{
			Proxy:           http.ProxyFromEnvironment,
			TLSClientConfig: &tls.Config{RootCAs: roots},
			IdleConnTimeout: time.Minute,
		},
		closed:   closed,
		failures: make(map[string]string),
	}
}

// backoff is an acme.Client's for answers that call for another attempt. It
// gives up soon, also where the authority says when to come again: ACME.obtain
// has more patience, and Close must not wait that long.
func backoff(n int, _ *http.Request, res *http.Response) time.Duration {
	if n > 3 || res.StatusCode == http.StatusTooManyRequests {
		return 0
	}
	return time.Duration(n) * time.Second
}

// RoundTrip reads the whole answer, since its body would end with the context.
func (d *directory) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(d.closed, cancel)()
	res, err := d.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	d.note(body)
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// note remembers the error of an authorization (RFC 8555, section 7.1.4) that
// has failed. autocert drops it, and says only that no challenge is left.
func (d *directory) note(body []byte) {
	var authorization struct {
		Status     string
		Identifier struct{ Value string }
		Challenges []struct {
			Type  string
			Error struct{ Detail string }
		}
	}
	if json.Unmarshal(body, &authorization) != nil || authorization.Status != "invalid" {
		return
	}
	for _, c := range authorization.Challenges {
		if c.Error.Detail != "" {
			d.mu.Lock()
			d.failures[authorization.Identifier.Value] = c.Type + ": " + c.Error.Detail
			d.mu.Unlock()
		}
	}
}

// failure is why the domain's last validation that failed did so, in the
// authority's words, if any did.
func (d *directory) failure(domain string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failures[domain]
}
