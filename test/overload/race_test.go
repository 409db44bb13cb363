//go:build race

package overload

import "time"

// With the race detector everything is slower and larger by about ten times;
// what is tested is the accounting then, not the size.
const (
	crowd      = 100      // clients that attack together
	floodBytes = 20 << 20 // sent to one client that does not read
	floodTime  = 1500 * time.Millisecond
	knocks     = 600 // connections that one address opens
	heapFactor = 15  // what a byte may take
	starvation = 10 * time.Second
)
