package main

import (
	"slices"
	"strconv"
)

// A scenario is one load, or another way to measure a server, and the figure of
// it that counts.
type scenario struct {
	name   string
	load   string // arguments of sigload
	short  string // the same, for -short
	method method // how to measure what sigload cannot
	once   bool   // it takes a minute or more, and runs in the first round only
	tls    bool   // our server does TLS
	figure func(*report) float64

	figureName string
	unit       unit

	most    float64            // target: most that our figure may be; 0 is none
	targets map[string]float64 // by server: most that it may be of that server's
	with    []string           // servers beside ours; nil is Node, Bun and the bare relay
}

// alone is for what only our server can do.
var alone = []string{}

// measures is whether a server takes part.
func (s *scenario) measures(server string) bool {
	with := s.with
	if with == nil {
		with = []string{"node", "bun", "bare"}
	}
	return server == "ours" || server == "before" || slices.Contains(with, server)
}

var scenarios = []scenario{
	{
		name:   "relay 200 B, window 1",
		load:   "relay -pairs 50 -window 1 -size 200 -duration 3s",
		short:  "relay -pairs 10 -window 1 -size 200 -duration 300ms -warmup 100ms",
		figure: cpuPerMessage, figureName: "server CPU per message", unit: "µs",
		targets: map[string]float64{"node": 0.35, "bare": 1.25},
	},
	{
		name:   "relay 200 B, window 8",
		load:   "relay -pairs 50 -window 8 -size 200 -duration 3s",
		short:  "relay -pairs 10 -window 8 -size 200 -duration 300ms -warmup 100ms",
		figure: cpuPerMessage, figureName: "server CPU per message", unit: "µs",
		targets: map[string]float64{"node": 0.25, "bare": 1.4},
	},
	{
		name:   "relay 3,000 B, window 1",
		load:   "relay -pairs 50 -window 1 -event offer -size 3000 -duration 3s",
		short:  "relay -pairs 10 -window 1 -event offer -size 3000 -duration 300ms -warmup 100ms",
		figure: cpuPerMessage, figureName: "server CPU per message", unit: "µs",
		targets: map[string]float64{"node": 0.30, "bare": 1.25},
	},
	{
		name:   "5,000 messages/s offered, p99",
		load:   "relay -pairs 50 -rate 5000 -size 200 -duration 5s",
		short:  "relay -pairs 10 -rate 1000 -size 200 -duration 500ms -warmup 100ms",
		figure: p99, figureName: "latency from when it was due", unit: "ms",
		targets: map[string]float64{"node": 0.50},
	},
	{
		name:   "connection set-up, 5,000 connections",
		load:   "idle -clients 5000 -settle 1ms",
		short:  "idle -clients 200 -settle 1ms",
		figure: cpuPerConnection, figureName: "server CPU per connection", unit: "µs",
		targets: map[string]float64{"bun": 0.7},
	},
	{
		name:   "idle, 3,000 connections",
		load:   "idle -clients 3000",
		short:  "idle -clients 200 -settle 100ms",
		figure: kilobytesEach, figureName: "resident memory per connection", unit: "KB",
		targets: map[string]float64{"node": 0.30},
	},
	{
		name:   "idle, 19,000 connections",
		load:   "idle -clients 19000",
		once:   true,
		figure: kilobytesEach, figureName: "resident memory per connection", unit: "KB", most: 2.6,
	},
	{
		name:   "heartbeats, 1,000 connections",
		load:   "idle -clients 1000 -settle 3s -duration 50s",
		once:   true,
		figure: heartbeats, figureName: "server CPU per minute", unit: "ms", most: 25,
		with: []string{"node", "bun"},
	},
	{
		name:   "join storm, 800 users",
		load:   "join -clients 800",
		short:  "join -clients 100",
		figure: cpuPerUser, figureName: "server CPU per user", unit: "µs",
		targets: map[string]float64{"node": 0.10}, with: []string{"node", "bun"},
	},
	{
		name:   "reconnect storm, 5,000 users",
		load:   "join -clients 5000 -reconnect",
		short:  "join -clients 100 -reconnect",
		once:   true,
		figure: cpuPerUser, figureName: "server CPU per user", unit: "µs",
		targets: map[string]float64{"bun": 0.06}, with: []string{"bun"}, // Node would take minutes
	},
	{
		name:   "TLS set-up, 2,000 connections",
		load:   "idle -clients 2000 -settle 1ms",
		short:  "idle -clients 100 -settle 1ms",
		tls:    true,
		figure: cpuPerConnection, figureName: "server CPU per connection", unit: "µs", most: 791,
		with: alone,
	},
	{
		name:   "TLS idle, 6,000 connections",
		load:   "idle -clients 6000",
		once:   true,
		tls:    true,
		figure: kilobytesEach, figureName: "resident memory per connection", unit: "KB", most: 12,
		with: alone,
	},
	{
		name:   "TLS handshakes, one at a time",
		method: measureHandshakes,
		tls:    true,
		figure: func(r *report) float64 { return r.Handshake }, figureName: "server CPU per handshake", unit: "µs",
		targets: map[string]float64{"nginx": 1.25}, with: []string{"nginx"}, // 0.8 of nginx's per second and core
	},
	{
		name:   "start",
		method: measureStart,
		figure: func(r *report) float64 { return r.Start }, figureName: "until /health is answered", unit: "ms", most: 50,
		with: []string{"node", "bun"},
	},
	{
		name:   "binary",
		method: measureStart,
		figure: func(r *report) float64 { return r.Binary / 1e6 }, figureName: "size", unit: "MB", most: 19,
		with: alone,
	},
}

