package hostile

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// routes are all that the server answers.
var routes = []string{"/", "/signaling", "/ws", "/health", "/ready", "/stats", "/demo", "/demo/", "/status", "/status/events", "/socket.io", "/socket.io/", oodaaPath, "/none"}

// httpRows are requests that no client makes.
var httpRows = []row{
	{"http/methods", methods},
	{"http/handshake cut at every byte", func(s *server) error {
		for _, request := range []string{handshake(oodaaPath), handshake("/signaling")} {
			for n := range len(request) {
				c := s.tcp()
				c.put(request[:n])
				if c.err == nil {
					c.fail(c.CloseWrite())
				}
				c.gone()
				if err := c.end(); err != nil {
					return fmt.Errorf("after %q: %w", request[:n], err)
				}
			}
		}
		return nil
	}},
	{"http/handshake in two pieces", func(s *server) error {
		for n := 0; n < len(handshake(oodaaPath)); n += 7 {
			c := s.tcp()
			if c.err == nil {
				c.fail(c.SetNoDelay(true))
			}
			c.put(handshake(oodaaPath)[:n], handshake(oodaaPath)[n:]+text("40"))
			c.status(101)
			c.expect("0{…", "40{…")
			if err := c.end(); err != nil {
				return fmt.Errorf("after %d bytes: %w", n, err)
			}
		}
		return nil
	}},
	refused("http/headers of 64 KB", "GET /health HTTP/1.1\r\nHost: x\r\nX: "+repeat("x", 64<<10)+"\r\n\r\n", 431),
	refused("http/headers of 64 KB in many lines", "GET /health HTTP/1.1\r\nHost: x\r\n"+repeat("X: y\r\n", 64<<10/6)+"\r\n", 431),
	refused("http/headers of 64 KB of a handshake", handshake(oodaaPath, "X: "+repeat("x", 64<<10)+"\r\n"), 431),
	refused("http/request line of 64 KB", "GET /"+repeat("x", 64<<10)+" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
	refused("http/a megabyte without a line's end", repeat("x", 1<<20), 431, 400),
	refused("http/blank lines", repeat("\r\n", 1<<10)+"\r\n", 400),
	refused("http/zeros", repeat("\x00", 100)+"\r\n\r\n", 400),
	refused("http/HTTP 0.9", "GET /\r\n\r\n", 400),
	refused("http/HTTP 2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 404, 405, 505),
	refused("http/HTTP 3", "GET /health HTTP/3.0\r\nHost: x\r\n\r\n", 505, 400),
	refused("http/no host", "GET /health HTTP/1.1\r\n\r\n", 400),
	refused("http/two hosts", "GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
	refused("http/host that is none", "GET /health HTTP/1.1\r\nHost: x y\x01\r\n\r\n", 400),
	refused("http/header without a name", "GET /health HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n", 400),
	refused("http/header with a blank before the colon", "GET /health HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n", 400),
	refused("http/header with a zero", "GET /health HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n", 400),
	refused("http/header without a colon", "GET /health HTTP/1.1\r\nHost: x\r\nX\r\n\r\n", 400),
	refused("http/two lengths", "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400),
	refused("http/negative length", "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
	refused("http/length without end", "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
	refused("http/length that is none", "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\n", 400),
	refused("http/unknown transfer encoding", "POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
	refused("http/two transfer encodings", "POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, 501),
	refused("http/unknown expectation", "POST /health HTTP/1.1\r\nHost: x\r\nExpect: the worst\r\nContent-Length: 1\r\n\r\n", 417),
	refused("http/chunk without end", "POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nffffffffffffffff\r\n", 405, 400),
	refused("http/chunk that is none", "POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nxyz\r\n", 405, 400),
	refused("http/version 12 of the WebSocket", strings.Replace(handshake("/signaling"), "Version: 13", "Version: 12", 1), 426, 400),
	refused("http/no key", strings.Replace(handshake("/signaling"), "Sec-WebSocket-Key", "X", 1), 400),
	{"http/handshakes that lack something", brokenHandshakes},
	{"http/extensions and subprotocols", func(s *server) error {
		var errs []error
		for _, path := range []string{oodaaPath, "/signaling"} {
			c := s.tcp()
			c.put(handshake(path, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", "Sec-WebSocket-Protocol: a, b\r\n"))
			a := c.status(101)
			if extensions := a.header["Sec-Websocket-Extensions"]; extensions != nil {
				c.fail(fmt.Errorf("accepted %q", extensions))
			}
			errs = append(errs, c.end())
		}
		return errors.Join(errs...)
	}},
	{"http/strangers' origins", func(s *server) error {
		var errs []error
		for _, path := range []string{oodaaPath, "/signaling", "/", "/ws"} {
			for _, origin := range []string{"http://evil.example", "null", "http://example.com.evil.example", "file://", "x", "http://localhost:3000\r\nOrigin: http://localhost:3000"} {
				c := s.tcp()
				c.put(handshake(path, "Origin: "+origin+"\r\n"))
				c.status(http.StatusForbidden)
				errs = append(errs, c.end())
			}
		}
		return errors.Join(errs...)
	}},
	{"http/pipelined requests", func(s *server) error {
		c := s.tcp()
		c.put(repeat("GET /health HTTP/1.1\r\nHost: x\r\n\r\n", 500))
		for range 500 {
			c.status(http.StatusOK)
		}
		return c.end()
	}},
	{"http/pipelined requests that nobody reads", func(s *server) error {
		c := s.tcp()
		if c.err != nil {
			return c.end()
		}
		go func() { _, _ = c.TCPConn.Write([]byte(repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 100_000/scale))) }() // ends with the connection
		c.status(http.StatusOK)
		return c.end()
	}},
	{"http/a handshake behind a request", func(s *server) error {
		c := s.tcp()
		c.put("GET /health HTTP/1.1\r\nHost: x\r\n\r\n" + handshake(oodaaPath) + text("40") + text(`42["ping"]`))
		c.status(http.StatusOK)
		c.status(101)
		c.expect("0{…", "40{…", `42["pong"]`)
		return c.end()
	}},
	{"http/a body in the handshake", func(s *server) error {
		c := s.tcp()
		c.put(handshake("/signaling", "Content-Length: 5\r\n") + "hello" + text("{}"))
		if a := c.answer(http.MethodGet); a.status == 101 { // then the body is frames, and bad ones
			c.closed(1002)
		} else {
			c.fail(a.is(400))
		}
		return c.end()
	}},
	{"http/an answer that was not asked for", func(s *server) error {
		c := s.tcp()
		c.put("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		c.status(400)
		c.gone()
		return c.end()
	}},
	{"http/strange paths", func(s *server) error {
		var errs []error
		for _, path := range []string{"/demo/../../../../etc/passwd", "/demo/..%2f..%2f..%2fetc%2fpasswd", "/demo/%00", "//", "/./health/.", "/%2e%2e/", "/socket.io/../stats", "/demo/\\..\\..",
			"/" + repeat("a/", 10_000), "/%ff", "/?" + repeat("a=b&", 5000), "/health;x", "/debug/pprof/", "/metrics/x", "http://other.example/none", "/demo/" + repeat("x", 5000)} {
			c := s.tcp()
			c.put("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			a := c.answer(http.MethodGet)
			if a.status < 200 || a.status >= 500 || strings.Contains(a.body, "root:") {
				c.fail(fmt.Errorf("%.50s: answered %d %.200q", path, a.status, a.body))
			}
			c.gone()
			errs = append(errs, c.end())
		}
		return errors.Join(errs...)
	}},
	{"http/queries of Engine.IO", func(s *server) error {
		var errs []error
		for query, code := range map[string]int{"": 0, "transport=websocket": 5, "EIO=3&transport=websocket": 5, "EIO=4": 0, "EIO=4&transport=x": 0, "EIO=4&transport=constructor": 0,
			"EIO=4&transport=websocket&sid=x": 1, "EIO=4&transport=websocket&sid=../x": 1, "EIO=4&transport=websocket&sid=" + repeat("x", 5000): 1,
			"EIO=4&transport=%00": 0, "EIO=4&transport=webtransport": 0, "EIO=4%2F&transport=websocket": 5, "EIO=&transport=websocket": 5} {
			c := s.tcp()
			c.put(handshake("/socket.io/?" + query))
			a := c.status(http.StatusBadRequest)
			if want := fmt.Sprintf(`{"code":%d,`, code); c.err == nil && !strings.HasPrefix(a.body, want) {
				c.fail(fmt.Errorf("answered %q, not %s", a.body, want))
			}
			if err := c.end(); err != nil {
				errs = append(errs, fmt.Errorf("%.60s: %w", query, err))
			}
		}
		return errors.Join(errs...)
	}},
}

// refused is a request that is answered with one of these statuses. The
// connection ends when the client has no more to say.
func refused(name, request string, statuses ...int) row {
	return row{name, func(s *server) error {
		c := s.tcp()
		c.put(request)
		c.status(statuses...)
		if c.err == nil {
			c.fail(c.CloseWrite())
		}
		c.gone()
		return c.end()
	}}
}

// methods asks for every route with every method.
func methods(s *server) error {
	var errs []error
	for _, path := range routes {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "HEAD", "get", "X-Y", repeat("M", 5000)} {
			c := s.tcp()
			c.put(method + " " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if strings.HasPrefix(path, "/status/events") && method == "HEAD" {
				errs = append(errs, c.end()) // a stream without an end
				continue
			}
			a := c.answer(method)
			switch {
			case c.err != nil:
			case method == "HEAD" && (a.status == 200 || a.status == 308 || a.status == 301 || a.status == 426):
			case method == "OPTIONS" && a.status == 204:
			case !slices.Contains([]int{400, 404, 405}, a.status):
				c.fail(fmt.Errorf("answered %d %.200q", a.status, a.body))
			case a.header.Get("X-Content-Type-Options") != "nosniff" && method != "CONNECT":
				c.fail(fmt.Errorf("answered %d without the headers that every answer has: %v", a.status, a.header))
			}
			c.gone()
			if err := c.end(); err != nil {
				errs = append(errs, fmt.Errorf("%.20s %s: %w", method, path, err))
			}
		}
	}
	return errors.Join(errs...)
}

// brokenHandshakes lack, repeat or change one header of the handshake.
func brokenHandshakes(s *server) error {
	var errs []error
	for _, path := range []string{oodaaPath, "/signaling"} {
		for _, change := range [][2]string{
			{"Connection: Upgrade", "Connection: close"}, {"Connection: Upgrade", "X: y"},
			{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: "}, {"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: short"},
			{"Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"}, {"Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: x"}, {"Sec-WebSocket-Version: 13", "X: y"},
			{"GET ", "POST "}, {"GET ", "HEAD "}, {"Upgrade: websocket", "Upgrade: h2c"}, {"Upgrade: websocket", "Upgrade: websocket2"},
		} {
			c := s.tcp()
			c.put(strings.Replace(handshake(path), change[0], change[1], 1))
			method, _, _ := strings.Cut(change[1], " ")
			if a := c.answer(method); c.err == nil && (a.status < 400 || a.status >= 500) {
				c.fail(fmt.Errorf("answered %d %.100q", a.status, a.body))
			}
			if err := c.end(); err != nil {
				errs = append(errs, fmt.Errorf("%s with %q: %w", path, change[1], err))
			}
		}
	}
	return errors.Join(errs...)
}
