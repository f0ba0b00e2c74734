package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/creack/pty"
	"github.com/mattn/go-runewidth"
	"golang.org/x/term"

	"github.com/curfewhq/curfew/httpapi"
)

// A break is said, and bridged from where it happened; a refusal ends it.
func TestBridge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		stub := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, fmt.Sprintf("after %q", r.Header.Get("Last-Event-ID")))
			switch n := len(asked); n {
			case 3: // the proxy before a server that restarts
				w.WriteHeader(http.StatusBadGateway)
			case 5:
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusUnauthorized)
				fmt.Fprint(w, `{"detail":"the key was revoked"}`)
			default:
				w.Header().Set("Content-Type", "text/event-stream")
				fmt.Fprintf(w, "id: e-%d\nevent: started\ndata: {\"id\":\"s%d\"}\n\n: nothing\n\n", n, n)
			}
		})
		begin := time.Now()
		var told, said []string
		b := &bridge{
			api:   httpapi.NewClient(httpapi.HandlerTransport(stub)),
			tell:  func(e httpapi.SessionEvent) error { told = append(told, e.ID+" "+string(e.Session.ID)); return nil },
			broke: func(_ error, wait time.Duration) { said = append(said, fmt.Sprint(time.Since(begin), " broke ", wait)) },
			back:  func() { said = append(said, fmt.Sprint(time.Since(begin), " back")) },
		}
		if err := b.run(t.Context()); err == nil || err.Error() != "the key was revoked" {
			t.Errorf("ended with %v", err)
		}
		for name, test := range map[string]struct{ got, want []string }{
			"asked": {asked, []string{`after ""`, `after "e-1"`, `after "e-2"`, `after "e-2"`, `after "e-4"`}},
			"told":  {told, []string{"e-1 s1", "e-2 s2", "e-4 s4"}},
			"said":  {said, []string{"0s broke 1s", "1s back", "1s broke 1s", "2s broke 2s", "4s back", "4s broke 1s"}},
		} {
			if !slices.Equal(test.got, test.want) {
				t.Errorf("%s %q, want %q", name, test.got, test.want)
			}
		}
	})
}

// Who can't get through at all is told at once.
func TestBridgeNeverThere(t *testing.T) {
	b := &bridge{api: httpapi.NewClient(httpapi.HandlerTransport(http.NotFoundHandler()))}
	if err := b.run(t.Context()); err == nil || !strings.Contains(err.Error(), "not Curfew") {
		t.Errorf("ended with %v", err)
	}
}

