package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/gate"
	"github.com/curfewhq/curfew/memory"
)

// TestForwardAuth runs the recipes in real proxies, all in front of one Curfew and one app.
func TestForwardAuth(t *testing.T) {
	inTurn(t)
	st := newStreet(t)
	for _, r := range runnable() {
		t.Run(r.name, func(t *testing.T) {
			inTurn(t)
			d := st.openDoor(t, r.name)
			t.Run("plain", d.testPlain)
			t.Run("signed out", d.testSignedOut)
			t.Run("identity", d.testIdentity)
			t.Run("rules", d.testRules)
			t.Run("down", d.testDown)
		})
	}
}

const appHost = "app.example.com"

// testPlain has whoever comes without encryption led to the same address with it.
func (d *frontDoor) testPlain(t *testing.T) {
	for _, path := range []string{"/plain?a=b%20c&d=e%2Ff", "/.curfew/signin?next=%2Fplain"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("http://127.0.0.1:%d%s", d.plain, path), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = appHost
		resp, err := client303.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		want := "https://" + appHost + path
		got := strings.Replace(resp.Header.Get("Location"), fmt.Sprintf(":%d", d.port), "", 1) // Traefik knows it, the others lead to 443
		if got != want || resp.StatusCode != http.StatusPermanentRedirect && resp.StatusCode != http.StatusMovedPermanently {
			t.Errorf("%d to %q, want a permanent redirect to %q", resp.StatusCode, got, want)
		}
	}
	if d.app.saw("/plain") {
		t.Error("the app was asked without encryption")
	}
}

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
	if a := v.do("GET", "/.curfew/%61uth", "", "X-Forwarded-Uri", "/public", "X-Forwarded-Method", "GET"); a.StatusCode != http.StatusNotFound && a.StatusCode != http.StatusSeeOther {
		t.Errorf("asking from outside, in another spelling: status %d: %s", a.StatusCode, a.text)
	}
	if a := v.do("GET", want, "", navigation...); a.StatusCode != http.StatusOK || !strings.Contains(a.text, "Sign in") {
		t.Errorf("the sign-in page: %d %s", a.StatusCode, a.text)
	}
	v.do("GET", "/.curfew/guard.js", "").want(t, "the guard", http.StatusOK)
	if a := v.do("GET", "/.curfew", "", navigation...); a.StatusCode != http.StatusPermanentRedirect || a.Header.Get("Location") != "/.curfew/" {
		t.Errorf("without a slash: %d to %q, want 308 to /.curfew/", a.StatusCode, a.Header.Get("Location"))
	}
}

