package curfew

import (
	"net/http"
	"strings"
	"unicode"
)

// Names of the session cookie. A browser takes a __Host- cookie only over a secure connection, from the host itself and for
// all its paths, so no neighbour on a shared domain can plant one (RFC 6265bis, 4.1.3.2). A __Secure- cookie, for several
// hosts, it takes over any secure connection to any of them. Over plain HTTP, which is for development alone, there is no such
// protection.
const (
	SecureCookie = "__Host-curfew"
	SharedCookie = "__Secure-curfew"
	PlainCookie  = "curfew"
)

// SessionCookie is how the session cookie of a request is called, and for whom it is good. The zero SessionCookie is
// for one host over plain HTTP.
type SessionCookie struct {
	Secure bool   // the client's connection is encrypted
	Domain string // the cookie is for this host and all below it; empty: for the host that sets it alone
}

// Name returns the cookie's name.
func (k SessionCookie) Name() string {
	switch {
	case !k.Secure:
		return PlainCookie
	case k.Domain != "":
		return SharedCookie
	default:
		return SecureCookie
	}
}

// Token returns the token in the cookie that came with a request's header. Two cookies of the name, in whatever
// spelling, are none: one may be planted.
func (k SessionCookie) Token(h http.Header) (Token, bool) {
	value, _ := onlyCookie(h, k.Name())
	return ParseToken(value)
}

// SessionCookieOf returns how the session cookie of the request is called.
func SessionCookieOf(r *http.Request) SessionCookie {
	if a, ok := arrivalOf(r); ok {
		return a.edge.SessionCookie(a.origin.Secure, a.origin.Host)
	}
	return SessionCookie{Secure: r.TLS != nil}
}

// SetCookie hands the token to the client. The cookie has no lifetime of its own: it is gone when the browser is
// closed (NIST SP 800-63B-4, 5.1), and while it is there the server decides. It is for the request's host or, behind an
// Edge with a CookieDomain, for all of that domain.
func SetCookie(w http.ResponseWriter, r *http.Request, t Token) {
	http.SetCookie(w, newSessionCookie(r, t.Reveal(), 0))
}

// ClearCookie takes the token away from the client.
func ClearCookie(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, newSessionCookie(r, "", -1))
}

// TokenOf returns the token in the request's cookie.
func TokenOf(r *http.Request) (Token, bool) {
	return SessionCookieOf(r).Token(r.Header)
}

func newSessionCookie(r *http.Request, value string, maxAge int) *http.Cookie {
	k := SessionCookieOf(r)
	c := NewCookie(r, PlainCookie, value, maxAge)
	c.Name, c.Domain = k.Name(), k.Domain
	return c
}

// NewCookie returns a cookie for the request's host that no script can read, for maxAge seconds as in http.Cookie. Where
// the connection is secure, its name begins with __Host-.
func NewCookie(r *http.Request, name, value string, maxAge int) *http.Cookie {
	secure := isSecure(r)
	return &http.Cookie{
		Name: cookieName(name, secure), Value: value, Path: "/", MaxAge: maxAge,
		Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

func cookieName(name string, secure bool) string {
	if !secure {
		return name
	}
	return "__Host-" + name
}

// CookieOf returns the value of the cookie that NewCookie made. It is strict where the standard parser is kind: of two
// cookies of our name, in whatever spelling, one may be planted, so neither is taken.
func CookieOf(r *http.Request, name string) (string, bool) {
	return onlyCookie(r.Header, cookieName(name, isSecure(r)))
}

// onlyCookie returns the value of the one cookie with the name.
func onlyCookie(h http.Header, want string) (string, bool) {
	value, found := "", 0
	for _, line := range h["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			name, v, _ := strings.Cut(pair, "=")
			switch {
			case strings.TrimLeft(name, " ") == want:
				found, value = found+1, v
			case strings.EqualFold(strings.TrimFunc(name, isPadding), want):
				return "", false
			}
		}
	}
	if found != 1 {
		return "", false
	}
	return value, true
}

// isPadding is what lenient parsers strip from a name.
func isPadding(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || r == '"' || r == '$'
}
