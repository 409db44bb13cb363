package monitoring

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/oodaa/signaling/test/rig"
)

// A fleet is servers that between them have every metric there is: two of a
// cluster, with TURN, and one that speaks TLS.
type fleet struct {
	nodes []*rig.Server
	// addrs are where /metrics is: of the nodes, then of the one with TLS.
	addrs []string
}

// startFleet starts servers and has users talk on them until the test ends.
func startFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{nodes: rig.StartNodes(t, rig.StartRedis(t), 2,
		"TURN_LISTEN=127.0.0.1:0", "TURN_PUBLIC_IP=127.0.0.1", "TURN_SECRET=a secret that is long enough for a test")}
	for _, n := range f.nodes {
		f.addrs = append(f.addrs, n.Addr)
	}
	certFile, keyFile := rig.Certificate(t)
	secure := rig.Start(t, "TLS_CERT_FILE="+certFile, "TLS_KEY_FILE="+keyFile, "METRICS_ADDR=127.0.0.1:0")
	addr, _ := secure.Log.Await(t, "serving metrics", secure.Exited())["addr"].(string)
	f.addrs = append(f.addrs, addr)
	f.talk(t)
	return f
}

// talk makes relays on one node, between nodes, and to nobody.
func (f *fleet) talk(t *testing.T) {
	t.Helper()
	pair := rig.StartPair(t, f.nodes[0].Addr, "pair", 50*time.Millisecond)
	t.Cleanup(func() { pair.Stop() })
	a, b := rig.MustDial(t, f.nodes[0].Addr, rig.Oodaa), rig.MustDial(t, f.nodes[1].Addr, rig.Volli)
	for c, id := range map[*rig.Client]string{a: "a", b: "b"} {
		if err := c.Register(id); err != nil {
			t.Fatal(err)
		}
	}
	send := func(to, want string) {
		t.Helper()
		ack, err := a.Send(to, `{"candidate":"candidate:1"}`, true)
		if err != nil {
			t.Fatal(err)
		}
		for {
			m, err := a.Await(ack, "error")
			if err != nil {
				t.Fatal(err)
			}
			if m.Event == ack {
				if string(m.Args) != want {
					t.Fatalf("relay to %s: %s", to, m.Args)
				}
				return
			}
		}
	}
	send("b", `{"ok":true}`)
	send("nobody", `{"ok":false,"error":"User nobody not found","code":"not_found"}`)
	rig.Eventually(t, "what the pair sends", func() bool { return f.nodes[0].Stats().Relays["ice-candidate"] > 10 })
}

// exposed are all metrics of a fleet, by the names that queries know them by,
// with every value that each label has.
type exposed map[string]map[string][]string

// scrape reads the metrics of all servers.
func (f *fleet) scrape(t *testing.T) exposed {
	t.Helper()
	all := make(exposed)
	for _, addr := range f.addrs {
		answer, err := http.Get(fmt.Sprintf("http://%s/metrics", addr))
		if err != nil {
			t.Fatal(err)
		}
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			t.Fatalf("%s: %v", addr, err)
		}
		for name, family := range families {
			all.add(name, family)
		}
	}
	return all
}

func (e exposed) add(name string, family *dto.MetricFamily) {
	names := []string{name}
	extra := ""
	switch family.GetType() {
	case dto.MetricType_HISTOGRAM:
		names, extra = []string{name + "_bucket", name + "_sum", name + "_count"}, "le"
	case dto.MetricType_SUMMARY:
		names, extra = []string{name, name + "_sum", name + "_count"}, "quantile"
	}
	for _, n := range names {
		if e[n] == nil {
			e[n] = make(map[string][]string)
		}
		if extra != "" && n == names[0] {
			e[n][extra] = nil // its values are not looked at
		}
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				if !slices.Contains(e[n][l.GetName()], l.GetValue()) {
					e[n][l.GetName()] = append(e[n][l.GetName()], l.GetValue())
				}
			}
		}
	}
}