// testIdentity has somebody signed in, who says to be somebody else: the app sees who they are, and not their session.
func (d *frontDoor) testIdentity(t *testing.T) {
	v := d.visitor(appHost)
	v.signIn("mia", "/echo?a=b%20c")
	d.testOutside(t, v.cookie())
	v.testKey(t)
	plain := v.do("GET", "/echo", "", fetch...).echoed(t)
	lies := [][]string{
		{"Remote-User", "amara"},
		{"remote-user", "amara"},
		{"REMOTE-USER", "amara", "Remote-User", "amara"},
		{"Remote_User", "amara", "Remote_Name", "x", "Remote_Role", "admin"},
		{"Remote.User", "amara", "Remote.Name", "x", "Remote.Role", "admin"},
		{"remote_user", "amara", "REMOTE-user", "amara", "reMOTE_roLE", "admin"},
		{"Remote-Role", "admin", "Remote_role", "admin"},
		{"X-Forwarded-User", "amara", "X_Remote_User", "amara", "X-Remote-User", "amara"},
		{"X.Remote.User", "amara", "x.remote_user", "amara", "X_Remote-Role", "amara", "X.Forwarded.User", "amara"},
		{"Connection", "Remote-User"},
		{"Connection", "close, Remote-User, Remote-Role, Cookie", "Remote-User", "amara"},
		{"X-Forwarded-Proto", "http", "X-Forwarded-Host", "evil.example", "X-Forwarded-For", "192.0.2.66"},
	}
	for _, header := range append(lies, nil) {
		what := strings.Join(header, " ")
		a := v.do("GET", "/echo", "", append([]string{"Cookie", "theme=dark; curfew=x; lang=en"}, header...)...)
		if d.name == "traefik" && strings.Contains(what, "Connection") && strings.Contains(what, "Cookie") && a.StatusCode == http.StatusUnauthorized {
			continue // it asks without what Connection names
		}
		seen := a.echoed(t)
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
	// Of a stranger there is nothing to say, and nothing of what they say themselves may stay.
	seen := d.visitor(appHost).do("GET", "/public/echo", "", "Remote-User", "amara", "remote-name", "amara", "Remote-Role", "admin",
		"Cookie", "__Host-curfew=cft_"+strings.Repeat("A", 48)).echoed(t)
	for _, name := range []string{"remote-user", "remote-name", "remote-role", "cookie"} {
		if got := strings.Join(seen[name], "|"); got != "" {
			t.Errorf("a stranger: the app sees %s: %q", name, got)
		}
	}
}

// testOutside asks Curfew what is for the proxy to ask, by addresses that a proxy tidies before it looks for whom they are, and passes on
// as they came. An app's own page could send them, and read in the answer the cookies that are hidden from it.
func (d *frontDoor) testOutside(t *testing.T, cookie string) {
	for _, below := range []string{"/..%2fx", "/%2e%2e%2fx", "/x/..%2f..%2fx", "/../x", "/x/../../x", "/.%2E/x", "/..%2f", "/..", `/..\x`, "/..%5cx"} {
		for _, host := range []string{appHost, "other.example.com"} { // of which one has rules, and one none
			a := d.raw(t, gate.AuthPath+below, host, cookie+"; theme=dark", "outside", "X-Forwarded-Method: GET", "X-Original-Method: GET")
			if a.Header.Get("Cookie") != "" || a.Header.Get("Remote-User") != "" || a.StatusCode == http.StatusOK {
				t.Errorf("asking from outside below %s: status %d with %v", below, a.StatusCode, a.Header)
			}
		}
	}
}

// testKey sends an app credentials: what is an API key of Curfew's it does not get.
func (v *visitor) testKey(t *testing.T) {
	authorized := func(lines ...string) answered {
		header := slices.Clone(fetch)
		for _, line := range lines {
			header = append(header, "Authorization", line)
		}
		return v.do("GET", "/echo", "", header...)
	}
	for sent, want := range map[string]string{
		"Basic YTpi": "Basic YTpi", "Bearer abc": "Bearer abc",
		"Bearer curfew_key_abc": "", "bearer  curfew_key_abc": "", "BEARER\tcurfew_key_abc": "",
	} {
		if got := strings.Join(authorized(sent).echoed(t)["authorization"], "|"); got != want {
			t.Errorf("%q: the app gets %q, want %q", sent, got, want)
		}
	}
	if a := authorized("Basic YTpi", "Bearer curfew_key_abc"); strings.Contains(a.text, "curfew_key_") { // some refuse two
		t.Errorf("a key beside something else: the app gets it: %s", a.text)
	}
}

// Ways to write an address, by which a rule might be got around.
var spellings = []string{
	"/admin", "/admin/", "/admin/x", "/ADMIN", "/Admin/x", "/%61dmin", "/adm%69n", "/admin%2fx", "/admin%2Fx", "/admin%5cx", "/admin;x", "/admin;/x",
	"/admin?x", "/admin?/public", "/admin#/public", "/admin%23", "/admin%3f/public", "/admin%00", "/admin%20", "/admin.", "/admin./x",
	"/public/../admin", "/public/./../admin", "/public/%2e%2e/admin", "/public/%2E%2e/admin", "/public/.%2e/admin", "/public/..%2fadmin", "/public%2f..%2fadmin",
	"/public/..%5cadmin", "/public/..;/admin", "/public;/../admin", "/public/..;x/admin", `/public\..\admin`, `/\admin`, "/public/%252e%252e/admin", "/public/..%252fadmin",
	"/%2561dmin", "//admin", "///admin", "/./admin", "/.//admin", "/%2e/admin", "/%2f/admin", "/public//../admin", "/public/../../admin", "/x/../admin", "/x/../../admin",
	"/.curfew/../admin", "/.curfew/%2e%2e/admin", "/.curfew/..%2fadmin", "/.curfew%2f..%2fadmin", "/.curfew/auth/../../admin", "/.curfew/auth/%2e%2e/%2e%2e/admin",
	"/%2ecurfew/../admin", "/.CURFEW/../admin", "/.curfew//../../admin", "/.curfew/..;/admin", `/.curfew\..\admin`,
	"http://app.example.com/admin", "http://other.example.com/admin", "https://app.example.com/public/../admin", "/\u00e4/../admin", "/%c0%ae%c0%ae/admin", "/public/%c0%ae%c0%ae/admin",
	"/public/%e0%80%ae./admin", "/public/%u002e%u002e/admin", "/public/. ./admin", "/public/%09../admin", "/public/../ADMIN", "/public/x/../../admin?next=/public",
}

// testRules asks in all spellings. Whatever the proxy makes of an address, the app must not get one that somebody could
// read as what the sender may not see.
func (d *frontDoor) testRules(t *testing.T) {
	mia, amara := d.visitor(appHost), d.visitor(appHost)
	mia.signIn("mia", "/echo")
	amara.signIn("amara", "/echo")
	amara.do("GET", "/admin/x", "", fetch...).want(t, "an admin", http.StatusOK)
	mia.do("GET", "/admin/x", "", fetch...).want(t, "a user", http.StatusForbidden)
	d.visitor(appHost).do("GET", "/public/x", "", fetch...).want(t, "a stranger in public", http.StatusOK)
	for i, uri := range spellings {
		for _, host := range []string{appHost, "APP.example.com", "app.example.com:443", "app.example.com."} {
			probe := fmt.Sprintf("%s-%d-%s", d.name, i, host)
			status := d.raw(t, uri, host, mia.cookie(), probe+"-mia").StatusCode
			if got := d.app.probed(probe + "-mia"); got != nil && couldBe(got.RequestURI, "/admin") && !strings.HasPrefix(got.Host, "other.") {
				t.Errorf("a user's %s (%s): the app got %s, status %d", uri, host, got.RequestURI, status)
			}
			status = d.raw(t, uri, host, "", probe+"-stranger").StatusCode
			if got := d.app.probed(probe + "-stranger"); got != nil && !strings.HasPrefix(got.RequestURI, "/public") {
				t.Errorf("a stranger's %s (%s): the app got %s, status %d", uri, host, got.RequestURI, status)
			}
		}
	}
}

// cookie is the Cookie header that the visitor sends.
func (v *visitor) cookie() string { return cookieHeader(v.d.t, v.Jar, v.d.base(v.host)) }

// cookieHeader is the Cookie header with which somebody asks for base.
func cookieHeader(t *testing.T, jar http.CookieJar, base string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	var pairs []string
	for _, c := range jar.Cookies(u) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// raw sends a GET whose address nothing tidies, and returns the answer, or an empty one if the proxy hangs up.
func (d *frontDoor) raw(t *testing.T, uri, host, cookie, probe string, header ...string) answered {
	t.Helper()
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", d.port), &tls.Config{RootCAs: d.pool, ServerName: appHost})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	header = append(header, "Host: "+host, "Cookie: "+cookie, "Probe: "+probe, "Sec-Fetch-Mode: cors", "Connection: close")
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\n%s\r\n\r\n", uri, strings.Join(header, "\r\n"))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return answered{Response: &http.Response{}}
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body) // some proxies end it short
	return answered{resp, string(text)}
}

// couldBe reports whether some program could take an address for a path or for something below it.
func couldBe(uri, path string) bool {
	for _, read := range readings(uri) {
		if isBelow(read, path) {
			return true
		}
	}
	return false
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
			if trouble.name == "hanging" && (header[1] == "navigate" || d.bare) {
				continue // once is long enough; Traefik waits for half a minute
			}
			d.deny(t, v, trouble.name, header)
		}
	}
	d.curfew.set("", true)
	if a := v.do("GET", "/.curfew/signin", "", navigation...); a.StatusCode < 500 || a.Header.Get("Retry-After") == "" && !d.bare || strings.Contains(a.text, "<h1>") {
		t.Errorf("the sign-in page of a killed Curfew: status %d with %v: %s", a.StatusCode, a.Header, a.text)
	}
	d.curfew.set(well, false)
	afterwards := "/" + d.name + "/afterwards"
	if v.do("GET", afterwards, "", fetch...).want(t, "afterwards", http.StatusOK); !d.app.saw(afterwards) {
		t.Error("afterwards the app sees nothing")
	}
	d.curfew.leave() // last, for its port may be somebody else's from now on
	d.deny(t, v, "gone", navigation)
}

