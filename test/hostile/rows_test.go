package hostile

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// A row is one way to attack a server. It returns what the server did wrong.
type row struct {
	name   string
	attack func(s *server) error
}

// TestHostile runs every row against both engines, a row at a time, while the
// healthy pair talks. Rows that take the server's patience run meanwhile.
func TestHostile(t *testing.T) {
	verifyNoLeaks(t)
	for _, engine := range []string{native, zishang} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := start(t, engine, 100_000)
			patient := s.begin(slowRows(engine))
			s.run(frameRows, engineIORows, socketIORows, oodaaRows, sizeRows, volliRows, httpRows)
			if engine == native {
				s.run(pollingRows, upgradeRows)
			} else {
				s.run(noPollingRows)
			}
			patient.wait()
			s.settled()
		})
	}
}

// TestHostileSizes runs what depends on sizes with the limits that servers
// usually have.
func TestHostileSizes(t *testing.T) {
	verifyNoLeaks(t)
	for _, engine := range []string{native, zishang} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := start(t, engine, 1_000_000)
			s.run(sizeRows)
			if engine == native {
				s.run(pollingSizeRows)
			}
			s.settled()
		})
	}
}

// run runs rows one after the other.
func (s *server) run(tables ...[]row) {
	for _, table := range tables {
		for _, r := range table {
			s.t.Run(r.name, func(t *testing.T) { s.verdict(t, r.attack(s)) })
		}
	}
}

// verdict tells what a row showed, and that the server still answers.
func (s *server) verdict(t *testing.T, err error) {
	if err != nil {
		t.Error(err)
	}
	var health struct{ Status string }
	if status, err := s.Get("/health", &health); err != nil || status != http.StatusOK || health.Status != "ok" {
		t.Errorf("/health: %d %q, %v", status, health.Status, err)
	}
}

// patient are rows that run while others do.
type patient struct {
	s       *server
	rows    []row
	results []error
	running sync.WaitGroup
}

// begin starts rows at once. wait waits for them.
func (s *server) begin(rows []row) *patient {
	p := &patient{s: s, rows: rows, results: make([]error, len(rows))}
	for i, r := range rows {
		p.running.Go(func() { p.results[i] = r.attack(s) })
	}
	return p
}

func (p *patient) wait() {
	p.running.Wait()
	for i, r := range p.rows {
		p.s.t.Run(r.name, func(t *testing.T) { p.s.verdict(t, p.results[i]) })
	}
}

// A from is where an attack with frames starts.
type from struct {
	connect func(*server) *conn
	alive   func(*conn) // fails unless the server still listens to the client
}

var (
	// outside is a Socket.IO client in no namespace.
	outside = from{(*server).opened, func(c *conn) {
		c.put(text("40"))
		c.expect("40{…")
	}}
	// entering is one that is about to join it.
	entering = from{(*server).opened, inside.alive}
	// inside is one that is in the namespace.
	inside = from{(*server).joined, func(c *conn) {
		c.put(text(`42["ping"]`))
		c.expect(`42["pong"]`)
	}}
	// named is one that has a name.
	named = from{func(s *server) *conn { return s.registered(unique()) }, inside.alive}
	// x is one whose name that is, as relays say that are looked into: those of others
	// are refused before.
	x = from{func(s *server) *conn { return s.registered("x") }, inside.alive}
	// volli is a client of Volli's.
	volli = from{(*server).volli, func(c *conn) {
		c.put(text(`{"type":"discover","userId":"nobody at all"}`))
		c.expect(`{"type":"discover-response","userId":"nobody at all","online":false}`)
	}}
	// volliNamed is one that has a name.
	volliNamed = from{func(s *server) *conn { return s.volliRegistered(unique()) }, volli.alive}
)

var names atomic.Int64

// unique is a name that nobody has.
func unique() string { return fmt.Sprint("attacker ", names.Add(1)) }

// A want is what frames bring: answers, and then the end of the connection with
// a code; or 0, and the connection goes on; or noCode.
type want struct {
	answers []string
	code    int
}

// noCode is an end without a Close frame.
const noCode = -1

func ignored() want                           { return want{} }
func answered(answers ...string) want         { return want{answers: answers} }
func closed(code int, answers ...string) want { return want{answers, code} }

// but is w for the native engine and other for the library's.
func (w want) but(other want) map[string]want { return map[string]want{native: w, zishang: other} }

func sent(frames string) func(max int) string { return func(int) string { return frames } }

// frames is a row that sends frames.
func frames(name string, from from, send string, want want) row {
	return sized(name, from, sent(send), want)
}

// sized is frames that depend on MAX_MESSAGE_BYTES.
func sized(name string, from from, send func(max int) string, want want) row {
	return framesByEngine(name, from, send, want.but(want))
}

func framesByEngine(name string, from from, send func(max int) string, wants map[string]want) row {
	return row{name, func(s *server) error { return s.exchange(from, send(s.max), wants[s.engine]) }}
}

// exchange sends frames and checks what they bring.
func (s *server) exchange(from from, send string, want want) error {
	c := from.connect(s)
	c.put(send)
	c.expect(want.answers...)
	switch want.code {
	case 0:
		from.alive(c)
	case noCode:
		c.cutOff()
	default:
		c.closed(want.code)
	}
	return c.end()
}

// group is several sequences of frames with the same end, as one row.
func group(name string, from from, want want, sends ...string) row {
	return groupByEngine(name, from, want.but(want), sends...)
}

func groupByEngine(name string, from from, wants map[string]want, sends ...string) row {
	return row{name, func(s *server) error {
		var errs []error
		for _, send := range sends {
			if err := s.exchange(from, send, wants[s.engine]); err != nil {
				errs = append(errs, fmt.Errorf("%.60q: %w", send, err))
			}
		}
		return errors.Join(errs...)
	}}
}

// prefixes are the beginnings of a packet, each as a text frame, followed by
// more.
func prefixes(packet string, more ...string) []string {
	var all []string
	for n := 1; n < len(packet); n++ {
		all = append(all, text(packet[:n])+each(more...))
	}
	return all
}
