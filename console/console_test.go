package console

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/jba/templatecheck"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

func TestTemplatesFitTheirStructs(t *testing.T) {
	pages := parsePages(loadAssets(), "")
	structs := []page{
		&accountPage{}, &auditPage{}, &confirmPage{}, &errorPage{}, &historyPage{}, &keyPage{}, &newKeyPage{}, &passwordPage{}, &recordPage{}, &sessionsPage{}, &setupPage{},
		&signInPage{}, &tokenPage{}, &unlockPage{}, &userPage{}, &usersPage{}, &verifyPage{}, &webhooksPage{},
	}
	for _, p := range structs {
		tmpl := pages[p.file()]
		if tmpl == nil {
			t.Errorf("no template %s", p.file())
			continue
		}
		if err := templatecheck.CheckHTML(tmpl, p); err != nil {
			t.Errorf("%s: %v", p.file(), err)
		}
		delete(pages, p.file())
	}
	for name := range pages {
		t.Errorf("template %s is not checked", name)
	}
}

// headers are what each answer has, whatever it is.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
		"connect-src 'self'; form-action 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'",
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cache-Control":                "no-store",
	"Strict-Transport-Security":    "",
}

func TestEveryAnswerHasTheHeaders(t *testing.T) {
	h := newHouse(t)
	a := h.add("admin", account.Admin)
	for _, rt := range routes {
		method, path := pathOf(rt.pattern, string(a.ID))
		for _, c := range []*client{h.client(), h.in("admin")} {
			w := c.do(method, path, nil)
			for name, want := range headers {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: %s: %q, want %q", rt.pattern, name, got, want)
				}
			}
		}
	}
}

func TestPagesHaveNothingInline(t *testing.T) {
	h := newHouse(t)
	h.add("admin", account.Admin)
	a := h.add("arslan", account.User)
	key, _ := h.addKey(a, "nightly")
	revoke := "/users/" + string(a.ID) + "/keys/" + string(key.ID) + "/revoke"
	for _, path := range []string{"/signin", "/unlock?code=x", "/sessions", "/sessions/end-others", "/settings/token", "/history", "/users",
		"/users/new", "/users/" + string(a.ID), "/users/" + string(a.ID) + "/password", "/account", "/account/keys/new", revoke, "/nothing"} {
		c := h.in("admin")
		if path == "/signin" || path == "/unlock?code=x" {
			c = h.client()
		}
		doc := parse(t, c.get(path))
		for n := range doc.Descendants() {
			if n.Data == "style" || n.Data == "script" && !has(n, "src") || has(n, "style") {
				t.Errorf("%s has something inline: <%s %v>", path, n.Data, n.Attr)
			}
			for _, at := range n.Attr {
				if strings.HasPrefix(at.Key, "on") || strings.HasPrefix(at.Key, "hx-on") || strings.HasPrefix(at.Val, "javascript:") {
					t.Errorf("%s has script in an attribute: %v", path, at)
				}
			}
		}
		if len(all(doc, "main")) != 1 || len(all(doc, "h1")) != 1 {
			t.Errorf("%s: %d main, %d h1", path, len(all(doc, "main")), len(all(doc, "h1")))
		}
	}
}

func TestLabelsBelongToFields(t *testing.T) {
	h := newHouse(t)
	h.add("admin", account.Admin)
	a := h.add("arslan", account.User)
	h.addKey(a, "nightly")
	for _, path := range []string{"/sessions", "/settings/token", "/history", "/users", "/users/new", "/users/" + string(a.ID), "/users/" + string(a.ID) + "/password", "/account", "/account/keys/new"} {
		doc := parse(t, h.in("admin").get(path))
		labels := map[string]bool{}
		for _, l := range all(doc, "label") {
			labels[attr(l, "for")] = true
		}
		for _, in := range append(all(doc, "input"), all(doc, "select")...) {
			named := labels[attr(in, "id")] || has(in, "aria-label") || in.Parent.Data == "label"
			if attr(in, "type") != "hidden" && !has(in, "aria-hidden") && !named {
				t.Errorf("%s: field %q has no label", path, attr(in, "name"))
			}
		}
		ids := map[string]bool{}
		for n := range doc.Descendants() {
			if id := attr(n, "id"); id != "" && ids[id] {
				t.Errorf("%s: ID %q twice", path, id)
			} else {
				ids[id] = true
			}
		}
	}
}

