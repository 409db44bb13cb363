package cluster

import (
	"context"
	"time"

	"github.com/go-chi/httprate"

	"github.com/oodaa/signaling/server/hub"
)

// A Member is a Cluster as the server uses it.
//
// It is an interface, and Address hides its options, to keep go-redis's Client out
// of what importers of this package see. The Client has a field of a generic type,
// so each package that sees it compiles 1500 wrappers of its methods: three quarters
// of the time that package server took.
type Member interface {
	hub.Cluster
	// Start begins to join with the hub, whose Cluster this is, and goes on trying
	// until Close.
	Start(h *hub.Hub)
	// Close leaves the cluster.
	Close(ctx context.Context)
	Status() Status
	Totals() Totals
	Held() (relays int, bytes int64)
	LimitCounter(window time.Duration) httprate.LimitCounter
}

// NewMember returns a Cluster that Start joins. Inlined, it would show the type.
//
//go:noinline
func NewMember(opts Options) Member { return New(opts) }
