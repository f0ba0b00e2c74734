package curfew

import (
	"net/http"
	"strings"
	"unicode"
)

// Names of the session cookie. A browser takes a __Host- cookie only over a secure connection, from the host itself and for
// all its paths, so no neighbour on a shared domain can plant one (RFC 6265bis, 4.1.3.2). Over plain HTTP, which is
// for development alone, there is no such protection.
const (
	SecureCookie = "__Host-curfew"
	PlainCookie  = "curfew"
)

// SetCookie hands the token to the client. The cookie has no lifetime of its own: it is gone when the browser is
// closed (NIST SP 800-63B-4, 5.1), and while it is there the server decides.
func SetCookie(w http.ResponseWriter, r *http.Request, t Token) {
	http.SetCookie(w, NewCookie(r, PlainCookie, t.Reveal(), 0))
}

// ClearCookie takes the token away from the client.
func ClearCookie(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, NewCookie(r, PlainCookie, "", -1))
}

// TokenOf returns the token in the request's cookie.
func TokenOf(r *http.Request) (Token, bool) {
	value, _ := CookieOf(r, PlainCookie)
	return ParseToken(value)
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
	switch {
	case !secure:
		return name
	case name == PlainCookie:
		return SecureCookie // joining it for each check would allocate
	default:
		return "__Host-" + name
	}
}

// CookieOf returns the value of the cookie that NewCookie made. It is strict where the standard parser is kind: of two
// cookies of our name, in whatever spelling, one may be planted, so neither is taken.
func CookieOf(r *http.Request, name string) (string, bool) {
	want, value, found := cookieName(name, isSecure(r)), "", 0
	for _, line := range r.Header["Cookie"] {
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
