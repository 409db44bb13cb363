//go:build !unix

package server

// processorTime is how many seconds of processor time this process has used: the
// system is not asked.
func processorTime() float64 { return 0 }
