package server

import (
	"math"
	"runtime"
	"strconv"
	"time"
)

// sample reads the figures of the status page's charts. A name with the page's
// charts gets a line there as soon as it is among these.
func (s *Server) sample() []figure {
	var figures []figure
	add := func(name string, value float64) {
		// A past of an hour has many of them: six digits after the point will do.
		figures = append(figures, figure{name, math.Round(value*1e6) / 1e6})
	}
	add("at", float64(time.Now().UnixMilli()))
	add("uptime", s.uptime())
	add("users", float64(s.hub.Online()))
	websocket, polling := s.engine.Connections()
	add("connections.socketio.websocket", float64(websocket))
	add("connections.socketio.polling", float64(polling))
	add("connections.volli.websocket", float64(s.volli.Connections()))
	counts := &s.handlers.Counters
	relays := counts.Relays()
	for _, event := range []string{"offer", "answer", "ice-candidate", "custom-message"} {
		add("relays."+event, float64(relays[event]))
	}
	var failed uint64
	for _, n := range s.errors() {
		failed += n
	}
	add("errors", float64(failed))
	add("cpu", processorTime())
	m := readMemory()
	add("memory.resident", float64(m.RSS))
	add("memory.heap", float64(m.HeapUsed))
	add("goroutines", float64(runtime.NumGoroutine()))
	add("waiting", float64(s.engine.Waiting()+s.volli.Waiting()))
	add("slow", float64(s.engine.SlowConsumers()+s.volli.SlowConsumers()))
	add("refused.request", float64(s.limiter.Refused()+s.files.Refused()))
	add("refused.address", float64(s.gate.addresses.refused.Load()))
	add("refused.message", float64(s.limits.Refused()))
	buckets, _ := s.latency.Read()
	bounds := s.latency.Bounds()
	for i, n := range buckets {
		bound := "+Inf"
		if i < len(bounds) {
			bound = strconv.FormatFloat(bounds[i].Seconds(), 'g', -1, 64)
		}
		add("latency."+bound, float64(n))
	}
	if s.cluster != nil {
		status := s.cluster.Status()
		add("cluster.joined", number(status.Joined && status.Lost == ""))
		add("cluster.instances", float64(status.Instances))
		add("cluster.users", float64(s.hub.Others()))
		totals := s.cluster.Totals()
		add("cluster.sent", float64(totals.Sent))
		add("cluster.received", float64(totals.Received))
		add("cluster.failed", float64(totals.SentFailed+totals.ReceivedFailed))
	}
	if s.turn != nil {
		t := s.turn.Stats()
		add("turn.allocations", float64(t.Allocations))
		add("turn.connections", float64(t.Connections))
		add("turn.refused", float64(t.RefusedAuth+t.RefusedQuota+t.RefusedPermission))
		add("turn.to-peers", float64(t.BytesToPeers))
		add("turn.from-peers", float64(t.BytesFromPeers))
	}
	return figures
}