// A report is what is of interest in sigload's, or what was measured without it.
type report struct {
	Start     float64 `json:"start"`     // milliseconds until a request was answered
	Binary    float64 `json:"binary"`    // bytes of the program
	Handshake float64 `json:"handshake"` // microseconds of CPU

	Connections int     `json:"connections"`
	Seconds     float64 `json:"seconds"`
	Latencies   []struct {
		Of  string  `json:"of"`
		P99 float64 `json:"p99"`
	} `json:"latencies"`
	Errors     map[string]int64 `json:"errors"`
	Lost       int64            `json:"lost"`
	Reordered  int64            `json:"reordered"`
	Duplicated int64            `json:"duplicated"`
	Altered    int64            `json:"altered"`
	Server     struct {
		CPUSeconds         float64 `json:"cpuSeconds"`
		CPUPerMessage      float64 `json:"cpuPerMessage"`
		CPUPerUser         float64 `json:"cpuPerUser"`
		CPUPerConnection   float64 `json:"cpuPerConnection"`
		BytesPerConnection float64 `json:"bytesPerConnection"`
	} `json:"server"`
}

// faults is how much went wrong.
func (r *report) faults() int64 {
	n := r.Lost + r.Reordered + r.Duplicated + r.Altered
	for _, errors := range r.Errors {
		n += errors
	}
	return n
}

func cpuPerMessage(r *report) float64 { return r.Server.CPUPerMessage }

func cpuPerConnection(r *report) float64 { return r.Server.CPUPerConnection }

func cpuPerUser(r *report) float64 { return r.Server.CPUPerUser }

func kilobytesEach(r *report) float64 { return r.Server.BytesPerConnection / 1e3 }

// heartbeats is the milliseconds of CPU that 1,000 connections take for a minute.
func heartbeats(r *report) float64 {
	return r.Server.CPUSeconds * 1e3 / (r.Seconds / 60) / (float64(r.Connections) / 1000)
}

func p99(r *report) float64 {
	for _, l := range r.Latencies {
		if l.Of == "relay" {
			return l.P99
		}
	}
	return 0
}

// A unit is what a figure counts.
type unit string

func (u unit) format(v float64) string {
	digits := 2
	switch {
	case v >= 100:
		digits = 0
	case v >= 10:
		digits = 1
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + " " + string(u)
}
