package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// under returns the server under another host, with clients that find it there.
func (s *server) under(host string) *server {
	u := *s
	u.base = "http://" + host + s.port()
	return &u
}

// port is the server's, with a colon before it.
func (s *server) port() string { return s.base[strings.LastIndexByte(s.base, ':'):] }

// anywhere makes the client reach the server under any host.
func (c *client) anywhere() *client {
	c.Transport = &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1"+c.s.port())
	}}
	c.s.t.Cleanup(c.CloseIdleConnections)
	return c
}

// at is the same client, with the same cookies, under another host.
func (c *client) at(host string) *client { return &client{c.Client, c.s.under(host)} }

// led returns where a navigation to the path leads, or the status if it leads nowhere.
func (c *client) led(path string) string {
	c.s.t.Helper()
	r, err := http.NewRequest(http.MethodGet, c.s.base+path, nil)
	if err != nil {
		c.s.t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	resp, err := c.Do(r)
	if err != nil {
		c.s.t.Fatal(err)
	}
	resp.Body.Close()
	if to := resp.Header.Get("Location"); to != "" {
		return to
	}
	return resp.Status[:3]
}

const consoleHost = "console.example.com"

// newUser is the form for a new admin, without the password of who sends it.
func newUser(name string) string {
	return url.Values{
		"username": {name}, "role": {"admin"}, "seconds": {"300"}, "password": {password}, "repeat": {password},
	}.Encode()
}

var asForm = []string{"Content-Type", "application/x-www-form-urlencoded"}

// TestConsoleHost has the console on a host of its own, and one sign-in for it and an app: the app's host serves what the app
// needs and nothing else, and what comes from there the console refuses.
func TestConsoleHost(t *testing.T) {
	inTurn(t)
	app := httptest.NewServer(http.HandlerFunc(mirror))
	t.Cleanup(app.Close)
	s := serveHouse(t, "--console-host", "Console.example.com", "--cookie-domain", "example.com", "--upstream", app.URL)
	if !strings.HasPrefix(s.base, "http://console.example.com:") {
		t.Fatalf("the server says to be at %s", s.base)
	}
	c := s.under(appHost).client().anywhere()
	if status := c.post("/.curfew/signin", "username", "amara", "password", password); status != http.StatusSeeOther {
		t.Fatalf("sign in on the app's host: status %d", status)
	}
	if _, body := c.get("/a?b"); body != "GET /a?b 0 amara/admin " {
		t.Errorf("the app: %q", body)
	}
	for _, path := range []string{"/.curfew/guard.js", "/.curfew/api/v1/session", "/.curfew/unlock?code=x"} {
		if status, _ := c.get(path); status != http.StatusOK {
			t.Errorf("%s: status %d", path, status)
		}
	}
	for _, path := range []string{
		"/", "/users", "/users/new", "/sessions", "/sessions/end-others", "/history?q=a%20b", "/account", "/account/password", "/settings/token",
		"/setup?code=x", "/api/v1/account/lifetime", "/api", "/api/v1/sessionx", "/static", "/nowhere",
		"/api/v1/sessions", "/api/v1/sessions/events", "/api/v1/sessions/x", "/api/v1/history", "/api/v1/account", "/api/v1/users", "/api/openapi.json", "/api/docs",
	} {
		if got, want := c.led("/.curfew"+path), s.base+path; got != want {
			t.Errorf("a navigation to %s leads to %s, want %s", path, got, want)
		}
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			header := append([]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors"}, asForm...)
			if status := c.do(method, "/.curfew"+path, newUser("eve"), header...); status != http.StatusNotFound {
				t.Errorf("%s %s by a script: status %d, want 404", method, path, status)
			}
		}
	}

	console := c.at(consoleHost)
	if status, body := console.get("/users"); status != http.StatusOK || !strings.Contains(body, `href="/users/new"`) {
		t.Errorf("the console: %d", status)
	}
	if to := console.led("/"); to != "/sessions" {
		t.Errorf("the root of the console leads to %s", to)
	}
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors", "Origin", c.s.base},
		{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-User", "?1", "Origin", c.s.base}, // a form
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", c.s.base}, // over plain HTTP there is no Fetch Metadata
		{"Origin", "null"},
	} {
		for _, path := range []string{"/users/new", "/sessions/end-others", "/signout", "/settings/token", "/.curfew/users/new", "/api/v1/session/extend"} {
			if status := console.do(http.MethodPost, path, newUser("eve")+"&confirm=yes&current_password="+url.QueryEscape(password), append(header, asForm...)...); status != http.StatusForbidden {
				t.Errorf("POST %s from the app's host with %v: status %d, want 403", path, header, status)
			}
		}
	}
	if users := s.curfew("", "user", "list"); strings.Contains(users, "eve") {
		t.Errorf("there is a new account:\n%s", users)
	}
	if status := console.do(http.MethodPost, "/users/new", newUser("noe"), append([]string{"Sec-Fetch-Site", "same-origin"}, asForm...)...); status != http.StatusSeeOther {
		t.Errorf("the console's own form: status %d", status)
	}
}

// TestConsoleHostAlone has no shared cookie: one signs in to the console by itself. Hosts without an app lead there.
func TestConsoleHostAlone(t *testing.T) {
	inTurn(t)
	app := httptest.NewServer(http.HandlerFunc(mirror))
	t.Cleanup(app.Close)
	file := writeConfig(t, "console_host = \"console.example.com\"\n[[app]]\nhost = \"app.example.com\"\nupstream = \""+app.URL+"\"\n")
	s := serveHouse(t, "--config", file)
	c := s.under(appHost).client().anywhere()
	if status := c.post("/.curfew/signin", "username", "amara", "password", password); status != http.StatusSeeOther {
		t.Fatalf("sign in on the app's host: status %d", status)
	}
	console := c.at(consoleHost)
	if to := console.led("/users"); to != "/signin?next=%2Fusers" {
		t.Errorf("the console leads to %s", to)
	}
	if status := console.post("/signin", "username", "amara", "password", password); status != http.StatusSeeOther {
		t.Errorf("sign in to the console: status %d", status)
	}
	other := c.at("other.example.com")
	if to := other.led("/users?q=a"); to != s.base+"/users?q=a" {
		t.Errorf("a host without an app leads to %s", to)
	}
	if status := other.post("/signin", "username", "amara", "password", password); status != http.StatusNotFound {
		t.Errorf("a sign-in on a host without an app: status %d", status)
	}
}

// TestConsoleHostSetup makes the first account: on the console's host and nowhere else.
func TestConsoleHostSetup(t *testing.T) {
	inTurn(t)
	s := serve(t, t.TempDir(), "--console-host", consoleHost, "--upstream", "http://127.0.0.1:9")
	link, err := url.Parse(s.setup)
	if err != nil || link.Hostname() != consoleHost {
		t.Fatalf("the setup link is %s", s.setup)
	}
	form := []string{"code", link.Query().Get("code"), "username", "amara", "password", password, "repeat", password}
	c := s.under(appHost).client().anywhere()
	if status := c.post("/.curfew/setup", form...); status != http.StatusNotFound {
		t.Errorf("on an app's host: status %d", status)
	}
	if to := c.led("/.curfew/setup?" + link.RawQuery); to != s.setup {
		t.Errorf("it leads to %s, want %s", to, s.setup)
	}
	if status := c.at(consoleHost).post("/setup", form...); status != http.StatusSeeOther {
		t.Errorf("on the console's host: status %d", status)
	}
}

// TestConsoleBelowAnApp has a script of an app send the console's forms with an admin's session, right after the sign-in.
func TestConsoleBelowAnApp(t *testing.T) {
	inTurn(t)
	s := serveMirror(t)
	c := s.inApp("amara")
	mia := s.inApp("mia")
	script := append([]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Origin", s.base}, asForm...)
	if status := c.do(http.MethodPost, "/.curfew/users/new", newUser("eve"), script...); status != http.StatusUnprocessableEntity {
		t.Errorf("a new account without the password: status %d", status)
	}
	if status := c.do(http.MethodPost, "/.curfew/sessions/end-others", "confirm=yes", script...); status != http.StatusUnprocessableEntity {
		t.Errorf("ending all others without the password: status %d", status)
	}
	if status, _ := mia.get("/"); status != http.StatusOK {
		t.Errorf("somebody else's session: status %d", status)
	}
	if users := s.curfew("", "user", "list"); strings.Contains(users, "eve") {
		t.Errorf("there is a new account:\n%s", users)
	}
	given := newUser("noe") + "&current_password=" + url.QueryEscape(password)
	if status := c.do(http.MethodPost, "/.curfew/users/new", given, script...); status != http.StatusSeeOther {
		t.Errorf("with the password: status %d", status)
	}
}
