package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// mirror is an app that says what it got.
func mirror(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/events" {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return
	}
	n, _ := io.Copy(io.Discard, r.Body)
	fmt.Fprintf(w, "%s %s %d %s/%s %s", r.Method, r.URL, n, r.Header.Get("Remote-User"), r.Header.Get("Remote-Role"), r.Header.Get("Cookie"))
}

// serveMirror runs a server before that app. Its clients' paths are the app's.
func serveMirror(t *testing.T, args ...string) *server {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(mirror))
	t.Cleanup(app.Close)
	t.Cleanup(app.CloseClientConnections)
	s := serveHouse(t, append(args, "--upstream", app.URL)...)
	s.base = s.root()
	return s
}

// inApp signs in where an app is at the root.
func (s *server) inApp(name string) *client {
	s.t.Helper()
	c := s.client()
	if status := c.post("/.curfew/signin", "username", name, "password", password); status != http.StatusSeeOther {
		s.t.Fatalf("sign in as %s: status %d", name, status)
	}
	return c
}

func TestUpstream(t *testing.T) {
	inTurn(t)
	s := serveMirror(t)
	stranger := s.client()
	if status, body := stranger.get("/a?b"); status != http.StatusUnauthorized || !strings.Contains(body, "sign in first") {
		t.Errorf("a stranger: %d %s", status, body)
	}
	amara, mia := s.inApp("amara"), s.inApp("mia")
	if status, body := amara.get("/a?b"); status != http.StatusOK || body != "GET /a?b 0 amara/admin " {
		t.Errorf("amara: %d %q", status, body)
	}
	if _, body := mia.get("/"); body != "GET / 0 mia/user " {
		t.Errorf("mia: %q", body)
	}
	if status, body := amara.get("/.curfew/users"); status != http.StatusOK || !strings.Contains(body, `href="/.curfew/users/new"`) {
		t.Errorf("the console: %d", status)
	}
	for _, path := range []string{"/.curfew/api", "/.curfew/api/v1/session", "/.curfew/guard.js"} {
		if status, body := amara.get(path); status >= 300 && status < 400 || strings.HasPrefix(body, "GET ") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}

	// A role counts from the next request on, and so does that the account is disabled.
	s.curfew("", "user", "disable", "mia")
	if status, _ := mia.get("/"); status != http.StatusUnauthorized {
		t.Errorf("a disabled account: %d", status)
	}
}

// TestAppsHaveTheirOwnLimits sends what Curfew itself refuses: forms of other sites, and bodies larger than any of ours.
func TestAppsHaveTheirOwnLimits(t *testing.T) {
	inTurn(t)
	s := serveMirror(t)
	c := s.inApp("amara")
	for path, want := range map[string]int{"/form": http.StatusOK, "/.curfew/theme": http.StatusForbidden} {
		if status := c.do(http.MethodPost, path, "", "Sec-Fetch-Site", "cross-site", "Origin", "https://elsewhere.example"); status != want {
			t.Errorf("POST %s from another site: %d, want %d", path, status, want)
		}
	}
	resp, err := c.Post(s.base+"/upload", "application/octet-stream", bytes.NewReader(make([]byte, 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), " 1048576 amara") || resp.Header.Get("Content-Security-Policy") != "" {
		t.Errorf("a large body: %s, %v", body, resp.Header)
	}
	if status := c.do(http.MethodGet, "/", "", "X-Big", strings.Repeat("a", 1<<20)); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 1 MiB: %d", status)
	}
}

// TestSlowHeaders has a client that never comes to the end of its headers. Others are served meanwhile.
func TestSlowHeaders(t *testing.T) {
	inTurn(t)
	s := serveMirror(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	closed := make(chan time.Duration)
	go func() {
		io.Copy(io.Discard, conn)
		closed <- time.Since(began)
	}()
	drip := time.NewTicker(200 * time.Millisecond)
	defer drip.Stop()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\n")
	c := s.inApp("amara")
	for {
		select {
		case took := <-closed:
			if took > patience {
				t.Errorf("closed after %v", took)
			}
			return
		case <-drip.C:
			io.WriteString(conn, "X: y\r\n")
			if status, _ := c.get("/"); status != http.StatusOK {
				t.Errorf("somebody else meanwhile: %d", status)
			}
		}
	}
}

// TestStopWithOpenStream stops the server while a stream is open that would never end by itself.
func TestStopWithOpenStream(t *testing.T) {
	inTurn(t)
	s := serveMirror(t)
	c := s.inApp("amara")
	resp, err := c.Client.Get(s.base + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > shutdownTime-time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestStopWithOpenWebSocket stops the server while a WebSocket is open. Its client may still say something, and is then told why.
func TestStopWithOpenWebSocket(t *testing.T) {
	inTurn(t)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			kind, b, err := c.Read(context.Background())
			if err != nil || c.Write(context.Background(), kind, b) != nil {
				return
			}
		}
	}))
	t.Cleanup(app.Close)
	s := serveHouse(t, "--upstream", app.URL)
	s.base = s.root()
	c, _, err := websocket.Dial(t.Context(), s.base, &websocket.DialOptions{HTTPClient: s.inApp("amara").Client})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	stopped := make(chan struct{})
	go func() { defer close(stopped); s.stop() }()
	t.Cleanup(func() { <-stopped })
	for s.listens() {
		time.Sleep(10 * time.Millisecond)
	}
	if err := c.Write(t.Context(), websocket.MessageText, []byte("goodbye")); err != nil {
		t.Errorf("while it stops: %v", err)
	}
	if _, got, err := c.Read(t.Context()); err != nil || string(got) != "goodbye" {
		t.Errorf("while it stops: %q, %v", got, err)
	}
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("%v, want status 1001", err)
	}
	began := time.Now()
	<-stopped
	if took := time.Since(began); took > shutdownTime-time.Second {
		t.Errorf("after that it took %v", took)
	}
}

// listens reports whether the server takes connections.
func (s *server) listens() bool {
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// TestRulesFromFile has rules for parts of an app.
func TestRulesFromFile(t *testing.T) {
	inTurn(t)
	app := httptest.NewServer(http.HandlerFunc(mirror))
	t.Cleanup(app.Close)
	file := writeConfig(t, `
[[app]]
upstream = "`+app.URL+`"
[[app.rule]]
path = "/public"
access = "public"
[[app.rule]]
path = "/admin"
roles = ["admin"]
`)
	s := serveHouse(t, "--config", file)
	s.base = s.root()
	stranger, amara, mia := s.client(), s.inApp("amara"), s.inApp("mia")
	for _, tt := range []struct {
		who  *client
		path string
		want int
	}{
		{stranger, "/public/x", 200}, {stranger, "/admin", 401}, {stranger, "/", 401},
		{amara, "/admin/x", 200}, {mia, "/admin/x", 403}, {mia, "/other", 200}, {mia, "/public/%2e%2e/admin", 400},
	} {
		if status, _ := tt.who.get(tt.path); status != tt.want {
			t.Errorf("%s: %d, want %d", tt.path, status, tt.want)
		}
	}
}
