package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestScenariosOnTheServer(t *testing.T) {
	url, pid := serve(t)
	for _, args := range []string{
		"relay -pairs 3 -window 1 -duration 200ms -warmup 50ms",
		"relay -pairs 3 -window 8 -duration 200ms -warmup 50ms",
		"relay -pairs 3 -rate 500 -duration 300ms -warmup 50ms",
		"relay -pairs 3 -event offer -duration 200ms -warmup 50ms",
		"relay -pairs 2 -event answer -size 70000 -duration 200ms -warmup 50ms",
		"relay -pairs 3 -protocol volli -duration 200ms -warmup 50ms",
		"relay -pairs 3 -protocol volli -rate 500 -duration 300ms -warmup 50ms -from 127.0.0.2,127.0.0.3",
		"call -pairs 3 -duration 300ms -warmup 50ms",
		"call -pairs 10 -rate 30 -duration 300ms -warmup 50ms",
		"call -pairs 3 -protocol volli -duration 300ms -warmup 50ms",
		"join -clients 40",
		"idle -clients 20 -settle 1ms",
		"idle -clients 20 -settle 1ms -register -duration 10ms",
		"idle -clients 20 -settle 1ms -protocol volli",
		"idle -clients 20 -settle 1ms -protocol volli -register",
	} {
		t.Run(args, func(t *testing.T) {
			args := append(strings.Fields(args), "-url", url, "-pid", pid)
			r, err := sigload(t, args...)
			if err != nil {
				t.Errorf("%v: %+v", err, r)
			}
			if r.Scenario != args[0] || r.Connections == 0 || r.Lost+r.Reordered+r.Duplicated+r.Altered != 0 || len(r.Errors) > 0 {
				t.Errorf("%+v", r)
			}
			if r.Scenario != "idle" {
				if r.Messages == 0 || r.MessagesPerSecond == 0 || len(r.Latencies) == 0 {
					t.Errorf("nothing was measured: %+v", r)
				}
				for _, l := range r.Latencies {
					if l.Count == 0 || l.P50 <= 0 || l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max {
						t.Errorf("%+v", l)
					}
				}
			}
			s := r.Server
			if s.Bytes < 1<<20 || s.BytesBefore < 1<<20 {
				t.Errorf("memory: %+v", s)
			}
			cost := map[string]float64{
				"relay": s.CPUPerMessage, "call": s.CPUPerMessage * s.CPUPerCall, "join": s.CPUPerUser, "idle": s.CPUPerConnection,
			}
			if cost[r.Scenario] <= 0 {
				t.Errorf("CPU: %+v", s)
			}
		})
	}
}

func TestCPUOfAProcess(t *testing.T) {
	before, err := processCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	own := ownCPU()
	for ownCPU() < own+50*time.Millisecond {
	}
	after, err := processCPU(os.Getpid())
	if spent := after - before; err != nil || spent < 40*time.Millisecond {
		t.Errorf("spent %s, %v", spent, err)
	}
}
