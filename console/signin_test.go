package console

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

func TestSignIn(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.User)
	for next, want := range map[string]string{
		"": "/sessions", "/history?q=a": "/history?q=a", "//evil.example": "/sessions", "https://evil.example": "/sessions",
	} {
		c := h.client()
		w := c.post("/signin", url.Values{"username": {"Amara"}, "password": {password}, "next": {next}})
		wantLocation(t, w, want)
		if s := c.session(); s.User.Name != "amara" || s.Client.Device != "curl 8.5" || s.Client.Origin != "192.0.2.1" {
			t.Errorf("session %+v", s)
		}
		for name, values := range w.Header() {
			token, _ := curfew.ParseToken(c.cookies[curfew.PlainCookie])
			if name != "Set-Cookie" && strings.Contains(strings.Join(values, " "), token.Reveal()) {
				t.Errorf("%s holds the token", name)
			}
		}
	}
}

// Whoever guesses learns nothing: known and unknown names get the same bytes.
func TestFailedSignInsLookTheSame(t *testing.T) {
	h := newHouse(t)
	h.add("known", account.User)
	off := h.add("offed", account.User)
	disabled := false
	if _, err := h.accounts.Update(t.Context(), curfew.Actor{}, off.ID, account.Change{Enabled: &disabled}); err != nil {
		t.Fatal(err)
	}
	var bodies []string
	for _, try := range []struct{ name, password string }{{"known", "wrong"}, {"nobody", "wrong"}, {"offed", password}} {
		w := h.client().post("/signin", url.Values{"username": {try.name}, "password": {try.password}, "next": {"/users"}})
		wantStatus(t, w, http.StatusUnauthorized)
		wantText(t, w, "User name or password is wrong.")
		doc := parse(t, w)
		if got := attr(byID(t, doc, "username"), "value"); got != try.name {
			t.Errorf("the name typed is lost: %q", got)
		}
		if has(byID(t, doc, "password"), "value") {
			t.Error("the password comes back")
		}
		bodies = append(bodies, strings.ReplaceAll(w.Body.String(), try.name, "NAME"))
	}
	if bodies[0] != bodies[1] || bodies[0] != bodies[2] {
		t.Errorf("the answers differ:\n%s\n%s\n%s", bodies[0], bodies[1], bodies[2])
	}
	if !strings.Contains(bodies[0], `name="next" value="/users"`) {
		t.Error("next does not survive")
	}
}

func TestTooManySignIns(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.User)
	for range 500 {
		w := h.client().post("/signin", url.Values{"username": {"amara"}, "password": {"wrong"}})
		if w.Code == http.StatusUnauthorized {
			continue
		}
		wantStatus(t, w, http.StatusTooManyRequests)
		n, err := strconv.Atoi(w.Header().Get("Retry-After"))
		if err != nil || n < 1 {
			t.Errorf("Retry-After: %q", w.Header().Get("Retry-After"))
		}
		wantText(t, w, "Too many attempts. Try again in "+Words(time.Duration(n)*time.Second))
		return
	}
	t.Error("500 wrong passwords, and no limit")
}

func TestSignInWhileTheStoreIsDown(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.User)
	h.broken.Store(true)
	w := h.client().post("/signin", url.Values{"username": {"amara"}, "password": {password}})
	wantStatus(t, w, http.StatusServiceUnavailable)
	wantText(t, w, "Signing in does not work at the moment")
	if w.Header().Get("Retry-After") == "" || len(w.Result().Cookies()) > 0 {
		t.Errorf("headers %v", w.Header())
	}
}

func TestSigningInAnewEndsTheSessionBefore(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.User)
	c := h.in("amara")
	old := c.session()
	c.post("/signin", url.Values{"username": {"amara"}, "password": {password}})
	if c.session().ID == old.ID {
		t.Fatal("the session is the same")
	}
	_, err := h.sessions.Get(t.Context(), old.ID)
	ended, ok := endedOf(err)
	if !ok || ended.Ending.Reason != curfew.ReasonSignedOut || ended.Ending.By.Name != "amara" {
		t.Errorf("the old session: %v, %+v", err, ended)
	}
	old = c.session()
	c.post("/signin", url.Values{"username": {"amara"}, "password": {"wrong"}})
	if c.session().ID != old.ID {
		t.Error("a failed sign-in took the session away")
	}
}

