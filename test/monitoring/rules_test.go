package monitoring

import (
	"os/exec"
	"strings"
	"testing"
)

// ruleFile is alerts.yml.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	var file ruleFile
	readYAML(t, prometheus+"/alerts.yml", &file)
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("no rules")
	}
	return all
}

func TestPromtool(t *testing.T) {
	for _, args := range []string{"check config prometheus.yml", "check rules alerts.yml", "test rules alerts_test.yml"} {
		t.Run(args, func(t *testing.T) {
			promtool := exec.Command("promtool", strings.Fields(args)...)
			promtool.Dir = prometheus
			out, err := promtool.CombinedOutput()
			if err != nil {
				t.Errorf("%v (run `make setup` if it is missing)\n%s", err, out)
			}
		})
	}
}

func TestEveryAlertHasACaseThatFiresAndOneThatDoesNot(t *testing.T) {
	var cases struct {
		RuleFiles          []string `yaml:"rule_files"`
		EvaluationInterval string   `yaml:"evaluation_interval"`
		Tests              []struct {
			Name, Interval string
			InputSeries    []struct{ Series, Values string } `yaml:"input_series"`
			AlertRuleTest  []struct {
				Alertname string
				EvalTime  string `yaml:"eval_time"`
				ExpAlerts []struct {
					Labels      map[string]string `yaml:"exp_labels"`
					Annotations map[string]string `yaml:"exp_annotations"`
				} `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, prometheus+"/alerts_test.yml", &cases)
	type seen struct{ fires, quiet bool }
	alerts := make(map[string]seen)
	for _, c := range cases.Tests {
		for _, a := range c.AlertRuleTest {
			s := alerts[a.Alertname]
			s.fires = s.fires || len(a.ExpAlerts) > 0
			s.quiet = s.quiet || len(a.ExpAlerts) == 0
			alerts[a.Alertname] = s
		}
	}
	for _, r := range rules(t) {
		if s := alerts[r.Alert]; !s.fires || !s.quiet {
			t.Errorf("%s: a case that fires: %v; one that stays quiet: %v", r.Alert, s.fires, s.quiet)
		}
		delete(alerts, r.Alert)
	}
	for name := range alerts {
		t.Errorf("cases for %s, which is no alert", name)
	}
}

func TestEveryAlertHasARunbook(t *testing.T) {
	doc := read(t, runbooks)
	for _, r := range rules(t) {
		anchor := strings.ToLower(r.Alert) // as pages of repositories make them of headings
		if _, got, _ := strings.Cut(r.Annotations["runbook_url"], "/docs/runbooks.md#"); got != anchor {
			t.Errorf("%s: runbook_url %q does not lead to #%s", r.Alert, r.Annotations["runbook_url"], anchor)
		}
		_, section, ok := strings.Cut(doc, "\n### "+r.Alert+"\n")
		if !ok {
			t.Errorf("%s has no section in docs/runbooks.md", r.Alert)
			continue
		}
		section, _, _ = strings.Cut(section, "\n#")
		for _, part := range []string{"**Means.**", "**First look.**", "**Do.**"} {
			if !strings.Contains(section, part) {
				t.Errorf("%s: its section lacks %s", r.Alert, part)
			}
		}
		for _, name := range []string{"summary", "description"} {
			if r.Annotations[name] == "" {
				t.Errorf("%s has no %s", r.Alert, name)
			}
		}
		if s := r.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
	}
	for _, line := range strings.Split(doc, "\n") {
		if name, ok := strings.CutPrefix(line, "### Signald"); ok && !strings.Contains(read(t, prometheus+"/alerts.yml"), "alert: Signald"+name+"\n") {
			t.Errorf("docs/runbooks.md has a section for Signald%s, which is no alert", name)
		}
	}
}
