package oodaa

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/socketio"
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

// BenchmarkNesting reads relays of a megabyte with an attachment. It reports how
// much longer nested ones take than a flat one of the same size.
func BenchmarkNesting(b *testing.B) {
	const size = 1_000_000
	attachments := [][]byte{[]byte("x")}
	read := func(b *testing.B, rest []byte) {
		var r hub.Relay
		if _, code, ok := readRelay(rest, hub.Offer, &r); !ok || code != hub.OK {
			b.Fatal("refused")
		}
		if _, _, ok := socketio.Attach(r.Payload, attachments); !ok {
			b.Fatal("refused")
		}
	}
	relay := func(body string) []byte {
		return []byte(`,{"to":"bob","from":"alice","offer":` + body + `}]`)
	}
	flat := relay("[" + strings.Repeat("0,", size/2) + "0]")
	for _, c := range []struct{ name, open, closed string }{
		{"arrays", "[", "]"},
		{"objects", `{"a":`, "}"},
	} {
		b.Run(c.name, func(b *testing.B) {
			n := size / len(c.open+c.closed)
			nested := relay(strings.Repeat(c.open, n) + "0" + strings.Repeat(c.closed, n))
			var ofNested, ofFlat time.Duration
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				read(b, nested)
				between := time.Now()
				read(b, flat)
				ofNested += between.Sub(start)
				ofFlat += time.Since(between)
			}
			b.ReportMetric(float64(ofNested)/float64(ofFlat), "×flat")
			b.ReportMetric(float64(ofNested.Microseconds())/1000/float64(b.N), "ms/nested")
		})
	}
}
