package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
)

// TestHealth asks where nobody else is, and where apps have their own.
func TestHealth(t *testing.T) {
	inTurn(t)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer app.Close()
	s := serve(t, t.TempDir(), "--upstream", "app.example.com="+app.URL, "--trusted-proxy", "127.0.0.1")
	for _, q := range []struct {
		host, forwarded, method, path string
		status                        int
	}{
		{"", "", "GET", "/healthz", http.StatusOK},
		{"", "", "GET", "/readyz", http.StatusOK},
		{"", "", "HEAD", "/readyz", http.StatusOK},
		{"", "", "POST", "/readyz", http.StatusMethodNotAllowed},
		{"", "", "GET", "/healthz/more", http.StatusNotFound},
		{"", "", "GET", "/.curfew/healthz", http.StatusOK},
		{"", "", "GET", "/.curfew/readyz", http.StatusOK},
		{"app.example.com", "", "GET", "/.curfew/readyz", http.StatusOK},
		{"app.example.com", "", "GET", "/readyz", http.StatusUnauthorized}, // the app's, for who is signed in
		{"", "app.example.com", "GET", "/readyz", http.StatusUnauthorized},
	} {
		r, err := http.NewRequest(q.method, s.base+q.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = q.host
		if q.forwarded != "" {
			r.Header.Set("X-Forwarded-Host", q.forwarded)
		}
		res, err := s.client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != q.status {
			t.Errorf("%s %s at %q%q: status %d, want %d", q.method, q.path, q.host, q.forwarded, res.StatusCode, q.status)
		}
		if got := res.Header["Server"]; got != nil || len(res.Cookies()) > 0 {
			t.Errorf("%s tells of the server: %v", q.path, res.Header)
		}
	}
}

// TestReadyNeedsTheStore has the store answer, fail, hang and panic.
func TestReadyNeedsTheStore(t *testing.T) {
	for name, find := range map[string]func() error{
		"fails":  func() error { return errors.New("the disk is on fire at /var/lib/curfew") },
		"hangs":  func() error { select {} },
		"panics": func() error { panic("oh dear") },
	} {
		t.Run(name, func(t *testing.T) {
			inTurn(t)
			var broken atomic.Bool
			store := troubledStore{memory.NewSessions(), func() error {
				if broken.Load() {
					return find()
				}
				return curfew.ErrNoSession
			}}
			sessions, err := curfew.New(t.Context(), store, curfew.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer sessions.Close()
			h := newHealth(sessions, nil)
			ask := func(path string) (int, string) {
				w := httptest.NewRecorder()
				h.beside(func(string) bool { return false }, http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
				return w.Code, w.Body.String()
			}
			if status, _ := ask(readyPath); status != http.StatusOK {
				t.Fatalf("all is well: status %d", status)
			}
			broken.Store(true)
			h.latest.at = time.Time{} // the answer from before is old
			began := time.Now()
			if status, body := ask(readyPath); status != http.StatusServiceUnavailable || body != "not ready\n" {
				t.Errorf("status %d: %s", status, body)
			}
			if took := time.Since(began); took > 3*readyWithin/2 {
				t.Errorf("it took %v to say so", took)
			}
			if status, _ := ask(livePath); status != http.StatusOK {
				t.Errorf("the process lives: status %d", status)
			}
		})
	}
}

// TestReadyAsksOnce has many ask at once, and the store hang: whoever asks, one look-up is under way.
func TestReadyAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		stopping := make(chan struct{})
		h := &health{stopping: stopping, look: func(ctx context.Context) error {
			asked.Add(1)
			<-ctx.Done()
			time.Sleep(time.Minute) // even then it does not come back
			return ctx.Err()
		}}
		answers := make(chan error, 100)
		for range cap(answers) {
			go func() { answers <- h.ready() }()
		}
		for range cap(answers) {
			if err := <-answers; err != errLate {
				t.Errorf("the answer is %v", err)
			}
		}
		if err := h.ready(); err != errLate || asked.Load() != 1 {
			t.Errorf("%d look-ups, the answer is %v", asked.Load(), err)
		}
		time.Sleep(2 * time.Minute)
		h.look = func(context.Context) error { return nil }
		if err := h.ready(); err != nil {
			t.Errorf("all is well: %v", err)
		}
		close(stopping)
		if err := h.ready(); err != errStopping {
			t.Errorf("while it stops: %v", err)
		}
	})
}

// TestDefaultInstall asks a fresh server, with nothing configured, for what must not be there, and looks at what it listens on.
func TestDefaultInstall(t *testing.T) {
	inTurn(t)
	s := serve(t, t.TempDir())
	c := s.client()
	for _, path := range []string{
		"/metrics", "/debug/pprof/", "/debug/vars", "/debug", "/version", "/status", "/api/v1/status", "/server-status", "/config", "/curfew.db", "/.git/config", "/.env",
		"/api/openapi.json", "/api/docs", "/api/docs.css", "/swagger", "/static/", "/static/vendor/",
	} {
		for _, base := range []string{"", "/.curfew"} {
			status, body := c.get(base + path)
			allowed := []int{http.StatusNotFound, http.StatusUnauthorized}
			if !slices.Contains(allowed, status) {
				t.Errorf("%s%s: status %d", base, path, status)
			}
			for _, word := range []string{version(), "go1.", s.data} {
				if strings.Contains(body, word) {
					t.Errorf("%s%s tells %q", base, path, word)
				}
			}
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if _, body := c.get(path); body != "ok\n" {
			t.Errorf("%s says %q", path, body)
		}
	}
}
