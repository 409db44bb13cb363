package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/oodaa/signaling/bench/scale/measure"
)

// A store is a redis-server that this program started.
type store struct {
	*measure.Process
	client *redis.Client
	infos  float64 // bytes of this program's own questions and answers
}

// infoRequest is how long the question is: *3 $4 INFO $5 stats $12 commandstats.
const infoRequest = 4 + 4 + 6 + 4 + 7 + 5 + 14

func startStore(ctx context.Context, stderr io.Writer) (*store, error) {
	p, err := measure.Start(ctx, measure.Program{
		Name: "redis-server",
		Args: []string{"redis-server", "--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--loglevel", "warning"},
	}, stderr)
	if err != nil {
		return nil, err
	}
	return &store{Process: p, client: redis.NewClient(&redis.Options{Addr: p.Addr, DisableIdentity: true})}, nil
}

func (s *store) url() string { return "redis://" + s.Addr }

func (s *store) stop() {
	_ = s.client.Close() // all answers are in
	s.Stop()
}

// traffic is what a Redis has done so far.
type traffic struct {
	Commands map[string]float64 `json:"commands"` // by name; those that scripts run count as commands too
	Bytes    float64            `json:"bytes"`    // received and sent
}

// traffic reads it. The reading itself is left out.
func (s *store) traffic(ctx context.Context) (traffic, error) {
	t := traffic{Commands: make(map[string]float64)}
	text, err := s.client.Info(ctx, "stats", "commandstats").Result()
	if err != nil {
		return t, fmt.Errorf("INFO: %w", err)
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if strings.HasPrefix(name, "total_net_") && strings.HasSuffix(name, "put_bytes") && !strings.Contains(name, "repl") {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return t, fmt.Errorf("INFO: %q", line)
			}
			t.Bytes += n
		}
		command, ok := strings.CutPrefix(name, "cmdstat_")
		if !ok || command == "info" {
			continue
		}
		calls, _, _ := strings.Cut(strings.TrimPrefix(value, "calls="), ",")
		n, err := strconv.ParseFloat(calls, 64)
		if err != nil {
			return t, fmt.Errorf("INFO: %q", line)
		}
		t.Commands[command] = n
	}
	// The bytes of an answer to INFO are counted by the next one.
	t.Bytes -= s.infos
	s.infos += float64(len(text)) + infoRequest
	return t, nil
}

// since is what was done after before.
func (t traffic) since(before traffic) traffic {
	d := traffic{Commands: make(map[string]float64), Bytes: t.Bytes - before.Bytes}
	for name, n := range t.Commands {
		if n -= before.Commands[name]; n > 0 {
			d.Commands[name] = n
		}
	}
	return d
}

// less takes off what is done in any case: quiet, times so many.
func (t traffic) less(quiet traffic, times float64) traffic {
	d := traffic{Commands: make(map[string]float64), Bytes: t.Bytes - quiet.Bytes*times}
	for name, n := range t.Commands {
		if n -= quiet.Commands[name] * times; n > 0 {
			d.Commands[name] = n
		}
	}
	return d
}

// each is t divided by n.
func (t traffic) each(n float64) traffic {
	d := traffic{Commands: make(map[string]float64, len(t.Commands)), Bytes: t.Bytes / n}
	for name, calls := range t.Commands {
		d.Commands[name] = calls / n
	}
	return d
}

// total is the number of all commands.
func (t traffic) total() (n float64) {
	for _, calls := range t.Commands {
		n += calls
	}
	return n
}
