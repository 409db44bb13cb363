package faults

import (
	"fmt"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// A network is the way from clients to a server, through a proxy that can spoil
// it. Its faults hold for all connections that go through it.
type network struct {
	t     *testing.T
	proxy *toxiproxy.Proxy
}

// newNetwork opens a way to addr that is closed at the test's end.
func newNetwork(t *testing.T, addr string) *network {
	t.Helper()
	library := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	n := &network{t: t, proxy: toxiproxy.NewProxy(library, "network", "127.0.0.1:0", addr)}
	if err := n.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.close)
	return n
}

// addr is where clients connect.
func (n *network) addr() string { return n.proxy.Listen }

// close ends all connections.
func (n *network) close() { n.proxy.Stop() }

// A toxic is one fault of the library's, with its attributes as JSON. Towards
// the server it is upstream.
type toxic struct {
	kind       string
	upstream   bool
	attributes string
	asleep     bool // until awake
}

func (f toxic) name() string { return fmt.Sprint(f.kind, " upstream ", f.upstream) }

// both is a fault in both directions.
func both(kind, attributes string) []toxic {
	return []toxic{{kind: kind, attributes: attributes}, {kind: kind, attributes: attributes, upstream: true}}
}

// add spoils the network.
func (n *network) add(faults ...toxic) {
	n.t.Helper()
	for _, f := range faults {
		stream, toxicity := "downstream", 1
		if f.upstream {
			stream = "upstream"
		}
		if f.asleep {
			toxicity = 0
		}
		_, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(
			`{"name":%q,"type":%q,"stream":%q,"toxicity":%d,"attributes":%s}`, f.name(), f.kind, stream, toxicity, f.attributes)))
		if err != nil {
			n.t.Fatalf("%s: %v", f.name(), err)
		}
	}
}

// wake has a fault that was asleep begin. What is a reset sends RST only on
// connections that were made while it was asleep.
func (n *network) wake(f toxic) {
	n.t.Helper()
	if _, err := n.proxy.Toxics.UpdateToxicJson(f.name(), strings.NewReader(`{"toxicity":1}`)); err != nil {
		n.t.Fatalf("%s: %v", f.name(), err)
	}
}

// blackhole has everything vanish, in both directions, from now on: no byte, no
// FIN, no RST.
func (n *network) blackhole() {
	n.t.Helper()
	n.add(both("timeout", `{"timeout":0}`)...)
}
