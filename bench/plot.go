package main

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// curve is what a call costs at several numbers of sessions.
type curve struct {
	name   string
	points []point
}

type point struct {
	sessions int
	ns       float64
}

// The plot's frame, in its own units.
const (
	plotWidth, plotHeight = 760, 420
	left, right           = 70, 560
	top, bottom           = 30, 370
	lineHeight            = 18
)

// plotStyle makes the plot readable on a light and on a dark page.
const plotStyle = `
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.grid { stroke: #d1d9e0 }
.line { fill: none; stroke: currentColor; stroke-width: 2 }
.name { fill: currentColor }
.c0 { color: #0969da } .c1 { color: #bc4c00 } .c2 { color: #1a7f37 } .c3 { color: #8250df }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.grid { stroke: #3d444d }
.c0 { color: #4493f8 } .c1 { color: #f0883e } .c2 { color: #3fb950 } .c3 { color: #ab7df8 }
}
`

// axes are logarithmic: from and to are powers of ten.
type axes struct{ fromX, toX, fromY, toY float64 }

func axesOf(curves []curve) axes {
	a := axes{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}
	for _, c := range curves {
		for _, p := range c.points {
			x, y := math.Log10(float64(p.sessions)), math.Log10(p.ns)
			a.fromX, a.toX = min(a.fromX, math.Floor(x)), max(a.toX, math.Ceil(x))
			a.fromY, a.toY = min(a.fromY, math.Floor(y)), max(a.toY, math.Ceil(y))
		}
	}
	return a
}

func (a axes) x(log float64) float64 { return left + (log-a.fromX)/(a.toX-a.fromX)*(right-left) }
func (a axes) y(log float64) float64 { return bottom - (log-a.fromY)/(a.toY-a.fromY)*(bottom-top) }

// draw returns the curves as an SVG document.
func draw(curves []curve) string {
	var b strings.Builder
	a := axesOf(curves)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img">`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&b, "<title>What a call costs, by the number of live sessions</title>\n<style>%s</style>\n", plotStyle)
	a.grid(&b)
	a.lines(&b, curves)
	b.WriteString("</svg>\n")
	return b.String()
}

func (a axes) grid(b *strings.Builder) {
	for x := a.fromX; x <= a.toX; x++ {
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %d V%d"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			a.x(x), top, bottom, a.x(x), bottom+20, showCount(int(math.Pow10(int(x)))))
	}
	for y := a.fromY; y <= a.toY; y++ {
		fmt.Fprintf(b, `<path class="grid" d="M%d %.1f H%d"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, a.y(y), right, left-8, a.y(y)+4, show(math.Pow10(int(y))))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">live sessions</text>`+"\n", (left+right)/2, bottom+42)
}

// lines draws the curves, each with its name at its end or, where those are close together, a little below.
func (a axes) lines(b *strings.Builder, curves []curve) {
	highest := slices.SortedFunc(slices.Values(curves), func(c, d curve) int { return cmp.Compare(d.last(), c.last()) })
	below := 0.0
	for i, c := range highest {
		var path strings.Builder
		for j, p := range c.points {
			fmt.Fprintf(&path, "%c%.1f %.1f ", "ML"[min(j, 1)], a.x(math.Log10(float64(p.sessions))), a.y(math.Log10(p.ns)))
		}
		name := max(a.y(math.Log10(c.last()))+4, below)
		below = name + lineHeight
		fmt.Fprintf(b, `<g class="c%d"><path class="line" d="%s"/><text class="name" x="%d" y="%.1f">%s</text></g>`+"\n",
			i, strings.TrimSpace(path.String()), right+10, name, html.EscapeString(c.name))
	}
}

// last is what the call costs at the most sessions.
func (c curve) last() float64 { return c.points[len(c.points)-1].ns }
