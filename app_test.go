package curfew_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/browsertest"
	"github.com/curfewhq/curfew/memory"
)

func TestMain(m *testing.M) { os.Exit(browsertest.Run(m)) }

// TestOwnAccounts uses the app of the example in two browsers: logs in and goes idle. One extends in the dialog, and is ended; the
// other logs out there.
func TestOwnAccounts(t *testing.T) {
	t.Parallel()
	sessions, err := curfew.New(t.Context(), memory.NewSessions(), curfew.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sessions.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }) // which browsers ask for at any time
	mux.Handle("/", newApp(sessions, &url.URL{Scheme: "http", Host: "127.0.0.1:3000"}, curfew.MinLifetime))
	server := httptest.NewServer(mux)
	defer server.Close()
	defer server.CloseClientConnections()
	stays, leaves := logIn(t, server.URL), logIn(t, server.URL)

	untilDialog(stays)
	stays.Press("\r")
	stays.Until("the dialog closes", "!document.querySelector('curfew-guard').shadowRoot.querySelector('dialog[open]')", browsertest.Patience)
	untilDialog(leaves)
	leaves.Press("\t\r")
	leaves.UntilPath("/.curfew/signin")
	leaves.Forgive()

	page, err := sessions.List(t.Context(), curfew.Query{})
	if err != nil || len(page.Records) != 1 {
		t.Fatalf("%d sessions, %v; want the one that was extended", len(page.Records), err)
	}
	s := page.Records[0].Session
	if s.State(sessions.Now()) != curfew.StateActive {
		t.Errorf("after the extension the session is %v", s.State(sessions.Now()))
	}
	if _, err := sessions.End(t.Context(), s.ID, curfew.Ending{Reason: curfew.ReasonTerminated}); err != nil {
		t.Fatal(err)
	}
	stays.UntilPath("/.curfew/signin")
	stays.Forgive() // the guard may have asked once more
}

func logIn(t *testing.T, url string) *browsertest.Tab {
	b := browsertest.NewProfile(t).Open(t, url, browsertest.Desktop)
	b.Go("/")
	b.UntilPath("/.curfew/signin")
	b.Fill("[name=name]", "amara")
	b.Fill("[name=password]", "a horse, a battery")
	b.Press("\r")
	b.UntilPath("/")
	b.UntilText("Hello, amara")
	return b
}

func untilDialog(b *browsertest.Tab) {
	b.Until("the Logout dialog appears", "document.querySelector('curfew-guard')?.shadowRoot.querySelector('dialog[open]')", curfew.MinLifetime+browsertest.Patience)
}

// TestOwnAccountsOnEachHost signs in to each of the example's apps, and out again.
func TestOwnAccountsOnEachHost(t *testing.T) {
	t.Parallel()
	wiki := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "the wiki") }))
	defer wiki.Close()
	upstream, err := url.Parse(wiki.URL)
	if err != nil {
		t.Fatal(err)
	}
	for host, greeting := range map[string]string{"http://app.example.com": "Hello, amara", "http://wiki.example.com": "the wiki"} {
		sessions := manage(t, memory.NewSessions(), curfew.Options{})
		app := newApp(sessions, upstream, curfew.DefaultLifetime)
		var cookies []*http.Cookie
		wants := func(method, path, form string, status int, want string) {
			t.Helper()
			r := httptest.NewRequest(method, host+path, strings.NewReader(form))
			r.Header.Set("Accept", "text/html")
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for _, c := range cookies {
				r.AddCookie(c)
			}
			w := httptest.NewRecorder()
			app.ServeHTTP(w, r)
			if got := w.Header().Get("Location") + w.Body.String(); w.Code != status || !strings.Contains(got, want) {
				t.Errorf("%s %s%s: %d %q, want %d and %q", method, host, path, w.Code, got, status, want)
			}
			if set := w.Result().Cookies(); len(set) > 0 {
				cookies = set
			}
		}
		wants("GET", "/page", "", http.StatusSeeOther, "/.curfew/signin?next=%2Fpage")
		wants("GET", "/.curfew/signin", "", http.StatusOK, "Log in")
		wants("GET", "/.curfew/guard.js", "", http.StatusOK, "curfew")
		wants("POST", "/.curfew/signin", "name=amara&password=a+horse,+a+battery", http.StatusSeeOther, "/")
		wants("GET", "/page", "", http.StatusOK, greeting)
		wants("GET", "/.curfew/api/v1/session", "", http.StatusOK, `"username":"amara"`)
		wants("POST", "/.curfew/signout", "", http.StatusSeeOther, "/.curfew/signin")
		if n, err := sessions.Count(t.Context(), curfew.Query{}); err != nil || n.Sessions != 0 {
			t.Errorf("%s: %d sessions after signing out, %v", host, n.Sessions, err)
		}
	}
}
