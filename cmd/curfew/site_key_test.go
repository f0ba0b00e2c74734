package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

// newKey makes an API key of the user's.
func (s *server) newKey(user, name string, args ...string) string {
	s.t.Helper()
	return strings.TrimSpace(s.curfew("", append([]string{"key", "new", user, name}, args...)...))
}

// lastActive returns when the user's only session was active last.
func (s *server) lastActive(user string) time.Time {
	s.t.Helper()
	var list []struct {
		LastActiveAt time.Time `json:"last_active_at"`
	}
	if err := json.Unmarshal([]byte(s.curfew("", "sessions", "--user", user, "--json")), &list); err != nil || len(list) != 1 {
		s.t.Fatalf("%d sessions of %s, %v", len(list), user, err)
	}
	return list[0].LastActiveAt
}

// TestKeyBesideACookie sends an API key with the cookie of a session: the key alone counts, other sites can't misuse it, and the
// session is not active by it.
func TestKeyBesideACookie(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	c := s.signIn("amara")
	mias := s.newKey("mia", "mine")
	was := s.lastActive("amara")
	for _, header := range [][]string{nil, {"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://elsewhere.example"}} {
		if status := c.do(http.MethodGet, "/api/v1/users", "", append(header, "Authorization", "Bearer "+mias)...); status != http.StatusForbidden {
			t.Errorf("%v: what an admin may by a user's key: %d", header, status)
		}
		header = append(header, "Authorization", "Bearer "+mias, "Content-Type", "application/json")
		if status := c.do(http.MethodPost, "/api/v1/sessions/end", `{"others":true}`, header...); status != http.StatusOK {
			t.Errorf("%v: %d", header, status)
		}
	}
	for _, key := range []string{mias, "curfew_key_wrong"} {
		if to := c.do(http.MethodGet, "/sessions", "", "Authorization", "Bearer "+key); to != http.StatusSeeOther {
			t.Errorf("a page with a key: %d", to)
		}
		if status := c.do(http.MethodPost, "/theme", "theme=dark", "Authorization", "Bearer "+key, "Sec-Fetch-Site", "cross-site"); status == http.StatusOK {
			t.Errorf("a form with a key: %d", status)
		}
	}
	if status := c.do(http.MethodGet, "/api/v1/account", "", "Authorization", "Bearer curfew_key_wrong"); status != http.StatusUnauthorized {
		t.Errorf("a wrong key beside a cookie: %d", status)
	}
	if is := s.lastActive("amara"); !is.Equal(was) {
		t.Errorf("the session is active by the key: %v, then %v", was, is)
	}
	c.get("/api/v1/account")
	if !s.lastActive("amara").After(was) {
		t.Error("the session is not active by its own cookie either")
	}
	for _, value := range []string{mias, curfew.TokenPrefix + strings.TrimPrefix(mias, "curfew_key_")} {
		if status := s.client().do(http.MethodGet, "/api/v1/account", "", "Cookie", curfew.PlainCookie+"="+value); status != http.StatusUnauthorized {
			t.Errorf("a key as cookie: %d", status)
		}
	}
}

// TestKeyHosts uses a key on each kind of host: where the API for people is, keys are taken, and no app ever gets one.
func TestKeyHosts(t *testing.T) {
	inTurn(t)
	var seen atomic.Int32
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			seen.Add(1)
		}
	}))
	t.Cleanup(app.Close)
	shared := serveHouse(t, "--upstream", app.URL)
	shared.base = strings.TrimSuffix(shared.base, "/.curfew")
	apart := serveHouse(t, "--upstream", app.URL, "--console-host", consoleHost)
	for _, tt := range []struct {
		s      *server
		path   string
		status int
	}{
		{shared.under(appHost), "/.curfew/api/v1/sessions", 200},
		{shared.under(appHost), "/api/v1/sessions", 401},
		{apart.under(consoleHost), "/api/v1/sessions", 200},
		{apart.under(consoleHost), "/.curfew/api/v1/sessions", 200},
		{apart.under(appHost), "/.curfew/api/v1/sessions", 404},
		{apart.under(appHost), "/.curfew/api/v1/session", 403},
		{apart.under(appHost), "/api/v1/sessions", 401},
	} {
		c, key := tt.s.client().anywhere(), tt.s.newKey("amara", tt.s.base+tt.path, "--role", "admin")
		if status := c.do(http.MethodGet, tt.path, "", "Authorization", "Bearer "+key); status != tt.status {
			t.Errorf("%s%s: status %d, want %d", tt.s.base, tt.path, status, tt.status)
		}
		if tt.status != http.StatusOK {
			continue
		}
		if status := c.do(http.MethodPost, tt.path+"/end", `{"others":true}`, "Authorization", "Bearer "+key, "Content-Type", "application/json"); status != 200 {
			t.Errorf("%s%s: status %d for what is sensitive", tt.s.base, tt.path, status)
		}
	}
	if n := seen.Load(); n != 0 {
		t.Errorf("the app got %d keys", n)
	}
}
