package main

import "strconv"

// A scenario is one load, and the figure of it that counts.
type scenario struct {
	name   string
	load   string // arguments of sigload
	short  string // the same, for -short
	figure func(*report) float64

	figureName string
	unit       unit

	node     float64 // target: most that the figure may be of Node's
	bare     float64 // target: most that it may be of the bare relay's; 0 is none
	presence bool    // the bare relay cannot do it
}

var scenarios = []scenario{
	{
		name:   "relay 200 B, window 1",
		load:   "relay -pairs 50 -window 1 -size 200 -duration 3s",
		short:  "relay -pairs 10 -window 1 -size 200 -duration 300ms -warmup 100ms",
		figure: cpuPerMessage, figureName: "server CPU per message", unit: "µs", node: 0.35, bare: 1.25,
	},
	{
		name:   "relay 200 B, window 8",
		load:   "relay -pairs 50 -window 8 -size 200 -duration 3s",
		short:  "relay -pairs 10 -window 8 -size 200 -duration 300ms -warmup 100ms",
		figure: cpuPerMessage, figureName: "server CPU per message", unit: "µs", node: 0.25, bare: 1.25,
	},
	{
		name:   "relay 3,000 B, window 1",
		load:   "relay -pairs 50 -window 1 -event offer -size 3000 -duration 3s",
		short:  "relay -pairs 10 -window 1 -event offer -size 3000 -duration 300ms -warmup 100ms",
		figure: cpuPerMessage, figureName: "server CPU per message", unit: "µs", node: 0.30, bare: 1.25,
	},
	{
		name:   "idle, 3,000 connections",
		load:   "idle -clients 3000",
		short:  "idle -clients 200 -settle 100ms",
		figure: func(r *report) float64 { return r.Server.BytesPerConnection / 1e3 }, figureName: "resident memory per connection", unit: "KB", node: 0.30,
	},
	{
		name:   "join storm, 800 users",
		load:   "join -clients 800",
		short:  "join -clients 100",
		figure: func(r *report) float64 { return r.Server.CPUPerUser }, figureName: "server CPU per user", unit: "µs", node: 0.10, presence: true,
	},
	{
		name:   "5,000 messages/s offered, p99",
		load:   "relay -pairs 50 -rate 5000 -size 200 -duration 5s",
		short:  "relay -pairs 10 -rate 1000 -size 200 -duration 500ms -warmup 100ms",
		figure: p99, figureName: "latency from when it was due", unit: "ms", node: 0.50,
	},
}

// A report is what is of interest in sigload's.
type report struct {
	Latencies []struct {
		Of  string  `json:"of"`
		P99 float64 `json:"p99"`
	} `json:"latencies"`
	Errors     map[string]int64 `json:"errors"`
	Lost       int64            `json:"lost"`
	Reordered  int64            `json:"reordered"`
	Duplicated int64            `json:"duplicated"`
	Altered    int64            `json:"altered"`
	Server     struct {
		CPUPerMessage      float64 `json:"cpuPerMessage"`
		CPUPerUser         float64 `json:"cpuPerUser"`
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
