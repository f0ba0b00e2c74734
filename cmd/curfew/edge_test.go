package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/gate"
	"github.com/curfewhq/curfew/internal/metrics"
	"github.com/curfewhq/curfew/memory"
)

// TestPanicsCostOneRequest has the store panic, under each handler and middleware that asks it: outside there is an ID and nothing
// else, the log has the rest, nothing is let through, and the next request is answered.
func TestPanicsCostOneRequest(t *testing.T) {
	log := &syncBuffer{}
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the app got a request") }))
	defer app.Close()
	site := newPanicky(t, slog.New(slog.NewTextHandler(log, nil)), app.URL)
	for name, ask := range map[string]func(*http.Request){
		"console":         func(r *http.Request) { r.URL.Path = "/.curfew/sessions" },
		"sign-in page":    func(r *http.Request) { r.URL.Path = "/.curfew/signin" },
		"API":             func(r *http.Request) { r.URL.Path = "/.curfew/api/v1/session" },
		"console at root": func(r *http.Request) { r.URL.Path, r.Host = "/sessions", "other.example.com" },
		"app":             func(r *http.Request) { r.URL.Path = "/" },
		"forward-auth": func(r *http.Request) {
			r.URL.Path = "/.curfew/auth"
			r.Header.Set("X-Original-URI", "/")
			r.Header.Set("X-Original-Method", "GET")
			r.Header.Set("X-Forwarded-Proto", "http")
		},
	} {
		t.Run(name, func(t *testing.T) {
			log.take()
			r, err := http.NewRequest(http.MethodGet, site.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = "app.example.com"
			r.Header.Set("Cookie", curfew.PlainCookie+"="+curfew.NewToken().Reveal())
			ask(r)
			res, err := site.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			var problem struct{ ID string }
			want := http.StatusInternalServerError
			if name == "forward-auth" {
				want = http.StatusServiceUnavailable
			}
			if json.Unmarshal(body, &problem) != nil || problem.ID == "" || res.StatusCode != want {
				t.Fatalf("status %d: %s", res.StatusCode, body)
			}
			if s := string(body); strings.Contains(s, "oh dear") || strings.Contains(s, "goroutine") || strings.Contains(s, ".go:") {
				t.Errorf("strangers are told %s", s)
			}
			if s := log.String(); !strings.Contains(s, problem.ID) || !strings.Contains(s, "oh dear") || !strings.Contains(s, "stack=") {
				t.Errorf("the log holds\n%s", s)
			}
		})
	}
}

// newPanicky serves a site whose store panics whenever it is asked for a session.
func newPanicky(t *testing.T, log *slog.Logger, app string) *httptest.Server {
	t.Helper()
	sessions, err := curfew.New(t.Context(), troubledStore{memory.NewSessions(), func() error { panic("oh dear") }}, curfew.Options{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sessions.Close() })
	upstream, err := url.Parse(app)
	if err != nil {
		t.Fatal(err)
	}
	g, err := gate.New(gate.Options{Sessions: sessions, Apps: []gate.App{{Host: "app.example.com", Upstream: upstream}}, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(site{
		house: &house{instruments: instruments{log: log}, sessions: sessions, accounts: account.New(memory.NewAccounts(), sessions, account.Options{Logger: log})},
		gate:  g, forwardAuth: true, health: newHealth(sessions, nil),
		edge: curfew.Edge{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
	}.handler())
	t.Cleanup(s.Close)
	return s
}

// TestPanicBreaksOff panics when a part of the answer is on its way: it must not look whole.
func TestPanicBreaksOff(t *testing.T) {
	for name, begin := range map[string]func(http.ResponseWriter){
		"written": func(w http.ResponseWriter) { io.WriteString(w, "half of") },
		"flushed": func(w http.ResponseWriter) { http.NewResponseController(w).Flush() },
		"status":  func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(outermost{instruments: instruments{log: slog.New(slog.DiscardHandler)}}.around(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				begin(w)
				panic("oh dear")
			})))
			defer s.Close()
			res, err := s.Client().Get(s.URL)
			if err != nil {
				return // broken off before the client had its header
			}
			defer res.Body.Close()
			if body, err := io.ReadAll(res.Body); err == nil {
				t.Errorf("it looks whole: %d %q", res.StatusCode, body)
			}
		})
	}
}

