package wire

import (
	"sync/atomic"
	"time"
)

// Config is what the connections of one gateway share. It must not change once
// the first of them was upgraded.
type Config struct {
	// MaxMessage is the most bytes that a message from the peer may have.
	MaxMessage int
	// MaxOutbox is how much memory what waits to be written to the peer may take;
	// one message always fits. A relay that does not fit is refused; a connection
	// that cannot be sent what the server itself has to say is cut.
	MaxOutbox int
	// StallTimeout is how long a peer may take nothing at all while something
	// waits for it; then it is cut. 0 is forever.
	StallTimeout time.Duration
	// CloseTimeout bounds how long a closed connection may still flush and
	// wait for the peer's Close frame; 0 means DefaultCloseTimeout.
	CloseTimeout time.Duration
	// Account is of all that is held, by whichever connections. May be nil.
	Account *Account
	// Loops read the connections that Start starts, where they can. Nil: each
	// connection has a goroutine that reads it.
	Loops *Loops
	// Deadlines are for asking again after relays, where the pong to a Ping
	// acknowledges them (Conn.Keep). Nil: the next relay or pong asks.
	Deadlines *Deadlines
	// Latency is told how long what Batch.CountRelay counted took. May be nil.
	Latency *Histogram

	slow    atomic.Uint64
	full    atomic.Uint64
	waiting atomic.Int64
}

// DefaultCloseTimeout is the CloseTimeout of a Config that sets none.
const DefaultCloseTimeout = 5 * time.Second

// CountSlow counts a client that was disconnected because it did not take what it
// was sent, on a transport of another package.
func (c *Config) CountSlow() { c.slow.Add(1) }

// SlowConsumers counts the connections that were cut because their outbox was full.
func (c *Config) SlowConsumers() uint64 { return c.slow.Load() }

// Refused counts the relays that did not fit in an outbox.
func (c *Config) Refused() uint64 { return c.full.Load() }

// Waiting is how many bytes wait for peers that do not take them.
func (c *Config) Waiting() int64 { return c.waiting.Load() }

func (c *Config) closeTimeout() time.Duration {
	if c.CloseTimeout > 0 {
		return c.CloseTimeout
	}
	return DefaultCloseTimeout
}
