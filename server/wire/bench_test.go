package wire

import (
	"io"
	"testing"
)

// benchPayload is about as long as an ICE candidate.
const benchPayload = 200

// A bareHandler gives messages to a function and does nothing else.
type bareHandler func(payload []byte) error

func (h bareHandler) Message(p []byte, _ bool) error { return h(p) }
func (bareHandler) Pong()                            {}
func (bareHandler) TooLarge()                        {}
func (bareHandler) Closed(error)                     {}

// bare serves a connection over loopback with h.
func bare(t testing.TB, h func(c *Conn) bareHandler) (*Conn, *peer) {
	t.Helper()
	server, client := tcp(t)
	c, p := upgrade(t, limits(), server, client)
	served := make(chan struct{})
	go func() {
		defer close(served)
		c.Serve(h(c))
	}()
	t.Cleanup(func() {
		client.Close()
		<-served
	})
	return c, p
}

// sendLoop returns a function that sends a message in a batch, flushes it and
// waits until it has arrived.
func sendLoop(t testing.TB) func() {
	c, p := bare(t, func(*Conn) bareHandler { return func([]byte) error { return nil } })
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
func readLoop(t testing.TB) func() {
	got := make(chan int)
	_, p := bare(t, func(*Conn) bareHandler {
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
func echoLoop(t testing.TB) func() {
	_, p := bare(t, func(c *Conn) bareHandler {
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

func benchmark(b *testing.B, loop func(testing.TB) func()) {
	f := loop(b)
	b.ReportAllocs()
	b.SetBytes(benchPayload)
	for b.Loop() {
		f()
	}
}

func BenchmarkSendFlush(b *testing.B) { benchmark(b, sendLoop) }
func BenchmarkRead(b *testing.B)      { benchmark(b, readLoop) }
func BenchmarkEcho(b *testing.B)      { benchmark(b, echoLoop) }

// BenchmarkBatch sends messages of which sixteen leave together.
func BenchmarkBatch(b *testing.B) {
	c, p := bare(b, func(*Conn) bareHandler { return func([]byte) error { return nil } })
	const together = 16
	var batch Batch
	body := make([]byte, benchPayload)
	in := make([]byte, together*frameSize(len(body)))
	b.ReportAllocs()
	b.SetBytes(together * benchPayload)
	for b.Loop() {
		for range together {
			if err := c.Send(&batch, Message{Payload: body}); err != nil {
				b.Fatal(err)
			}
		}
		batch.Flush()
		if _, err := io.ReadFull(p.nc, in); err != nil {
			b.Fatal(err)
		}
	}
}
