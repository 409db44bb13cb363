package hostile

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

const pollingPath = "/socket.io/?EIO=4&transport=polling"

// A session is a Socket.IO client that polls.
type session struct {
	*conn
	s   *server
	sid string
}

var sidPattern = regexp.MustCompile(`^0\{"sid":"([^"]+)"`)

// polls opens a session over long-polling.
func (s *server) polls() *session {
	c := s.tcp()
	c.put("GET " + pollingPath + " HTTP/1.1\r\nHost: x\r\n\r\n")
	a := c.status(http.StatusOK)
	session := &session{conn: c, s: s}
	if match := sidPattern.FindStringSubmatch(a.body); match != nil {
		session.sid = match[1]
	} else {
		c.fail(fmt.Errorf("handshake answered with %q", a.body))
	}
	return session
}

// pollsInside is one that is in the namespace.
func (s *server) pollsInside() *session {
	p := s.polls()
	p.post("40")
	p.poll("40{…")
	return p
}

func (p *session) path() string { return pollingPath + "&sid=" + p.sid }

func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }

// post is a POST request. More is of headers, each with its line's end.
func post(path, body string, more ...string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n%s\r\n%s", path, len(body), strings.Join(more, ""), body)
}

// post sends a payload, which must be taken.
func (p *session) post(payload string) {
	p.put(post(p.path(), payload))
	p.status(http.StatusOK)
}

// poll polls until the packets have come.
func (p *session) poll(packets ...string) {
	for len(packets) > 0 && p.err == nil {
		p.put(get(p.path()))
		for _, packet := range strings.Split(p.status(http.StatusOK).body, "\x1e") {
			if packet == "2" || strings.HasPrefix(packet, `42["peer-`) || p.err != nil {
				continue
			}
			want := packets[0]
			if prefix, ok := strings.CutSuffix(want, "…"); packet != want && !(ok && strings.HasPrefix(packet, prefix)) {
				p.fail(fmt.Errorf("polled %.200q instead of %q", packet, want))
				return
			}
			if packets = packets[1:]; len(packets) == 0 {
				break
			}
		}
	}
}

// alive fails unless the session goes on.
func (p *session) alive() {
	p.post(`42["ping"]`)
	p.poll(`42["pong"]`)
}

// over fails unless the session is unknown by now, or about to be. It asks on
// another connection, since a refusal may have cost the session's.
func (p *session) over() {
	if p.err != nil {
		return
	}
	c := p.s.tcp()
	defer c.Close()
	c.put(get(p.path()))
	a := c.answer(http.MethodGet)
	if c.err == nil && a.status == http.StatusOK && (a.body == "1" || a.body == "6" || strings.HasPrefix(a.body, "42[\"error\"")) {
		c.put(get(p.path()))
		if a = c.answer(http.MethodGet); c.err == nil && a.status == http.StatusOK && (a.body == "1" || a.body == "6") {
			c.put(get(p.path()))
			a = c.answer(http.MethodGet)
		}
	}
	p.fail(c.err)
	if p.err == nil && (a.status != http.StatusBadRequest || !strings.HasPrefix(a.body, `{"code":1,`)) {
		p.fail(fmt.Errorf("a session that is over answers %d %.200q", a.status, a.body))
	}
}

// posting is a row that posts something in a session of its own, which is
// refused with a status, upon which the session is over.
func posting(name string, request func(path string, max int) string, statuses ...int) row {
	return row{name, func(s *server) error {
		p := s.pollsInside()
		p.put(request(p.path(), s.max))
		p.status(statuses...)
		p.over()
		return p.end()
	}}
}

// payload posts a payload.
func payload(name, body string) row {
	return posting(name, func(path string, _ int) string { return post(path, body) }, http.StatusBadRequest)
}

