package overload

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/oodaa/signaling/test/rig"
)

// A poller is an Oodaa client over long-polling that does not poll by itself.
type poller struct {
	addr string
	http *http.Client
	id   string
	sid  string
}

const pollingPath = "/socket.io/?EIO=4&transport=polling"

// pollers makes n, registered as name-0 and so on.
func (s *stage) pollers(n int, name string) []*poller {
	s.t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 8, MaxConnsPerHost: 8}
	defer transport.CloseIdleConnections()
	all := make([]*poller, n)
	failed := make([]error, n)
	var wg sync.WaitGroup
	const atOnce = 8
	for first := range atOnce {
		wg.Go(func() {
			for i := first; i < n; i += atOnce {
				all[i] = &poller{addr: s.server.Addr, http: &http.Client{Transport: transport, Timeout: rig.Patience}, id: fmt.Sprintf("%s-%d", name, i)}
				failed[i] = all[i].enter()
			}
		})
	}
	wg.Wait()
	for _, err := range failed {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return all
}

func (p *poller) enter() error {
	answer, err := p.get("")
	if err != nil {
		return err
	}
	open := struct{ SID string }{}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(answer, "0")), &open); err != nil {
		return fmt.Errorf("%q: %w", answer, err)
	}
	p.sid = open.SID
	return p.post("40\x1e" + fmt.Sprintf(`42["register",{"userId":%q}]`, p.id))
}

// post sends packets.
func (p *poller) post(payload string) error {
	answer, err := p.http.Post("http://"+p.addr+pollingPath+"&sid="+p.sid, "text/plain", strings.NewReader(payload))
	if err != nil {
		return err
	}
	_, err = body200(answer)
	return err
}

// get polls, or opens a session where there is none yet.
func (p *poller) get(sid string) (string, error) {
	query := pollingPath
	if sid != "" {
		query += "&sid=" + sid
	}
	answer, err := p.http.Get("http://" + p.addr + query)
	if err != nil {
		return "", err
	}
	return body200(answer)
}

func body200(answer *http.Response) (string, error) {
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, b)
	}
	return string(b), err
}

// TestCrowdThatNeverPolls fills what waits for clients over long-polling who
// never come for it. Nothing of it is in a buffer of the kernel's, so that the
// bound is exact.
func TestCrowdThatNeverPolls(t *testing.T) {
	for _, c := range []struct {
		name                string
		crowd               int
		outbox, size, burst int
	}{
		{"large messages", crowd, 128 << 10, 8 << 10, 1},
		{"small messages", crowd / 20, 64 << 10, 4, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := begin(t, "native", fmt.Sprintf("MAX_OUTBOX_BYTES=%d", c.outbox), "PRESENCE=none", "PING_TIMEOUT=2m")
			var targets []string
			crowd := s.pollers(c.crowd, "p")
			for _, p := range crowd {
				targets = append(targets, p.id)
			}
			if polling := s.stats().Connections.SocketIO.Polling; polling != c.crowd {
				t.Fatalf("%d clients poll", polling)
			}
			senders := s.crew(2, rig.Oodaa, "s", way{})
			for _, e := range senders {
				e.read()
			}
			f := s.fill(senders, targets, c.size, c.burst)
			relay := packetSize("s-0", c.size)
			least, most := f.spread(relay)
			t.Logf("%d clients took %d to %d bytes each, in %d rounds", c.crowd, least, most, f.rounds)
			const first = 200 // the answers to CONNECT and register wait as well
			// The bound is one of memory, in buffers that double. Beside its bytes, a
			// relay takes what is noted of it until the client has acknowledged it.
			const note = 96
			used := least + least/relay*note
			if all := c.outbox * 3 / 4; used < all/2-relay-first || most > all {
				t.Errorf("clients took %d to %d bytes, with an outbox of %d", least, most, c.outbox)
			}
			s.bound(memory{clients: c.crowd + 4, outboxes: c.crowd, outbox: c.outbox, kept: c.crowd, smallest: relay})
			s.settle(2 + len(senders) + len(targets)) // nobody is cut for what others send
			leave(t, crowd)
			s.end()
		})
	}
}

// TestPollThatIsNotRead fills what waits for clients who poll and do not read
// the answer, which is then on its way, in memory, beside what waits for the
// next poll.
func TestPollThatIsNotRead(t *testing.T) {
	const (
		outbox = 512 << 10
		size   = 8 << 10
		n      = crowd / 10
	)
	s := begin(t, "native", fmt.Sprintf("MAX_OUTBOX_BYTES=%d", outbox), "PRESENCE=none", "PING_TIMEOUT=2m")
	all := s.pollers(n, "p")
	senders := s.crew(2, rig.Oodaa, "s", way{})
	var targets []string
	for _, e := range senders {
		e.read()
	}
	// Half an outbox first, for the answers that nobody reads.
	for _, p := range all {
		targets = append(targets, p.id)
		for i := range outbox / 2 / size {
			e := senders[i%2]
			if err := e.send(ackedOffer(e.id, p.id, size).with(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, e := range senders {
		e.until(t, "acknowledgements", func(t *tally) bool { return t.oks == n*outbox/2/size/2 })
		so(e, (*tally).forget)
	}
	for _, p := range all {
		conn, err := way{tight: true}.dialer().Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		s.enemies = append(s.enemies, conn)
		if _, err := fmt.Fprintf(conn, "GET %s&sid=%s HTTP/1.1\r\nHost: localhost\r\n\r\n", pollingPath, p.sid); err != nil {
			t.Fatal(err)
		}
		// The answer has begun, so that what waits is on its way.
		if status, err := bufio.NewReaderSize(conn, 16).ReadString('\n'); err != nil || !strings.Contains(status, "200") {
			t.Fatalf("%q, %v", status, err)
		}
	}
	f := s.fill(senders, targets, size, 1)
	least, most := f.spread(packetSize("s-0", size))
	t.Logf("%d clients took %d to %d bytes each on top of %d, in %d rounds", n, least, most, outbox/2, f.rounds)
	s.bound(memory{clients: 2*n + 4, outboxes: n, outbox: outbox, kept: n, smallest: size})
	leave(t, all)
	s.dismiss()
	s.settle(2)
	s.end()
}

// leave closes the pollers' sessions.
func leave(t *testing.T, crowd []*poller) {
	t.Helper()
	for _, p := range crowd {
		if err := p.post("1"); err != nil {
			t.Errorf("%s: %v", p.id, err)
		}
		p.http.CloseIdleConnections()
	}
}
