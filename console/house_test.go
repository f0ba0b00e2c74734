package console

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/memory"
	"github.com/curfewhq/curfew/webhook"
)

const password = "correct horse battery"

// house is the console over stores in memory, with the chain that cmd/curfew puts around it.
type house struct {
	t        testing.TB
	now      atomic.Int64 // milliseconds
	broken   atomic.Bool  // the session store refuses everything
	tired    atomic.Bool  // session stores stop counting
	sessions *curfew.Manager
	accounts *account.Service
	store    *memory.Accounts // under accounts, and the audit log
	webhooks *webhook.Sender  // not running
	setup    *Setup
	console  http.Handler
	chain    http.Handler
	log      strings.Builder
}

// brokenStore is a session store that fails, or stops counting what is searched, while the house says so.
type brokenStore struct {
	curfew.Store
	h *house
}

var errBroken = errors.New("disk full")

func (s brokenStore) Insert(ctx context.Context, now time.Time, r curfew.Record, most int, refuse bool) ([]curfew.Key, error) {
	if s.h.broken.Load() {
		return nil, errBroken
	}
	return s.Store.Insert(ctx, now, r, most, refuse)
}

func (s brokenStore) List(ctx context.Context, q curfew.Query) (curfew.Page, error) {
	if s.h.broken.Load() {
		return curfew.Page{}, errBroken
	}
	return s.Store.List(ctx, q)
}

func (s brokenStore) Count(ctx context.Context, q curfew.Query) (curfew.Count, error) {
	n, err := s.Store.Count(ctx, q)
	n.MoreSessions = q.Search != "" && s.h.tired.Load()
	return n, err
}

func (s brokenStore) End(ctx context.Context, now time.Time, sel curfew.Selection, e curfew.Ending) (int, []curfew.Key, error) {
	if s.h.broken.Load() {
		return 0, nil, errBroken
	}
	return s.Store.End(ctx, now, sel, e)
}

// newHouse has webhooks at the endpoints.
func newHouse(t testing.TB, endpoints ...webhook.Endpoint) *house {
	t.Helper()
	h := &house{t: t}
	h.now.Store(time.Date(2026, 11, 23, 14, 3, 0, 0, time.UTC).UnixMilli())
	clock := func() time.Time { return time.UnixMilli(h.now.Load()) }
	m, err := curfew.New(t.Context(), brokenStore{memory.NewSessions(), h}, curfew.Options{Now: clock, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	h.sessions = m
	h.store = memory.NewAccounts()
	h.accounts = account.New(h.store, m, account.Options{
		Logger: slog.New(slog.DiscardHandler), PasswordCost: account.Cost{Memory: 64, Passes: 1, Threads: 1},
	})
	h.setup = NewSetup(clock)
	records := audit.NewLog(h.store)
	if h.webhooks, err = webhook.New(webhook.Options{Log: records, Store: h.store, Endpoints: endpoints, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	h.console = New(Options{Sessions: m, Accounts: h.accounts, Audit: records, KeepAudit: 30 * 24 * time.Hour, Webhooks: h.webhooks, Setup: h.setup, Logger: newLogger(h), AppHosts: []string{"app.example"}})
	h.chain = http.NewCrossOriginProtection().Handler(m.Authenticate(h.console))
	return h
}

func (h *house) pass(d time.Duration) { h.now.Add(d.Milliseconds()) }

// add makes an account with the role as its name.
func (h *house) add(name string, role account.Role) account.Account {
	h.t.Helper()
	a, err := h.accounts.Create(h.t.Context(), nobody, account.Fields{Name: name, Role: role, Password: password})
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

// client is a browser without script: it keeps cookies and follows nothing.
type client struct {
	h       *house
	cookies map[string]string
	header  http.Header
}

func (h *house) client() *client {
	return &client{h: h, cookies: map[string]string{}, header: http.Header{"User-Agent": {"curl/8.5.0"}}}
}

// in returns a client of the account, signed in.
func (h *house) in(name string) *client {
	h.t.Helper()
	c := h.client()
	w := c.post("/signin", url.Values{"username": {name}, "password": {password}})
	if w.Code != http.StatusSeeOther {
		h.t.Fatalf("signing in as %s: %d", name, w.Code)
	}
	return c
}

func (c *client) get(path string) *httptest.ResponseRecorder { return c.do("GET", path, nil) }

func (c *client) post(path string, form url.Values) *httptest.ResponseRecorder {
	return c.do("POST", path, strings.NewReader(form.Encode()))
}

func (c *client) do(method, path string, body io.Reader) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, body)
	for k, v := range c.header {
		r.Header[k] = v
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, v := range c.cookies {
		r.AddCookie(&http.Cookie{Name: k, Value: v})
	}
	w := httptest.NewRecorder()
	c.h.chain.ServeHTTP(w, r)
	for _, k := range w.Result().Cookies() {
		if c.cookies[k.Name] = k.Value; k.MaxAge < 0 {
			delete(c.cookies, k.Name)
		}
	}
	return w
}

// session returns the client's session.
func (c *client) session() curfew.Session {
	c.h.t.Helper()
	token, ok := curfew.ParseToken(c.cookies[curfew.PlainCookie])
	if !ok {
		c.h.t.Fatal("the client has no token")
	}
	s, err := c.h.sessions.Check(c.h.t.Context(), token, curfew.Passive)
	if err != nil {
		c.h.t.Fatal(err)
	}
	return s
}

// live reports whether the client's token still opens anything.
func (c *client) live() bool {
	token, _ := curfew.ParseToken(c.cookies[curfew.PlainCookie])
	_, err := c.h.sessions.Check(c.h.t.Context(), token, curfew.Passive)
	return err == nil
}

func wantStatus(t *testing.T, w *httptest.ResponseRecorder, status int) {
	t.Helper()
	if w.Code != status {
		t.Errorf("status %d, want %d; page:\n%s", w.Code, status, words(w.Body.String()))
	}
}

func wantLocation(t *testing.T, w *httptest.ResponseRecorder, location string) {
	t.Helper()
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != location {
		t.Errorf("got %d to %q, want 303 to %q", w.Code, w.Header().Get("Location"), location)
	}
}

func wantText(t *testing.T, w *httptest.ResponseRecorder, text string) {
	t.Helper()
	if !strings.Contains(words(w.Body.String()), text) {
		t.Errorf("the page lacks %q:\n%s", text, words(w.Body.String()))
	}
}

func parse(t *testing.T, w *httptest.ResponseRecorder) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(w.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// all returns the elements of a name.
func all(n *html.Node, name string) []*html.Node {
	var list []*html.Node
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && d.Data == name {
			list = append(list, d)
		}
	}
	return list
}

func byID(t *testing.T, doc *html.Node, id string) *html.Node {
	t.Helper()
	for d := range doc.Descendants() {
		if d.Type == html.ElementNode && attr(d, "id") == id {
			return d
		}
	}
	t.Fatalf("no element has the ID %q", id)
	return nil
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.Data != "script" {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// words is a page's text.
func words(page string) string {
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return page
	}
	return text(doc)
}

func newLogger(h *house) *slog.Logger { return slog.New(slog.NewTextHandler(&h.log, nil)) }

// nobody is who does things in tests that nobody does in a session.
var nobody = curfew.Actor{Name: "test"}
