package curfew_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
)

func TestActivityOf(t *testing.T) {
	fetch := func(site, mode, dest string) []string {
		return []string{"Sec-Fetch-Site", site, "Sec-Fetch-Mode", mode, "Sec-Fetch-Dest", dest}
	}
	tests := []struct {
		name   string
		method string
		header []string
		want   curfew.Activity
	}{
		{"navigation", "GET", fetch("none", "navigate", "document"), curfew.Active},
		{"navigation by a link elsewhere", "GET", append(fetch("cross-site", "navigate", "document"), "Sec-Fetch-User", "?1"), curfew.Active},
		{"navigation that another site causes", "GET", fetch("cross-site", "navigate", "document"), curfew.Passive},
		{"navigation that a neighbour causes", "GET", fetch("same-site", "navigate", "document"), curfew.Passive},
		{"frame", "GET", fetch("same-origin", "navigate", "iframe"), curfew.Passive},
		{"object", "GET", fetch("same-origin", "navigate", "object"), curfew.Passive},
		{"marked as passive", "GET", []string{curfew.PassiveHeader, "1"}, curfew.Passive},
		{"a change, marked as passive", "POST", []string{curfew.PassiveHeader, "1"}, curfew.Passive},
		{"stream of an old browser", "GET", []string{"Accept", "text/event-stream"}, curfew.Passive},
		{"form", "POST", fetch("same-origin", "navigate", "document"), curfew.Active},
		{"curl", "GET", nil, curfew.Active},
		{"curl -I", "HEAD", nil, curfew.Active},
		{"curl -X OPTIONS", "OPTIONS", nil, curfew.Active},
		{"POST by a script", "POST", fetch("same-origin", "cors", "empty"), curfew.Active},
		{"PUT by a script", "PUT", fetch("same-origin", "cors", "empty"), curfew.Active},
		{"DELETE by a script", "DELETE", fetch("same-origin", "same-origin", "empty"), curfew.Active},
		{"method of its own", "PROPFIND", fetch("same-origin", "cors", "empty"), curfew.Active},

		{"GET by a script", "GET", fetch("same-origin", "cors", "empty"), curfew.Passive},
		{"HEAD by a script", "HEAD", fetch("same-origin", "cors", "empty"), curfew.Passive},
		{"preflight", "OPTIONS", fetch("cross-site", "cors", "empty"), curfew.Passive},
		{"image", "GET", fetch("same-origin", "no-cors", "image"), curfew.Passive},
		{"style sheet", "GET", fetch("same-origin", "no-cors", "style"), curfew.Passive},
		{"event stream", "GET", append(fetch("same-origin", "cors", "empty"), "Accept", "text/event-stream"), curfew.Passive},
		{"WebSocket", "GET", append(fetch("same-origin", "websocket", "websocket"), "Upgrade", "websocket"), curfew.Passive},
		{"site alone", "GET", []string{"Sec-Fetch-Site", "same-origin"}, curfew.Passive},
		{"destination alone", "GET", []string{"Sec-Fetch-Dest", "image"}, curfew.Passive},
		{"mode that nobody knows", "GET", []string{"Sec-Fetch-Mode", "Navigate"}, curfew.Passive},

		{"prefetch", "GET", append(fetch("same-origin", "navigate", "document"), "Sec-Purpose", "prefetch"), curfew.Passive},
		{"prerender", "GET", append(fetch("same-origin", "navigate", "document"), "Sec-Purpose", "prefetch;prerender"), curfew.Passive},
		{"old prefetch", "GET", append(fetch("same-origin", "navigate", "document"), "Purpose", "prefetch"), curfew.Passive},
		{"prefetch without metadata", "GET", []string{"Purpose", "prefetch"}, curfew.Passive},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "/", nil)
			for i := 0; i < len(tt.header); i += 2 {
				r.Header.Set(tt.header[i], tt.header[i+1])
			}
			if got := curfew.ActivityOf(r); got != tt.want {
				t.Errorf("active: %v, want %v", got, tt.want)
			}
		})
	}
}