func TestSignedInIsLedOn(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.User)
	wantLocation(t, h.in("amara").get("/signin?next=%2Fhistory"), "/history")
	wantLocation(t, h.in("amara").get("/signin?next=%2F%2Fevil.example"), "/sessions")
}

// TestSignInLeadsToAnotherHost comes from an app on another host and goes back there. The page's policy must allow the
// form to lead there: browsers hold redirects to it too.
func TestSignInLeadsToAnotherHost(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	for next, to := range map[string]string{
		"http://app.example/reports?a=b":  "http://app.example",
		"/history":                        "",
		"http://evil.example/":            "",
		"http://app.example@evil.example": "",
		"javascript:alert(1)":             "",
	} {
		want := next
		if to == "" && next != "/history" {
			want = "/sessions"
		}
		c := h.client()
		w := c.get("/signin?next=" + url.QueryEscape(next))
		wantFormTo(t, w, to)
		wantFormTo(t, c.post("/signin", url.Values{"username": {"amara"}, "password": {"wrong"}, "next": {next}}), to)
		wantLocation(t, c.post("/signin", url.Values{"username": {"amara"}, "password": {password}, "next": {next}}), want)
		wantLocation(t, c.get("/signin?next="+url.QueryEscape(next)), want)
	}
}

// wantFormTo checks to which other origin the page's forms may lead.
func wantFormTo(t *testing.T, w *httptest.ResponseRecorder, origin string) {
	t.Helper()
	want := strings.TrimSpace("form-action 'self' " + origin)
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, want+";") {
		t.Errorf("the policy is %q, want %q in it", policy, want)
	}
}

func TestSignInPageSaysHowTheSessionEnded(t *testing.T) {
	tests := []struct {
		name string
		end  func(t *testing.T, h *house, s curfew.Session)
		want string
	}{
		{"idle", func(_ *testing.T, h *house, _ curfew.Session) { h.pass(time.Hour) }, "Signed out after 5 minutes of inactivity at 14:08 UTC."},
		{"terminated", func(t *testing.T, h *house, s curfew.Session) {
			c := h.in("amara")
			c.post("/sessions/"+string(s.ID)+"/end", url.Values{"confirm": {"yes"}})
		}, "Your session was ended by amara at 14:03 UTC."},
		{"password", func(t *testing.T, h *house, s curfew.Session) {
			if err := h.accounts.SetPassword(t.Context(), curfew.Actor{Name: "amara"}, s.User.ID, password+"!"); err != nil {
				t.Fatal(err)
			}
		}, "Your password was changed by amara at 14:03 UTC."},
		{"disabled", func(t *testing.T, h *house, s curfew.Session) {
			off := false
			if _, err := h.accounts.Update(t.Context(), curfew.Actor{}, s.User.ID, account.Change{Enabled: &off}); err != nil {
				t.Fatal(err)
			}
		}, "Your account was disabled at 14:03 UTC."},
		{"deleted", func(t *testing.T, h *house, s curfew.Session) {
			if err := h.accounts.Delete(t.Context(), curfew.Actor{}, s.User.ID); err != nil {
				t.Fatal(err)
			}
		}, "Your account was deleted at 14:03 UTC."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			h.add("amara", account.Admin)
			h.add("arslan", account.User)
			c := h.in("arslan")
			tt.end(t, h, c.session())
			wantLocation(t, c.get("/history?q=a"), "/signin?next=%2Fhistory%3Fq%3Da")
			w := c.get("/signin?next=%2Fhistory%3Fq%3Da")
			if got := text(byID(t, parse(t, w), "ended")); got != tt.want {
				t.Errorf("banner %q, want %q", got, tt.want)
			}
			if !strings.Contains(w.Body.String(), `name="next" value="/history?q=a"`) {
				t.Error("next does not survive")
			}
		})
	}
}

