package curfew_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/browsertest"
	"github.com/curfewhq/curfew/memory"
)

func TestMain(m *testing.M) { os.Exit(browsertest.Run(m)) }

// TestOwnAccounts uses the app of the example in a browser: logs in, goes idle, extends in the dialog, and is ended.
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
	b := browsertest.NewProfile(t).Open(t, server.URL, browsertest.Desktop)
	b.Go("/")
	b.UntilPath("/login")
	b.Fill("[name=name]", "amara")
	b.Fill("[name=password]", "a horse, a battery")
	b.Press("\r")
	b.UntilPath("/")
	b.UntilText("Hello, amara")
	b.Until("the Logout dialog appears", "document.querySelector('curfew-guard')?.shadowRoot.querySelector('dialog[open]')", curfew.MinLifetime+browsertest.Patience)
	b.Press("\r")
	b.Until("the dialog closes", "!document.querySelector('curfew-guard').shadowRoot.querySelector('dialog[open]')", browsertest.Patience)
	page, err := sessions.List(t.Context(), curfew.Query{})
	if err != nil || len(page.Records) != 1 {
		t.Fatalf("%d sessions, %v", len(page.Records), err)
	}
	s := page.Records[0].Session
	if s.State(sessions.Now()) != curfew.StateActive {
		t.Errorf("after the extension the session is %v", s.State(sessions.Now()))
	}
	if _, err := sessions.End(t.Context(), s.ID, curfew.Ending{Reason: curfew.ReasonTerminated}); err != nil {
		t.Fatal(err)
	}
	b.UntilPath("/login")
	b.Forgive() // the guard may have asked once more
}
