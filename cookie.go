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
	http.SetCookie(w, cookie(r, t.Reveal(), 0))
}

// ClearCookie takes the token away from the client.
func ClearCookie(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, cookie(r, "", -1))
}

func cookie(r *http.Request, value string, maxAge int) *http.Cookie {
	secure := isSecure(r)
	return &http.Cookie{
		Name: cookieName(secure), Value: value, Path: "/", MaxAge: maxAge,
		Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

func cookieName(secure bool) string {
	if secure {
		return SecureCookie
	}
	return PlainCookie
}

// TokenOf returns the token in the request's cookie. It is strict where the standard parser is kind: of two cookies
// of our name, in whatever spelling, one may be planted, so neither is taken.
func TokenOf(r *http.Request) (Token, bool) {
	want, value, found := cookieName(isSecure(r)), "", 0
	for _, line := range r.Header["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			name, v, _ := strings.Cut(pair, "=")
			switch {
			case strings.TrimLeft(name, " ") == want:
				found, value = found+1, v
			case strings.EqualFold(strings.TrimFunc(name, isPadding), want):
				return Token{}, false
			}
		}
	}
	if found != 1 {
		return Token{}, false
	}
	return ParseToken(value)
}

// isPadding is what lenient parsers strip from a name.
func isPadding(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || r == '"' || r == '$'
}
