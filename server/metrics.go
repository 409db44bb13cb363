package server

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/oodaa/signaling/server/wire"
)

// newMetrics answers GET /metrics. What is counted on the way of a relay is
// counted in plain atomics; names and labels are given to it here, when
// somebody asks.
func (s *Server) newMetrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		figures{s},
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// figures are what this server counts, as Prometheus wants it.
type figures struct{ server *Server }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("signaling_"+name, help, labels, nil)
}

var (
	usersDesc       = describe("users", "Registered users of this instance.")
	connectionsDesc = describe("connections", "Open connections.", "protocol", "transport")
	eventsDesc      = describe("events_total", "Events that clients sent, without those over their limit.", "event")
	relaysDesc      = describe("relays_total", "Relays by outcome.", "event", "result")
	errorsDesc      = describe("errors_total", "Errors that clients were answered with, by text.", "error")
	latencyDesc     = describe("relay_seconds", "Time from reading a relay until it was written.")
	outboxDesc      = describe("outbox_bytes", "Bytes that wait for clients that do not take them.")
	accountDesc     = describe("client_memory_bytes", "Memory held for and from clients: what waits, incomplete messages, and lists of watched users.")
	slowDesc        = describe("slow_consumers_total", "Clients that were disconnected because they did not take what was sent to them.")
	takeoversDesc   = describe("takeovers_total", "Names that another connection took.")
	limitedDesc     = describe("rate_limited_total", "What was refused for coming too often.", "scope")
	presenceDesc    = describe("presence_events_total", "Changes of presence that were announced.", "kind")
	awayDesc        = describe("away_users", "Users whose connection broke less than RECONNECT_GRACE ago.")
	heldDesc        = describe("held_relays", "Relays held for users who are away.")
	heldBytesDesc   = describe("held_bytes", "Memory that those relays take.")
	redeliveredDesc = describe("redelivered_total", "Relays delivered again because the first connection broke before the device had them.")
	heldExpiredDesc = describe("held_expired_total", "Held relays whose target did not come back in time.")
	absencesDesc    = describe("away_seconds", "How long users were away when they came back.")
	drainingDesc    = describe("draining", "1 while the server stops.")
	expiryDesc      = describe("certificate_expiry_timestamp_seconds", "When the certificate expires.")
	buildDesc       = describe("build_info", "What is running.", "version", "revision", "go")

	joinedDesc       = describe("cluster_joined", "1 while this instance is one of the cluster.")
	instancesDesc    = describe("cluster_instances", "Instances of the cluster that are known to live.")
	othersDesc       = describe("cluster_users", "Users of other instances that this one knows of.")
	clusterRelayDesc = describe("cluster_relays_total", "Relays between instances.", "direction", "result")
	commandsDesc     = describe("cluster_commands_total", "Commands sent to Redis, besides those that keep the lease.")
	changesDesc      = describe("cluster_changes_total", "Changes of the directory that were applied.")
	rejoinsDesc      = describe("cluster_rejoins_total", "Times that this instance had to rejoin.")

	allocationsDesc      = describe("turn_allocations", "TURN allocations that are open.")
	turnConnectionsDesc  = describe("turn_connections", "TCP and TLS connections to the TURN server.")
	allocationsTotalDesc = describe("turn_allocations_total", "TURN allocations that were made.")
	turnRefusedDesc      = describe("turn_refused_total", "TURN requests that were refused.", "reason")
	turnDroppedDesc      = describe("turn_dropped_bytes_total", "Payload that TURN dropped because its allocation exceeded TURN_MAX_BANDWIDTH.")
	turnBytesDesc        = describe("turn_bytes_total", "Payload that TURN relayed.", "direction")
)

// Describe leaves the descriptions to Collect: which figures there are depends
// on what is configured.
func (f figures) Describe(chan<- *prometheus.Desc) {}