// deny has the visitor kept out, with a page that can be read on a phone and says to try again.
func (d *frontDoor) deny(t *testing.T, v *visitor, trouble string, header []string) {
	t.Helper()
	path := "/" + d.name + "/" + strings.ReplaceAll(trouble, " ", "-")
	a := v.do("GET", path, "", header...)
	if d.app.saw(path) {
		t.Errorf("%s: the app saw it, status %d: %s", trouble, a.StatusCode, a.text)
	}
	silent := trouble == "killed" || trouble == "hanging" || trouble == "gone"
	if d.bare && silent && a.StatusCode == http.StatusInternalServerError {
		return
	}
	if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: status %d with %v, want 503, and when to try again", trouble, a.StatusCode, a.Header)
	}
	if strings.Contains(a.text, d.name) {
		t.Errorf("%s: the page speaks of the proxy: %s", trouble, a.text)
	}
	if silent && (!strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || !strings.Contains(a.text, "viewport") || !strings.Contains(a.text, "Not at the moment")) {
		t.Errorf("%s: the page can't be read on a phone: %s", trouble, a.text)
	}
}

// TestForgedConsoleHost has a script in an app's page ask for what is on the console's host alone, by a header that Curfew believes its proxy.
func TestForgedConsoleHost(t *testing.T) {
	inTurn(t)
	const users, console = "/.curfew/users", "console.example.com"
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	st := newStreet(t, "--listen", address, "--console-host", console)
	st.base = "http://" + address // it calls itself by the console's host
	for _, r := range runnable() {
		t.Run(r.name, func(t *testing.T) {
			inTurn(t)
			v := st.openDoor(t, r.name).visitor(appHost)
			v.signIn("amara", "/echo")
			for _, name := range []string{"X-Forwarded-Host", "x-forwarded-host", "X_Forwarded_Host", "X.Forwarded.Host"} {
				v.do("GET", users, "", append(fetch[:len(fetch):len(fetch)], name, console)...).want(t, name, http.StatusNotFound)
			}
			asked, err := http.NewRequestWithContext(t.Context(), "GET", st.base+users, nil)
			if err != nil {
				t.Fatal(err)
			}
			asked.Header = http.Header{"Cookie": {v.cookie()}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {console}}
			resp, err := client303.Do(asked)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("a proxy that says it is for the console: status %d, so this test shows nothing", resp.StatusCode)
			}
		})
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
	h := site{
		house: &house{instruments: instruments{log: log}, sessions: sessions, accounts: account.New(memory.NewAccounts(), sessions, account.Options{Logger: log})},
		gate:  g, forwardAuth: true, health: newHealth(sessions, nil),
		edge: curfew.Edge{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
	}.handler()
	s := httptest.NewUnstartedServer(h)
	s.Config = newHTTPServer(h, log)
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

// TestForwardAuthIsOff asks a server that was not told to answer.
func TestForwardAuthIsOff(t *testing.T) {
	inTurn(t)
	s := serve(t, t.TempDir(), "--trusted-proxy", "127.0.0.1")
	for _, path := range []string{"/.curfew/auth", "/.curfew/auth/reports"} {
		status, body := s.client().get(path)
		if status != http.StatusNotFound || !strings.Contains(body, "--forward-auth") {
			t.Errorf("%s: status %d: %s", path, status, body)
		}
	}
}
