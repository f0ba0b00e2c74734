package gate

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
)

// newAuth is forward-auth for an app with rules.
func newAuth(t testing.TB, h *house) http.Handler {
	t.Helper()
	g, err := New(Options{Sessions: h.Manager, Role: roles, Logger: slog.New(slog.DiscardHandler), Apps: []App{{Host: "app.example.com", Rules: []Rule{
		{Path: "/public", Access: Access{Public: true}},
		{Path: "/admin", Access: Access{Roles: []string{"admin"}}},
		{Path: "/poll", Passive: true},
	}}, {Host: "open.example.com"}}})
	if err != nil {
		t.Fatal(err)
	}
	return g.Auth(localEdge)
}

// question is how a proxy asks: its request line, and headers as pairs.
type question struct {
	method, target string
	header         []string
}

// ways are the ways in which the proxies of docs/recipes ask about a request, as each of them documents it.
func ways(method, uri string) map[string]question {
	forwarded := []string{"X-Forwarded-Method", method, "X-Forwarded-Proto", "https", "X-Forwarded-Host", "app.example.com", "X-Forwarded-Uri", uri, "X-Forwarded-For", "192.0.2.7"}
	return map[string]question{
		"nginx":                      {"GET", AuthPath, []string{"X-Original-Method", method, "X-Original-URI", uri, "X-Forwarded-Proto", "https", "X-Forwarded-Host", "app.example.com"}},
		"nginx with a whole address": {"GET", AuthPath, []string{"X-Original-Method", method, "X-Original-URL", "https://app.example.com" + uri}},
		"Caddy":                      {"GET", AuthPath, forwarded},
		"Traefik":                    {"GET", AuthPath, forwarded},
		"Traefik, for a WebSocket":   {"GET", AuthPath, append([]string{"X-Forwarded-Proto", "wss"}, append(forwarded[:2:2], forwarded[4:]...)...)},
		"HAProxy":                    {"GET", AuthPath, forwarded},
		"Envoy":                      {method, AuthPath + uri, []string{"X-Forwarded-Proto", "https"}},
	}
}

