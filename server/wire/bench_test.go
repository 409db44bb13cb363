package wire

import (
	"io"
	"testing"
)

// benchPayload is about as long as an ICE candidate.
const benchPayload = 200

// A bareHandler gives messages to a function and does nothing else.
type bareHandler func(payload []byte) error

func (h bareHandler) Message(p []byte, _ bool) (Hold, error) { return nil, h(p) }
func (bareHandler) Pong()                                    {}
func (bareHandler) TooLarge()                                {}
func (bareHandler) OverRate()                                {}
func (bareHandler) Closed(error)                             {}

// bare has a connection read, and handled by h.
func bare(t testing.TB, n network, h func(c *Conn) bareHandler) (*Conn, *peer) {
	t.Helper()
	server, client := n.dial(t)
	cfg := limits()
	cfg.Loops = n.loops
	c, p := upgrade(t, cfg, server, client)
	served := make(chan struct{})
	c.Start(h(c), func() { close(served) })
	t.Cleanup(func() {
		client.Close()
		<-served
	})
	return c, p
}

// sendLoop returns a function that sends a message in a batch, flushes it and
// waits until it has arrived.
func sendLoop(t testing.TB, n network) func() {
	c, p := bare(t, n, func(*Conn) bareHandler { return func([]byte) error { return nil } })
	var (
		batch  Batch
		prefix = []byte("42")
		body   = make([]byte, benchPayload)
		in     = make([]byte, frameSize(len(prefix)+len(body)))
	)
	return func() {
		if err := c.Send(&batch, Message{Prefix: prefix, Payload: body}); err != nil {
			t.Fatal(err)
		}
		batch.Flush()
		if _, err := io.ReadFull(p.nc, in); err != nil {
			t.Fatal(err)
		}
	}
}

// readLoop returns a function that has a message read.
func readLoop(t testing.TB, n network) func() {
	got := make(chan int)
	_, p := bare(t, n, func(*Conn) bareHandler {
		return func(p []byte) error {
			got <- len(p)
			return nil
		}
	})
	message := text(letters(benchPayload))
	return func() {
		if _, err := p.nc.Write(message); err != nil {
			t.Fatal(err)
		}
		if n := <-got; n != benchPayload {
			t.Fatalf("%d bytes", n)
		}
	}
}

// echoLoop returns a function that has a message come back.
func echoLoop(t testing.TB, n network) func() {
	_, p := bare(t, n, func(c *Conn) bareHandler {
		return func(p []byte) error { return c.Send(c.Batch(), Message{Payload: p}) }
	})
	message := text(letters(benchPayload))
	in := make([]byte, frameSize(benchPayload))
	return func() {
		if _, err := p.nc.Write(message); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(p.nc, in); err != nil {
			t.Fatal(err)
		}
	}
}

func benchmark(b *testing.B, bytes int64, loop func(testing.TB, network) func()) {
	for _, name := range []string{"loop", "tcp"} {
		b.Run(name, func(b *testing.B) {
			f := loop(b, networks[name])
			b.ReportAllocs()
			b.SetBytes(bytes)
			for b.Loop() {
				f()
			}
		})
	}
}

func BenchmarkSendFlush(b *testing.B) { benchmark(b, benchPayload, sendLoop) }
func BenchmarkRead(b *testing.B)      { benchmark(b, benchPayload, readLoop) }
func BenchmarkEcho(b *testing.B)      { benchmark(b, benchPayload, echoLoop) }
func BenchmarkBatch(b *testing.B)     { benchmark(b, together*benchPayload, batchLoop) }

// together is how many messages leave together in batchLoop.
const together = 16

// batchLoop is sendLoop with several messages.
func batchLoop(t testing.TB, n network) func() {
	c, p := bare(t, n, func(*Conn) bareHandler { return func([]byte) error { return nil } })
	var batch Batch
	body := make([]byte, benchPayload)
	in := make([]byte, together*frameSize(len(body)))
	return func() {
		for range together {
			if err := c.Send(&batch, Message{Payload: body}); err != nil {
				t.Fatal(err)
			}
		}
		batch.Flush()
		if _, err := io.ReadFull(p.nc, in); err != nil {
			t.Fatal(err)
		}
	}
}