// authenticated returns what a handler behind Authenticate is told about a request with the token.
func authenticated(m *curfew.Manager, token curfew.Token, header ...string) (s curfew.Session, told curfew.Token, err error) {
	h := m.Authenticate(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err = curfew.FromContext(r.Context())
		told = curfew.TokenFromContext(r.Context())
	}))
	r := httptest.NewRequest("GET", "/", nil)
	if token != (curfew.Token{}) {
		r.AddCookie(&http.Cookie{Name: curfew.PlainCookie, Value: token.Reveal()})
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	h.ServeHTTP(httptest.NewRecorder(), r)
	return s, told, err
}

func TestAuthenticate(t *testing.T) {
	inBubble(t, curfew.Options{}, func(t *testing.T, m *curfew.Manager) {
		want, token := start(t, m, amara)
		time.Sleep(time.Minute)
		s, told, err := authenticated(m, token, "Sec-Fetch-Mode", "cors")
		if err != nil || s != want || told.Hash() != token.Hash() {
			t.Errorf("a poll got %+v, %v; want %+v", s, err, want)
		}
		s, _, err = authenticated(m, token, "Sec-Fetch-Mode", "navigate")
		if err != nil || s.ID != want.ID || !s.LastActive.Equal(m.Now()) {
			t.Errorf("a navigation got %+v, %v; want LastActive %v", s, err, m.Now())
		}

		if s, told, err := authenticated(m, curfew.Token{}); !errors.Is(err, curfew.ErrNoSession) || s.ID != "" || told != (curfew.Token{}) {
			t.Errorf("without a cookie: %+v, %v; want ErrNoSession", s, err)
		}
		stranger := curfew.NewToken()
		if s, told, err := authenticated(m, stranger); !errors.Is(err, curfew.ErrNoSession) || s.ID != "" || told.Hash() != stranger.Hash() {
			t.Errorf("unknown token: %+v, %v; want ErrNoSession", s, err)
		}
		if _, err := m.End(t.Context(), want.ID, curfew.Ending{Reason: curfew.ReasonTerminated}); err != nil {
			t.Fatal(err)
		}
		var ended *curfew.EndedError
		if s, _, err := authenticated(m, token); !errors.As(err, &ended) || ended.Ended.Ending.Reason != curfew.ReasonTerminated || s.ID != "" {
			t.Errorf("ended: %+v, %v; want an EndedError", s, err)
		}
	})
}

func TestAuthenticateWithoutStore(t *testing.T) {
	store := &broken{Store: memory.NewSessions()}
	m := manage(t, store, curfew.Options{})
	store.fail.Store(true)
	s, _, err := authenticated(m, curfew.NewToken())
	if curfew.ErrorCode(err) != curfew.CodeUnavailable || s.ID != "" {
		t.Errorf("got %+v, %v; want CodeUnavailable", s, err)
	}
}

func TestFromContextWithoutAuthenticate(t *testing.T) {
	if s, err := curfew.FromContext(context.Background()); !errors.Is(err, curfew.ErrNoSession) || s.ID != "" {
		t.Errorf("got %+v, %v; want ErrNoSession", s, err)
	}
	if curfew.TokenFromContext(context.Background()) != (curfew.Token{}) {
		t.Error("there is a token")
	}
}

// TestAuthenticateOverAConnection sends bytes that no Go client would, in two requests on one connection: the second
// must not get what the first was given.
func TestAuthenticateOverAConnection(t *testing.T) {
	m := manage(t, memory.NewSessions(), curfew.Options{})
	_, token := start(t, m, amara)
	srv := httptest.NewServer(m.Authenticate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := curfew.FromContext(r.Context())
		io.WriteString(w, "("+s.User.Name+" "+string(curfew.ErrorCode(err))+")")
	})))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	requests := "GET / HTTP/1.1\r\nHost: a\r\nCookie: curfew=TOKEN\r\n\r\n" +
		"GET / HTTP/1.1\r\nHost: a\r\nCookie: curfew=TOKEN;\u00a0curfew=TOKEN\r\n\r\n" +
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	if _, err := io.WriteString(conn, strings.ReplaceAll(requests, "TOKEN", token.Reveal())); err != nil {
		t.Fatal(err)
	}
	answers, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, part := range strings.Split(string(answers), "(")[1:] {
		body, _, _ := strings.Cut(part, ")")
		got = append(got, body)
	}
	equal(t, "answers", strings.Join(got, ", "), "amara ,  not-found,  not-found")
}

