package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/oodaa/signaling/bench/scale/measure"
)

// The certificate of all servers that do TLS, in the directory of the programs.
const (
	certFile = "cert.pem"
	keyFile  = "key.pem"
)

// certify creates the certificate.
func certify(ctx context.Context, bin string) error {
	openssl := exec.CommandContext(ctx, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
		"-nodes", "-subj", "/CN=localhost", "-keyout", filepath.Join(bin, keyFile), "-out", filepath.Join(bin, certFile))
	if out, err := openssl.CombinedOutput(); err != nil {
		return fmt.Errorf("openssl req: %w: %s", err, out)
	}
	return nil
}

// nginxConf has nginx do TLS in one process, the one whose CPU is measured.
const nginxConf = `daemon off;
master_process off;
pid nginx.pid;
events {}
http {
	access_log off;
	server {
		listen 127.0.0.1:{port} ssl;
		ssl_certificate ` + certFile + `;
		ssl_certificate_key ` + keyFile + `;
	}
}
`

// measureHandshakes has a client do full TLS handshakes for five seconds, each on a
// connection of its own.
func measureHandshakes(ctx context.Context, server measure.Program, s scenario, stderr io.Writer) (result, error) {
	p, err := measure.Start(ctx, server, stderr)
	if err != nil {
		return result{}, err
	}
	defer p.Stop()
	before, err := p.CPU()
	if err != nil {
		return result{}, err
	}
	out, err := exec.CommandContext(ctx, "openssl", "s_time", "-connect", p.Addr, "-new", "-time", "5").CombinedOutput()
	if err != nil {
		return result{}, fmt.Errorf("openssl s_time: %w: %s", err, out)
	}
	after, err := p.CPU()
	if err != nil {
		return result{}, err
	}
	var n float64
	if count := handshakes.FindSubmatch(out); count != nil {
		n, _ = strconv.ParseFloat(string(count[1]), 64) // digits
	}
	if n == 0 {
		return result{}, fmt.Errorf("openssl s_time counted nothing: %s", out)
	}
	r := result{Scenario: s.name, Server: server.Name}
	r.report.Handshake = (after - before).Seconds() * 1e6 / n
	r.Report, err = json.Marshal(map[string]float64{"handshakes": n, "handshake": r.report.Handshake})
	return r, err
}

// handshakes is in the summary of openssl s_time.
var handshakes = regexp.MustCompile(`(\d+) connections in \d+ real seconds`)
