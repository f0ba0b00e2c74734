package gate

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
)

func newConsoleGate(t *testing.T, console string, apps ...App) *Gate {
	t.Helper()
	g, err := New(Options{Sessions: newHouse(t, nil).Manager, Apps: apps, ConsoleHost: console})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestConsoleHostHasNoApp gives all hosts to an app: the console's is not among them, neither for the proxy nor for forward-auth.
func TestConsoleHostHasNoApp(t *testing.T) {
	upstream, _ := url.Parse("http://127.0.0.1:3000")
	g := newConsoleGate(t, "console.example.com", App{Upstream: upstream})
	for host, want := range map[string]bool{
		"console.example.com": false, "CONSOLE.example.com.:8443": false, "app.example.com": true, "": false, "console.example.com:x": false,
	} {
		if got := g.Serves(host); got != want {
			t.Errorf("an app is served under %q: %v", host, got)
		}
		if host != "" && !strings.HasSuffix(host, "x") && g.IsConsole(host) == want {
			t.Errorf("%q is the console's: %v", host, !want)
		}
	}
	var d decision
	g.decide(&d, request("/", curfew.Token{}), &asked{host: "console.example.com", path: "/", plain: true})
	if d.err != errNoApp {
		t.Errorf("forward-auth: %v", d.err)
	}
	if g := newConsoleGate(t, ""); g.IsConsole("") || g.IsConsole("a") {
		t.Error("without a console's host, a host is it")
	}
}

func TestConsoleHostIsChecked(t *testing.T) {
	for console, want := range map[string]string{
		"https://console.example.com": "without https://", "Console.example.com": "lower case", "a:80": "without a port", "app.example.com": "has an app",
	} {
		_, err := New(Options{ConsoleHost: console, Apps: []App{{Host: "app.example.com"}}})
		if curfew.ErrorCode(err) != curfew.CodeInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", console, err, want)
		}
	}
}

func TestElsewhere(t *testing.T) {
	g := newConsoleGate(t, "console.example.com")
	for _, tt := range []struct{ method, target, mode, want string }{
		{"GET", "http://app.example.com/users?q=a%20b", "navigate", "http://console.example.com/users?q=a%20b"},
		{"GET", "http://app.example.com:8080/a%2Fb", "navigate", "http://console.example.com:8080/a%2Fb"},
		{"HEAD", "https://app.example.com:8443/", "navigate", "https://console.example.com:8443/"},
		{"GET", "http://[::1]:8080/", "navigate", "http://console.example.com:8080/"},
		{"GET", "http://[::1]/", "navigate", "http://console.example.com/"},
		{"GET", "http://app.example.com//elsewhere.example/", "navigate", "http://console.example.com//elsewhere.example/"},
		{"GET", "*", "navigate", ""},
		{"GET", "http://app.example.com/users", "cors", ""},
		{"GET", "http://app.example.com/users", "", ""},
		{"POST", "http://app.example.com/users/new", "navigate", ""},
		{"DELETE", "http://app.example.com/users", "cors", ""},
	} {
		r := httptest.NewRequest(tt.method, tt.target, nil)
		if tt.mode != "" {
			r.Header.Set("Sec-Fetch-Mode", tt.mode)
		}
		w := httptest.NewRecorder()
		g.Elsewhere().ServeHTTP(w, r)
		status := http.StatusNotFound
		if tt.want != "" {
			status = http.StatusSeeOther
		}
		if got := w.Header().Get("Location"); w.Code != status || got != tt.want {
			t.Errorf("%s %s (%s): %d to %q, want %q", tt.method, tt.target, tt.mode, w.Code, got, tt.want)
		}
		if got := w.Header().Get("Content-Type"); status == http.StatusNotFound && got != "application/problem+json" {
			t.Errorf("%s %s: %s", tt.method, tt.target, got)
		}
	}
}