func TestStaticFilesAreKeptForEver(t *testing.T) {
	h := newHouse(t)
	doc := parse(t, h.client().get("/setup"))
	css := ""
	for _, l := range all(doc, "link") {
		if attr(l, "rel") == "stylesheet" {
			css = attr(l, "href")
		}
	}
	w := h.client().get(css)
	wantStatus(t, w, http.StatusOK)
	if got := w.Header().Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
		t.Errorf("Cache-Control: %q", got)
	}
	if got := w.Header().Get("Content-Type"); got != "text/css; charset=utf-8" {
		t.Errorf("Content-Type: %q", got)
	}
	c := h.client()
	c.header.Set("Accept-Encoding", "gzip")
	if z := c.get(css); z.Header().Get("Content-Encoding") != "gzip" || z.Body.Len() >= w.Body.Len() {
		t.Errorf("not compressed: %d of %d bytes", z.Body.Len(), w.Body.Len())
	}
}

func TestPagesNameOnlyFilesThatExist(t *testing.T) {
	h := newHouse(t)
	h.add("admin", account.Admin)
	a := loadAssets()
	for _, path := range []string{"/sessions", "/users", "/history", "/account", "/account/keys/new", "/settings/token", "/sessions/end-others"} {
		for n := range parse(t, h.in("admin").get(path)).Descendants() {
			for _, name := range []string{attr(n, "href"), attr(n, "src")} {
				file, icon, isIcon := strings.Cut(strings.TrimPrefix(name, staticPath+a.hash+"/"), "#")
				if !strings.HasPrefix(name, staticPath) {
					continue
				}
				f, ok := a.files[file]
				if !ok || isIcon && !strings.Contains(string(f.body), `id="`+icon+`"`) {
					t.Errorf("%s: there is no %s", path, name)
				}
			}
		}
	}
}

func TestAPanicIsAPageAndTheProcessLives(t *testing.T) {
	h := newHouse(t)
	c := &console{Options: Options{Sessions: h.sessions, Accounts: h.accounts, Logger: newLogger(h)}, assets: loadAssets()}
	c.pages = allPages(c.assets)
	handler := c.handler(route{"GET /boom", public, func(*console, *request) (answer, error) { panic("secret of the house") }})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/boom", nil))
	wantStatus(t, w, http.StatusInternalServerError)
	if strings.Contains(w.Body.String(), "secret") {
		t.Error("the page tells the panic")
	}
	doc := parse(t, w)
	id := text(all(byID(t, doc, "panel"), "span")[1])
	if len(id) != 10 || !strings.Contains(h.log.String(), id) || !strings.Contains(h.log.String(), "secret of the house") {
		t.Errorf("the log lacks ID %q or the panic:\n%s", id, h.log.String())
	}
}

func TestUnavailable(t *testing.T) {
	h := newHouse(t)
	h.add("user", account.User)
	c := h.in("user")
	h.broken.Store(true)
	w := c.get("/sessions")
	wantStatus(t, w, http.StatusServiceUnavailable)
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if strings.Contains(w.Body.String(), errBroken.Error()) {
		t.Error("strangers are told what broke")
	}
	wantStatus(t, c.post("/signout", nil), http.StatusServiceUnavailable)
	if c.cookies[curfew.PlainCookie] == "" {
		t.Error("the cookie is gone though the session is not")
	}
}

func TestAClientThatHangsUpIsNoFailure(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.User)
	c := h.in("amara")
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	r := httptest.NewRequestWithContext(ctx, "GET", "/sessions", nil)
	r.AddCookie(&http.Cookie{Name: curfew.PlainCookie, Value: c.cookies[curfew.PlainCookie]})
	handler := &console{Options: Options{Sessions: h.sessions, Accounts: h.accounts, Logger: newLogger(h)}, assets: loadAssets()}
	handler.pages = allPages(handler.assets)
	gone := func(*console, *request) (answer, error) { return answer{}, fmt.Errorf("list sessions: %w", ctx.Err()) }
	w := httptest.NewRecorder()
	h.sessions.Authenticate(handler.handler(route{"GET /sessions", public, gone})).ServeHTTP(w, r)
	wantStatus(t, w, http.StatusServiceUnavailable)
	if h.log.Len() > 0 {
		t.Errorf("the log: %s", h.log.String())
	}
	cancelled := func(*console, *request) (answer, error) { return answer{}, context.Canceled }
	handler.handler(route{"GET /x", public, cancelled}).ServeHTTP(w, httptest.NewRequest("GET", "/x", nil))
	if !strings.Contains(h.log.String(), "ERROR") {
		t.Error("a request that was cancelled by anybody else is not logged")
	}
}

