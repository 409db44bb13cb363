package hostile

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

const (
	native  = "native"
	zishang = "zishang"
)

// The clocks of the servers under attack, short enough to be waited for.
const (
	pingInterval    = 3 * time.Second
	pingTimeout     = 4 * time.Second
	registerTimeout = 14 * time.Second
)

const maxOutbox = 2_000_000

// A server is one under attack.
type server struct {
	*rig.Server
	t      *testing.T
	engine string
	max    int // MAX_MESSAGE_BYTES
	debug  string
	base   figures
	pair   *rig.Pair
}

// start starts a server, notes what it takes when nobody is there, and has the
// healthy pair begin to talk.
func start(t *testing.T, engine string, maxMessage int) *server {
	t.Helper()
	s := &server{t: t, engine: engine, max: maxMessage}
	s.Server = rig.Start(t,
		"ENGINE="+engine,
		fmt.Sprint("MAX_MESSAGE_BYTES=", maxMessage),
		fmt.Sprint("PING_INTERVAL=", pingInterval),
		fmt.Sprint("PING_TIMEOUT=", pingTimeout),
		fmt.Sprint("REGISTER_TIMEOUT=", registerTimeout),
		fmt.Sprint("MAX_OUTBOX_BYTES=", maxOutbox),
		"DEBUG_ADDR=127.0.0.1:0")
	s.debug, _ = s.Log.Await(t, "serving profiles", s.Exited())["addr"].(string)

	// What the first clients make the server start for good, it has.
	for range 2 * runtime.NumCPU() {
		if err := errors.Join(s.registered("warm").end(), s.volliRegistered("warm").end()); err != nil {
			t.Fatal(err)
		}
	}
	rig.Eventually(t, "the first clients' leaving", func() bool { stats := s.Stats(); return stats.Clients() == 0 })
	s.base = s.figures()
	s.pair = rig.StartPair(t, s.Addr, "healthy", 3*scale*time.Millisecond)
	rig.Eventually(t, "the pair's first message", func() bool { return s.Stats().Relays["ice-candidate"] > 0 })
	return s
}

// figures are what a server takes, after its garbage was collected.
type figures struct {
	goroutines, files int
	heap, resident    int64
}

func (f figures) String() string {
	return fmt.Sprintf("%d goroutines, %d files, heap %d KB, resident %d KB", f.goroutines, f.files, f.heap>>10, f.resident>>10)
}

func (s *server) figures() figures {
	s.t.Helper()
	for range 2 { // pools give up what they keep in the second collection
		s.profile("heap?gc=1")
	}
	stats := s.Stats()
	return figures{stats.Goroutines, s.Files(), stats.Memory.HeapUsed, stats.Memory.RSS}
}

// profile returns a profile of the server's (net/http/pprof).
func (s *server) profile(name string) string {
	s.t.Helper()
	client := http.Client{Timeout: rig.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + s.debug + "/debug/pprof/" + name)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(body)
}

const (
	// spareGoroutines and spareFiles are for the connections by which the
	// figures are asked for: the last one may be about to end.
	spareGoroutines, spareFiles = 3, 2

	// spareHeap is for what grows with the most connections at a time, and is
	// kept for the next ones: Go's descriptors of goroutines that have ended,
	// half a KB each, of which the library has up to eight for a connection; and
	// entries in tables of sessions, deadlines and seats, some 200 bytes for
	// each connection, thrice over for growth. That is 700 KB for abandonedAt
	// connections, and as much again for what a collection misses. Of 2,000
	// connections, a leak of 700 bytes each is noticed.
	spareHeap = 1400 << 10

	// spareResident is what the process may keep of the most it ever needed,
	// since Go gives memory back to the system late: twice, for the garbage, the
	// largest message of abandonedAt connections, and the outboxes of the eight
	// that do not read theirs.
	spareResident = 2 * (abandonedAt*100_000 + 8*maxOutbox)
)

// settled waits until everybody has left, and checks that the healthy pair lost
// nothing, that the server takes what it took before, and that nothing panicked.
func (s *server) settled() {
	s.t.Helper()
	s.t.Logf("healthy pair: %v", s.pair.Stop())
	rig.Eventually(s.t, "everybody's leaving", func() bool { stats := s.Stats(); return stats.Clients() == 0 && stats.ConnectedUsers == 0 })
	// Before the figures are: what is not closed, the collector may close.
	rig.Eventually(s.t, "everybody's files are closed", func() bool { return s.Files() <= s.base.files+spareFiles })
	var now figures
	for deadline := time.Now().Add(rig.Patience); ; {
		now = s.figures()
		if now.goroutines <= s.base.goroutines+spareGoroutines && now.files <= s.base.files+spareFiles &&
			now.heap <= s.base.heap+spareHeap && now.resident <= s.base.resident+residentScale*spareResident {
			break
		}
		if time.Now().After(deadline) {
			s.t.Errorf("it took %v before, and takes %v after:\n%.5000s", s.base, now, s.profile("goroutine?debug=1"))
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.t.Logf("before: %v", s.base)
	s.t.Logf("after:  %v", now)
	if lines := append(s.Log.Lines("panic serving"), s.Log.Lines(`"level":"ERROR"`)...); len(lines) > 0 {
		s.t.Errorf("the server logged:\n%s", strings.Join(lines, "\n"))
	}
}
