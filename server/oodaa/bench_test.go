package oodaa

import (
	"fmt"
	"testing"

	"github.com/oodaa/signaling/server/hub"
)

func BenchmarkReadRelay(b *testing.B) {
	for _, c := range []struct {
		name, rest string
		kind       hub.Kind
	}{
		{"candidate", candidateArguments, hub.Candidate},
		{"offer", sdpArguments, hub.Offer},
	} {
		b.Run(fmt.Sprintf("%s of %d bytes", c.name, len(c.rest)), func(b *testing.B) {
			rest := []byte(c.rest)
			var r hub.Relay
			b.ReportAllocs()
			b.SetBytes(int64(len(rest)))
			for b.Loop() {
				if _, code, ok := readRelay(rest, c.kind, &r); !ok || code != hub.OK {
					b.Fatal("refused")
				}
			}
		})
	}
}

func BenchmarkAppendRelay(b *testing.B) {
	for _, c := range []struct {
		name, rest string
		kind       hub.Kind
	}{
		{"candidate", candidateArguments, hub.Candidate},
		{"offer", sdpArguments, hub.Offer},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := hub.Relay{From: hub.NewUser("alice-81d0", "", nil)}
			if _, code, _ := readRelay([]byte(c.rest), c.kind, &r); code != hub.OK {
				b.Fatal("refused")
			}
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf = appendRelay(buf[:0], &r)
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}