// until waits until the text matches.
func until(t *testing.T, text func() string, pattern string) {
	t.Helper()
	match := regexp.MustCompile(pattern)
	for range 400 {
		if match.MatchString(text()) {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("%q does not come; there is:\n%s", pattern, text())
}

// It has the process for itself: a program that another test starts would hold the lock of the server that restarts, for the moment
// between its fork and its exec.
func TestWatchLines(t *testing.T) {
	s := serveHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, objects, errs syncBuffer
	done := make(chan int, 2)
	watch := func(to *syncBuffer, args ...string) {
		done <- run(ctx, append([]string{"sessions", "--watch", "--data", s.data}, args...), streams{strings.NewReader(""), to, &errs})
	}
	go watch(&out, "--user", "arslan")
	go watch(&objects, "--json")
	until(t, objects.String, `^{"event":"reset"}\n$`)
	s.signIn("mia")
	s.signIn("arslan")
	until(t, out.String, `^[-0-9]{10} [:0-9]{8} \S+  started  \w+  arslan  127\.0\.0\.1  Go-http-client.*\n$`)
	until(t, objects.String, `(?m)^{"event":"started","session":{"id":"\w+",.*"username":"mia"`)
	s.curfew("", "end", "--user", "arslan")
	until(t, out.String, `\n.*  ended    \w+  arslan  127\.0\.0\.1  Go-http-client.*  terminated by .*\(command line\)\n$`)

	// The server restarts.
	s.stop()
	until(t, errs.String, `(?m)^curfew: .*; trying again in 1s$`)
	s = serve(t, s.data)
	until(t, errs.String, `(?m)^curfew: connected again$`)
	s.signIn("arslan")
	until(t, out.String, `(?s)terminated.*started  \w+  arslan`)
	cancel()
	if first, second := <-done, <-done; first != exitOK || second != exitOK {
		t.Errorf("exit statuses %d, %d", first, second)
	}
}

func TestWatchWithoutServer(t *testing.T) {
	data := t.TempDir()
	var out, errs bytes.Buffer
	if status := run(t.Context(), []string{"user", "add", "amara", "--role", "admin", "--password-stdin", "--data", data}, streams{strings.NewReader(password), &out, &errs}); status != exitOK {
		t.Fatal(errs.String())
	}
	status := run(t.Context(), []string{"sessions", "--watch", "--data", data}, streams{strings.NewReader(""), &out, &errs})
	if status != exitUnavailable || !strings.Contains(errs.String(), "there is nothing to watch") {
		t.Errorf("status %d: %s", status, errs.String())
	}
	errs.Reset()
	s := serve(t, data)
	status = run(t.Context(), []string{"sessions", "--watch", "--origin", "127.0.0.1", "--data", s.data}, streams{strings.NewReader(""), &out, &errs})
	if status != exitUsage || !strings.Contains(errs.String(), "--watch takes --user alone") {
		t.Errorf("status %d: %s", status, errs.String())
	}
}

// In a terminal there is a live table, and afterwards the terminal as it was.
func TestWatchScreen(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	for name, leave := range map[string]func(typed *os.File, cancel func()){
		"q":       func(typed *os.File, _ func()) { typed.WriteString("xq") },
		"Ctrl-C":  func(typed *os.File, _ func()) { typed.WriteString("\x03") },
		"SIGTERM": func(_ *os.File, cancel func()) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			inTurn(t)
			typed, tty, err := pty.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer typed.Close()
			defer tty.Close()
			resize := func(rows, cols uint16) {
				if err := pty.Setsize(typed, &pty.Winsize{Rows: rows, Cols: cols}); err != nil {
					t.Fatal(err)
				}
			}
			resize(12, 100)
			before, err := term.GetState(int(tty.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			var shown, errs syncBuffer
			go func() {
				for b := make([]byte, 4096); ; {
					n, err := typed.Read(b)
					if err != nil {
						return
					}
					shown.Write(b[:n])
				}
			}()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan int, 1)
			go func() { done <- run(ctx, []string{"sessions", "--watch", "--data", s.data}, streams{tty, tty, &errs}) }()

			picture := func() string { return lastPicture(shown.String()) }
			until(t, picture, `^\d+ sessions?, |^0 sessions, `)

			s.signIn("otto")
			until(t, picture, `(?m)^otto +\d+s +127\.0\.0\.1 +Go-http-client\S* +[-0-9]{10} [:0-9]{8} \S+ +\w+$`)
			until(t, picture, `[:0-9]{8} otto 127\.0\.0\.1 started \(q quits\)$`)
			resize(8, 40)
			until(t, func() string {
				for line := range strings.SplitSeq(picture(), "\n") {
					if runewidth.StringWidth(line) > 40 {
						return "too wide"
					}
				}
				return "fits"
			}, "fits")

			leave(typed, cancel)
			if status := <-done; status != exitOK {
				t.Errorf("status %d: %s", status, errs.String())
			}
			until(t, func() string { return fmt.Sprint(strings.HasSuffix(shown.String(), leaveScreen)) }, "true")
			if after, err := term.GetState(int(tty.Fd())); err != nil || !reflect.DeepEqual(before, after) {
				t.Errorf("the terminal is not as it was: %v", err)
			}
		})
	}
}

var steering = regexp.MustCompile("\x1b\\[[?0-9]*[a-zA-Z]|\r")

// lastPicture is what a terminal shows, as lines, of the last whole picture.
func lastPicture(shown string) string {
	pictures := strings.Split(shown, homeCursor)
	for i := len(pictures) - 1; i >= 0; i-- {
		if whole, _, ok := strings.Cut(pictures[i], eraseBelow); ok {
			return steering.ReplaceAllString(whole, "")
		}
	}
	return ""
}

// However many sessions there are, and however small the terminal is, the picture fits and has nothing in it that steers.
func TestFrame(t *testing.T) {
	now := time.Now()
	s := &screen{seen: now, last: nasty, lost: "since 12:00:00: " + nasty, server: "https://curfew.example.com"}
	s.page.Count, s.page.CountExact = 10_000, false
	for i := range 500 {
		s.page.Sessions = append(s.page.Sessions, httpapi.Session{Username: nasty, Device: strings.Repeat("山", i), Origin: "192.0.2.7", ID: "5vz2c4kx7q3mhd6w"})
	}
	for _, height := range []int{1, 2, 3, 5, 6, 24, 600} {
		for _, width := range []int{1, 8, 80, 300} {
			lines := strings.Split(s.frame(width, height, now), "\r\n")
			if len(lines) > height {
				t.Errorf("%d lines in a terminal of %d", len(lines), height)
			}
			for _, line := range lines {
				line = steering.ReplaceAllString(line, "")
				if w := runewidth.StringWidth(line); w > width || printable(line) != line {
					t.Errorf("at %d×%d the line %q has width %d", width, height, line, w)
				}
			}
		}
	}
	if head := s.head(now); !strings.HasPrefix(head, "more than 10000 sessions, the first 500 at https://curfew.example.com, ") {
		t.Errorf("head %q", head)
	}
}

// TestNarrowTerminal shows who it is where there is no room for all; the live table also since when they do nothing, and the list what to end it by.
func TestNarrowTerminal(t *testing.T) {
	now := time.Now()
	session := httpapi.Session{
		ID: "5vz2c4kx7q3mhd6w", Username: "jessica.abercrombie", Origin: "192.0.2.7", Device: "Chrome 156 on macOS",
		CreatedAt: httpapi.Time{Time: now}, ServerTime: httpapi.Time{Time: now}, LastActiveAt: httpapi.Time{Time: now},
	}
	s := &screen{seen: now, page: httpapi.SessionPage{Count: 1, Sessions: []httpapi.Session{session}}}
	if frame := s.frame(40, 24, now); !strings.Contains(frame, "jessica.abercrombie  0s    192.0.2.7") {
		t.Errorf("at 40 columns it shows\n%s", frame)
	}
	for screen, want := range map[int]string{
		40: "5vz2c4kx7q3mhd6w  jessica.abercrombie  …\n",
		80: "5vz2c4kx7q3mhd6w  jessica.abercrombie  192.0.2.7  Chrome …  " + now.Format(time.DateOnly),
	} {
		var b strings.Builder
		list := newTable(&b, sessionColumns...)
		list.screen = screen
		list.row(sessionCells(session)...)
		if list.flush(); !strings.Contains(b.String(), want) {
			t.Errorf("at %d columns the list is\n%s", screen, b.String())
		}
	}
}
