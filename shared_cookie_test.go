package curfew_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/curfewhq/curfew"
)

// behind returns the request as a handler behind the edge gets it.
func behind(e curfew.Edge, r *http.Request) *http.Request {
	var got *http.Request
	e.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r })).ServeHTTP(httptest.NewRecorder(), r)
	return got
}

var shared = curfew.Edge{
	TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, // where httptest's requests come from
	CookieDomain:   "example.com",
}

// requestTo is a request that a proxy forwards.
func requestTo(proto, host string) *http.Request {
	r := httptest.NewRequest("GET", "http://inner/", nil)
	r.Header.Set("X-Forwarded-Proto", proto)
	r.Header.Set("X-Forwarded-Host", host)
	return r
}

func TestSharedCookie(t *testing.T) {
	token := curfew.NewToken()
	value := token.Reveal()
	for _, tt := range []struct{ proto, host, set, clear string }{
		{"https", "app.example.com",
			"__Secure-curfew=" + value + "; Path=/; Domain=example.com; HttpOnly; Secure; SameSite=Lax",
			"__Secure-curfew=; Path=/; Domain=example.com; Max-Age=0; HttpOnly; Secure; SameSite=Lax"},
		{"http", "app.example.com",
			"curfew=" + value + "; Path=/; Domain=example.com; HttpOnly; SameSite=Lax",
			"curfew=; Path=/; Domain=example.com; Max-Age=0; HttpOnly; SameSite=Lax"},
		{"https", "elsewhere.example",
			"__Host-curfew=" + value + "; Path=/; HttpOnly; Secure; SameSite=Lax",
			"__Host-curfew=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"},
	} {
		r := behind(shared, requestTo(tt.proto, tt.host))
		set, clear := httptest.NewRecorder(), httptest.NewRecorder()
		curfew.SetCookie(set, r, token)
		curfew.ClearCookie(clear, r)
		equal(t, "Set-Cookie for "+tt.host, set.Header().Get("Set-Cookie"), tt.set)
		equal(t, "Set-Cookie to clear for "+tt.host, clear.Header().Get("Set-Cookie"), tt.clear)
		for _, c := range set.Result().Cookies() {
			r.AddCookie(c)
		}
		if got, ok := curfew.TokenOf(r); !ok || got.Hash() != token.Hash() {
			t.Errorf("%s://%s: the cookie isn't read back", tt.proto, tt.host)
		}
	}
}

// TestSharedCookieHosts asks which hosts are in a domain.
func TestSharedCookieHosts(t *testing.T) {
	for host, want := range map[string]string{
		"example.com": "example.com", "a.example.com": "example.com", "a.b.example.com": "example.com",
		"A.EXAMPLE.COM": "example.com", "a.example.com:8443": "example.com", "example.com:80": "example.com",
		"": "", "com": "", "badexample.com": "", "example.com.evil.example": "", "example.com.": "", "a.example.com.": "",
		"a.example.org": "", "[::1]:8080": "", "[::1]": "", "192.0.2.1": "", "example.com:80:example.com": "",
	} {
		equal(t, "domain of the cookie for "+host, shared.SessionCookie(true, host).Domain, want)
		equal(t, "domain of the cookie without a domain", (curfew.Edge{}).SessionCookie(true, host), curfew.SessionCookie{Secure: true})
	}
}

// TestSharedCookieTwins is TestTokenOf for what differs: a neighbour can plant a cookie.
func TestSharedCookieTwins(t *testing.T) {
	mine, planted := curfew.NewToken().Reveal(), curfew.NewToken().Reveal()
	for cookies, want := range map[string]bool{
		"__Secure-curfew=" + mine:                                       true,
		"__Secure-curfew=" + mine + "; __Host-curfew=" + planted:        true,
		"__Secure-curfew=" + mine + "; curfew=" + planted:               true,
		"__Host-curfew=" + mine:                                         false,
		"curfew=" + mine:                                                false,
		"__Secure-curfew=" + mine + "; __Secure-curfew=" + planted:      false,
		"__Secure-curfew=" + planted + "; __Secure-curfew=" + mine:      false,
		"__Secure-curfew=" + mine + "; __secure-CURFEW=" + planted:      false,
		"__Secure-curfew=" + mine + "; __Secure-curfew =" + planted:     false,
		"__Secure-curfew=" + mine + ";\t__Secure-curfew=" + planted:     false,
		`__Secure-curfew=` + mine + `; "__Secure-curfew"=` + planted:    false,
		"__Secure-curfew=" + mine + "; __Secure-curfew\u2003=planted":   false,
		"__Secure-curfew=" + mine + "; __Secure-curfew=":                false,
		"$Version=1; $__Secure-curfew=x; __Secure-curfew=" + mine + ";": false,
	} {
		r := requestTo("https", "app.example.com")
		r.Header.Set("Cookie", cookies)
		token, ok := curfew.TokenOf(behind(shared, r))
		if ok != want || ok && token.Reveal() != mine {
			t.Errorf("%s: taken: %v, want %v", cookies, ok, want)
		}
	}
}

// TestSharedCookieCostsNothing compares what a request costs with a cookie domain and without.
func TestSharedCookieCostsNothing(t *testing.T) {
	cost := func(e curfew.Edge, cookie string) float64 {
		h := e.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, ok := curfew.TokenOf(r); !ok {
				t.Error("no token")
			}
		}))
		r := requestTo("https", "app.example.com")
		r.Header.Set("Cookie", cookie+"="+curfew.NewToken().Reveal())
		return testing.AllocsPerRun(100, func() { h.ServeHTTP(nil, r) })
	}
	alone := cost(curfew.Edge{TrustedProxies: shared.TrustedProxies}, curfew.SecureCookie)
	if got := cost(shared, curfew.SharedCookie); got > alone {
		t.Errorf("%v allocations with a cookie domain, %v without", got, alone)
	}
}

// TestDeviceCookieIsNotShared has the device cookie, and every other one but the session's, stay with its host.
func TestDeviceCookieIsNotShared(t *testing.T) {
	c := curfew.NewCookie(behind(shared, requestTo("https", "app.example.com")), "curfew-device", "x", 60)
	equal(t, "cookie", c.String(), "__Host-curfew-device=x; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax")
}