// pollingRows abuse the long-polling transport.
var pollingRows = append([]row{
	payload("polling/no payload", ""),
	payload("polling/garbage", "hello"),
	payload("polling/packet that nobody sends", "7"),
	payload("polling/42 of another namespace", "42/other,[\"x\"]"),
	payload("polling/separators", repeat("\x1e", 10_000)),
	payload("polling/separator at the end", "42[\"ping\"]\x1e"),
	payload("polling/no base64, without header", "b!!!!"),
	payload("polling/a megabyte of base64 frames without header", strings.TrimSuffix(repeat("bAAAA\x1e", 10_000), "\x1e")),
	payload("polling/attachment without header", "bAAAA"),
	payload("polling/header without attachment", withFile+"\x1e42[\"ping\"]"),
	payload("polling/a payload of Engine.IO 3", `8:42["x"]`),
	payload("polling/probe", "2probe"),
	posting("polling/binary payload", func(path string, _ int) string {
		return strings.Replace(post(path, "\x00\x01\xff4"), "text/plain;charset=UTF-8", "application/octet-stream", 1)
	}, http.StatusBadRequest),
	posting("polling/chunk that is none", func(path string, _ int) string {
		return "POST " + path + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"
	}, http.StatusBadRequest),
	{"polling/42", func(s *server) error {
		p := s.pollsInside()
		p.post("42")
		p.alive()
		return p.end()
	}},
	{"polling/close", func(s *server) error {
		p := s.pollsInside()
		p.post("1")
		p.over()
		return p.end()
	}},
	{"polling/pongs", func(s *server) error {
		p := s.pollsInside()
		p.post(strings.TrimSuffix(repeat("3\x1e", 40_000), "\x1e"))
		p.alive()
		return p.end()
	}},
	{"polling/attachments in one payload", func(s *server) error {
		p := s.pollsInside()
		p.post(`42["register",{"userId":"nobody-else"}]` + "\x1e" + withFile + "\x1ebAAAA\x1e42[\"ping\"]")
		p.poll(`42["user-list"…`, `42["error",…`, `42["pong"]`)
		return p.end()
	}},
	{"polling/packets that only a server sends", func(s *server) error {
		p := s.pollsInside()
		p.post(strings.TrimSuffix(repeat("6\x1e5\x1e0{}\x1e", 10_000), "\x1e"))
		p.alive()
		return p.end()
	}},
	{"polling/invalid UTF-8", func(s *server) error {
		p := s.pollsInside()
		p.post("42[\"" + strings.Repeat("\xff", 10_000) + "\"]\x1e42[\"ping\"]")
		p.poll(`42["pong"]`)
		return p.end()
	}},
	{"polling/body shorter than its length", func(s *server) error {
		p := s.pollsInside()
		p.put("POST " + p.path() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n42[\"ping\"]")
		if p.err == nil {
			p.fail(p.CloseWrite())
		}
		p.gone()
		p.over()
		return p.end()
	}},
	{"polling/body longer than its length", func(s *server) error {
		p := s.pollsInside()
		p.put("POST " + p.path() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n42[\"ping\"]\r\n\r\n")
		p.status(http.StatusOK)
		p.status(http.StatusBadRequest)
		p.gone()
		return p.end()
	}},
	{"polling/chunked body", func(s *server) error {
		p := s.pollsInside()
		p.put("POST " + p.path() + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + repeat("1;"+repeat("x", 50)+"\r\n3\r\n1\r\n\x1e\r\n", 200) + "1\r\n3\r\n0\r\n\r\n")
		p.status(http.StatusOK)
		p.alive()
		return p.end()
	}},
	{"polling/two polls at once", func(s *server) error {
		p := s.pollsInside()
		first, second := s.tcp(), s.tcp()
		for _, c := range []*conn{first, second} {
			c.put(get(p.path()))
		}
		// Which of the two comes first is open; that one is let go.
		statuses := map[int]int{}
		for _, c := range []*conn{first, second} {
			a := c.answer(http.MethodGet)
			statuses[a.status]++
		}
		if statuses[http.StatusOK] != 1 || statuses[http.StatusBadRequest] != 1 {
			p.fail(fmt.Errorf("answered %v", statuses))
		}
		p.over()
		return errors.Join(p.end(), first.end(), second.end())
	}},
	{"polling/two posts at once", func(s *server) error {
		p := s.pollsInside()
		first, second := s.tcp(), s.tcp()
		first.put("POST " + p.path() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
		first.status(http.StatusContinue) // it reads the body from now on
		second.put(post(p.path(), "3"))
		second.status(http.StatusBadRequest)
		p.over()
		return errors.Join(p.end(), first.end(), second.end())
	}},
	{"polling/many at once", func(s *server) error {
		for range 20 {
			p := s.pollsInside()
			var conns []*conn
			for i := range 10 {
				c := s.tcp()
				if i%2 == 0 {
					c.put(get(p.path()))
				} else {
					c.put(post(p.path(), `42["get-users"]`))
				}
				conns = append(conns, c)
			}
			for _, c := range conns {
				c.status(http.StatusOK, http.StatusBadRequest)
				if err := c.end(); err != nil {
					return err
				}
			}
			if err := p.end(); err != nil {
				return err
			}
		}
		return nil
	}},
	{"polling/unknown sessions", func(s *server) error {
		var errs []error
		for _, sid := range []string{"x", "AAAAAAAAAAAAAAAAAAAA", "%00", "../..", repeat("x", 10_000), "__proto__"} {
			for _, request := range []string{get(pollingPath + "&sid=" + sid), post(pollingPath+"&sid="+sid, "40")} {
				c := s.tcp()
				c.put(request)
				if a := c.status(http.StatusBadRequest); c.err == nil && !strings.HasPrefix(a.body, `{"code":1,`) {
					c.fail(fmt.Errorf("answered %q", a.body))
				}
				errs = append(errs, c.end())
			}
		}
		return errors.Join(errs...)
	}},
	{"polling/session of a WebSocket", func(s *server) error {
		ws := s.upgraded(oodaaPath)
		m := ws.next()
		match := sidPattern.FindStringSubmatch(m.payload)
		if match == nil {
			return fmt.Errorf("handshake %v, %w", m, ws.end())
		}
		var errs []error
		for _, request := range []string{get(pollingPath + "&sid=" + match[1]), post(pollingPath+"&sid="+match[1], "40")} {
			c := s.tcp()
			c.put(request)
			c.status(http.StatusBadRequest)
			errs = append(errs, c.end())
		}
		outside.alive(ws)
		return errors.Join(append(errs, ws.end())...)
	}},
	{"polling/methods", func(s *server) error {
		p := s.pollsInside()
		var errs []error
		for _, method := range []string{"PUT", "DELETE", "PATCH", "TRACE", "X"} {
			c := s.tcp()
			c.put(method + " " + p.path() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n3")
			c.status(http.StatusBadRequest, http.StatusMethodNotAllowed)
			errs = append(errs, c.end())
		}
		p.alive()
		return errors.Join(append(errs, p.end())...)
	}},
	{"polling/handshake by POST", func(s *server) error {
		c := s.tcp()
		c.put(post(pollingPath, "40"))
		if a := c.status(http.StatusBadRequest); c.err == nil && !strings.HasPrefix(a.body, `{"code":2,`) {
			c.fail(fmt.Errorf("answered %q", a.body))
		}
		return c.end()
	}},
	{"polling/Engine.IO 3", func(s *server) error {
		c := s.tcp()
		c.put(get("/socket.io/?EIO=3&transport=polling"))
		if a := c.status(http.StatusBadRequest); c.err == nil && !strings.HasPrefix(a.body, `{"code":5,`) {
			c.fail(fmt.Errorf("answered %q", a.body))
		}
		return c.end()
	}},
	{"polling/handshakes that nobody follows", func(s *server) error {
		for range 500 / scale {
			if err := s.polls().end(); err != nil {
				return err
			}
		}
		return nil
	}},
	{"polling/polls that leave", func(s *server) error {
		for range 50 {
			p := s.pollsInside()
			p.put(get(p.path()))
			if err := p.end(); err != nil {
				return err
			}
		}
		return nil
	}},
}, pollingSizeRows...)

// pollingSizeRows depend on MAX_MESSAGE_BYTES.
var pollingSizeRows = []row{
	posting("polling/sizes/a byte too large", func(path string, max int) string {
		return post(path, `42["`+repeat("x", max-5)+`"]`)
	}, http.StatusRequestEntityTooLarge),
	posting("polling/sizes/far too large", func(path string, max int) string {
		return post(path, repeat("x", max*3))
	}, http.StatusRequestEntityTooLarge),
	posting("polling/sizes/chunks that are too large together", func(path string, max int) string {
		return "POST " + path + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + repeat("100\r\n"+repeat("x", 256)+"\r\n", max/256+10) + "0\r\n\r\n"
	}, http.StatusRequestEntityTooLarge),
	posting("polling/sizes/brackets", func(path string, max int) string { return post(path, "42"+repeat("[", max-2)) }, http.StatusBadRequest),
	{"polling/sizes/just as large as may be", func(s *server) error {
		p := s.pollsInside()
		p.post(`42["ping","` + repeat("x", s.max-13) + `"]`)
		p.poll(`42["pong"]`)
		return p.end()
	}},
	{"polling/sizes/nested", func(s *server) error {
		p := s.pollsInside()
		p.post(`42["ping",` + repeat("[", s.max/2-10) + repeat("]", s.max/2-10) + `]`)
		p.poll(`42["pong"]`)
		return p.end()
	}},
}

// noPollingRows are for an engine without the transport.
var noPollingRows = []row{
	{"polling/not offered", func(s *server) error {
		var errs []error
		for _, request := range []string{get(pollingPath), post(pollingPath, "40"), get(pollingPath + "&sid=x"), post(pollingPath+"&sid=x", repeat("x", 50_000))} {
			c := s.tcp()
			c.put(request)
			if a := c.status(http.StatusBadRequest); c.err == nil && !strings.HasPrefix(a.body, `{"code":0,`) {
				c.fail(fmt.Errorf("answered %q", a.body))
			}
			errs = append(errs, c.end())
		}
		return errors.Join(errs...)
	}},
	{"upgrade/of a session that is a WebSocket", func(s *server) error {
		ws := s.upgraded(oodaaPath)
		m := ws.next()
		_, sid, _ := strings.Cut(m.payload, `"sid":"`)
		sid, _, ok := strings.Cut(sid, `"`)
		if !ok {
			return fmt.Errorf("handshake %v, %w", m, ws.end())
		}
		c := s.tcp()
		c.put(handshake(oodaaPath + "&sid=" + sid))
		c.status(http.StatusBadRequest)
		outside.alive(ws)
		return errors.Join(c.end(), ws.end())
	}},
}