func ask(h http.Handler, q question, cookie string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(q.method, q.target, nil)
	r.Host = "app.example.com"
	for _, pairs := range [][]string{q.header, header} {
		for i := 0; i < len(pairs); i += 2 {
			r.Header.Add(pairs[i], pairs[i+1])
		}
	}
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAuthAnswers(t *testing.T) {
	h := newHouse(t, nil)
	auth := newAuth(t, h)
	amara, mia := curfew.SecureCookie+"="+h.amara.Reveal(), curfew.SecureCookie+"="+h.mia.Reveal()
	gone, unknown := curfew.SecureCookie+"="+h.signIn(t, "gone").Reveal(), curfew.SecureCookie+"="+h.signIn(t, "nobody knows").Reveal()
	page := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	frame := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}
	for _, tt := range []struct {
		name, method, uri, cookie string
		header                    []string
		status, nginx             int
	}{
		{"signed in", "GET", "/reports?a=b", mia, nil, 200, 200},
		{"a POST", "POST", "/reports", mia, nil, 200, 200},
		{"signed out, a fetch", "GET", "/reports", "", nil, 401, 401},
		{"signed out, a page", "GET", "/reports", "", page, 303, 401},
		{"signed out, a frame", "GET", "/reports", "", frame, 401, 401},
		{"signed out, a form", "POST", "/reports", "", page, 401, 401},
		{"a preflight", "OPTIONS", "/reports", "", []string{"Origin", "https://elsewhere.test", "Access-Control-Request-Method", "PUT"}, 401, 401},
		{"a preflight in public", "OPTIONS", "/public/x", "", []string{"Origin", "https://elsewhere.test", "Access-Control-Request-Method", "PUT"}, 200, 200},
		{"HEAD of a page", "HEAD", "/reports", "", page, 303, 401},
		{"an unknown method", "gEt", "/reports", "", page, 401, 401},
		{"an unknown method for a user", "gEt", "/admin/x", mia, nil, 403, 403},
		{"twins", "GET", "/reports", mia + "; " + amara, nil, 401, 401},
		{"cookie of plain HTTP", "GET", "/reports", "curfew=" + h.mia.Reveal(), nil, 401, 401},
		{"account gone", "GET", "/reports", gone, nil, 401, 401},
		{"nobody knows", "GET", "/reports", unknown, page, 503, 503},
		{"public", "GET", "/public/x", "", nil, 200, 200},
		{"public, and nobody knows", "GET", "/public/x", unknown, nil, 200, 200},
		{"an admin where only they may", "GET", "/admin/x", amara, nil, 200, 200},
		{"a user there", "GET", "/admin/x", mia, page, 403, 403},
		{"a user there, by another spelling", "GET", "/%61dmin", mia, nil, 403, 403},
		{"a user there, in capitals", "GET", "/ADMIN", mia, nil, 400, 403},
		{"a user there, by dots", "GET", "/public/../admin", mia, nil, 400, 403},
		{"a user there, by escaped dots", "GET", "/public/%2e%2e/admin", mia, nil, 400, 403},
		{"a user there, by an escaped slash", "GET", "/public%2f..%2fadmin", mia, nil, 400, 403},
		{"a user there, by two slashes", "GET", "//admin", mia, nil, 400, 403},
		{"a user there, by a backslash", "GET", `/public\..\admin`, mia, nil, 400, 403},
		{"a user there, by a parameter", "GET", "/public;/../admin", mia, nil, 400, 403},
	} {
		for way, q := range ways(tt.method, tt.uri) {
			if way == "Envoy" && strings.Contains(tt.uri, `\`) {
				continue // no request line of Go's can hold it
			}
			w := ask(auth, q, tt.cookie, tt.header...)
			want := tt.status
			if strings.HasPrefix(way, "nginx") {
				want = tt.nginx
			}
			if w.Code != want {
				t.Errorf("%s, by %s: status %d, want %d: %s", tt.name, way, w.Code, want, w.Body)
			}
			kind := "application/problem+json"
			if tt.method == "GET" && tt.header != nil && !strings.HasPrefix(way, "nginx") {
				kind = "text/html; charset=utf-8"
			}
			if got := w.Header().Get("Content-Type"); w.Code >= 400 && got != kind {
				t.Errorf("%s, by %s: the answer is %s, want %s", tt.name, way, got, kind)
			}
			if location, leads := w.Header().Get("Location"), tt.status == 303; leads != (location != "") {
				t.Errorf("%s, by %s: leads to %q", tt.name, way, location)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("%s, by %s: Cache-Control is %q", tt.name, way, got)
			}
			if w.Code != 200 && w.Header().Get(headerUser) != "" {
				t.Errorf("%s, by %s: refused, and told who it is", tt.name, way)
			}
		}
	}
}

// TestAuthIdentity checks what the app is to be told. All four headers are there, if need be empty: a proxy that puts them in the
// place of the client's must have something to put. nginx alone makes an empty variable of what is missing.
func TestAuthIdentity(t *testing.T) {
	h := newHouse(t, nil)
	auth := newAuth(t, h)
	for way, q := range ways("GET", "/public") {
		w := ask(auth, q, "a=b; "+curfew.SecureCookie+"="+h.mia.Reveal()+"; curfew-theme=dark; c=d", "Remote-User", "amara")
		for name, want := range map[string]string{"Remote-User": "mia", "Remote-Name": "mia's full name", "Remote-Role": "user", "Cookie": "a=b; c=d"} {
			if got := w.Header()[name]; len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s is %q, want %q", way, name, got, want)
			}
		}
		w = ask(auth, q, "", "Remote-User", "amara", "Remote-Role", "admin")
		for _, name := range []string{"Remote-User", "Remote-Name", "Remote-Role", "Cookie"} {
			want := []string{""}
			if strings.HasPrefix(way, "nginx") {
				want = nil
			}
			if got := w.Header()[name]; w.Code != 200 || !slices.Equal(got, want) {
				t.Errorf("%s, signed out: status %d, %s is %q, want %q", way, w.Code, name, got, want)
			}
		}
	}
}

// TestAuthStrangers has somebody ask who is no proxy.
func TestAuthStrangers(t *testing.T) {
	h := newHouse(t, nil)
	auth := newAuth(t, h)
	for _, peer := range []string{"203.0.113.9:1234", "[2001:db8::1]:1234", "@", "", "192.0.2.1", "192.0.2.1:x"} {
		for way, q := range ways("GET", "/public") {
			r := httptest.NewRequest(q.method, q.target, nil)
			r.Host, r.RemoteAddr = "app.example.com", peer
			for i := 0; i < len(q.header); i += 2 {
				r.Header.Set(q.header[i], q.header[i+1])
			}
			r.Header.Set("Cookie", curfew.SecureCookie+"="+h.mia.Reveal())
			w := httptest.NewRecorder()
			auth.ServeHTTP(w, r)
			if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "--trusted-proxy") || w.Header().Get("Remote-User") != "" {
				t.Errorf("%q, as %s: status %d: %s", peer, way, w.Code, w.Body)
			}
		}
	}
}

// TestAuthContradictions has a proxy pass on what its client adds, or say too little.
func TestAuthContradictions(t *testing.T) {
	h := newHouse(t, nil)
	auth := newAuth(t, h)
	cookie := curfew.SecureCookie + "=" + h.mia.Reveal()
	for _, added := range [][]string{
		{"X-Original-URI", "/public"}, {"X-Original-URL", "https://app.example.com/public"}, {"X-Forwarded-Uri", "/public"},
		{"X-Original-Method", "PUT"}, {"X-Forwarded-Method", "PUT"},
		{"X-Forwarded-Host", "open.example.com"}, {"X-Original-URL", "https://open.example.com/reports"},
		{"X-Forwarded-Proto", "http"}, {"X-Original-URL", "http://app.example.com/reports"},
		{"X-Forwarded-Uri", ""}, {"X-Original-URI", ""}, {"X-Original-URL", ""}, {"X-Original-URL", "https:app.example.com/reports"}, {"X-Original-URL", "/reports"},
		{"X-Forwarded-Proto", "https,http"}, {"X-Forwarded-Proto", ""},
	} {
		for way, q := range ways("GET", "/reports") {
			if way == "Traefik, for a WebSocket" {
				continue
			}
			if w := ask(auth, q, cookie, added...); w.Code != 400 && w.Code != 403 {
				t.Errorf("%s, and %q added: status %d", way, added, w.Code)
			}
		}
	}
	for way, q := range ways("GET", "/reports") {
		for i := 0; i < len(q.header); i += 2 {
			rest := question{q.method, q.target, append(q.header[:i:i], q.header[i+2:]...)}
			name := q.header[i]
			w := ask(auth, rest, cookie)
			optional := name == "X-Forwarded-For" || name == "X-Forwarded-Host" // else the request's own host is meant
			if w.Code == 200 != optional {
				t.Errorf("%s without %s: status %d", way, name, w.Code)
			}
		}
	}
	for _, uri := range []string{"reports", "*", "http://app.example.com/reports", "?a"} {
		if w := ask(auth, ways("GET", uri)["Caddy"], cookie); w.Code != 400 {
			t.Errorf("%q: status %d, want 400", uri, w.Code)
		}
	}
}

// TestAuthFromOutside asks by paths that a proxy may have taken for another than AuthPath, and so let anybody ask: it would tell scripts
// in an app's page the cookies that are hidden from them.
func TestAuthFromOutside(t *testing.T) {
	h := newHouse(t, nil)
	auth := newAuth(t, h)
	cookie := curfew.SecureCookie + "=" + h.mia.Reveal() + "; theme=dark"
	for below, want := range map[string]int{
		"/..": 400, "/../x": 400, "/..%2fx": 400, "/%2e%2e%2Fx": 400, "/.%2e/x": 400, "/x/../../y": 400, "/..%5cx": 400,
		"/": 200, "/x": 200, "/x?a=/../": 200, "/..x": 200, "/x;a//.": 200,
	} {
		r := httptest.NewRequest("GET", AuthPath+below, nil)
		r.Host = "open.example.com"
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		auth.ServeHTTP(w, r)
		if told := w.Header().Get("Cookie"); w.Code != want || told != "" && want != 200 {
			t.Errorf("%s: status %d, tells the cookies %q, want %d", below, w.Code, told, want)
		}
	}
}

// TestAuthActivity asks for what a page does by itself, and for what a person does, by the original method.
func TestAuthActivity(t *testing.T) {
	script := []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "empty"}
	page := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "none", "Sec-Fetch-Dest", "document"}
	for _, tt := range []struct {
		name, method, uri string
		header            []string
		want              curfew.Activity
	}{
		{"a page", "GET", "/reports", page, curfew.Active},
		{"a script", "GET", "/reports", script, curfew.Passive},
		{"a script that changes something", "POST", "/reports", script, curfew.Active},
		{"curl", "GET", "/reports", nil, curfew.Active},
		{"a passive path", "POST", "/poll", page, curfew.Passive},
		{"a prefetch", "GET", "/reports", append(page[:4:4], "Sec-Purpose", "prefetch"), curfew.Passive},
	} {
		for way, q := range ways(tt.method, tt.uri) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, nil)
				before, err := h.Check(t.Context(), h.mia, curfew.Passive)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				if w := ask(newAuth(t, h), q, curfew.SecureCookie+"="+h.mia.Reveal(), tt.header...); w.Code != 200 {
					t.Fatalf("%s, by %s: status %d", tt.name, way, w.Code)
				}
				after, err := h.Check(t.Context(), h.mia, curfew.Passive)
				if err != nil {
					t.Fatal(err)
				}
				if got := curfew.Activity(after.LastActive.After(before.LastActive)); got != tt.want {
					t.Errorf("%s, by %s: active: %v, want %v", tt.name, way, got, tt.want)
				}
			})
		}
	}
}

// TestAuthStoreDown has a store that fails: refused with 503 but where it is public, and let in when it is well.
func TestAuthStoreDown(t *testing.T) {
	store := &downStore{Store: memory.NewSessions()}
	h := newHouse(t, store)
	auth := newAuth(t, h)
	cookie := curfew.SecureCookie + "=" + h.mia.Reveal()
	for way, q := range ways("GET", "/reports") {
		store.down = true
		stranger := curfew.SecureCookie + "=" + curfew.NewToken().Reveal()
		if w := ask(auth, q, stranger); w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "connection") {
			t.Errorf("%s: status %d: %s", way, w.Code, w.Body)
		}
		if w := ask(auth, ways("GET", "/public")[way], stranger); w.Code != 200 || w.Header().Get("Remote-User") != "" {
			t.Errorf("%s, public: status %d", way, w.Code)
		}
		store.down = false
		if w := ask(auth, q, cookie); w.Code != 200 {
			t.Errorf("%s, afterwards: status %d", way, w.Code)
		}
	}
}

// TestAuthSharedCookie has one sign-in for two hosts.
func TestAuthSharedCookie(t *testing.T) {
	h := newHouse(t, nil)
	edge := localEdge
	edge.CookieDomain = "example.com"
	g, err := New(Options{Sessions: h.Manager, Role: roles, Apps: []App{{}}})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{"a.example.com": 200, "b.example.com:8443": 200, "example.com": 200, "elsewhere.example": 401} {
		q := question{"GET", AuthPath, []string{"X-Forwarded-Method", "GET", "X-Forwarded-Proto", "https", "X-Forwarded-Host", host, "X-Forwarded-Uri", "/"}}
		if w := ask(g.Auth(edge), q, curfew.SharedCookie+"="+h.mia.Reveal()); w.Code != want {
			t.Errorf("%s: status %d, want %d", host, w.Code, want)
		}
		if w := ask(g.Auth(localEdge), q, curfew.SharedCookie+"="+h.mia.Reveal()); w.Code != 401 {
			t.Errorf("%s, without a cookie domain: status %d, want 401", host, w.Code)
		}
	}
}

func TestIsAuth(t *testing.T) {
	for path, want := range map[string]bool{
		"/.curfew/auth": true, "/.curfew/auth/": true, "/.curfew/auth/x/y": true,
		"/.curfew/auth?x": true,
		"/.curfew/%61uth": false, "/.curfew//auth": false, "/.curfew/x/../auth": false, "/.curfew/authors": false, "/.curfew/": false, "/auth": false, "/x/.curfew/auth": false,
	} {
		if got := IsAuth(httptest.NewRequest("GET", path, nil)); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// FuzzAuth has proxies pass on whatever: only with the cookie is anybody let in, and never where they may not be.
func FuzzAuth(f *testing.F) {
	h := newHouse(f, nil)
	auth := newAuth(f, h)
	cookie := curfew.SecureCookie + "=" + h.mia.Reveal()
	f.Add("GET", "/admin", "", "", "https", "app.example.com")
	f.Add("GET", "/public/../admin", "/public", "", "https", "app.example.com:443")
	f.Add("HEAD", "", "", "https://app.example.com/%61dmin?x", "https", "APP.example.com.")
	f.Fuzz(func(t *testing.T, method, forwarded, original, whole, proto, host string) {
		var header []string
		for name, value := range map[string]string{
			"X-Forwarded-Method": method, "X-Forwarded-Uri": forwarded, "X-Original-URI": original, "X-Original-URL": whole,
			"X-Forwarded-Proto": proto, "X-Forwarded-Host": host,
		} {
			if value != "" {
				header = append(header, name, value)
			}
		}
		for _, c := range []string{"", cookie} {
			w := ask(auth, question{"GET", AuthPath, header}, c)
			all := strings.ToLower(forwarded + original + whole)
			if w.Code == 200 && (c == "" && !strings.Contains(all, "/public") || strings.Contains(all, "/admin") && !strings.Contains(all, "?") && !strings.Contains(host, "open.") && strings.HasPrefix(all, "/admin")) {
				t.Errorf("let in: %q with the cookie %q", header, c)
			}
			if w.Code >= 500 {
				t.Errorf("%q: status %d", header, w.Code)
			}
		}
	})
}

// TestAuthAllocatesOnce holds the cost of letting somebody in, which is paid for each request to each app.
func TestAuthAllocatesOnce(t *testing.T) {
	h := newHouse(t, nil)
	auth := newAuth(t, h)
	r := asNginx("GET", "/reports?a=b")
	r.Header.Set("Cookie", curfew.SecureCookie+"="+h.mia.Reveal())
	w := unread{http.Header{}}
	if n := testing.AllocsPerRun(100, func() { auth.ServeHTTP(w, r) }); n > 1 || w.header.Get(headerUser) != "mia" {
		t.Errorf("%v allocations, for %q", n, w.header.Get(headerUser))
	}
}
