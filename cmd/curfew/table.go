package main

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/mattn/go-runewidth"
)

// column is a column of a table.
type column struct {
	name  string
	least int // how narrow it may become where the terminal is too narrow for all; 0: as wide as its widest cell
}

// table prints rows for people: aligned, cut to the terminal's width, and whole where they go elsewhere. The widths are those of the
// first rows, so that a list of any length goes through it as it comes.
type table struct {
	out     io.Writer
	screen  int // the terminal's width; 0: there is none
	columns []column
	widths  []int
	first   [][]string // not yet printed
	err     error
}

// tableAhead is how many rows a table sees before it settles its widths.
const tableAhead = 500

func newTable(out io.Writer, columns ...column) *table {
	screen, _ := size(out)
	return &table{out: out, screen: screen, columns: columns}
}

// row adds a row. Its cells may be what others wrote.
func (t *table) row(cells ...string) {
	for i := range cells {
		cells[i] = printable(cells[i])
	}
	if t.widths != nil {
		t.print(cells)
		return
	}
	if t.first = append(t.first, cells); len(t.first) == tableAhead {
		t.settle()
	}
}

// flush prints what is left, and returns the first error.
func (t *table) flush() error {
	if t.widths == nil {
		t.settle()
	}
	return t.err
}

// settle decides how wide the columns are, and prints what waited for it.
func (t *table) settle() {
	head := make([]string, len(t.columns))
	for i, c := range t.columns {
		head[i] = c.name
	}
	t.first = append([][]string{head}, t.first...)
	t.widths = make([]int, len(t.columns))
	for _, row := range t.first {
		for i, cell := range row {
			t.widths[i] = max(t.widths[i], runewidth.StringWidth(cell))
		}
	}
	for t.screen > 0 && t.total() > t.screen && t.narrow() {
	}
	for _, row := range t.first {
		t.print(row)
	}
	t.first = nil
}

const gap = "  "

func (t *table) total() int {
	sum := len(gap) * (len(t.widths) - 1)
	for _, w := range t.widths {
		sum += w
	}
	return sum
}

// narrow takes one from the widest column that can give it.
func (t *table) narrow() bool {
	widest := -1
	for i, c := range t.columns {
		if c.least > 0 && t.widths[i] > max(c.least, len(c.name)) && (widest < 0 || t.widths[i] >= t.widths[widest]) {
			widest = i
		}
	}
	if widest >= 0 {
		t.widths[widest]--
	}
	return widest >= 0
}

func (t *table) print(cells []string) {
	var line strings.Builder
	for i, cell := range cells {
		if t.screen > 0 {
			cell = runewidth.Truncate(cell, t.widths[i], "…")
		}
		if i > 0 {
			line.WriteString(gap)
		}
		line.WriteString(runewidth.FillRight(cell, t.widths[i]))
	}
	text := strings.TrimRight(line.String(), " ")
	if t.screen > 0 {
		text = runewidth.Truncate(text, t.screen, "…")
	}
	if _, err := fmt.Fprintln(t.out, text); err != nil && t.err == nil {
		t.err = err
	}
}

// printTable prints a row for each of the list, as far as that comes, or says that there is none.
func printTable[T any](out io.Writer, columns []column, none string, list iter.Seq2[T, error], cells func(T) []string) error {
	t, empty := newTable(out, columns...), true
	for v, err := range list {
		switch {
		case err != nil && empty:
			return err // and no head, which would look like an empty list
		case err != nil:
			return errors.Join(t.flush(), err)
		}
		empty = false
		t.row(cells(v)...)
	}
	if empty {
		_, err := fmt.Fprintln(out, none)
		return err
	}
	return t.flush()
}

// listed goes through a list that is there.
func listed[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}
