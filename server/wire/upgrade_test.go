package wire

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

// serveHTTP serves WebSocket connections with a real HTTP server.
func serveHTTP(t *testing.T, n network, r *recorder) (addr string) {
	t.Helper()
	cfg := limits()
	cfg.Loops = n.loops
	var serving sync.WaitGroup
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !IsUpgrade(req) {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.Header().Set("X-Frame-Options", "SAMEORIGIN")
		c, err := Upgrade(w, req, cfg, nil)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "upgrade: ") {
				t.Errorf("error %q", err)
			}
			return
		}
		serving.Add(1)
		c.Start(r, serving.Done)
	}))
	t.Cleanup(func() {
		srv.Close()
		serving.Wait()
	})
	return srv.Listener.Addr().String()
}

const upgradeRequest = "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: %s\r\n" +
	"Sec-WebSocket-Version: %s\r\nSec-WebSocket-Key: %s\r\n\r\n"

func dial(t *testing.T, addr string) *peer {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return &peer{t: t, nc: nc, r: bufio.NewReader(nc)}
}

func TestUpgrade(t *testing.T) {
	onSockets(t, func(t *testing.T, n network) {
		tests := []struct {
			name                  string
			upgrade, version, key string
			status                int
		}{
			{"valid", "websocket", "13", "dGhlIHNhbXBsZSBub25jZQ==", http.StatusSwitchingProtocols},
			{"other case", "WebSocket", "13", "dGhlIHNhbXBsZSBub25jZQ==", http.StatusSwitchingProtocols},
			{"no WebSocket", "h2c", "13", "dGhlIHNhbXBsZSBub25jZQ==", http.StatusTeapot},
			{"version", "websocket", "8", "dGhlIHNhbXBsZSBub25jZQ==", http.StatusUpgradeRequired},
			{"key", "websocket", "13", "short", http.StatusBadRequest},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				r := newRecorder(t)
				p := dial(t, serveHTTP(t, n, r))
				p.write(fmt.Appendf(nil, upgradeRequest, tt.upgrade, tt.version, tt.key))
				answer, err := http.ReadResponse(p.r, nil)
				if err != nil {
					t.Fatal(err)
				}
				if answer.StatusCode != tt.status {
					t.Fatalf("status %d, want %d", answer.StatusCode, tt.status)
				}
				if tt.status != http.StatusSwitchingProtocols {
					return
				}
				for name, want := range map[string]string{
					"Sec-Websocket-Accept":     "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", // RFC 6455, section 1.3
					"X-Frame-Options":          "SAMEORIGIN",
					"Sec-Websocket-Extensions": "",
					"Sec-Websocket-Protocol":   "",
				} {
					if got := answer.Header.Get(name); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
				p.write(text("hello"))
				r.saw("text hello")
				p.write(frame(true, ws.OpClose, ""))
				p.expect(ws.OpClose, "")
				p.expectEOF()
			})
		}
	})
}

// Clients that offer subprotocols get the first; a proxy may speak HTTP/1.0.
func TestUpgradeVariants(t *testing.T) {
	for _, tt := range []struct {
		name, request, protocol string
		status                  int
	}{
		{"HTTP/1.0", strings.Replace(upgradeRequest, "HTTP/1.1", "HTTP/1.0", 1), "", http.StatusSwitchingProtocols},
		{"HTTP/1.0, close", "GET / HTTP/1.0\r\nConnection: close\r\nHost: x\r\nUpgrade: %s\r\nSec-WebSocket-Version: %s\r\nSec-WebSocket-Key: %s\r\n\r\n", "", http.StatusBadRequest},
		{"a subprotocol", offering("json"), "json", http.StatusSwitchingProtocols},
		{"several", offering("v2.json, chat"), "v2.json", http.StatusSwitchingProtocols},
		{"several headers", offering("chat\r\nSec-WebSocket-Protocol: json"), "chat", http.StatusSwitchingProtocols},
		{"an empty offer", offering(""), "", http.StatusBadRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onSockets(t, func(t *testing.T, n network) {
				r := newRecorder(t)
				p := dial(t, serveHTTP(t, n, r))
				p.write(fmt.Appendf(nil, tt.request, "websocket", "13", "dGhlIHNhbXBsZSBub25jZQ=="))
				answer, err := http.ReadResponse(p.r, nil)
				if err != nil {
					t.Fatal(err)
				}
				if got := answer.Header.Get("Sec-Websocket-Protocol"); answer.StatusCode != tt.status || got != tt.protocol {
					t.Fatalf("status %d, subprotocol %q, want %d, %q", answer.StatusCode, got, tt.status, tt.protocol)
				}
				if tt.status == http.StatusSwitchingProtocols {
					p.write(text("hello"))
					r.saw("text hello")
				}
			})
		})
	}
}

func offering(protocols string) string {
	return strings.TrimSuffix(upgradeRequest, "\r\n") + "Sec-WebSocket-Protocol: " + protocols + "\r\n\r\n"
}

// Frames may follow the handshake at once, even in the same segment.
func TestUpgradeWithFrames(t *testing.T) {
	onSockets(t, func(t *testing.T, n network) {
		frames := append(text("one"), append(frame(true, ws.OpPing, "alive"), text(letters(3000))...)...)
		for _, early := range []int{1, 5, len(text("one")), len(text("one")) + 3, 100, len(frames)} {
			t.Run(fmt.Sprint(early), func(t *testing.T) {
				r := newRecorder(t)
				p := dial(t, serveHTTP(t, n, r))
				p.write(fmt.Appendf(nil, upgradeRequest, "websocket", "13", "dGhlIHNhbXBsZSBub25jZQ=="), frames[:early])
				if _, err := http.ReadResponse(p.r, nil); err != nil {
					t.Fatal(err)
				}
				p.write(frames[early:])
				p.expect(ws.OpPong, "alive")
				r.saw("text one", "text "+letters(3000))
			})
		}
	})
}

// What a connection is sent first leaves in one write with the answer to its
// handshake.
func TestUpgradeWithFirstMessage(t *testing.T) {
	server, client := net.Pipe()
	defer client.Close()
	c, err := Upgrade(hijacker{nc: server, header: http.Header{}}, handshake(), limits(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var batch Batch
	if err := c.Send(&batch, Message{Payload: []byte("first")}); err != nil {
		t.Fatal(err)
	}
	batch.Flush()
	(&peer{nc: client}).patient()
	got := make([]byte, 4096) // one Read of a pipe gets no more than one Write
	n, err := client.Read(got)
	if err != nil {
		t.Fatal(err)
	}
	head, frame, _ := strings.Cut(string(got[:n]), "\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") || frame != "\x81\x05first" {
		t.Errorf("first write: %q", got[:n])
	}
	c.Cut()
	c.writer.wait()
}
