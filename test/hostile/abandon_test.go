package hostile

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

const (
	// abandoned is how many connections leave in the middle of something, of
	// which so many are there at a time.
	abandoned   = 2000 / scale
	abandonedAt = 150
)

// A stage is where a client may leave. It returns the client's connections.
type stage struct {
	name  string
	reach func(s *server) []*conn
}

// manners are the ways to leave.
var manners = []struct {
	name  string
	leave func(c *conn)
}{
	{"close", func(c *conn) {}}, // conn.end does
	{"reset", func(c *conn) { c.fail(c.SetLinger(0)) }},
	{"half-close", func(c *conn) {
		c.fail(c.CloseWrite())
		c.gone()
	}},
}

// TestAbandonment has connections leave at every stage, in every manner.
func TestAbandonment(t *testing.T) {
	verifyNoLeaks(t)
	for engine, stages := range map[string][]stage{
		native:  append(append([]stage(nil), commonStages...), pollingStages...),
		zishang: commonStages,
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := start(t, engine, 100_000)
			var next atomic.Int64
			var workers sync.WaitGroup
			for range abandonedAt {
				workers.Go(func() {
					for {
						n := int(next.Add(1)) - 1
						if n >= abandoned {
							return
						}
						manner := n % len(manners)
						s.abandon(stages[n/len(manners)%len(stages)], manner)
					}
				})
			}
			workers.Wait()
			s.settled()
		})
	}
}

// abandon has one client leave.
func (s *server) abandon(stage stage, manner int) {
	for _, c := range stage.reach(s) {
		if c.err == nil {
			manners[manner].leave(c)
		}
		if err := c.end(); err != nil {
			s.t.Errorf("%s, %s: %v", stage.name, manners[manner].name, err)
		}
	}
}

// say is a stage of a connection that has said something.
func say(name, bytes string) stage {
	return stage{name, func(s *server) []*conn { return []*conn{begun(bytes)(s)} }}
}

// after is a stage of a client that has come so far, and says more.
func after(name string, reach func(s *server) *conn, bytes ...string) stage {
	return stage{name, func(s *server) []*conn {
		c := reach(s)
		c.put(bytes...)
		return []*conn{c}
	}}
}

// known is a client that has a name of its own.
func known(register func(s *server, id string) *conn) func(s *server) *conn {
	return func(s *server) *conn { return register(s, unique()) }
}

var halfMessage = text(`42["get-users"]`)[:9]

// commonStages are those that all servers have.
var commonStages = []stage{
	say("connection", ""),
	say("half a request line", "GET /soc"),
	say("half the headers", handshake(oodaaPath)[:60]),
	say("request for a WebSocket", handshake(oodaaPath)),
	say("request for Volli's WebSocket", handshake("/ws")),
	say("request", "GET /stats HTTP/1.1\r\nHost: x\r\n\r\n"),
	say("half a body", "POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx"),
	say("the status page's events", "GET /status/events HTTP/1.1\r\nHost: x\r\n\r\n"),
	say("everything at once", handshake(oodaaPath)+text("40")+text(`42["get-users"]`)),

	after("upgraded", func(s *server) *conn { return s.upgraded(oodaaPath) }),
	after("opened", (*server).opened),
	after("joining", (*server).opened, text("40")),
	after("joined", (*server).joined),
	after("registering", (*server).joined, text(`42["register",{"userId":"somebody"}]`)),
	after("registered", known((*server).registered)),
	after("half a frame", known((*server).registered), halfMessage),
	after("half a message", known((*server).registered), frame(opText, `42["off`)),
	after("half a packet", known((*server).registered), text(withFile)),
	after("answer on its way", known((*server).registered), repeat(text(`421["get-users"]`), 100)),
	after("relay on its way", known((*server).registered), text(`42["offer",{"to":"healthy-a","from":"x","offer":1}]`)),
	after("closing", known((*server).registered), closing(1000, "")),
	after("leaving", known((*server).registered), text("41")),

	after("Volli: upgraded", (*server).volli),
	after("Volli: registering", (*server).volli, text(`{"type":"register","userId":"somebody","publicKey":"k"}`)),
	after("Volli: registered", known((*server).volliRegistered)),
	after("Volli: half a frame", known((*server).volliRegistered), text(`{"type":"discover"}`)[:9]),
	after("Volli: half a message", known((*server).volliRegistered), frame(opText, `{"type":`)),
	after("Volli: answer on its way", known((*server).volliRegistered), repeat(text(`{"type":"discover","userId":"healthy-a"}`), 100)),
}

// pollingStages are those of servers that offer long-polling.
var pollingStages = []stage{
	say("polling: request", get(pollingPath)),
	after("polling: opened", func(s *server) *conn { return s.polls().conn }),
	after("polling: joined", func(s *server) *conn { return s.pollsInside().conn }),
	{"polling: in a poll", func(s *server) []*conn {
		p := s.pollsInside()
		p.put(get(p.path()))
		return []*conn{p.conn}
	}},
	{"polling: in a post", func(s *server) []*conn {
		p := s.pollsInside()
		p.put("POST " + p.path() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n42[\"pi")
		return []*conn{p.conn}
	}},
	{"polling: in a poll and a post", func(s *server) []*conn {
		p, c := s.pollsInside(), s.tcp()
		c.put(get(p.path()))
		p.put("POST " + p.path() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
		p.status(http.StatusContinue)
		return []*conn{c, p.conn}
	}},
	{"polling: registered", func(s *server) []*conn {
		p := s.pollsInside()
		p.post(fmt.Sprintf(`42["register",{"userId":%q}]`, unique()))
		p.poll(`42["user-list",…`)
		return []*conn{p.conn}
	}},
	{"upgrade: requested", func(s *server) []*conn {
		p, c := s.pollsInside(), s.tcp()
		c.put(handshake(oodaaPath + "&sid=" + p.sid))
		return []*conn{c, p.conn}
	}},
	{"upgrade: upgraded", func(s *server) []*conn {
		p := s.pollsInside()
		return []*conn{p.probing(), p.conn}
	}},
	{"upgrade: probing", func(s *server) []*conn {
		p := s.pollsInside()
		c := p.probing()
		c.put(text("2probe"))
		return []*conn{c, p.conn}
	}},
	{"upgrade: probed, in a poll", func(s *server) []*conn {
		p := s.pollsInside()
		p.put(get(p.path()))
		c := p.probing()
		c.put(text("2probe"))
		c.expect("3probe")
		return []*conn{c, p.conn}
	}},
	{"upgrade: done", func(s *server) []*conn {
		p := s.pollsInside()
		c := p.probing()
		c.put(text("2probe"))
		c.expect("3probe")
		c.put(text("5"))
		return []*conn{c, p.conn}
	}},
}
