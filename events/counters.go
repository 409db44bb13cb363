package events

import (
	"sync/atomic"

	"github.com/oodaa/signaling/server/hub"
)

// A Request is an event that is not relayed.
type Request uint8

const (
	Register Request = iota
	GetUsers
	WatchUsers
	Ping
	Discover
	GetICEServers
	Proof
	Other // what clients of that family do not send
	requests
)

var requestNames = [requests]string{"register", "get-users", "watch-users", "ping", "discover", "get-ice-servers", "proof", "other"}

// results name outcomes of relays for the metrics.
var results = [hub.Outcomes]string{
	hub.OK: "ok", hub.InvalidData: "invalid", hub.NotFound: "not_found", hub.NotRegistered: "not_registered",
	hub.SenderMismatch: "sender_mismatch", hub.TooLarge: "too_large", hub.Unavailable: "unavailable",
	hub.MissingFields: "invalid", hub.NotResponding: "not_responding",
}

// Counters count what happened. The zero value is ready; it is safe for
// concurrent use.
type Counters struct {
	relays   [hub.Kinds][hub.Outcomes]atomic.Uint64
	requests [requests]atomic.Uint64
}

// Relay counts a relay with its outcome.
func (c *Counters) Relay(kind hub.Kind, outcome hub.Outcome) { c.relays[kind][outcome].Add(1) }

// Event counts an event that is not relayed.
func (c *Counters) Event(r Request) { c.requests[r].Add(1) }

// Relays is how many relays were put on their target's connection, by event.
func (c *Counters) Relays() map[string]uint64 {
	m := make(map[string]uint64, hub.Kinds)
	for k := range c.relays {
		m[hub.Kind(k).Event()] = c.relays[k][hub.OK].Load()
	}
	return m
}

// Results calls f with how many relays of each event had each result that can
// be.
func (c *Counters) Results(f func(event, result string, n uint64)) {
	for k := range c.relays {
		for outcome, result := range results {
			if result != "" && hub.Outcome(outcome) != hub.MissingFields {
				n := c.relays[k][outcome].Load()
				if hub.Outcome(outcome) == hub.InvalidData {
					n += c.relays[k][hub.MissingFields].Load()
				}
				f(hub.Kind(k).Event(), result, n)
			}
		}
	}
}

// Events calls f with how many events of each name arrived.
func (c *Counters) Events(f func(event string, n uint64)) {
	for k := range c.relays {
		var n uint64
		for outcome := range c.relays[k] {
			n += c.relays[k][outcome].Load()
		}
		f(hub.Kind(k).Event(), n)
	}
	for r := range c.requests {
		f(requestNames[r], c.requests[r].Load())
	}
}

// Errors counts the errors that one family's clients were answered with. The
// zero value is ready; it is safe for concurrent use.
type Errors [hub.Outcomes][hub.Kinds]atomic.Uint64

// Count counts an error. kind matters where the outcome is about a relay.
func (e *Errors) Count(outcome hub.Outcome, kind hub.Kind) { e[outcome][kind].Add(1) }

// AddTo adds the counted errors to m, by the text that the family has for them.
func (e *Errors) AddTo(m map[string]uint64, text func(hub.Outcome, hub.Kind) string) {
	for outcome := range e {
		for kind := range e[outcome] {
			if n := e[outcome][kind].Load(); n > 0 {
				m[text(hub.Outcome(outcome), hub.Kind(kind))] += n
			}
		}
	}
}
