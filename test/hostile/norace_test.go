//go:build !race

package hostile

// scale divides the counts of connections and of messages. It is 1 but under
// the race detector, with which the server is an order of magnitude slower.
const scale = 1

// residentScale multiplies what the process may take.
const residentScale = 1
