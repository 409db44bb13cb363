package access

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/pion/stun/v4"

	"github.com/oodaa/signaling/test/rig"
)

// The proxies take a client's connection as it is, and say who it is in front.
const (
	haproxyTCP = `
defaults
  mode tcp
  timeout connect 10s
  timeout client 1m
  timeout server 1m
listen all
  bind $LISTEN
  server signald $SERVER $SEND
`
	nginxStream = `
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
pid $DIR/nginx.pid;
events { worker_connections 100; }
stream {
  server { listen $LISTEN; proxy_pass $SERVER; proxy_protocol on; }
}
`
)

var tcpProxies = map[string]func(t *testing.T, server string) string{
	"haproxy, version 1": func(t *testing.T, server string) string {
		return rig.StartHAProxy(t, haproxyTCP, "$SERVER", server, "$SEND", "send-proxy").Addr
	},
	"haproxy, version 2": func(t *testing.T, server string) string {
		return rig.StartHAProxy(t, haproxyTCP, "$SERVER", server, "$SEND", "send-proxy-v2").Addr
	},
	"nginx": func(t *testing.T, server string) string {
		return rig.StartNginx(t, nginxStream, "$SERVER", server).Addr
	},
}

// from is a client at another address of this machine than the proxy.
const from = "127.0.0.2"

func dialFrom(network, addr string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: rig.Patience}
	return d.Dial(network, addr)
}

// seen waits until the server has logged a request for the path, and returns whom
// it believes to have made it.
func seen(t *testing.T, s *rig.Server, path string) string {
	t.Helper()
	var line string
	rig.Eventually(t, "the request is logged", func() bool {
		lines := s.Log.Lines(`"path":"` + path + `"`)
		if len(lines) > 0 {
			line = lines[len(lines)-1]
		}
		return len(lines) > 0
	})
	_, rest, _ := strings.Cut(line, `"remote":"`)
	remote, _, _ := strings.Cut(rest, `"`)
	return remote
}

// Every listener for TCP, behind every proxy, with addresses and with hops.
func TestProxyProtocol(t *testing.T) {
	a := newAuthority(t)
	f := newFiles(t)
	a.issue(f)
	for name, start := range tcpProxies {
		for _, trusted := range []string{"127.0.0.1", "1"} {
			for _, secure := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, TRUSTED_PROXIES=%s, TLS %v", name, trusted, secure), func(t *testing.T) {
					env := []string{"PROXY_PROTOCOL=on", "TRUSTED_PROXIES=" + trusted, "MAX_CONNECTIONS_PER_IP=1"}
					scheme := "http"
					if secure {
						env, scheme = append(env, f.env()...), "https"
					}
					s := rig.Start(t, env...)
					client := &http.Client{Timeout: rig.Patience, Transport: &http.Transport{
						DialContext: func(_ context.Context, network, addr string) (net.Conn, error) { return dialFrom(network, addr) }, TLSClientConfig: a.trusting(), DisableKeepAlives: true,
					}}
					addr := start(t, s.Addr)
					request, err := http.NewRequest(http.MethodGet, scheme+"://"+addr+"/stats", nil)
					if err != nil {
						t.Fatal(err)
					}
					request.Header.Set("X-Forwarded-For", "192.0.2.66") // the client's own word
					answer, err := client.Do(request)
					if err != nil {
						t.Fatal(err)
					}
					answer.Body.Close()
					if answer.StatusCode != http.StatusOK {
						t.Errorf("status %d", answer.StatusCode)
					}
					if got := seen(t, s, "/stats"); got != from {
						t.Errorf("the client is %q", got)
					}
				})
			}
		}
	}
}

func TestProxyProtocolForTURN(t *testing.T) {
	a := newAuthority(t)
	f := newFiles(t)
	a.issue(f)
	for name, start := range tcpProxies {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %v", name, secure), func(t *testing.T) {
				plain, overTLS := rig.FreeAddr(t), rig.FreeAddr(t)
				rig.Start(t, append(f.env(), "PROXY_PROTOCOL=on", "TRUSTED_PROXIES=127.0.0.1",
					"TURN_LISTEN="+plain, "TURN_TLS_LISTEN="+overTLS, "TURN_PUBLIC_IP=127.0.0.1", "TURN_PUBLIC_HOST=localhost")...)
				target := plain
				if secure {
					target = overTLS
				}
				conn, err := dialFrom("tcp", start(t, target))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				want := conn.LocalAddr().String()
				if secure {
					conn = tls.Client(conn, &tls.Config{RootCAs: a.trusting().RootCAs, ServerName: "localhost"})
				}
				request := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
				if _, err := conn.Write(request.Raw); err != nil {
					t.Fatal(err)
				}
				answer := stun.New()
				if _, err := answer.ReadFrom(conn); err != nil {
					t.Fatal(err)
				}
				var mapped stun.XORMappedAddress
				if err := mapped.GetFrom(answer); err != nil || mapped.String() != want {
					t.Errorf("the client is %v, want %s: %v", mapped, want, err)
				}
			})
		}
	}
}

// WebSockets of both families work behind the header, and the side listeners take
// it too.
func TestProxyProtocolEverywhere(t *testing.T) {
	metrics := rig.FreeAddr(t)
	s := rig.Start(t, "PROXY_PROTOCOL=on", "TRUSTED_PROXIES=127.0.0.0/8", "METRICS_ADDR="+metrics)
	through := tcpProxies["haproxy, version 2"]
	addr := through(t, s.Addr)
	for id, family := range map[string]rig.Family{"alice": rig.Oodaa, "bob": rig.Volli} {
		c, err := rig.Dial(addr, family, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Register(id); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := http.Get("http://" + through(t, metrics) + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || !strings.Contains(string(text), "signaling_users 2") {
		t.Errorf("metrics: %v\n%.300s", err, text)
	}
}

// From peers that are not trusted, or where it is off, a header is a bad request.
func TestProxyProtocolOfStrangers(t *testing.T) {
	for name, env := range map[string][]string{
		"off":       {"TRUSTED_PROXIES=127.0.0.1"},
		"strangers": {"PROXY_PROTOCOL=on", "TRUSTED_PROXIES=192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := rig.Start(t, env...)
			c, err := net.Dial("tcp", s.Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, "PROXY TCP4 192.0.2.7 192.0.2.1 1000 80\r\nGET /stats HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(c); !strings.HasPrefix(string(got), "HTTP/1.1 400 ") {
				t.Errorf("answer %q, %v", got, err)
			}
		})
	}
}
