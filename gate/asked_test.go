package gate

import (
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
)

func TestCanonicalHost(t *testing.T) {
	for host, want := range map[string]string{
		"app.example.com":        "app.example.com",
		"App.Example.COM":        "app.example.com",
		"app.example.com.":       "app.example.com",
		"app.example.com:8443":   "app.example.com",
		"app.example.com.:80":    "app.example.com",
		"app.example.com:":       "app.example.com",
		"127.0.0.1:8080":         "127.0.0.1",
		"[::1]:8080":             "[::1]",
		"[0:0::1]":               "[::1]",
		"xn--bcher-kva.example":  "xn--bcher-kva.example",
		"":                       "",
		".":                      "",
		".example.com":           "",
		"a..b":                   "",
		"a.b..":                  "",
		"a b":                    "",
		"a/b":                    "",
		"a@b":                    "",
		"a,b":                    "",
		"a:b":                    "",
		"a:80:80":                "",
		"::1":                    "",
		"[::1":                   "",
		"[::1%25eth0]":           "",
		"[127.0.0.1]":            "",
		"bücher.example":         "",
		"a\x00b":                 "",
		strings.Repeat("a", 254): "",
	} {
		got, ok := canonicalHost(host)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v, want %q", host, got, ok, want)
		}
	}
}

func TestCanonicalPath(t *testing.T) {
	for raw, want := range map[string]string{
		"/":                  "/",
		"/a/b.c/":            "/a/b.c/",
		"/.well-known/x":     "/.well-known/x",
		"/...":               "",
		"/a.":                "",
		"/a./b":              "",
		"/a%20":              "",
		"/a b":               "/a b",
		"/a..b":              "/a..b",
		"/%61dmin":           "/admin",
		"/%C3%A9":            "/é",
		"/a%20b":             "/a b",
		"/a+b,c:d@e=f&g~h!i": "/a+b,c:d@e=f&g~h!i",
		"":                   "",
		"*":                  "",
		"a":                  "",
		"//a":                "",
		"/a//b":              "",
		"/a//":               "",
		"/.":                 "",
		"/..":                "",
		"/a/./b":             "",
		"/a/../b":            "",
		"/a/..":              "",
		"/a/%2e%2e/b":        "",
		"/a/.%2E/b":          "",
		"/a%2eb":             "",
		"/a%2fb":             "",
		"/a%2Fb":             "",
		"/a%5cb":             "",
		`/a\b`:               "",
		"/a;b":               "",
		"/a%3bb":             "",
		"/a%3Fb":             "",
		"/a%23b":             "",
		"/a%252eb":           "",
		"/a%00b":             "",
		"/a%0ab":             "",
		"/a\x01b":            "",
		"/a%7f":              "",
		"/a%":                "",
		"/a%4":               "",
		"/a%zz":              "",
		"/%c0%ae%c0%ae":      "",
		"/%ff":               "",
	} {
		got, plain := canonicalPath(raw)
		if plain != (want != "") || plain && got != want {
			t.Errorf("%q: %q, %v, want %q", raw, got, plain, want)
		}
	}
}

// FuzzCanonicalPath holds that a plain path is what each of the usual ways of reading it says: net/http's, one that
// decodes again, one that tidies first or last, and one that cuts parameters off.
func FuzzCanonicalPath(f *testing.F) {
	for _, seed := range []string{"/", "/a/b", "/%61/%2e%2e/x", "/a;b/c", "//a", "/a%2fb", `/a\..\b`, "/%2561", "/a%3fb"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, plain := canonicalPath(raw)
		if !plain {
			return
		}
		again, stillPlain := canonicalPath(got)
		if !stillPlain || again != got {
			t.Errorf("%q is %q, which is read as %q", raw, got, again)
		}
		if tidy := path.Clean(got); tidy != strings.TrimSuffix(got, "/") && got != "/" {
			t.Errorf("%q is %q, tidied %q", raw, got, tidy)
		}
		if strings.ContainsAny(got, "\\;?#\x00\n") {
			t.Errorf("%q is %q", raw, got)
		}
		if r, err := http.NewRequest(http.MethodGet, "http://host"+raw, nil); err == nil && r.URL.Path != got {
			t.Errorf("%q is %q, net/url reads %q", raw, got, r.URL.Path)
		}
	})
}

func TestNewAsked(t *testing.T) {
	a, err := newAsked("GET", true, "App.Example.com:443", "/a%20b?q=%2f;x")
	if err != nil || a.host != "app.example.com" || a.path != "/a b" || !a.plain || a.uri != "/a%20b?q=%2f;x" || !a.secure {
		t.Errorf("%+v, %v", a, err)
	}
	for _, bad := range [][3]string{{"", "h", "/"}, {"CONNECT", "h", "/"}, {"GET", "", "/"}, {"GET", "h", "*"}, {"GET", "h", "http://h/"}} {
		if _, err := newAsked(bad[0], false, bad[1], bad[2]); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestNavigation(t *testing.T) {
	const browser = "text/html,application/xhtml+xml,*/*;q=0.8"
	for name, tt := range map[string]struct {
		method string
		header []string
		want   bool
	}{
		"a click":                 {"GET", []string{"Sec-Fetch-Mode", "navigate", "Accept", browser}, true},
		"HEAD":                    {"HEAD", []string{"Sec-Fetch-Mode", "navigate"}, true},
		"fetch":                   {"GET", []string{"Sec-Fetch-Mode", "cors", "Accept", "text/html"}, false},
		"an image":                {"GET", []string{"Sec-Fetch-Mode", "no-cors", "Accept", "image/*"}, false},
		"a form":                  {"POST", []string{"Sec-Fetch-Mode", "navigate", "Accept", browser}, false},
		"over plain HTTP":         {"GET", []string{"Accept", browser}, true},
		"a script over plain":     {"GET", []string{"Accept", "application/json"}, false},
		"curl":                    {"GET", []string{"Accept", "*/*"}, false},
		"nothing":                 {"GET", nil, false},
		"jQuery":                  {"GET", []string{"Accept", "text/html", "X-Requested-With", "XMLHttpRequest"}, false},
		"a WebSocket":             {"GET", []string{"Accept", "text/html", "Upgrade", "websocket"}, false},
		"what nobody clicked for": {"GET", []string{"Accept", "text/html", "Curfew-Passive", "1"}, false},
	} {
		r := httptest.NewRequest(tt.method, "/", nil)
		for i := 0; i < len(tt.header); i += 2 {
			r.Header.Set(tt.header[i], tt.header[i+1])
		}
		if got := isNavigation(r.Method, r.Header); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
