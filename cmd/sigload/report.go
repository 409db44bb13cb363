package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A report is the outcome of a run; its JSON form is what -json prints.
type report struct {
	Scenario    string  `json:"scenario"`
	Protocol    string  `json:"protocol"`
	URL         string  `json:"url"`
	Connections int     `json:"connections"`
	Window      int     `json:"window,omitempty"` // relay without a rate
	Bytes       int     `json:"bytes,omitempty"`  // of a relayed body
	Rate        float64 `json:"rate,omitempty"`   // offered a second
	Interrupted bool    `json:"interrupted,omitempty"`

	Seconds           float64 `json:"seconds"`
	Messages          int64   `json:"messages"` // received by clients
	MessagesPerSecond float64 `json:"messagesPerSecond"`
	Calls             int64   `json:"calls,omitempty"`
	CallsPerSecond    float64 `json:"callsPerSecond,omitempty"`

	Latencies []latency `json:"latencies"`

	Errors     map[string]int64 `json:"errors"` // by text
	Lost       int64            `json:"lost"`
	Reordered  int64            `json:"reordered"`
	Duplicated int64            `json:"duplicated"`
	Altered    int64            `json:"altered"`

	Server    *serverCost `json:"server,omitempty"` // with -pid
	Generator struct {
		CPUSeconds float64 `json:"cpuSeconds"`
	} `json:"generator"`
}

// A latency is one distribution, in milliseconds. Corrected: it counts from
// when a message was due, so that a server that stalls does not hide what waits.
type latency struct {
	Of        string  `json:"of"`
	Corrected bool    `json:"corrected"`
	Count     uint64  `json:"count"`
	P50       float64 `json:"p50"`
	P90       float64 `json:"p90"`
	P99       float64 `json:"p99"`
	P999      float64 `json:"p999"`
	Max       float64 `json:"max"`
}

// serverCost is what the run cost the server. CPU times are in microseconds.
type serverCost struct {
	CPUSeconds         float64 `json:"cpuSeconds"`
	CPUPerMessage      float64 `json:"cpuPerMessage,omitempty"`
	CPUPerCall         float64 `json:"cpuPerCall,omitempty"`
	CPUPerUser         float64 `json:"cpuPerUser,omitempty"`
	CPUPerConnection   float64 `json:"cpuPerConnection,omitempty"` // idle: of opening it
	BytesBefore        int64   `json:"bytesBefore"`                // resident, before the first connection
	Bytes              int64   `json:"bytes"`
	BytesPerConnection float64 `json:"bytesPerConnection,omitempty"` // idle
}

// report begins the report of what was measured between two marks.
func (l *load) report(before, after mark) *report {
	seconds := float64(after.at-before.at) / 1e9
	r := &report{
		Scenario: l.scenario, Protocol: l.protocol.name, URL: l.url, Rate: l.rate,
		Seconds:  seconds,
		Messages: after.messages - before.messages,
		Errors:   map[string]int64{},
	}
	maps.Copy(r.Errors, l.tally.all())
	if seconds > 0 {
		r.MessagesPerSecond = float64(r.Messages) / seconds
	}
	r.Lost, r.Reordered = l.tally.lost.Load(), l.tally.reordered.Load()
	r.Duplicated, r.Altered = l.tally.duplicated.Load(), l.tally.altered.Load()
	r.Generator.CPUSeconds = (after.own - before.own).Seconds()
	if len(l.pids) > 0 {
		r.Server = &serverCost{CPUSeconds: (after.server - before.server).Seconds(), BytesBefore: l.memory}
	}
	return r
}

func (r *report) latency(of string, d *distribution, corrected bool) {
	if d.total == 0 {
		return
	}
	ms := func(p float64) float64 { return float64(d.percentile(p)) / 1e6 }
	r.Latencies = append(r.Latencies, latency{of, corrected, d.total, ms(50), ms(90), ms(99), ms(99.9), float64(d.max) / 1e6})
}

