package main

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"math"
	"strconv"
	"unicode"
)

// A plot is lines over one pair of axes, both of which begin at 0 unless they
// are logarithmic.
type plot struct {
	title  string
	x, y   string // what the axes count, with the unit
	log    bool   // both axes
	series []series
}

// A series is one line. Its points are in the order of x.
type series struct {
	name   string
	points []point
	dashed bool
}

type point struct{ x, y float64 }

const (
	width, height           = 720.0, 400.0
	left, right, above, low = 78.0, 24.0, 74.0, 52.0
)

// Colours are told apart in light and in dark, and by who sees few of them;
// lines differ by their marks too.
const style = `<style>
svg{background:#fff}
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#1f2328}
.title{font-size:15px;font-weight:600}
.grid{stroke:#d8dee4}
.axis{stroke:#57606a}
.s0{--c:#0969da}.s1{--c:#bc4c00}.s2{--c:#1a7f37}.s3{--c:#8250df}
.line{fill:none;stroke:var(--c);stroke-width:2}
.mark{fill:var(--c)}
@media (prefers-color-scheme:dark){
svg{background:#0d1117}
text{fill:#e6edf3}
.grid{stroke:#30363d}
.axis{stroke:#8b949e}
.s0{--c:#58a6ff}.s1{--c:#f0883e}.s2{--c:#3fb950}.s3{--c:#bc8cff}
}
</style>
`

// svg draws the plot.
func (p *plot) svg() ([]byte, error) {
	x, y, err := p.axes()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%g" height="%g" viewBox="0 0 %g %g" role="img" aria-label="%s">`+"\n",
		width, height, width, height, html.EscapeString(p.title))
	b.WriteString(style)
	text := func(x, y float64, anchor, more, s string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>`+"\n", x, y, anchor, more, html.EscapeString(s))
	}
	text(left, 24, "start", ` class="title"`, p.title)
	for _, v := range y.ticks {
		at := y.at(v)
		fmt.Fprintf(&b, `<line class="grid" x1="%g" y1="%.1f" x2="%g" y2="%.1f"/>`+"\n", left, at, width-right, at)
		text(left-8, at+4, "end", "", short(v))
	}
	for _, v := range x.ticks {
		at := x.at(v)
		fmt.Fprintf(&b, `<line class="axis" x1="%.1f" y1="%g" x2="%.1f" y2="%g"/>`+"\n", at, height-low, at, height-low+5)
		text(at, height-low+20, "middle", "", short(v))
	}
	fmt.Fprintf(&b, `<path class="axis" fill="none" d="M%g %gV%gH%g"/>`+"\n", left, above, height-low, width-right)
	text((left+width-right)/2, height-12, "middle", "", p.x)
	middle := (above + height - low) / 2
	text(18, middle, "middle", fmt.Sprintf(` transform="rotate(-90 18 %.1f)"`, middle), p.y)

	legend := left
	for i, s := range p.series {
		class := i % 4
		fmt.Fprintf(&b, `<g class="s%d"><path class="line"%s d="`, class, dash(s.dashed))
		for j, at := range s.points {
			letter := "L"
			if j == 0 {
				letter = "M"
			}
			fmt.Fprintf(&b, "%s%.1f %.1f", letter, x.at(at.x), y.at(at.y))
		}
		b.WriteString(`"/>` + "\n")
		for _, at := range s.points {
			mark(&b, class, x.at(at.x), y.at(at.y))
		}
		fmt.Fprintf(&b, `<path class="line"%s d="M%.1f 48h28"/>`, dash(s.dashed), legend)
		mark(&b, class, legend+14, 48)
		b.WriteString("</g>\n")
		text(legend+34, 52, "start", "", s.name)
		legend += 34 + wide(s.name) + 16
	}
	b.WriteString("</svg>\n")
	return b.Bytes(), nil
}

// wide is about how wide a text is.
func wide(s string) (w float64) {
	for _, r := range s {
		if unicode.IsUpper(r) || r == '=' {
			w += 9
		} else {
			w += 6.8
		}
	}
	return w
}

func dash(dashed bool) string {
	if dashed {
		return ` stroke-dasharray="6 4"`
	}
	return ""
}

func mark(b *bytes.Buffer, class int, x, y float64) {
	switch class {
	case 0:
		fmt.Fprintf(b, `<circle class="mark" cx="%.1f" cy="%.1f" r="4"/>`, x, y)
	case 1:
		fmt.Fprintf(b, `<rect class="mark" x="%.1f" y="%.1f" width="8" height="8"/>`, x-4, y-4)
	case 2:
		fmt.Fprintf(b, `<path class="mark" d="M%.1f %.1fl5 9h-10z"/>`, x, y-5)
	default:
		fmt.Fprintf(b, `<path class="mark" d="M%.1f %.1fl5 5l-5 5l-5-5z"/>`, x, y-5)
	}
	b.WriteString("\n")
}

// An axis maps values to the picture.
type axis struct {
	from, to   float64 // values
	start, end float64 // in the picture
	log        bool
	ticks      []float64
}

func (a *axis) at(v float64) float64 {
	from, to := a.from, a.to
	if a.log {
		v, from, to = math.Log(v), math.Log(from), math.Log(to)
	}
	return a.start + (v-from)/(to-from)*(a.end-a.start)
}

var errNothing = errors.New("there is nothing to draw")

func (p *plot) axes() (x, y axis, err error) {
	least, most := point{math.Inf(1), math.Inf(1)}, point{}
	for _, s := range p.series {
		for _, at := range s.points {
			if p.log && (at.x <= 0 || at.y <= 0) {
				return x, y, fmt.Errorf("%s: %g, %g has no logarithm", s.name, at.x, at.y)
			}
			least = point{min(least.x, at.x), min(least.y, at.y)}
			most = point{max(most.x, at.x), max(most.y, at.y)}
		}
	}
	if most.x <= 0 || most.y <= 0 {
		return x, y, errNothing
	}
	x = newAxis(least.x, most.x, left, width-right, p.log)
	y = newAxis(least.y, most.y, height-low, above, p.log)
	return x, y, nil
}

func newAxis(least, most, start, end float64, log bool) axis {
	a := axis{start: start, end: end, log: log}
	if log {
		a.from = math.Pow(10, math.Floor(math.Log10(least)))
		a.to = math.Pow(10, math.Ceil(math.Log10(most)))
		if a.to <= a.from {
			a.to = 10 * a.from
		}
		for v := a.from; v <= a.to*1.001; v *= 10 {
			a.ticks = append(a.ticks, v)
		}
		return a
	}
	step := math.Pow(10, math.Floor(math.Log10(most)))
	for _, part := range []float64{0.2, 0.25, 0.5, 1, 2} {
		if most/(step*part) <= 6 {
			step *= part
			break
		}
	}
	a.to = math.Ceil(most/step-1e-9) * step
	for i := 0; float64(i)*step <= a.to*1.001; i++ {
		a.ticks = append(a.ticks, float64(i)*step)
	}
	return a
}

// short writes 1500000 as 1.5 M.
func short(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e12, " T"}, {1e9, " G"}, {1e6, " M"}, {1e3, " k"}} {
		if v >= unit.size {
			return strconv.FormatFloat(v/unit.size, 'g', 3, 64) + unit.name
		}
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
