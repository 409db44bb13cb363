package monitoring

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	quoted   = regexp.MustCompile(`"[^"]*"`)
	ranges   = regexp.MustCompile(`\[[^]]*\]|\b[0-9][0-9a-z.]*`) // and numbers
	grouping = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	selector = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\})?`)
	matcher  = regexp.MustCompile(`([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
)

// operators are words of PromQL that are no metrics.
var operators = []string{"and", "or", "unless", "offset", "bool"}

// scraped are labels that Prometheus adds.
var scraped = []string{"job", "instance", "alertname", "alertstate"}

// ofPrometheus are metrics that it makes itself.
var ofPrometheus = []string{"up", "ALERTS"}

// check returns what a query asks for that no server has: metrics, labels, and
// values of labels.
func (e exposed) check(query string) (missing []string) {
	var labels []string
	bare := ranges.ReplaceAllString(query, "")
	for _, g := range grouping.FindAllStringSubmatch(bare, -1) {
		labels = append(labels, strings.FieldsFunc(g[2], func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	bare = grouping.ReplaceAllString(bare, " ")
	known := slices.Clone(scraped)
	found := 0
	for _, at := range selector.FindAllStringSubmatchIndex(bare, -1) {
		name := bare[at[2]:at[3]]
		function := strings.HasPrefix(strings.TrimSpace(bare[at[1]:]), "(")
		if function || slices.Contains(operators, name) || inside(bare, at[0]) {
			continue
		}
		found++
		if slices.Contains(ofPrometheus, name) {
			continue
		}
		if e[name] == nil {
			missing = append(missing, name)
			continue
		}
		known = slices.AppendSeq(known, maps.Keys(e[name]))
		if at[4] >= 0 {
			missing = append(missing, e.checkMatchers(name, bare[at[4]:at[5]])...)
		}
	}
	if found == 0 {
		missing = append(missing, "any metric")
	}
	for _, l := range labels {
		if !slices.Contains(known, l) {
			missing = append(missing, "the label "+l)
		}
	}
	return missing
}

func (e exposed) checkMatchers(name, matchers string) (missing []string) {
	for _, m := range matcher.FindAllStringSubmatch(matchers, -1) {
		label, value := m[1], m[3]
		if slices.Contains(scraped, label) {
			continue
		}
		values, ok := e[name][label]
		if !ok {
			missing = append(missing, "the label "+label+" of "+name)
			continue
		}
		for v := range strings.SplitSeq(value, "|") { // the one use that is made of expressions
			if !slices.Contains(values, v) {
				missing = append(missing, fmt.Sprintf("%s=%q of %s", label, v, name))
			}
		}
	}
	return missing
}

// inside reports whether a place in a query is in a string or between braces.
func inside(query string, at int) bool {
	before := query[:at]
	if strings.Count(before, `"`)%2 == 1 {
		return true
	}
	before = quoted.ReplaceAllString(before, "")
	return strings.LastIndexByte(before, '{') > strings.LastIndexByte(before, '}')
}

var metricName = regexp.MustCompile(`\b(signaling|process|go)_[a-z_]+\*?`)

// named returns the metrics that a text names and no server has. A name that
// ends with * stands for all that begin so. go_ and process_ are looked at only
// in code, since they are words of others too.
func (e exposed) named(text string) (missing []string) {
	for _, at := range metricName.FindAllStringIndex(text, -1) {
		name := text[at[0]:at[1]]
		if !strings.HasPrefix(name, "signaling_") && (at[0] == 0 || text[at[0]-1] != '`') {
			continue
		}
		found := e[name] != nil || e[name+"_bucket"] != nil
		if prefix, ok := strings.CutSuffix(name, "*"); ok {
			for known := range e {
				found = found || strings.HasPrefix(known, prefix)
			}
		}
		if !found {
			missing = append(missing, name)
		}
	}
	return missing
}

func TestCheckFindsWhatIsNotThere(t *testing.T) {
	e := exposed{
		"signaling_users":        {},
		"signaling_relays_total": {"event": {"offer"}, "result": {"ok", "invalid"}},
	}
	for query, missing := range map[string]string{
		`signaling_users`: "",
		`sum by (event) (rate(signaling_relays_total{job="signald", result!~"ok|invalid"}[5m])) > 0.1`: "",
		`max_over_time(signaling_users{instance=~"$instance"}[1h] offset 5m)`:                          "",
		`up{job="signald"} == 0 or absent(up)`:                                                         "",
		`signaling_user`:                                                                               "signaling_user",
		`signaling_users / signaling_user`:                                                             "signaling_user",
		`rate(signaling_relays_total{result="lost"}[5m])`:                                              `result="lost" of signaling_relays_total`,
		`rate(signaling_relays_total{results="ok"}[5m])`:                                               "the label results of signaling_relays_total",
		`sum by (events) (signaling_relays_total)`:                                                     "the label events",
		`vector(1)`: "any metric",
	} {
		if got := strings.Join(e.check(query), ", "); got != missing {
			t.Errorf("%s: misses %q instead of %q", query, got, missing)
		}
	}
}