// per is the server's CPU time between two marks for each of n, in microseconds.
func per(before, after mark, n int64) float64 {
	if n == 0 {
		return 0
	}
	return float64((after.server - before.server).Nanoseconds()) / 1e3 / float64(n)
}

func (r *report) perMessage(before, after mark) {
	if r.Server != nil {
		r.Server.CPUPerMessage = per(before, after, r.Messages)
	}
}

func (r *report) perUser(before, after mark, users int) {
	if r.Server != nil {
		r.Server.CPUPerUser = per(before, after, int64(users))
	}
}

// perConnection is what it costs to open and to hold a connection.
func (r *report) perConnection(start, opened mark) {
	if r.Server == nil {
		return
	}
	r.Server.CPUPerConnection = per(start, opened, int64(r.Connections))
	r.Server.BytesPerConnection = float64(r.Server.Bytes-r.Server.BytesBefore) / float64(r.Connections)
}

func (r *report) memory(resident int64) {
	if r.Server != nil {
		r.Server.Bytes = resident
	}
}

func (r *report) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (r *report) text(w io.Writer) error {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-17s "+format+"\n", append([]any{label}, args...)...)
	}
	what := fmt.Sprintf("%s, %s connections", r.Protocol, thousands(int64(r.Connections)))
	if r.Bytes > 0 {
		what += fmt.Sprintf(", payloads of %s bytes", thousands(int64(r.Bytes)))
	}
	if r.Window > 0 {
		what += fmt.Sprintf(", window %d", r.Window)
	}
	if r.Rate > 0 {
		what += fmt.Sprintf(", %g per second offered", r.Rate)
	}
	line(r.Scenario, "%s, %s", what, r.URL)
	if r.Interrupted {
		line("", "interrupted")
	}
	if r.Messages > 0 || r.Scenario != "idle" {
		line("messages", "%s in %.2f s: %s per second", thousands(r.Messages), r.Seconds, thousands(int64(r.MessagesPerSecond)))
	}
	if r.Calls > 0 {
		line("calls", "%s: %.1f per second", thousands(r.Calls), r.CallsPerSecond)
	}
	for _, l := range r.Latencies {
		line("latency, ms", "p50 %s  p90 %s  p99 %s  p99.9 %s  max %s  (%s)", ms(l.P50), ms(l.P90), ms(l.P99), ms(l.P999), ms(l.Max), l.Of)
	}
	line("lost", "%d, reordered %d, duplicated %d, altered %d", r.Lost, r.Reordered, r.Duplicated, r.Altered)
	if len(r.Errors) == 0 {
		line("errors", "none")
	}
	for _, text := range slices.Sorted(maps.Keys(r.Errors)) {
		line("errors", "%s × %s", thousands(r.Errors[text]), text)
	}
	if r.Errors["Rate limit exceeded"] > 0 {
		line("hint", "the server limits each connection: start it with MESSAGE_RATE=0")
	}
	if s := r.Server; s != nil {
		cpu := fmt.Sprintf("%.2f s", s.CPUSeconds)
		for _, p := range []struct {
			of   string
			cost float64
		}{{"message", s.CPUPerMessage}, {"call", s.CPUPerCall}, {"user", s.CPUPerUser}, {"connection opened", s.CPUPerConnection}} {
			if p.cost > 0 {
				cpu += fmt.Sprintf(", %.1f µs per %s", p.cost, p.of)
			}
		}
		line("server CPU", "%s", cpu)
		memory := fmt.Sprintf("%.1f MB, before the run %.1f MB", float64(s.Bytes)/1e6, float64(s.BytesBefore)/1e6)
		if s.BytesPerConnection != 0 {
			memory += fmt.Sprintf(": %.1f KB per connection", s.BytesPerConnection/1e3)
		}
		line("server memory", "%s", memory)
	}
	line("sigload CPU", "%.2f s", r.Generator.CPUSeconds)
	_, err := io.WriteString(w, b.String())
	return err
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// ms writes milliseconds with about three digits that count.
func ms(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func millis(ns int64) string { return ms(float64(ns) / float64(time.Millisecond)) }
