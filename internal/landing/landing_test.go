package landing

import (
	"crypto/tls"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

var sites = Sites{Hosts: []string{"other.example", "ports.example:9443"}, Domain: "example.com"}

func check(s Sites, base, next string) string {
	r := httptest.NewRequest("GET", base, nil)
	if strings.HasPrefix(base, "https:") {
		r.TLS = &tls.ConnectionState{}
	}
	return s.Check(r, next)
}

func TestCheck(t *testing.T) {
	const secure = "https://login.example.com/.curfew/signin"
	for _, tt := range []struct {
		name, base, next string
		want             bool
	}{
		{"path", secure, "/reports?q=a%20b#top", true},
		{"own host", secure, "https://login.example.com/x", true},
		{"below the domain", secure, "https://app.example.com/reports?q=https://evil.example/#top", true},
		{"deep below the domain", secure, "https://a.b.example.com/", true},
		{"the domain", secure, "https://example.com/", true},
		{"without a path", secure, "https://app.example.com", true},
		{"configured host", secure, "https://other.example/x", true},
		{"configured host and port", secure, "https://ports.example:9443/x", true},
		{"port of the request", "https://login.example.com:8443/", "https://app.example.com:8443/x", true},
		{"over plain HTTP", "http://login.example.com:8080/", "http://app.example.com:8080/x", true},

		{"nowhere", secure, "", false},
		{"elsewhere", secure, "https://evil.example/", false},
		{"below a configured host", secure, "https://a.other.example/", false},
		{"a longer name", secure, "https://evilexample.com/", false},
		{"the domain as a prefix", secure, "https://example.com.evil.example/", false},
		{"from https to http", secure, "http://app.example.com/", false},
		{"from http to https", "http://login.example.com/", "https://app.example.com/", false},
		{"another port", secure, "https://app.example.com:8443/", false},
		{"another port of a configured host", secure, "https://ports.example/", false},
		{"a port of a host configured without", secure, "https://other.example:8443/", false},
		{"the scheme's port, spelled out", secure, "https://app.example.com:443/", false},
		{"without the request's port", "https://login.example.com:8443/", "https://app.example.com/", false},
		{"port with a zero", "https://login.example.com:8443/", "https://app.example.com:08443/", false},
		{"no port", secure, "https://app.example.com:/", false},
		{"two ports", secure, "https://app.example.com:1:2/", false},
		{"scheme-relative", secure, "//app.example.com/", false},
		{"backslashes", secure, `\\app.example.com/`, false},
		{"slash and backslash", secure, `/\app.example.com/`, false},
		{"scheme and backslashes", secure, `https:\\app.example.com/`, false},
		{"backslash before the path", secure, `https://app.example.com\@evil.example/`, false},
		{"backslash in the path", secure, `https://app.example.com/\evil.example`, false},
		{"one slash", secure, "https:/app.example.com/", false},
		{"three slashes", secure, "https:///app.example.com/", false},
		{"userinfo", secure, "https://app.example.com@evil.example/", false},
		{"userinfo of ours", secure, "https://evil.example@app.example.com/", false},
		{"user and password", secure, "https://a:b@app.example.com/", false},
		{"encoded at", secure, "https://evil.example%40app.example.com/", false},
		{"encoded slash in the host", secure, "https://evil.example%2F.example.com/", false},
		{"trailing dot", secure, "https://app.example.com./", false},
		{"leading dot", secure, "https://.example.com/", false},
		{"two dots", secure, "https://a..example.com/", false},
		{"capitals in the host", secure, "https://APP.example.com/", false},
		{"capitals in the scheme", secure, "HTTPS://app.example.com/", false},
		{"javascript", secure, "javascript:alert(1)//.example.com/", false},
		{"javascript with an authority", secure, "javascript://app.example.com/%0aalert(1)", false},
		{"data", secure, "data:text/html,x", false},
		{"tab before the scheme", secure, "\thttps://app.example.com/", false},
		{"tab in the scheme", secure, "ht\ttps://app.example.com/", false},
		{"tab in the host", secure, "https://app.exa\tmple.com/", false},
		{"line break in the path", secure, "https://app.example.com/\r\nSet-Cookie: a=b", false},
		{"space before", secure, " https://app.example.com/", false},
		{"space in the host", secure, "https://app.example.com /", false},
		{"Unicode host", secure, "https://äpp.example.com/", false},
		{"full-width dot", secure, "https://evil.example\uFF0Eexample.com/", false},
		{"ideographic full stop", secure, "https://evil\u3002example.com/", false},
		{"full-width slash", secure, "https://evil.example\uFF0F.example.com/", false},
		{"soft hyphen", secure, "https://app\u00AD.example.com/", false},
		{"punycode below the domain", secure, "https://xn--pp-via.example.com/", true},
		{"query before the path", secure, "https://app.example.com?x=.example.com/", false},
		{"question mark before our domain", secure, "https://evil.example?.example.com/", false},
		{"hash before our domain", secure, "https://evil.example#.example.com/", false},
		{"IPv6", secure, "https://[::1]/", false},
		{"IPv4", secure, "https://127.0.0.1/", false},
		{"two slashes as the path", secure, "https://app.example.com//evil.example", false},
		{"trailing space", secure, "https://app.example.com/ ", false},
		{"Unicode path", secure, "https://app.example.com/\u00e4", false},
		{"NUL", secure, "https://app.example.com\x00.evil.example/", false},
		{"too long", secure, "https://app.example.com/" + strings.Repeat("a", maxLength), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := check(sites, tt.base, tt.next); got != "" != tt.want || got != "" && got != tt.next {
				t.Errorf("%q from %s leads to %q", tt.next, tt.base, got)
			}
		})
	}
	if got := check(Sites{}, secure, "https://app.example.com/"); got != "" {
		t.Errorf("without other sites: %q", got)
	}
}

