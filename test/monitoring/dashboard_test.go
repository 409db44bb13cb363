package monitoring

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A dashboard is what is looked at of Grafana's model.
type dashboard struct {
	UID, Title  string
	Panels      []panel
	Annotations struct {
		List []target
	}
	Templating struct {
		List []struct {
			Name, Type, Definition string
			Datasource             source
		}
	}
}

type panel struct {
	ID          int
	Type, Title string
	Description string
	GridPos     struct{ X, Y, W, H int }
	Datasource  source
	FieldConfig struct {
		Defaults struct{ Unit string }
	}
	Targets []target
}

type target struct {
	RefID      string
	Expr       string
	Format     string
	Datasource source
}

type source struct{ Type, UID string }

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob(filepath.FromSlash(grafana + "/dashboards/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	all := make(map[string]dashboard)
	for _, file := range files {
		var d dashboard
		if err := json.Unmarshal([]byte(read(t, file)), &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[filepath.Base(file)] = d
	}
	return all
}

// queries are all that a dashboard asks Prometheus, by what asks.
func (d *dashboard) queries() map[string]string {
	all := make(map[string]string)
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			all[p.Title+" "+q.RefID] = q.Expr
		}
	}
	for _, a := range d.Annotations.List {
		all["annotation "+a.Expr] = a.Expr
	}
	return all
}

func TestDashboards(t *testing.T) {
	for name, d := range dashboards(t) {
		t.Run(name, func(t *testing.T) {
			if d.UID == "" || d.Title == "" {
				t.Error("no uid, or no title")
			}
			// An operator's data source has a name of its own.
			if v := d.Templating.List; len(v) == 0 || v[0].Name != "datasource" || v[0].Type != "datasource" {
				t.Error("the data source is not the first variable")
			}
			ids, titles := make(map[int]bool), make(map[string]bool)
			for i, p := range d.Panels {
				if p.ID <= 0 || ids[p.ID] {
					t.Errorf("%s: the id %d is not its own", p.Title, p.ID)
				}
				if p.Title == "" || titles[p.Title] {
					t.Errorf("panel %d: the title %q is not its own", p.ID, p.Title)
				}
				ids[p.ID], titles[p.Title] = true, true
				at := p.GridPos
				if at.W < 1 || at.H < 1 || at.X < 0 || at.X+at.W > 24 {
					t.Errorf("%s: is at %+v", p.Title, at)
				}
				for _, o := range d.Panels[:i] {
					b := o.GridPos
					if at.X < b.X+b.W && b.X < at.X+at.W && at.Y < b.Y+b.H && b.Y < at.Y+at.H {
						t.Errorf("%s lies on %s", p.Title, o.Title)
					}
				}
				if p.Type != "row" {
					p.check(t)
				}
			}
		})
	}
}

// check checks one panel that shows something.
func (p *panel) check(t *testing.T) {
	t.Helper()
	if p.Description == "" {
		t.Errorf("%s has no description", p.Title)
	}
	if len(p.Targets) == 0 {
		t.Errorf("%s asks nothing", p.Title)
	}
	refs := make(map[string]bool)
	for _, q := range p.Targets {
		if q.RefID == "" || refs[q.RefID] {
			t.Errorf("%s: the query's name %q is not its own", p.Title, q.RefID)
		}
		refs[q.RefID] = true
		if q.Datasource != p.Datasource {
			t.Errorf("%s: asks %+v and %+v", p.Title, q.Datasource, p.Datasource)
		}
		if p.Type == "heatmap" && (q.Format != "heatmap" || !strings.Contains(q.Expr, "by (le)")) {
			t.Errorf("%s is not a heat map of a histogram", p.Title)
		}
	}
	if p.Type == "timeseries" && p.FieldConfig.Defaults.Unit == "" {
		t.Errorf("%s has no unit", p.Title)
	}
}

// The list: a dashboard without one of these is not what an operator needs.
func TestTheDashboardShowsWhatMatters(t *testing.T) {
	all := ""
	for _, d := range dashboards(t) {
		for _, q := range d.queries() {
			all += q + "\n"
		}
	}
	for _, name := range []string{
		"signaling_users", "signaling_connections", "signaling_relays_total", "signaling_errors_total",
		"signaling_relay_seconds_bucket", "process_resident_memory_bytes",
		"signaling_cluster_joined", "signaling_cluster_instances", "signaling_turn_allocations", "signaling_turn_bytes_total",
	} {
		if !strings.Contains(all, name) {
			t.Errorf("%s is nowhere", name)
		}
	}
}

func TestProvisioning(t *testing.T) {
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL string
			IsDefault                    bool `yaml:"isDefault"`
			Editable                     bool
			JSONData                     map[string]string `yaml:"jsonData"`
		}
	}
	readYAML(t, grafana+"/provisioning/datasources/prometheus.yml", &sources)
	if len(sources.Datasources) != 1 || sources.Datasources[0].URL != "http://prometheus:9090" {
		t.Fatalf("datasources: %+v", sources)
	}
	want := source{"prometheus", "${datasource}"} // any of that type; there is one
	if sources.Datasources[0].Type != want.Type {
		t.Errorf("datasources: %+v", sources)
	}
	for name, d := range dashboards(t) {
		for _, p := range d.Panels {
			if p.Type != "row" && p.Datasource != want {
				t.Errorf("%s: %s asks %+v, and there is %+v", name, p.Title, p.Datasource, want)
			}
		}
		for _, v := range d.Templating.List {
			if v.Type != "datasource" && v.Datasource != want {
				t.Errorf("%s: $%s asks %+v", name, v.Name, v.Datasource)
			}
		}
	}

	var dirs struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Type     string
			AllowUIUpdates bool `yaml:"allowUiUpdates"`
			Options        struct{ Path string }
		}
	}
	readYAML(t, grafana+"/provisioning/dashboards/signaling.yml", &dirs)
	var compose struct {
		Services map[string]struct{ Volumes []string }
	}
	composeFile := read(t, root+"/docker-compose.yml")
	unmarshal(t, composeFile, &compose)
	for _, p := range dirs.Providers {
		mounted := false
		for _, v := range compose.Services["grafana"].Volumes {
			parts := strings.Split(v, ":")
			if parts[1] == p.Options.Path {
				_, err := os.Stat(filepath.Join(root, parts[0], "signaling.json"))
				mounted = err == nil
			}
		}
		if !mounted {
			t.Errorf("docker-compose.yml mounts no dashboards at %s", p.Options.Path)
		}
	}
	if !strings.Contains(strings.Join(compose.Services["grafana"].Volumes, " "), "./deploy/grafana/provisioning:/etc/grafana/provisioning") ||
		!strings.Contains(strings.Join(compose.Services["prometheus"].Volumes, " "), "./deploy/prometheus:/etc/prometheus") {
		t.Error("docker-compose.yml does not mount the provisioning, or the rules")
	}
}