func TestForms(t *testing.T) {
	h := newHouse(t)
	h.add("user", account.User)
	c := h.in("user")
	wantStatus(t, c.do("POST", "/settings/token", strings.NewReader("seconds="+strings.Repeat("1", maxForm))), http.StatusRequestEntityTooLarge)
	wantText(t, c.do("POST", "/settings/token", strings.NewReader("seconds="+strings.Repeat("1", maxForm))), "What was sent is larger than any form here.")
	wantStatus(t, c.do("POST", "/settings/token", strings.NewReader("%zz")), http.StatusBadRequest)
	wantStatus(t, c.do("POST", "/settings/token?seconds=60", strings.NewReader("")), http.StatusUnprocessableEntity)
}

func TestHTMXIsAnsweredInItsOwnHeaders(t *testing.T) {
	h := newHouse(t)
	h.add("user", account.User)
	c := h.in("user")
	c.header.Set("HX-Request", "true")
	w := c.post("/settings/token", url.Values{"seconds": {"60"}})
	wantStatus(t, w, http.StatusNoContent)
	if got := w.Header().Get("HX-Trigger"); got != `{"curfew:done":{"message":"Token lifetime is now 1 minute."}}` {
		t.Errorf("HX-Trigger: %s", got)
	}
	wantStatus(t, c.post("/settings/token", url.Values{"seconds": {"1"}}), http.StatusOK)
	c.post("/signout", nil)
	c.cookies = map[string]string{}
	c.header.Set("HX-Current-URL", "http://example.com/history?q=a")
	w = c.get("/history")
	wantStatus(t, w, http.StatusNoContent)
	if got := w.Header().Get("HX-Redirect"); got != "/signin?next=%2Fhistory%3Fq%3Da" {
		t.Errorf("HX-Redirect: %q", got)
	}
}

func TestHeadersAreASCII(t *testing.T) {
	if got := asciiJSON([]byte(`{"a":"Zoë’s 🌙"}`)); got != `{"a":"Zo\u00eb\u2019s \ud83c\udf19"}` {
		t.Errorf("got %s", got)
	}
}

func TestTheme(t *testing.T) {
	h := newHouse(t)
	h.add("user", account.User)
	c := h.in("user")
	wantLocation(t, c.post("/theme", url.Values{"theme": {"dark"}, "back": {"/history?q=a"}}), "/history?q=a")
	if got := attr(all(parse(t, c.get("/sessions")), "html")[0], "data-theme"); got != "dark" {
		t.Errorf("theme %q", got)
	}
	wantLocation(t, c.post("/theme", url.Values{"theme": {"system"}, "back": {"//evil.example"}}), "/sessions")
	if got := attr(all(parse(t, c.get("/sessions")), "html")[0], "data-theme"); got != "system" {
		t.Errorf("theme %q", got)
	}
}

func TestNotices(t *testing.T) {
	h := newHouse(t)
	h.add("user", account.User)
	c := h.in("user")
	c.post("/settings/token", url.Values{"seconds": {"60"}})
	if got := text(byID(t, parse(t, c.get("/sessions")), "toast")); got != "Token lifetime is now 1 minute." {
		t.Errorf("notice %q", got)
	}
	if got := text(byID(t, parse(t, c.get("/sessions")), "toast")); got != "" {
		t.Errorf("the notice came twice: %q", got)
	}
	c.post("/signout", nil)
	if got := text(byID(t, parse(t, c.get("/signin?next=%2Fhistory")), "toast")); got != "" {
		t.Errorf("another tab took the notice: %q", got)
	}
	if got := text(byID(t, parse(t, c.get("/signin")), "toast")); got != "You are signed out." {
		t.Errorf("notice %q", got)
	}
	c = h.in("user")
	c.cookies[noticeCookie] = "not base64!"
	wantStatus(t, c.get("/sessions"), http.StatusOK)
}
