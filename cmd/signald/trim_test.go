package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestTrim(t *testing.T) {
	const mb = 1 << 20
	for _, test := range []struct {
		name string
		last uint64 // allocated by then
		heap
		want bool
	}{
		{"full of garbage", 200 * mb, heap{live: 40 * mb, resident: 80 * mb, allocated: 200 * mb}, true},
		{"little garbage", 200 * mb, heap{live: 40 * mb, resident: 53 * mb, allocated: 200 * mb}, false},
		{"a small heap", 9 * mb, heap{live: 2 * mb, resident: 6 * mb, allocated: 9 * mb}, false},
		{"under load", 180 * mb, heap{live: 40 * mb, resident: 80 * mb, allocated: 200 * mb}, false},
		{"no collections", 200 * mb, heap{live: 40 * mb, resident: 80 * mb, allocated: 200 * mb, off: true}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.idleSince(heap{allocated: test.last}) && test.spare(); got != test.want {
				t.Error(got)
			}
		})
	}
}

var sink []byte

// What is garbage is given back while nothing is allocated.
func TestTrimmerGivesBack(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(2000)) // no collection by itself
	runtime.GC()
	trim := startTrimmer(10 * time.Millisecond)
	defer trim.Close()
	reader := startTrimmer(time.Hour)
	reader.Close()
	for range 32 {
		sink = make([]byte, 1<<20)
	}
	sink = nil
	if h := reader.read(); h.resident < 32<<20 {
		t.Fatalf("%d MB are resident before", h.resident>>20)
	}
	for deadline := time.Now().Add(30 * time.Second); reader.read().resident > 16<<20; {
		if time.Now().After(deadline) {
			t.Fatalf("%d MB are resident", reader.read().resident>>20)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
