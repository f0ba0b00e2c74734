package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/httpapi"
)

// What a terminal is told (ECMA-48, and xterm's private modes).
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l" // the other screen, no cursor, no wrapping
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	homeCursor  = "\x1b[H"
	eraseLine   = "\x1b[K"
	eraseBelow  = "\x1b[J"
	bold        = "\x1b[1m"
	plainText   = "\x1b[m"
)

// screen is the live table. One goroutine has it; what others find out comes as a func for it to call.
type screen struct {
	std    streams
	api    *httpapi.Client
	query  httpapi.SessionQuery
	server string

	todo chan func()
	page httpapi.SessionPage
	seen time.Time // when the page was
	last string    // what happened last

	lost, failed string // why the page may be out of date: no events come, no page did; empty while all is well

	drawn   time.Time
	stale   bool // something happened since the page was asked for
	loading bool
	loaded  time.Time // when a page was asked for last
}

// However much happens, it is one page and a count a second, and ten pictures.
const (
	reloadEvery = time.Second
	drawEvery   = 100 * time.Millisecond
)

// watchScreen shows the table until q or Ctrl-C is pressed, or ctx ends. The terminal is then as it was.
func (c sessionsCmd) watchScreen(ctx context.Context, std streams, api *httpapi.Client) error {
	in, out := std.in.(*os.File), std.out.(*os.File)
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return fmt.Errorf("the terminal can't be used: %w", err)
	}
	defer term.Restore(int(in.Fd()), before)
	fmt.Fprint(out, enterScreen)
	defer fmt.Fprint(out, leaveScreen)

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s := &screen{
		std: std, api: api, server: c.Server, todo: make(chan func()),
		query: httpapi.SessionQuery{Filter: c.filter(), Sort: c.Sort, Paging: httpapi.Paging{Limit: int(c.Limit)}},
	}
	go s.listen(in, stop)
	return s.run(ctx)
}

// listen reads what is typed.
func (s *screen) listen(in *os.File, stop func()) {
	for key := make([]byte, 1); ; {
		if _, err := in.Read(key); err != nil || strings.ContainsRune("qQ\x03\x04", rune(key[0])) { // Ctrl-C, Ctrl-D
			stop()
			return
		}
	}
}

func (s *screen) run(ctx context.Context) error {
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	second := time.NewTicker(time.Second)
	defer second.Stop()
	failed := make(chan error, 1)
	go func() { failed <- s.follow(ctx) }()
	for {
		s.reload(ctx)
		wait := drawEvery - time.Since(s.drawn)
		if wait <= 0 {
			s.draw()
			wait = time.Minute // until something happens
		}
		select {
		case <-time.After(wait):
		case f := <-s.todo:
			f()
		case <-second.C:
		case <-resized:
			s.stale = true // there may be room for more
		case err := <-failed:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// do has the screen's goroutine call f.
func (s *screen) do(ctx context.Context, f func()) {
	select {
	case s.todo <- f:
	case <-ctx.Done():
	}
}

// follow notes that something happened. What the page is then the server says: it knows filters and order.
func (s *screen) follow(ctx context.Context) error {
	b := &bridge{
		api: s.api,
		tell: func(e httpapi.SessionEvent) error {
			s.do(ctx, func() { s.note(e) })
			return nil
		},
		broke: func(err error, wait time.Duration) {
			since := time.Now()
			s.do(ctx, func() {
				s.lost = fmt.Sprintf("since %s: %s; trying again in %v", since.Format(time.TimeOnly), broken(err), wait)
			})
		},
		back: func() { s.do(ctx, func() { s.lost, s.stale = "", true }) },
	}
	return b.run(ctx)
}

func (s *screen) note(e httpapi.SessionEvent) {
	s.stale = true
	if e.Kind == curfew.EventStarted || e.Kind == curfew.EventEnded {
		at := happened(e).Local().Format(time.TimeOnly)
		s.last = strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", at, e.Session.Username, e.Session.Origin, e.Kind, ending(e.Session)))
	}
}

// reload asks for the page if it is out of date, one at a time.
func (s *screen) reload(ctx context.Context) {
	if !s.stale || s.loading || time.Since(s.loaded) < reloadEvery {
		return
	}
	s.stale, s.loading, s.loaded = false, true, time.Now()
	q := s.query
	if rows := s.rows(); q.Limit == 0 || q.Limit > rows {
		q.Limit = rows
	}
	go func() {
		page, err := s.api.SessionPage(ctx, q)
		s.do(ctx, func() { s.got(page, err) })
	}()
}

func (s *screen) got(page httpapi.SessionPage, err error) {
	s.loading = false
	if err != nil {
		s.failed, s.stale = message(err), true
		return
	}
	s.page, s.seen, s.failed = page, time.Now(), ""
}

// What is around the rows: a line with the number and a blank one, the columns' names, a blank line and one of what goes on.
const around = 5

// rows is how many sessions there is room for.
func (s *screen) rows() int {
	_, height := size(s.std.out)
	return min(max(height-around, 1), curfew.MaxPage)
}

func (s *screen) draw() {
	s.drawn = time.Now()
	width, height := size(s.std.out)
	if width == 0 || height == 0 {
		return
	}
	fmt.Fprint(s.std.out, homeCursor+s.frame(width, height, time.Now())+eraseBelow)
}

// screenColumns begin with what matters most: a narrow terminal cuts the others.
var screenColumns = []column{{"USER", 20}, {"IDLE", 0}, {"ORIGIN", 15}, {"DEVICE", 8}, {"STARTED", 0}, {"ID", 0}}

// frame is the picture, of at most so many lines.
func (s *screen) frame(width, height int, now time.Time) string {
	lines := []string{s.head(now), ""}
	var rows strings.Builder
	t := newTable(&rows, screenColumns...)
	t.screen = width
	for _, session := range s.page.Sessions[:min(len(s.page.Sessions), max(height-around, 1))] {
		idle := session.ServerTime.Sub(session.LastActiveAt.Time) + now.Sub(s.seen)
		t.row(session.Username, idle.Truncate(time.Second).String(), session.Origin, session.Device, when(session.CreatedAt.Time), string(session.ID))
	}
	t.flush() // a strings.Builder takes all
	lines = append(lines, strings.Split(strings.TrimSuffix(rows.String(), "\n"), "\n")...)
	lines = append(lines[:min(len(lines), max(height-2, 1))], "", s.foot())
	lines = lines[max(len(lines)-height, 0):]
	for i, line := range lines {
		lines[i] = runewidth.Truncate(printable(line), width, "…") + eraseLine
	}
	lines[0] = bold + lines[0] + plainText
	return strings.Join(lines, "\r\n")
}

func (s *screen) head(now time.Time) string {
	what := "…"
	if !s.seen.IsZero() {
		what = countOf(s.page)
	}
	if s.query.Filter != (httpapi.Filter{}) {
		what += " that the flags find"
	}
	if len(s.page.Sessions) < s.page.Count {
		what += fmt.Sprintf(", the first %d", len(s.page.Sessions))
	}
	if s.server != "" {
		what += " at " + s.server
	}
	return what + ", " + now.Format("15:04:05 MST")
}

func (s *screen) foot() string {
	switch {
	case s.lost != "":
		return "NOT UP TO DATE " + s.lost + " (q quits)"
	case s.failed != "":
		return "NOT UP TO DATE: " + s.failed + " (q quits)"
	case s.last != "":
		return s.last + " (q quits)"
	default:
		return "q quits"
	}
}
