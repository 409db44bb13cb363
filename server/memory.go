package server

import (
	"bytes"
	"os"
	"runtime/metrics"
	"strconv"
)

// memory is what the process holds, in bytes, under the names that Node has
// for it.
type memory struct {
	RSS       uint64 `json:"rss"`       // resident, of the whole process
	HeapTotal uint64 `json:"heapTotal"` // held for the heap
	HeapUsed  uint64 `json:"heapUsed"`  // of which objects have
	External  uint64 `json:"external"`  // held by the runtime outside of the heap, stacks included
}

func readMemory() memory {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	held := samples[0].Value.Uint64() - samples[1].Value.Uint64()
	used := samples[2].Value.Uint64()
	total := used + samples[3].Value.Uint64() + samples[4].Value.Uint64()
	m := memory{RSS: held, HeapTotal: total, HeapUsed: used}
	if held > total {
		m.External = held - total
	}
	// The second field is the resident set, in pages (proc(5)).
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(statm); len(fields) > 1 {
			if pages, err := strconv.ParseUint(string(fields[1]), 10, 64); err == nil {
				m.RSS = pages * uint64(os.Getpagesize())
			}
		}
	}
	return m
}
