//go:build !race

package overload

import "time"

const (
	crowd      = 1000      // clients that attack together
	floodBytes = 100 << 20 // sent to one client that does not read
	floodTime  = 1500 * time.Millisecond
	knocks     = 3000 // connections that one address opens
	heapFactor = 1    // what a byte may take
	starvation = 2 * time.Second
)
