package main

import (
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
)

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