// TestPanicTellsNoSecret panics in requests with secrets in their addresses, and says them.
func TestPanicTellsNoSecret(t *testing.T) {
	for name, tt := range map[string]struct {
		part        metrics.Part
		target, has string
	}{
		"an app's path":   {metrics.App, "/reset/canary?code=canary", "part=app"},
		"a query":         {metrics.Console, "/unlock?code=canary", "path=/unlock"},
		"a token":         {metrics.API, "/api/v1/users/" + curfew.TokenPrefix + "canary", "not shown"},
		"an API key":      {metrics.Console, "/curfew_key_canary", "not shown"},
		"what is asked":   {metrics.ForwardAuth, gate.AuthPath + "/reset/canary?canary", "path=" + gate.AuthPath},
		"nothing special": {metrics.API, "/api/v1/users/u1", "path=/api/v1/users/u1"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			h := outermost{instruments: instruments{log: slog.New(slog.NewTextHandler(&log, nil))}}.around(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				isFor(w, r, tt.part)
				panic(fmt.Errorf("can't read %q of %s and %s", r.RequestURI, r.URL.Path, r.URL.RawQuery))
			}))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, tt.target, nil))
			if text := log.String(); strings.Contains(text, "canary") || !strings.Contains(text, tt.has) || w.Code < 500 {
				t.Errorf("status %d, log\n%s", w.Code, text)
			}
		})
	}
}

// TestPanicAfterInterim panics after an interim answer, which is none yet.
func TestPanicAfterInterim(t *testing.T) {
	w := httptest.NewRecorder()
	outermost{instruments: instruments{log: slog.New(slog.DiscardHandler)}}.around(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Set-Cookie", "a=b")
		w.WriteHeader(http.StatusEarlyHints)
		panic("oh dear")
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if h := w.Header(); h.Get("Content-Type") != "application/problem+json" || h.Get("Set-Cookie") != "" {
		t.Errorf("status %d, %v", w.Code, h)
	}
}

// unread is an answer that nobody reads.
type unread struct{ header http.Header }

func (w unread) Header() http.Header       { return w.header }
func (unread) Write(b []byte) (int, error) { return len(b), nil }
func (unread) WriteHeader(int)             {}

// TestAuthCostsNothing has what is around all requests add no allocation to those of proxies that ask, of which there are the most; and
// one answer not know of another.
func TestAuthCostsNothing(t *testing.T) {
	h := outermost{instruments: instruments{log: slog.New(slog.DiscardHandler)}}.around(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if w.(*answer).status != 0 {
			t.Error("an answer has begun before it was used")
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	w, r := unread{http.Header{}}, httptest.NewRequest(http.MethodGet, gate.AuthPath, nil)
	var to http.ResponseWriter = w
	if n := testing.AllocsPerRun(1000, func() { h.ServeHTTP(to, r) }); n >= 1 { // the pool is emptied at times
		t.Errorf("%v allocations, want 0", n)
	}
}

// TestTraceIsRefused sends what would come back with the request's cookies in it, to Curfew and to an app.
func TestTraceIsRefused(t *testing.T) {
	inTurn(t)
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the app got it") }))
	defer app.Close()
	s := serve(t, t.TempDir(), "--upstream", app.URL)
	for _, path := range []string{"/", "/any", "/.curfew/signin", "/.curfew/auth", "/.curfew/api/v1/session", "/.curfew/healthz"} {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodTrace, strings.TrimSuffix(s.base, "/.curfew")+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", "curfew=secret")
		res, err := s.client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusNotImplemented || bytes.Contains(body, []byte("secret")) {
			t.Errorf("TRACE %s: %d %s", path, res.StatusCode, body)
		}
	}
}
