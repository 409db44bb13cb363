package certs

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// pollInterval is how often Files looks at its files.
const pollInterval = 2 * time.Second

// Files is a Source that serves a certificate and key from PEM files, and reads
// them again when they change: it compares what they hold, so it does not matter
// how they were replaced. While they cannot be read, or do not belong together,
// the former pair stays in use.
type Files struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]
	ctx               context.Context // ends with Close
	cancel            context.CancelFunc
	watcher           sync.WaitGroup

	seen string // what load found last; owned by watch
}

// NewFiles reads the pair, and fails if it cannot be used. The first certificate
// of certFile is the server's own; those that follow are its chain.
func NewFiles(certFile, keyFile string, log *slog.Logger) (*Files, error) {
	return newFiles(certFile, keyFile, log, pollInterval)
}

func newFiles(certFile, keyFile string, log *slog.Logger, interval time.Duration) (*Files, error) {
	f := &Files{certFile: certFile, keyFile: keyFile, log: log}
	if err := f.load(); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.watcher.Go(func() { f.watch(interval) })
	return f, nil
}

// watch runs until Close.
func (f *Files) watch(interval time.Duration) {
	poll := time.NewTicker(interval)
	defer poll.Stop()
	for {
		select {
		case <-poll.C:
			if err := f.load(); err != nil {
				f.log.Warn("cannot use the new certificate, keeping the current one", "file", f.certFile, "error", err)
			}
		case <-f.ctx.Done():
			return
		}
	}
}

// load takes the files' pair into use, unless it is what load found the last
// time: then it does nothing, and returns no error again.
func (f *Files) load() error {
	certPEM, err := os.ReadFile(f.certFile)
	if err != nil {
		return f.once(err.Error(), err)
	}
	keyPEM, err := os.ReadFile(f.keyFile)
	if err != nil {
		return f.once(err.Error(), err)
	}
	// A digest, so that the key is not kept in memory twice.
	found := fmt.Sprintf("%x %x", sha256.Sum256(certPEM), sha256.Sum256(keyPEM))
	if found == f.seen {
		return nil
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return f.once(found, err)
	}
	f.seen = found
	f.current.Store(&cert)
	level := slog.LevelInfo
	if time.Now().After(cert.Leaf.NotAfter) {
		level = slog.LevelWarn
	}
	f.log.Log(context.Background(), level, "certificate loaded", "file", f.certFile, "names", cert.Leaf.DNSNames, "expires", cert.Leaf.NotAfter)
	return nil
}

// once returns err if found is something new.
func (f *Files) once(found string, err error) error {
	if found == f.seen {
		return nil
	}
	f.seen = found
	return err
}

// GetCertificate returns the pair in use, whatever name the client asked for.
func (f *Files) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.current.Load(), nil
}

// Covers reports whether the certificate in use names the host.
func (f *Files) Covers(host string) bool { return f.current.Load().Leaf.VerifyHostname(host) == nil }

// Expires is when the certificate in use ends.
func (f *Files) Expires() time.Time { return f.current.Load().Leaf.NotAfter }

// Close ends the watch over the files, and waits for its end. The last pair can
// still be used.
func (f *Files) Close() {
	f.cancel()
	f.watcher.Wait()
}
