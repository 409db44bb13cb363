package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oodaa/signaling/bench/scale/measure"
)

// A table is what the figures come to.
type table struct {
	servers []measure.Program
	Rows    []row
	Faults  map[string]int64 // by server
}

// A row is one scenario. Most is the target of our figure. Figures and ratios are
// medians over the rounds; a ratio is between figures of the same round.
type row struct {
	Scenario string             `json:"scenario"`
	Figure   string             `json:"figure"`
	Unit     unit               `json:"unit"`
	Most     float64            `json:"most,omitempty"`
	Figures  map[string]float64 `json:"figures"` // by server
	Ratios   map[string]ratio   `json:"ratios"`  // ours to that server's
}

type ratio struct {
	Median  float64 `json:"median"`
	Lowest  float64 `json:"lowest"`
	Highest float64 `json:"highest"`
	Target  float64 `json:"target,omitempty"` // most it may be
}

func newTable(results []result, servers []measure.Program) *table {
	t := &table{Faults: make(map[string]int64)}
	for _, r := range results {
		t.Faults[r.Server] += r.report.faults()
	}
	for _, s := range servers {
		if _, measured := t.Faults[s.Name]; measured {
			t.servers = append(t.servers, s)
		}
	}
	for _, s := range scenarios {
		figures := make(map[string][]float64) // by server, in the order of the rounds
		for _, r := range results {
			if r.Scenario == s.name {
				figures[r.Server] = append(figures[r.Server], s.figure(&r.report))
			}
		}
		if len(figures) == 0 {
			continue
		}
		row := row{s.name, s.figureName, s.unit, s.most, make(map[string]float64), make(map[string]ratio)}
		for server, all := range figures {
			row.Figures[server] = measure.Median(all)
			if server == "ours" || len(figures["ours"]) == 0 {
				continue
			}
			ratios := make([]float64, len(all))
			for i := range all {
				ratios[i] = figures["ours"][i] / all[i]
			}
			row.Ratios[server] = ratio{measure.Median(ratios), slices.Min(ratios), slices.Max(ratios), s.targets[server]}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

var titles = map[string]string{"ours": "ours", "before": "before", "node": "Node", "bun": "Bun", "bare": "bare relay", "nginx": "nginx"}

// markdown is the table, with each target beside what it is for. What misses one
// is marked.
func (t *table) markdown() string {
	var b strings.Builder
	cells := func(all []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(all, " | ")) }

	head := []string{"scenario", "figure"}
	for _, s := range t.servers {
		head = append(head, titles[s.Name])
	}
	for _, s := range t.servers {
		if s.Name != "ours" {
			head = append(head, "ours / "+titles[s.Name])
		}
	}
	cells(head)
	cells(slices.Repeat([]string{"---"}, len(head)))
	for _, r := range t.Rows {
		line := []string{r.Scenario, r.Figure}
		for _, s := range t.servers {
			v, ok := r.Figures[s.Name]
			most := 0.0
			if s.Name == "ours" {
				most = r.Most
			}
			line = append(line, cell(ok, r.Unit.format(v), v, most))
		}
		for _, s := range t.servers {
			if s.Name == "ours" {
				continue
			}
			ratio, ok := r.Ratios[s.Name]
			text := fmt.Sprintf("%.2f (%.2f–%.2f)", ratio.Median, ratio.Lowest, ratio.Highest)
			line = append(line, cell(ok, text, ratio.Median, ratio.Target))
		}
		cells(line)
	}
	line := []string{"all of them", "lost, reordered, duplicated, altered, errors"}
	for _, s := range t.servers {
		line = append(line, fmt.Sprint(t.Faults[s.Name]))
	}
	for _, s := range t.servers {
		if s.Name != "ours" {
			line = append(line, cell(false, "", 0, 0))
		}
	}
	cells(line)
	return b.String()
}

// cell formats a figure v with its upper limit; a limit of 0 is left out.
func cell(there bool, text string, v, most float64) string {
	switch {
	case !there:
		return "–"
	case most == 0:
		return text
	case v > most:
		return fmt.Sprintf("**%s, not ≤ %g**", text, most)
	}
	return fmt.Sprintf("%s, ≤ %g", text, most)
}
