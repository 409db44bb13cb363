package monitoring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v2"

	"github.com/oodaa/signaling/test/rig"
)

// A monitor is a real Prometheus with the configuration of deploy/prometheus,
// but for where the servers are and how often it looks at them.
type monitor struct {
	addr string
	t    *testing.T
}

func startPrometheus(t *testing.T, targets []string) *monitor {
	t.Helper()
	var config map[string]any
	unmarshal(t, read(t, prometheus+"/prometheus.yml"), &config)
	config["global"] = map[string]string{"scrape_interval": "1s", "evaluation_interval": "1s"}
	rules, err := filepath.Abs(filepath.FromSlash(prometheus + "/alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	config["rule_files"] = []string{rules}
	m := &monitor{addr: rig.FreeAddr(t), t: t}
	for _, job := range config["scrape_configs"].([]any) {
		job := job.(map[any]any)
		if job["job_name"] == "signald" {
			delete(job, "dns_sd_configs")
			delete(job, "relabel_configs")
			job["static_configs"] = []any{map[string]any{"targets": targets}}
		} else {
			job["static_configs"] = []any{map[string]any{"targets": []string{m.addr}}}
		}
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var log rig.Log
	process := exec.Command("prometheus", "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+m.addr, "--log.level=warn")
	process.Stdout, process.Stderr = &log, &log
	if err := process.Start(); err != nil {
		t.Fatalf("%v (run `make setup` if it is missing)", err)
	}
	t.Cleanup(func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		if err := process.Wait(); err != nil {
			t.Errorf("prometheus: %v\n%s", err, log.Tail())
		}
	})
	rig.Eventually(t, "prometheus on "+m.addr, func() bool {
		return m.get(context.Background(), "/api/v1/status/runtimeinfo", nil) == nil
	})
	return m
}

// get asks the API of Prometheus.
func (m *monitor) get(ctx context.Context, path string, v any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.addr+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return errors.New(answer.Error)
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(answer.Data, v)
}

// query returns the values that a query has now. Those that are no number are
// left out.
func (m *monitor) query(query string) (values []float64, err error) {
	var data struct {
		Result []struct {
			Value [2]any
		}
	}
	if err := m.get(m.t.Context(), "/api/v1/query?query="+url.QueryEscape(query), &data); err != nil {
		return nil, err
	}
	for _, r := range data.Result {
		text, _ := r.Value[1].(string)
		if n, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(n) {
			values = append(values, n)
		}
	}
	return values, nil
}

// ruleState is what Prometheus says of a rule.
type ruleState struct {
	Name, Health, State, LastError string
	Alerts                         []struct {
		State  string
		Labels map[string]string
	}
}

// rules returns all rules, once each of them was evaluated.
func (m *monitor) rules() []ruleState {
	m.t.Helper()
	var all []ruleState
	rig.Eventually(m.t, "an evaluation of all rules", func() bool {
		var data struct {
			Groups []struct{ Rules []ruleState }
		}
		if m.get(m.t.Context(), "/api/v1/rules", &data) != nil {
			return false
		}
		all = nil
		for _, g := range data.Groups {
			all = append(all, g.Rules...)
		}
		return len(all) > 0 && !slices.ContainsFunc(all, func(r ruleState) bool { return r.Health == "unknown" })
	})
	return all
}

// A real Prometheus scrapes real servers: nothing that is asked is missing,
// nothing fires while all is well, and what is killed shows.
func TestWithPrometheus(t *testing.T) {
	f := startFleet(t)
	m := startPrometheus(t, f.addrs)

	rig.Eventually(t, "all servers scraped", func() bool {
		up, err := m.query(`sum(up{job="signald"})`)
		return err == nil && slices.Equal(up, []float64{float64(len(f.addrs))})
	})
	t.Run("values", func(t *testing.T) {
		for query, want := range map[string]float64{
			`sum(signaling_users)`:                            4,
			`max(signaling_cluster_instances)`:                2,
			`min(signaling_cluster_joined)`:                   1,
			`sum(signaling_cluster_users)`:                    4,
			`sum(signaling_connections{protocol="volli"})`:    2,
			`sum(signaling_relays_total{result="not_found"})`: 1,
		} {
			rig.Eventually(t, fmt.Sprintf("%s = %v", query, want), func() bool {
				got, err := m.query(query)
				return err == nil && slices.Equal(got, []float64{want})
			})
		}
	})
	for name, d := range dashboards(t) {
		t.Run(name, func(t *testing.T) {
			for from, query := range d.queries() {
				if strings.HasPrefix(from, "annotation ") {
					query = strings.TrimSuffix(query, "> 0") // there was no restart
				}
				query = strings.NewReplacer("$instance", ".*", "$__rate_interval", "30s").Replace(query)
				rig.Eventually(t, "data for "+from+": "+query, func() bool {
					values, err := m.query(query)
					if err != nil {
						t.Fatalf("%s: %v\n%s", from, err, query)
					}
					return len(values) > 0
				})
			}
		})
	}
	t.Run("nothing fires", func(t *testing.T) {
		for _, r := range m.rules() {
			if r.Health != "ok" || r.State != "inactive" {
				t.Errorf("%s: %s, %s %s %v", r.Name, r.State, r.Health, r.LastError, r.Alerts)
			}
		}
	})
	t.Run("a server dies", func(t *testing.T) {
		f.nodes[1].Kill()
		for _, want := range []string{"SignaldDown", "SignaldInstanceGone"} {
			rig.Eventually(t, want+" for it", func() bool {
				i := slices.IndexFunc(m.rules(), func(r ruleState) bool { return r.Name == want })
				r := m.rules()[i]
				return r.State == "pending" && len(r.Alerts) == 1 && (want != "SignaldDown" || r.Alerts[0].Labels["instance"] == f.nodes[1].Addr)
			})
		}
	})
}

func TestEveryMetricThatIsNamedExists(t *testing.T) {
	e := startFleet(t).scrape(t)
	for _, r := range rules(t) {
		for _, missing := range e.check(r.Expr) {
			t.Errorf("%s: no server has %s", r.Alert, missing)
		}
	}
	for name, d := range dashboards(t) {
		for from, query := range d.queries() {
			for _, missing := range e.check(strings.NewReplacer("$__rate_interval", "1m").Replace(query)) {
				t.Errorf("%s: %s: no server has %s", name, from, missing)
			}
		}
		for _, v := range d.Templating.List {
			if v.Type == "datasource" {
				continue
			}
			query := strings.TrimSuffix(strings.TrimPrefix(v.Definition, "label_values("), ", "+v.Name+")")
			for _, missing := range e.check(query) {
				t.Errorf("%s: $%s: no server has %s", name, v.Name, missing)
			}
		}
	}
	for _, doc := range []string{"README.md", "docs/runbooks.md", "docs/logs.md", "docs/capacity.md", "docs/ARCHITECTURE.md"} {
		for _, missing := range e.named(read(t, root+"/"+doc)) {
			t.Errorf("%s: no server has %s", doc, missing)
		}
	}
}
