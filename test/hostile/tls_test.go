package hostile

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// tlsRows are ways to send a record of TLS. Each gets what is to be sent, and a
// function that sends some of it; all of them leave pings unanswered.
var tlsRows = []struct {
	name string
	send func(record []byte, write func([]byte) error)
}{
	{"half a record", func(record []byte, write func([]byte) error) { _ = write(record[:len(record)/2]) }},
	{"all of a record but its last byte", func(record []byte, write func([]byte) error) { _ = write(record[:len(record)-1]) }},
	{"the header of a record", func(record []byte, write func([]byte) error) { _ = write(record[:5]) }},
	{"record byte by byte", func(record []byte, write func([]byte) error) {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for i := range record {
			if write(record[i:i+1]) != nil {
				return
			}
			<-tick.C
		}
	}},
}

// TestHostileTLS has many clients send records in part, or slowly. They cost the
// server no goroutine and not more than a record each, keep no one else waiting, and
// are disconnected like clients that send nothing.
func TestHostileTLS(t *testing.T) {
	const each = 50
	verifyNoLeaks(t)
	for _, engine := range []string{native, zishang} {
		t.Run(engine, func(t *testing.T) {
			cert, key := rig.Certificate(t)
			s := &server{t: t, Server: rig.Start(t,
				"ENGINE="+engine, "TLS_CERT_FILE="+cert, "TLS_KEY_FILE="+key,
				fmt.Sprint("PING_INTERVAL=", pingInterval), fmt.Sprint("PING_TIMEOUT=", pingTimeout),
				"DEBUG_ADDR=127.0.0.1:0")}
			s.debug, _ = s.Log.Await(t, "serving profiles", s.Exited())["addr"].(string)
			if err := s.asks(); err != nil {
				t.Fatal(err)
			}
			before := s.goroutines()

			var all sync.WaitGroup
			begun := make(chan struct{}, each*len(tlsRows))
			failed := make(chan error, each*len(tlsRows))
			for _, r := range tlsRows {
				for range each {
					all.Go(func() {
						if err := s.sendsSlowly(r.send, begun); err != nil {
							failed <- fmt.Errorf("%s: %w", r.name, err)
						}
					})
				}
			}
			for range cap(begun) {
				<-begun
			}
			if n := s.goroutines(); n > before+spareGoroutines+4 { // and the server's event loops
				t.Errorf("%d goroutines, of which %d were there before %d clients", n, before, cap(begun))
			}
			if err := s.asks(); err != nil {
				t.Errorf("another client: %v", err)
			}
			all.Wait()
			close(failed)
			for err := range failed {
				t.Error(err)
			}
		})
	}
}

// goroutines is how many the server has.
func (s *server) goroutines() (n int) {
	s.t.Helper()
	if _, err := fmt.Sscanf(s.profile("goroutine?debug=1"), "goroutine profile: total %d", &n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// A catcher keeps what is written to it, once it is on.
type catcher struct {
	net.Conn
	on     bool
	caught []byte
}

func (c *catcher) Write(p []byte) (int, error) {
	if !c.on {
		return c.Conn.Write(p)
	}
	c.caught = append(c.caught, p...)
	return len(p), nil
}

// volliTLS is a Volli client over TLS.
func (s *server) volliTLS() (*tls.Conn, *bufio.Reader, *catcher, error) {
	nc, err := net.DialTimeout("tcp", s.Addr, rig.Patience)
	if err != nil {
		return nil, nil, nil, err
	}
	below := &catcher{Conn: nc}
	c := tls.Client(below, &tls.Config{InsecureSkipVerify: true, DynamicRecordSizingDisabled: true})
	_ = c.SetDeadline(time.Now().Add(rig.Patience))
	r := bufio.NewReader(c)
	if _, err := io.WriteString(c, handshake("/signaling")); err != nil {
		return c, r, below, err
	}
	answer, err := http.ReadResponse(r, nil)
	if err == nil && answer.StatusCode != http.StatusSwitchingProtocols {
		err = fmt.Errorf("status %d", answer.StatusCode)
	}
	return c, r, below, err
}

// asks has a client ask something, and get the answer.
func (s *server) asks() error {
	c, r, _, err := s.volliTLS()
	if c != nil {
		defer c.Close()
	}
	if err != nil {
		return err
	}
	if _, err := io.WriteString(c, text(`{"type":"discover","userId":"nobody"}`)); err != nil {
		return err
	}
	_, err = r.ReadByte()
	return err
}

// sendsSlowly has a client send a record of the largest size, and waits for its end.
func (s *server) sendsSlowly(send func([]byte, func([]byte) error), begun chan<- struct{}) error {
	c, _, below, err := s.volliTLS()
	if c != nil {
		defer below.Conn.Close()
	}
	if err == nil {
		below.on = true
		_, err = io.WriteString(c, text(repeat("x", 16_000)))
	}
	started := time.Now()
	if err == nil {
		err = below.Conn.SetDeadline(started.Add(pingInterval + pingTimeout + slack))
	}
	begun <- struct{}{}
	if err != nil {
		return err
	}
	go send(below.caught, func(p []byte) error { // ends with the connection
		_, err := below.Conn.Write(p)
		return err
	})
	if _, err := io.Copy(io.Discard, below.Conn); err != nil && !lost(err) {
		return fmt.Errorf("after %v: %w", time.Since(started).Round(time.Second), err)
	}
	return nil
}
