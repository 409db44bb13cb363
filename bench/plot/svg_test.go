package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// The committed pictures are those of the committed figures.
func TestPicturesAreCurrent(t *testing.T) {
	dir := t.TempDir()
	if err := run([]string{"-data", "../../docs/bench", "-out", dir}, io.Discard); err != nil {
		t.Fatal(err)
	}
	drawn, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	if err != nil || len(drawn) < 5 {
		t.Fatalf("drawn: %v, %v", drawn, err)
	}
	for _, file := range drawn {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(bytes.NewReader(want)); ; {
			if _, err := d.Token(); err != nil {
				if !errors.Is(err, io.EOF) {
					t.Errorf("%s is no XML: %v", filepath.Base(file), err)
				}
				break
			}
		}
		got, err := os.ReadFile(filepath.Join("../../docs", filepath.Base(file)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("docs/%s is not what docs/bench says (%v): run go run ./bench/plot", filepath.Base(file), err)
		}
	}
}

func TestAxis(t *testing.T) {
	for _, test := range []struct {
		name        string
		least, most float64
		log         bool
		ticks       []float64
	}{
		{"linear", 100, 5000, false, []float64{0, 1000, 2000, 3000, 4000, 5000}},
		{"linear, many", 26, 96, false, []float64{0, 20, 40, 60, 80, 100}},
		{"linear, between", 1, 4, false, []float64{0, 1, 2, 3, 4}},
		{"linear, small", 0.1, 0.23, false, []float64{0, 0.05, 0.1, 0.15, 0.2, 0.25}},
		{"logarithmic", 30, 4000, true, []float64{10, 100, 1000, 10000}},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newAxis(test.least, test.most, 0, 100, test.log)
			same := slices.EqualFunc(a.ticks, test.ticks, func(x, y float64) bool { return math.Abs(x-y) < 1e-9*max(1, y) })
			if !same {
				t.Errorf("ticks are %v", a.ticks)
			}
			first, last := a.at(test.ticks[0]), a.at(test.ticks[len(test.ticks)-1])
			if math.Abs(first) > 1e-6 || math.Abs(last-100) > 1e-6 {
				t.Errorf("the ends are at %g and %g", first, last)
			}
		})
	}
}

func TestNothingToDraw(t *testing.T) {
	for _, p := range []plot{
		{},
		{series: []series{{name: "a"}}},
		{series: []series{{name: "a", points: []point{{0, 1}}}}, log: true},
	} {
		if _, err := p.svg(); err == nil {
			t.Errorf("%+v is drawn", p)
		}
	}
}