func TestRequire(t *testing.T) {
	m, err := curfew.New(t.Context(), memory.NewSessions(), curfew.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	_, token, err := m.Start(t.Context(), curfew.Start{User: curfew.User{ID: "u", Name: "amara"}, Lifetime: curfew.DefaultLifetime})
	if err != nil {
		t.Fatal(err)
	}
	h := m.Authenticate(curfew.Require("/login", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })))
	for name, tt := range map[string]struct {
		method, mode, accept, token string
		status                      int
		location                    string
	}{
		"signed in":             {"GET", "", "", token.Reveal(), http.StatusTeapot, ""},
		"a page":                {"GET", "navigate", "", "", http.StatusSeeOther, "/login?next=%2Fa%3Fb%3D1"},
		"a page over plain":     {"GET", "", "text/html", "", http.StatusSeeOther, "/login?next=%2Fa%3Fb%3D1"},
		"a script":              {"GET", "cors", "text/html", "", http.StatusUnauthorized, ""},
		"a form":                {"POST", "navigate", "text/html", "", http.StatusUnauthorized, ""},
		"curl":                  {"GET", "", "*/*", "", http.StatusUnauthorized, ""},
		"a token that was made": {"GET", "", "", "cft_x", http.StatusUnauthorized, ""},
	} {
		r := httptest.NewRequest(tt.method, "/a?b=1", nil)
		for name, value := range map[string]string{"Sec-Fetch-Mode": tt.mode, "Accept": tt.accept} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		if tt.token != "" {
			r.AddCookie(&http.Cookie{Name: curfew.PlainCookie, Value: tt.token})
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.status || w.Header().Get("Location") != tt.location {
			t.Errorf("%s: %d to %q, want %d to %q", name, w.Code, w.Header().Get("Location"), tt.status, tt.location)
		}
		if problem := w.Header().Get("Content-Type") == "application/problem+json"; problem != (tt.status == http.StatusUnauthorized) {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
}

func TestRequireAtAnAddressWithAQuery(t *testing.T) {
	m := manage(t, memory.NewSessions(), curfew.Options{})
	r := httptest.NewRequest(http.MethodGet, "/a?b=1", nil)
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	m.Authenticate(curfew.Require("/in?by=name", http.NotFoundHandler())).ServeHTTP(w, r)
	if got := w.Header().Get("Location"); got != "/in?by=name&next=%2Fa%3Fb%3D1" {
		t.Errorf("led to %s", got)
	}
}

func TestSignOut(t *testing.T) {
	store := &full{Store: memory.NewSessions()}
	m := manage(t, store, curfew.Options{})
	s, token := start(t, m, amara)
	h := m.Authenticate(m.SignOut("/login"))
	post := func(method string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/logout", nil)
		r.AddCookie(&http.Cookie{Name: curfew.PlainCookie, Value: token.Reveal()})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	if w := post(http.MethodGet); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != http.MethodPost {
		t.Errorf("a link: %d %v", w.Code, w.Header())
	}
	store.full.Store(true)
	if w := post(http.MethodPost); w.Code != http.StatusServiceUnavailable || w.Header().Get("Set-Cookie") != "" || w.Header().Get("Retry-After") == "" {
		t.Errorf("a session that can't be ended: %d %v", w.Code, w.Header())
	}
	store.full.Store(false)
	for _, when := range []string{"live", "ended"} {
		w := post(http.MethodPost)
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/login" || w.Header().Get("Clear-Site-Data") != `"cache"` {
			t.Errorf("%s: %d %v", when, w.Code, w.Header())
		}
		if c := w.Result().Cookies(); len(c) != 1 || c[0].Name != curfew.PlainCookie || c[0].MaxAge >= 0 {
			t.Errorf("%s: the cookie is left: %v", when, c)
		}
	}
	var ended *curfew.EndedError
	if _, err := m.Check(t.Context(), token, curfew.Passive); !errors.As(err, &ended) {
		t.Fatalf("after signing out: %v", err)
	}
	if e := ended.Ended.Ending; e.Reason != curfew.ReasonSignedOut || e.By != (curfew.Actor{User: amara.ID, Name: amara.Name, Session: s.ID}) {
		t.Errorf("ended by %+v", e)
	}
}
