package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/curfewhq/curfew/httpapi"
)

// nasty is what somebody might call themselves or their browser: it would clear the screen, ring, hide, and turn the text around.
const nasty = "a\x1b[2J\x07\x9bb\u202ec\u2066\u200bd\u00ad\ufeff\x7f\ne"

func TestPrintable(t *testing.T) {
	if got, want := printable(nasty), "a\ufffd[2J\ufffd\ufffdb\ufffdc\ufffd\ufffdd\ufffd\ufffd\ufffd\ufffde"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	for _, name := range []string{"Amara Okafor", "Ärslan Öz", "山田 太郎", "عمر", "Zoë 🦊"} {
		if got := printable(name); got != name {
			t.Errorf("%q became %q", name, got)
		}
	}
}

func TestJSONIsPrintable(t *testing.T) {
	in := map[string]string{"device": nasty + "\U000e0041"}
	for name, print := range map[string]func(*bytes.Buffer) error{
		"value": func(b *bytes.Buffer) error { return printJSON(b, in) },
		"line":  func(b *bytes.Buffer) error { return printLine(b, in) },
		"list":  func(b *bytes.Buffer) error { return printList(b, listed([]map[string]string{in, in})) },
	} {
		var b bytes.Buffer
		if err := print(&b); err != nil {
			t.Fatal(err)
		}
		if text := b.String(); printableLines(text) != text {
			t.Errorf("%s: not printable: %q", name, text)
		}
		if name == "list" {
			b = *bytes.NewBuffer(bytes.SplitAfter(b.Bytes(), []byte("}"))[0][1:])
		}
		var out map[string]string
		if err := json.Unmarshal(b.Bytes(), &out); err != nil || strings.ToValidUTF8(in["device"], "\ufffd") != out["device"] {
			t.Errorf("%s: got %q, %v", name, out, err)
		}
	}
}

func TestTable(t *testing.T) {
	columns := []column{{"ID", 0}, {"NAME", 5}, {"DEVICE", 4}}
	rows := [][]string{{"1", "Amara Okafor", "Chrome 156 on macOS"}, {"22", "山田 太郎", "Firefox"}, {"3", "e\x1b[2J", ""}}
	for _, test := range []struct {
		screen int
		want   string
	}{
		{0, `
ID  NAME          DEVICE
1   Amara Okafor  Chrome 156 on macOS
22  山田 太郎     Firefox
3   e?[2J
`},
		{30, `
ID  NAME          DEVICE
1   Amara Okafor  Chrome 156 …
22  山田 太郎     Firefox
3   e?[2J
`},
		{24, `
ID  NAME       DEVICE
1   Amara Ok…  Chrome 1…
22  山田 太郎  Firefox
3   e?[2J
`},
		{8, `
ID  NAM…
1   Ama…
22  山…
3   e?[…
`},
	} {
		var b strings.Builder
		table := newTable(&b, columns...)
		table.screen = test.screen
		for _, row := range rows {
			table.row(append([]string(nil), row...)...)
		}
		if err := table.flush(); err != nil {
			t.Fatal(err)
		}
		got := "\n" + strings.ReplaceAll(b.String(), "\ufffd", "?")
		if got != test.want {
			t.Errorf("at width %d:%s\nwant:%s", test.screen, got, test.want)
		}
		for line := range strings.Lines(got) {
			if w := runewidth.StringWidth(strings.TrimSuffix(line, "\n")); test.screen > 0 && w > test.screen {
				t.Errorf("at width %d a line has %d: %s", test.screen, w, line)
			}
		}
	}
}

// A table of any length goes through as it comes.
func TestTableStreams(t *testing.T) {
	var b strings.Builder
	table := newTable(&b, column{"ID", 0}, column{"NAME", 0})
	for i := range tableAhead + 1 {
		table.row("1", "amara")
		if printed := b.Len() > 0; printed != (i+1 >= tableAhead) {
			t.Fatalf("after %d rows printed is %t", i+1, printed)
		}
	}
}

func TestMoment(t *testing.T) {
	for text, want := range map[string]time.Time{
		"2026-03-31":                time.Date(2026, 3, 31, 0, 0, 0, 0, time.Local),
		"2026-03-31 08:05":          time.Date(2026, 3, 31, 8, 5, 0, 0, time.Local),
		"2026-03-31 08:05:09":       time.Date(2026, 3, 31, 8, 5, 9, 0, time.Local),
		"2026-03-31T08:05:09":       time.Date(2026, 3, 31, 8, 5, 9, 0, time.Local),
		"2026-03-31T08:05:09+02:00": time.Date(2026, 3, 31, 6, 5, 9, 0, time.UTC),
		"2d":                        time.Now().Add(-48 * time.Hour),
		"90s":                       time.Now().Add(-90 * time.Second),
	} {
		var m moment
		if err := m.UnmarshalText([]byte(text)); err != nil || m.Sub(want).Abs() > time.Minute {
			t.Errorf("%s: %v, %v, want %v", text, m, err, want)
		}
	}
	for _, text := range []string{"", "soon", "2026-13-01", "-1h", "08:00"} {
		if err := new(moment).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a time", text)
		}
	}
}

// TestTableOfBrokenList shows what came of a list before it broke off.
func TestTableOfBrokenList(t *testing.T) {
	var b bytes.Buffer
	broken := errors.New("broken off")
	err := printSessions(&b, func(yield func(httpapi.Session, error) bool) {
		_ = yield(httpapi.Session{Username: "amara"}, nil) && yield(httpapi.Session{}, broken)
	})
	if !errors.Is(err, broken) || !strings.Contains(b.String(), "amara") {
		t.Errorf("printed %q, %v", b.String(), err)
	}
	b.Reset()
	err = printSessions(&b, func(yield func(httpapi.Session, error) bool) { yield(httpapi.Session{}, broken) })
	if !errors.Is(err, broken) || b.Len() > 0 {
		t.Errorf("of a list that does not begin: printed %q, %v", b.String(), err)
	}
}