// TestOtherTabsAfterSignOut has other tabs come to the sign-in page before the token is taken away, and after.
func TestOtherTabsAfterSignOut(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.User)
	const told = "/signin?ended=signed-out&next=%2Fhistory"
	early := h.in("amara")
	late := h.client()
	late.cookies = maps.Clone(early.cookies)
	late.post("/signout", nil)
	idle := h.in("amara")
	h.pass(time.Hour)
	for _, tt := range []struct {
		name string
		c    *client
		path string
		want string
	}{
		{"early", early, told, "You are signed out."},
		{"early, without the guard", early, "/signin?next=%2Fhistory", "You are signed out."},
		{"late", late, told, "You are signed out."},
		{"late, without the guard", late, "/signin?next=%2Fhistory", ""},
		{"the token knows better", idle, told, "Signed out after 5 minutes of inactivity at 14:08 UTC."},
		{"other reasons", h.client(), "/signin?ended=terminated", ""},
		{"a stranger's words", h.client(), "/signin?ended=Call+555", ""},
	} {
		got := ""
		for _, n := range all(parse(t, tt.c.get(tt.path)), "p") {
			if attr(n, "id") == "ended" {
				got = text(n)
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestSignOut(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.User)
	c := h.in("amara")
	s := c.session()
	w := c.post("/signout", nil)
	wantLocation(t, w, "/signin")
	if got := w.Header().Get("Clear-Site-Data"); got != `"cache"` {
		t.Errorf("Clear-Site-Data: %s", got)
	}
	if c.cookies[curfew.PlainCookie] != "" {
		t.Error("the cookie stays")
	}
	_, err := h.sessions.Get(t.Context(), s.ID)
	if ended, ok := endedOf(err); !ok || ended.Ending.Reason != curfew.ReasonSignedOut || ended.Ending.By.Name != "amara" {
		t.Errorf("the session: %v", err)
	}
	if got := text(byID(t, parse(t, c.get("/signin")), "toast")); got != "You are signed out." {
		t.Errorf("notice %q", got)
	}
	wantLocation(t, h.client().post("/signout", nil), "/signin")
}

func TestMalformedCookiesAreSignedOut(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.User)
	for _, value := range []string{"x", "cft_", strings.Repeat("a", 5000), "cft_" + strings.Repeat("A", 48)} {
		c := h.client()
		c.cookies[curfew.PlainCookie] = value
		wantLocation(t, c.get("/users"), "/signin?next=%2Fusers")
	}
}

// The account service ends the sessions of what it disables or deletes; the console looks all the same.
func TestSessionsOfDisabledAndDeletedAccountsEnd(t *testing.T) {
	h := newHouse(t)
	a := h.add("amara", account.User)
	c := h.in("amara")
	id := c.session().ID
	_, err := h.store.UpdateAccount(t.Context(), time.Now(), a.ID, false, func(a *account.Stored) error {
		a.Enabled = false
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantLocation(t, c.get("/users"), "/signin?next=%2Fusers")
	wantReason(t, h, id, curfew.ReasonAccountDisabled)

	h.add("admin", account.Admin)
	b := h.add("arslan", account.User)
	c = h.in("arslan")
	id = c.session().ID
	if err := h.store.DeleteAccount(t.Context(), time.Now(), b.ID); err != nil {
		t.Fatal(err)
	}
	wantLocation(t, c.get("/users"), "/signin?next=%2Fusers")
	wantReason(t, h, id, curfew.ReasonAccountDeleted)
}

func wantReason(t *testing.T, h *house, id curfew.SessionID, reason curfew.Reason) {
	t.Helper()
	_, err := h.sessions.Get(t.Context(), id)
	if ended, ok := endedOf(err); !ok || ended.Ending.Reason != reason {
		t.Errorf("session %s: %v, want it ended (%s)", id, err, reason)
	}
}
