package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
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

// size returns the width and height of the terminal that w is; 0 if it is none.
func size(w any) (width, height int) {
	if f, ok := w.(*os.File); ok {
		if width, height, err := term.GetSize(int(f.Fd())); err == nil {
			return width, height
		}
	}
	return 0, 0
}

// isTerminal reports whether a person sits at the stream.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
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

// printable is text of others as it may go to a terminal: control characters, and those that nobody sees but that turn the order of the
// text around (Unicode's Cc and Cf), are shown as a replacement character. So no name and no browser writes over what stands beside it.
func printable(s string) string { return strings.Map(visible, s) }

func visible(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return utf8.RuneError
}

// printableLines is text of more than one line.
func printableLines(s string) string { return strings.Map(visibleLines, s) }

func visibleLines(r rune) rune {
	if r == '\n' || r == '\r' {
		return r
	}
	return visible(r)
}

// shown is w for text of others with lines: made printable where it is a terminal, untouched where it goes elsewhere.
func shown(w io.Writer) io.Writer {
	if !isTerminal(w) {
		return w
	}
	return transform.NewWriter(w, runes.Map(visibleLines))
}

// zoned is how times are printed: those of the machine one sits at.
const zoned = time.DateTime + " MST"

// when prints a time, or nothing for none.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(zoned)
}

// encodeJSON returns v as JSON that is safe to show: what is not visible in it is escaped.
func encodeJSON(v any, prefix, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent(prefix, indent)
	err := e.Encode(v)
	return escapeInvisible(bytes.TrimRight(b.Bytes(), "\n")), err
}

// escapeInvisible escapes what is in strings: outside of them, JSON has no such characters but white space.
func escapeInvisible(text []byte) []byte {
	var out []byte
	for _, r := range string(text) {
		switch {
		case unicode.IsPrint(r) || r == '\n':
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// jsonFlag is that of commands that print what programs can use.
type jsonFlag struct {
	JSON bool `env:"-" name:"json" help:"Print JSON."`
}

// print prints the value as JSON or, for people, the text.
func (f jsonFlag) print(w io.Writer, v any, format string, args ...any) error {
	if f.JSON {
		return printJSON(w, v)
	}
	_, err := fmt.Fprintf(w, format, args...)
	return err
}

// printJSON prints one value.
func printJSON(w io.Writer, v any) error {
	text, err := encodeJSON(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}

// printLine prints one value in one line.
func printLine(w io.Writer, v any) error {
	text, err := encodeJSON(v, "", "")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}

// printList prints a list as it comes. After an error it has no end, so that nobody takes it for whole.
func printList[T any](w io.Writer, list iter.Seq2[T, error]) error {
	before := "[\n  "
	for v, err := range list {
		if err != nil {
			return err
		}
		text, err := encodeJSON(v, "  ", "  ")
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s%s", before, text); err != nil {
			return err
		}
		before = ",\n  "
	}
	end := "\n]\n"
	if strings.HasPrefix(before, "[") {
		end = "[]\n"
	}
	_, err := io.WriteString(w, end)
	return err
}