func TestOrigin(t *testing.T) {
	for next, want := range map[string]string{
		"": "", "/": "", "/a?b=https://c": "", "https://app.example.com": "https://app.example.com",
		"https://app.example.com:8443/a?b=c": "https://app.example.com:8443",
	} {
		if got := Origin(next); got != want {
			t.Errorf("Origin(%q) is %q, want %q", next, got, want)
		}
	}
}

// FuzzCheck reads what is let through the way a browser does: it must be on an allowed host.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{
		"/x", "https://app.example.com/x", "//h", `\h`, `https://app.example.com\@h`, "https://h@app.example.com/", "https:app.example.com",
		"ht\ttps://h", "https://app.example.com.", "https://\u00e4.example.com", "javascript:alert(1)", "https://app.example.com:443/", "https://h#.example.com/",
	} {
		f.Add(s)
	}
	const base = "https://login.example.com/signin"
	f.Fuzz(func(t *testing.T, next string) {
		got := check(sites, base, next)
		if got == "" {
			return
		}
		from, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		// Browsers drop tabs and line breaks, trim controls, and read backslashes as slashes.
		asBrowser := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.TrimFunc(got, func(r rune) bool { return r <= ' ' }))
		u, err := from.Parse(asBrowser)
		if err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		allowed := slices.Contains([]string{"other.example", "ports.example:9443", "example.com"}, u.Host) || strings.HasSuffix(u.Host, ".example.com")
		if !allowed || u.Scheme != "https" || u.User != nil || got[0] != '/' && asBrowser != got {
			t.Errorf("%q leads to %v", got, u)
		}
		if o := Origin(got); o != "" && o != u.Scheme+"://"+u.Host {
			t.Errorf("%q: its origin is said to be %q", got, o)
		}
	})
}

func TestPath(t *testing.T) {
	for s, want := range map[string]bool{
		"/": true, "/sessions": true, "/history?q=a%20b&reason=idle": true, "/a#b": true, "/a?next=//b": true, "/users/x%2Fy": true,
		"": false, "sessions": false, "//": false, "//evil.example": false, "///evil.example": false, `/\evil.example`: false,
		`\/evil.example`: false, "https://evil.example": false, "https:evil.example": false, "javascript:alert(1)": false,
		"/\tevil.example": false, "\t//evil.example": false, "/\n/evil.example": false, " //evil.example": false,
		"/%2F/evil.example": false, "/%5Cevil.example": false, "/%09/evil.example": false, "/a\x00": false, "/%zz": false,
		"/\xff": false, "/" + strings.Repeat("a", 2048): false,
	} {
		if got := Path(s) != ""; got != want {
			t.Errorf("Path(%q) allowed: %v", s, got)
		}
	}
}

// FuzzPath resolves what is let through the way a browser does: it must stay on the site.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/sessions", "//evil.example", `/\evil.example`, "/%2f/evil.example", "/\t/evil.example", "/a?b=//c", "/..//x"} {
		f.Add(s)
	}
	base, err := url.Parse("https://curfew.example/signin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := Path(s)
		if p == "" {
			return
		}
		// Browsers drop tabs and line breaks, trim controls, and read backslashes as slashes.
		asBrowser := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.TrimFunc(p, func(r rune) bool { return r <= ' ' }))
		u, err := base.Parse(asBrowser)
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme || strings.HasPrefix(asBrowser, "//") {
			t.Errorf("%q leads to %v, %v", p, u, err)
		}
		if strings.ContainsAny(p, "\r\n") {
			t.Errorf("%q ends a header", p)
		}
	})
}
