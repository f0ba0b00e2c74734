package main

import (
	"context"
	"errors"
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
	"github.com/curfewhq/curfew/memory"
)

// TestForwardAuth runs the recipes in real proxies, all in front of one Curfew and one app.
func TestForwardAuth(t *testing.T) {
	t.Parallel()
	st := newStreet(t)
	for _, r := range recipes {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			d := st.openDoor(t, r.name)
			t.Run("signed out", d.testSignedOut)
			t.Run("identity", d.testIdentity)
			t.Run("down", d.testDown)
		})
	}
}

const appHost = "app.example.com"

// testSignedOut has pages lead to sign-in, and everything else refused; the app learns of neither.
func (d *frontDoor) testSignedOut(t *testing.T) {
	v := d.visitor(appHost)
	const page = "/signed/out?a=b%20c&d=e%2Ff"
	a := v.do("GET", page, "", navigation...)
	want := "/.curfew/signin?next=" + url.QueryEscape(page)
	if got := a.Header.Get("Location"); a.StatusCode != http.StatusSeeOther || got != want {
		t.Errorf("a page: %d to %q, want 303 to %q", a.StatusCode, got, want)
	}
	v.do("GET", page, "", fetch...).want(t, "a fetch", http.StatusUnauthorized)
	v.do("POST", page, "a=b", fetch...).want(t, "a POST", http.StatusUnauthorized)
	v.do("GET", page, "").want(t, "curl", http.StatusUnauthorized)
	v.do("GET", page, "", "Cookie", "__Host-curfew=cft_"+strings.Repeat("A", 48)).want(t, "an invented token", http.StatusUnauthorized)
	v.do("GET", "/.curfew/auth", "", "X-Original-URI", "/", "X-Original-Method", "GET").want(t, "asking from outside", http.StatusNotFound)
	v.do("GET", "/.curfew/auth/x", "", navigation...).want(t, "asking from outside as Envoy does", http.StatusNotFound)
	if a := v.do("GET", want, "", navigation...); a.StatusCode != http.StatusOK || !strings.Contains(a.text, "Sign in") {
		t.Errorf("the sign-in page: %d %s", a.StatusCode, a.text)
	}
	v.do("GET", "/.curfew/guard.js", "").want(t, "the guard", http.StatusOK)
}

// testIdentity has somebody signed in, who says to be somebody else: the app sees who they are, and not their session.
func (d *frontDoor) testIdentity(t *testing.T) {
	v := d.visitor(appHost)
	v.signIn("mia", "/echo?a=b%20c")
	plain := v.do("GET", "/echo", "", fetch...).echoed(t)
	lies := [][]string{
		{"Remote-User", "amara"},
		{"remote-user", "amara"},
		{"REMOTE-USER", "amara", "Remote-User", "amara"},
		{"Remote_User", "amara", "Remote_Name", "x", "Remote_Role", "admin"},
		{"remote_user", "amara", "REMOTE-user", "amara", "reMOTE_roLE", "admin"},
		{"Remote-Role", "admin", "Remote_role", "admin"},
		{"X-Forwarded-User", "amara", "X_Remote_User", "amara", "X-Remote-User", "amara"},
		{"Connection", "Remote-User"},
		{"Connection", "close, Remote-User, Remote-Role, Cookie", "Remote-User", "amara"},
		{"X-Forwarded-Proto", "http", "X-Forwarded-Host", "evil.example", "X-Forwarded-For", "192.0.2.66"},
	}
	for _, header := range append(lies, nil) {
		what := strings.Join(header, " ")
		seen := v.do("GET", "/echo", "", append([]string{"Cookie", "theme=dark; curfew=x; lang=en"}, header...)...).echoed(t)
		for name, want := range map[string]string{
			"remote-user": "mia", "remote-name": "Mia Chen", "remote-role": "user", "cookie": "theme=dark; lang=en",
			"x-forwarded-proto": "https", "x-forwarded-for": "127.0.0.1",
		} {
			if got := strings.Join(seen[name], "|"); got != want {
				t.Errorf("%s: the app sees %s: %q, want %q", what, name, got, want)
			}
		}
		for name, values := range seen {
			if all := strings.Join(values, "|"); strings.Contains(all, "amara") || strings.Contains(all, "evil.example") {
				t.Errorf("%s: the app sees %s: %q", what, name, values)
			}
		}
	}
	if got, ok := plain["cookie"]; ok && strings.Join(got, "") != "" {
		t.Errorf("with our cookie alone the app sees the cookies %q", got)
	}
}

// testDown has Curfew refuse connections, fall silent, panic, and not know. The app gets nothing meanwhile, and afterwards
// all is well again.
func (d *frontDoor) testDown(t *testing.T) {
	v := d.visitor(appHost)
	v.signIn("mia", "/echo")
	well := d.curfew.to
	for _, trouble := range []struct {
		name  string
		cause func()
	}{
		{"killed", func() { d.curfew.set("", true) }},
		{"hanging", d.curfew.hold},
		{"panicking", func() { d.curfew.set(newTroubled(t, func() error { panic("oh dear") }), false) }},
		{"not knowing", func() { d.curfew.set(newTroubled(t, func() error { return errors.New("disk on fire") }), false) }},
	} {
		trouble.cause()
		// The same visitor again, who was let in a moment ago, and nothing of that may be kept.
		for _, header := range [][]string{fetch, navigation} {
			if trouble.name == "hanging" && header[1] == "navigate" {
				continue // once is long enough
			}
			path := "/" + d.name + "/" + strings.ReplaceAll(trouble.name, " ", "-")
			a := v.do("GET", path, "", header...)
			if a.StatusCode < 500 || d.app.saw(path) {
				t.Errorf("%s: status %d, and the app saw it: %v: %s", trouble.name, a.StatusCode, d.app.saw(path), a.text)
			}
			if trouble.name == "not knowing" && a.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("%s: status %d, want 503", trouble.name, a.StatusCode)
			}
		}
	}
	d.curfew.set(well, false)
	afterwards := "/" + d.name + "/afterwards"
	if v.do("GET", afterwards, "", fetch...).want(t, "afterwards", http.StatusOK); !d.app.saw(afterwards) {
		t.Error("afterwards the app sees nothing")
	}
}

// newTroubled runs a Curfew whose store does what find does, and returns its address.
func newTroubled(t *testing.T, find func() error) string {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	sessions, err := curfew.New(t.Context(), troubledStore{memory.NewSessions(), find}, curfew.Options{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sessions.Close() })
	g, err := gate.New(gate.Options{Sessions: sessions, Apps: []gate.App{{}}, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	h := siteHandler(siteOptions{
		house: &house{sessions: sessions, accounts: account.New(memory.NewAccounts(), sessions, account.Options{Logger: log})},
		gate:  g, log: log, forwardAuth: true,
		edge: curfew.Edge{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
	})
	s := httptest.NewUnstartedServer(h)
	s.Config = newServer(h, log)
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// troubledStore is a store that can't find anything.
type troubledStore struct {
	curfew.Store
	find func() error
}

func (s troubledStore) Find(context.Context, *curfew.TokenHash, curfew.SessionID) (curfew.Record, error) {
	return curfew.Record{}, s.find()
}
