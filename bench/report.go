package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// row is a promise and what was measured of it. Without a target it is a figure to compare with.
type row struct {
	what, target, measured string
	met                    bool
}

func (r row) verdict() string {
	switch {
	case r.target == "":
		return ""
	case r.met:
		return "met"
	default:
		return "missed"
	}
}

func (r row) String() string {
	return fmt.Sprintf("%-62s %-16s %-44s %s", r.what, r.target, r.measured, r.verdict())
}

// report is what a run has found so far.
type report struct {
	rows   []row
	curves []curve
}

// add adds a row and prints it.
func (r *report) add(what, target, measured string, met bool) {
	r.rows = append(r.rows, row{what, target, measured, met})
	fmt.Println(r.rows[len(r.rows)-1])
}

// figure adds a row without a target.
func (r *report) figure(what, measured string) { r.add(what, "", measured, true) }

// within adds a row about a time, in nanoseconds.
func (r *report) within(what string, limit float64, took spread) {
	r.add(what, "≤ "+show(limit), showSpread(took, show), took.median() <= limit)
}

// all adds a row that is met if all of n were as they should be.
func (r *report) all(what string, good, n int) {
	r.add(what, "all", fmt.Sprintf("%d of %d", good, n), good == n && n > 0)
}

func (r *report) allMet() bool {
	for _, row := range r.rows {
		if !row.met {
			return false
		}
	}
	return true
}

// The markers between which the results stand in a document.
const (
	beginMark = "<!-- begin: written by make bench -->"
	endMark   = "<!-- end: written by make bench -->"
)

// writeTo puts the table between the markers of the file, and the plot beside it.
func (r *report) writeTo(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), beginMark)
	_, after, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return fmt.Errorf("%s lacks the markers %q and %q", name, beginMark, endMark)
	}
	plot := strings.TrimSuffix(filepath.Base(name), ".md") + ".svg"
	if err := os.WriteFile(filepath.Join(filepath.Dir(name), plot), []byte(draw(r.curves)), 0o644); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(before+beginMark+"\n\n"+r.markdown(plot)+"\n"+endMark+after), 0o644)
}

func (r *report) markdown(plot string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d CPUs, %s. In brackets the bounds of the lowest and the highest tenth of rounds.\n\n", runtime.NumCPU(), runtime.Version())
	b.WriteString("| what | to reach | measured | |\n|---|---|---|---|\n")
	for _, row := range r.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row.what, row.target, row.measured, row.verdict())
	}
	fmt.Fprintf(&b, "\n![What a call costs, by the number of live sessions](%s)\n", plot)
	return b.String()
}
