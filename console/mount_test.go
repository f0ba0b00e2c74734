package console

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/internal/mount"
)

// newMountedHouse has the console below /.curfew, as on the host of an app.
func newMountedHouse(t *testing.T) *house {
	h := newHouse(t)
	h.chain = http.NewCrossOriginProtection().Handler(h.sessions.Authenticate(mount.Under(h.console)))
	return h
}

// addresses are the attributes that lead somewhere.
var addresses = map[string]bool{
	"href": true, "src": true, "action": true, "formaction": true, "hx-get": true, "hx-post": true, "data-here": true,
	"data-session": true, "data-signin": true, "data-signout": true,
}

// TestMountedConsoleStaysBelowItsBase follows each link, form and redirect of the mounted console, as each role and as a
// stranger: all are below the base, and none is broken.
func TestMountedConsoleStaysBelowItsBase(t *testing.T) {
	h := newMountedHouse(t)
	for _, role := range []account.Role{account.Admin, account.Auditor, account.User} {
		h.add(string(role), role)
	}
	for range 60 { // so that lists have pages
		h.mountedIn("user")
	}
	for _, c := range []*client{h.client(), h.mountedIn("admin"), h.mountedIn("auditor"), h.mountedIn("user")} {
		crawler := &crawler{t: t, c: c, seen: map[string]bool{}}
		crawler.follow("/.curfew")
		crawler.follow("/.curfew/nowhere")
		crawler.follow("/.curfew/static/x")
		crawler.follow("/.curfew//users")
		crawler.follow("/.curfew/setup?code=x")
		crawler.follow("/.curfew/unlock?code=x")
		for len(crawler.todo) > 0 {
			next := crawler.todo[0]
			crawler.todo = crawler.todo[1:]
			crawler.visit(next)
		}
		if len(crawler.seen) < 6 {
			t.Errorf("the crawler saw only %v", crawler.seen)
		}
	}
}

func (h *house) mountedIn(name string) *client {
	h.t.Helper()
	c := h.client()
	if w := c.post("/.curfew/signin", url.Values{"username": {name}, "password": {password}}); w.Header().Get("Location") != "/" {
		h.t.Fatalf("signing in as %s leads to %q (%d)", name, w.Header().Get("Location"), w.Code)
	}
	return c
}

type crawler struct {
	t    *testing.T
	c    *client
	seen map[string]bool
	todo []string
}

// places are what differs from link to link but not from page to page.
var places = regexp.MustCompile(`(after|before|q|user|sort|dir)=[^&]*|/(users|sessions)/[a-z0-9]{8,}`)

// follow remembers to visit an address, once for each kind.
func (c *crawler) follow(address string) {
	kind := places.ReplaceAllString(address, "$1$2")
	if !c.seen[kind] {
		c.seen[kind] = true
		c.todo = append(c.todo, address)
	}
}

// visit asks for a page, and posts its forms empty, as script and without.
func (c *crawler) visit(address string) {
	u, err := url.Parse(address)
	if err != nil || strings.HasSuffix(u.Path, "/guard.js") || strings.Contains(u.Path, "/api/") {
		return // not the console's
	}
	w := c.c.get(address)
	if w.Code >= 500 || w.Code == http.StatusNotFound && !strings.Contains(address, "nowhere") && !strings.HasSuffix(address, "/static/x") {
		c.t.Errorf("%s: status %d", address, w.Code)
	}
	c.look(address, w)
}

func (c *crawler) look(from string, w *httptest.ResponseRecorder) {
	for _, header := range []string{"Location", "HX-Redirect", "Content-Location", "Refresh"} {
		if to := w.Header().Get(header); to != "" {
			c.found(from, to)
		}
	}
	if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		return
	}
	doc := parse(c.t, w)
	for d := range doc.Descendants() {
		for _, a := range d.Attr {
			if d.Type == html.ElementNode && addresses[a.Key] && a.Val != "" {
				c.found(from+" "+a.Key, a.Val)
			}
		}
		if d.Type == html.ElementNode && d.Data == "form" && strings.EqualFold(attr(d, "method"), "post") {
			c.submit(attr(d, "action"))
		}
	}
}

// submit posts a form with nothing in it.
func (c *crawler) submit(action string) {
	if c.seen["POST "+places.ReplaceAllString(action, "$2")] || strings.HasSuffix(action, "/signout") {
		return
	}
	c.seen["POST "+places.ReplaceAllString(action, "$2")] = true
	c.look("POST "+action, c.c.post(action, nil))
	c.c.header.Set("HX-Request", "true")
	c.look("htmx POST "+action, c.c.post(action, nil))
	c.c.header.Del("HX-Request")
}

// found is an address in a page or a header.
func (c *crawler) found(from, to string) {
	if strings.HasPrefix(to, "#") || to == "/" { // who is signed in already goes to the app, and pages lead back there
		return
	}
	if !strings.HasPrefix(to, "/.curfew/") {
		c.t.Errorf("%s leads to %s", from, to)
		return
	}
	to, _, _ = strings.Cut(to, "#")
	if !strings.HasSuffix(from, "action") && !strings.HasSuffix(from, "data-signout") {
		c.follow(to)
	}
}

func TestMountedSignIn(t *testing.T) {
	h := newMountedHouse(t)
	h.add("mia", account.User)
	stranger := h.client()
	wantLocation(t, stranger.get("/.curfew/users?q=x"), "/.curfew/signin?next=%2F.curfew%2Fusers%3Fq%3Dx")
	signIn := func(next string) *httptest.ResponseRecorder {
		return stranger.post("/.curfew/signin", url.Values{"username": {"mia"}, "password": {password}, "next": {next}})
	}
	for _, front := range []string{"/.curfew/", "/.curfew/sessions"} { // who asks for the console gets it, not the app
		wantLocation(t, stranger.get(front), "/.curfew/signin?next=%2F.curfew%2Fsessions")
	}
	wantLocation(t, signIn("/app/page?q=1#part"), "/app/page?q=1#part")
	wantLocation(t, signIn("https://elsewhere.example/"), "/")
	wantLocation(t, stranger.get("/.curfew/signin?next=%2Fapp%3Fx"), "/app?x")
	wantLocation(t, stranger.post("/.curfew/theme", url.Values{"theme": {"dark"}, "back": {"/account"}}), "/.curfew/account")
	wantLocation(t, stranger.post("/.curfew/settings/token", url.Values{"seconds": {"60"}}), "/.curfew/sessions")
	wantText(t, stranger.get("/.curfew/sessions"), "Token lifetime is now 1 minute")
	wantText(t, stranger.get("/.curfew/sessions"), "Back to the app")
	wantLocation(t, stranger.post("/.curfew/signout", nil), "/.curfew/signin")
	wantText(t, stranger.get("/.curfew/signin"), "You are signed out")
}
