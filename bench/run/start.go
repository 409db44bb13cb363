package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/oodaa/signaling/bench/scale/measure"
)

// measureStart starts a server, and sees how long it takes until a request is
// answered, with whatever status, and how large the program is.
func measureStart(ctx context.Context, server measure.Program, s scenario, stderr io.Writer) (result, error) {
	begun := time.Now()
	p, err := measure.Start(ctx, server, stderr)
	if err != nil {
		return result{}, err
	}
	defer p.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Addr+"/health", nil)
	if err != nil {
		return result{}, err
	}
	client := http.Client{Transport: new(http.Transport), Timeout: measure.Patience}
	defer client.CloseIdleConnections()
	answer, err := client.Do(request)
	if err != nil {
		return result{}, fmt.Errorf("first request: %w", err)
	}
	r := result{Scenario: s.name, Server: server.Name}
	r.report.Start = float64(time.Since(begun).Microseconds()) / 1e3
	if err := answer.Body.Close(); err != nil {
		return r, err
	}
	program, err := exec.LookPath(server.Args[0])
	if err != nil {
		return r, err
	}
	file, err := os.Stat(program)
	if err != nil {
		return r, err
	}
	r.report.Binary = float64(file.Size())
	r.Report, err = json.Marshal(map[string]float64{"start": r.report.Start, "binary": r.report.Binary})
	return r, err
}
