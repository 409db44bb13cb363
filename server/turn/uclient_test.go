package turn

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// echoPeers are two peers at ports one after the other, as RTP and RTCP have them,
// that send back what they get.
func echoPeers(t *testing.T) (port uint16) {
	t.Helper()
	port = freePorts(t, 2)
	for p := port; p < port+2; p++ {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice(), Port: int(p)})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for p := make([]byte, 2000); ; {
				n, from, err := conn.ReadFrom(p)
				if err != nil {
					return
				}
				_, _ = conn.WriteTo(p[:n], from) // the relay may be gone
			}
		}()
		t.Cleanup(func() { conn.Close(); <-done })
	}
	return port
}

// Coturn's own client asks for even ports at random and, without -c, for a second
// relay at the port behind the first. All of them run at once: it mostly sleeps.
func TestCoturnsClientPasses(t *testing.T) {
	rig.Require(t, "turnutils_uclient")
	peer := fmt.Sprint(echoPeers(t))
	var all sync.WaitGroup
	for _, network := range []string{"udp", "tcp", "tls"} {
		for _, clients := range []string{"5", "20"} {
			for _, rtcp := range []string{"", "-c"} {
				s := start(t, Options{MaxAllocations: 100, AllowPrivate: true, ListenTLS: "127.0.0.1:0", TLS: certificate(t)}, defaultLimits)
				port, flags := s.port, ""
				switch network {
				case "tcp":
					flags = "-t"
				case "tls":
					port, flags = s.portTLS, "-t -S"
				}
				args := append([]string{"-W", secret, "-u", "alice", "-e", "127.0.0.1", "-r", peer, "-p", fmt.Sprint(port),
					"-n", "5", "-l", "200", "-m", clients}, strings.Fields(flags+" "+rtcp+" 127.0.0.1")...)
				all.Go(func() {
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					defer cancel()
					out, err := exec.CommandContext(ctx, "turnutils_uclient", args...).CombinedOutput()
					if err != nil || !strings.Contains(string(out), "Total lost packets 0 ") {
						t.Errorf("turnutils_uclient %s: %v\n%s", strings.Join(args, " "), err, out)
					}
					if got := s.Stats(); got.RefusedQuota+got.RefusedCapacity+got.RefusedUnsupported+got.RefusedPermission > 0 || got.AllocationsTotal < 5 {
						t.Errorf("%s: %+v", strings.Join(args, " "), got)
					}
				})
			}
		}
	}
	all.Wait()
}
