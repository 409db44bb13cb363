//go:build race

package wire

// raceEnabled tells that the race detector runs, with which pools forget at
// random and allocations cannot be counted.
const raceEnabled = true