// Collect reads all figures.
func (f figures) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	s := f.server
	gauge(usersDesc, float64(s.hub.Online()))
	websocket, polling := s.engine.Connections()
	gauge(connectionsDesc, float64(websocket), "socketio", "websocket")
	gauge(connectionsDesc, float64(polling), "socketio", "polling")
	gauge(connectionsDesc, float64(s.volli.Connections()), "volli", "websocket")

	counts := &s.handlers.Counters
	counts.Events(func(event string, n uint64) { count(eventsDesc, n, event) })
	counts.Results(func(event, result string, n uint64) { count(relaysDesc, n, event, result) })
	for text, n := range s.errors() {
		count(errorsDesc, n, strings.ToValidUTF8(text, ""))
	}
	out <- histogram(latencyDesc, s.latency)
	gauge(outboxDesc, float64(s.engine.Waiting()+s.volli.Waiting()))
	gauge(accountDesc, float64(s.account.Held()))
	count(slowDesc, s.engine.SlowConsumers()+s.volli.SlowConsumers())
	totals := s.hub.Totals()
	count(takeoversDesc, totals.Takeovers)
	count(presenceDesc, totals.Connected, "connected")
	count(presenceDesc, totals.Disconnected, "disconnected")
	count(limitedDesc, s.limiter.Refused()+s.files.Refused(), "request")
	count(limitedDesc, s.gate.addresses.refused.Load(), "address")
	count(limitedDesc, s.limits.Refused(), "message")
	held := s.hub.Held()
	if s.cluster != nil {
		relays, bytes := s.cluster.Held()
		held.Relays, held.Bytes = held.Relays+int64(relays), held.Bytes+bytes
		held.Expired += s.cluster.Totals().HeldExpired
	}
	gauge(awayDesc, float64(held.Away))
	gauge(heldDesc, float64(held.Relays))
	gauge(heldBytesDesc, float64(held.Bytes))
	count(redeliveredDesc, held.Redelivered)
	count(heldExpiredDesc, held.Expired)
	out <- histogram(absencesDesc, s.hub.Absences())
	gauge(drainingDesc, number(s.draining.Load()))
	b := Build()
	gauge(buildDesc, 1, b.Version, b.Revision, b.Go)
	if s.opts.CertificateExpires != nil {
		if at := s.opts.CertificateExpires(); !at.IsZero() {
			gauge(expiryDesc, float64(at.Unix()))
		}
	}
	f.collectCluster(gauge, count)
	f.collectTURN(gauge, count)
}

type (
	gaugeFunc func(d *prometheus.Desc, v float64, labels ...string)
	countFunc func(d *prometheus.Desc, n uint64, labels ...string)
)

func (f figures) collectCluster(gauge gaugeFunc, count countFunc) {
	c := f.server.cluster
	if c == nil {
		return
	}
	status := c.Status()
	gauge(joinedDesc, number(status.Joined && status.Lost == ""))
	gauge(instancesDesc, float64(status.Instances))
	gauge(othersDesc, float64(f.server.hub.Others()))
	totals := c.Totals()
	count(clusterRelayDesc, totals.Sent, "sent", "ok")
	count(clusterRelayDesc, totals.SentFailed, "sent", "failed")
	count(clusterRelayDesc, totals.Received, "received", "ok")
	count(clusterRelayDesc, totals.ReceivedFailed, "received", "failed")
	count(commandsDesc, totals.Commands)
	count(changesDesc, totals.Changes)
	count(rejoinsDesc, totals.Rejoins)
}

func (f figures) collectTURN(gauge gaugeFunc, count countFunc) {
	if f.server.turn == nil {
		return
	}
	t := f.server.turn.Stats()
	gauge(allocationsDesc, float64(t.Allocations))
	gauge(turnConnectionsDesc, float64(t.Connections))
	count(allocationsTotalDesc, t.AllocationsTotal)
	count(turnRefusedDesc, t.RefusedAuth, "auth")
	count(turnRefusedDesc, t.RefusedQuota, "quota")
	count(turnRefusedDesc, t.RefusedCapacity, "capacity")
	count(turnRefusedDesc, t.RefusedUnsupported, "unsupported")
	count(turnRefusedDesc, t.RefusedPermission, "permission")
	count(turnDroppedDesc, t.BytesDropped)
	count(turnBytesDesc, t.BytesToPeers, "to_peers")
	count(turnBytesDesc, t.BytesFromPeers, "from_peers")
}

// histogram is what was counted up to each of the bounds, and above the last.
func histogram(d *prometheus.Desc, h *wire.Histogram) prometheus.Metric {
	bounds := h.Bounds()
	counted, sum := h.Read()
	buckets := make(map[float64]uint64, len(bounds))
	var total uint64
	for i, n := range counted {
		total += n
		if i < len(bounds) {
			buckets[bounds[i].Seconds()] = total
		}
	}
	return prometheus.MustNewConstHistogram(d, total, sum.Seconds(), buckets)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
