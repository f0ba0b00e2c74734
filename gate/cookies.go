package gate

import (
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// ownCookie begins the names of all of Curfew's cookies: the session's has this name, the others go on with a hyphen.
const ownCookie = "curfew"

// hideCookies takes Curfew's cookies out of a request for an app: who knows the token is its user anywhere.
func hideCookies(h http.Header) {
	lines := h["Cookie"]
	if len(lines) == 0 {
		return
	}
	switch left := appCookies(lines); {
	case left == "":
		delete(h, "Cookie")
	case len(lines) > 1 || left != lines[0]:
		h["Cookie"] = []string{left}
	}
}

// hideKey takes an API key of Curfew's out of a request for an app, to which somebody has sent it by mistake. Other credentials are the app's.
func hideKey(r *http.Request) {
	if _, given := account.KeyOf(r); given {
		delete(r.Header, "Authorization")
	}
}

// stripTrailer takes out of a request's trailers what no app may believe, and who sends it: servers may take them for headers. Nothing of
// it belongs into trailers (RFC 9110, 6.5.1).
func stripTrailer(h http.Header) {
	stripIdentity(h)
	delete(h, "Cookie")
	delete(h, "Authorization")
}

// keepOurs takes out of an answer what it says about cookies of ours.
func keepOurs(h http.Header) {
	if cookies := h["Set-Cookie"]; len(cookies) > 0 {
		h["Set-Cookie"] = slices.DeleteFunc(cookies, setsOwnCookie)
	}
	keepCookies(h)
}

// setsOwnCookie reports whether a Set-Cookie, which no app may use for it, is for a cookie of ours.
func setsOwnCookie(line string) bool {
	pair, _, _ := strings.Cut(line, ";")
	name, value, _ := strings.Cut(pair, "=")
	if strings.TrimFunc(name, isPadding) == "" { // browsers send back the value alone, which then begins with a name
		name, _, _ = strings.Cut(value, "=")
	}
	return isOwnCookie(name)
}

// keepCookies takes out of an answer that browsers shall forget all cookies of its site, of which ours is one. "*" becomes
// everything else that there is to forget.
func keepCookies(h http.Header) {
	if _, ok := h[clearHeader]; !ok {
		return
	}
	var kept []string
	for item := range items(h, clearHeader) {
		switch strings.ToLower(strings.Trim(item, `"`)) {
		case "cookies":
		case "*":
			kept = append(kept, `"cache"`, `"clientHints"`, `"executionContexts"`, `"prefetchCache"`, `"prerenderCache"`, `"storage"`)
		default:
			kept = append(kept, item)
		}
	}
	delete(h, clearHeader)
	if len(kept) > 0 {
		h[clearHeader] = []string{strings.Join(kept, ", ")}
	}
}

const clearHeader = "Clear-Site-Data"

// appCookies returns a request's cookies but for Curfew's own, which no app may see, in whatever spelling. It is empty
// if there are no others.
func appCookies(lines []string) string {
	if len(lines) == 1 && !mayHoldOurs(lines[0]) {
		return lines[0]
	}
	var room [8]string // enough for most, and on the stack
	kept := room[:0]
	for _, line := range lines {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			pair = strings.TrimLeft(pair, " ")
			if name, _, _ := strings.Cut(pair, "="); pair != "" && !isOwnCookie(name) {
				kept = append(kept, pair)
			}
		}
	}
	return strings.Join(kept, "; ")
}

// mayHoldOurs is a quick look that is wrong on one side only: each name of ours has "few" in it.
func mayHoldOurs(s string) bool {
	for i := range len(s) - 2 {
		if s[i]|0x20 == 'f' && s[i+1]|0x20 == 'e' && s[i+2]|0x20 == 'w' {
			return true
		}
	}
	return false
}

// isOwnCookie reports whether some server may read a name as one of ours.
func isOwnCookie(name string) bool {
	if name == curfew.SecureCookie { // in most requests it is this
		return true
	}
	if !mayHoldOurs(name) {
		return false
	}
	name = strings.TrimFunc(name, isPadding)
	for _, prefix := range []string{"__Host-", "__Secure-"} {
		if hasFold(name, prefix) {
			name = name[len(prefix):]
			break
		}
	}
	return hasFold(name, ownCookie) && (len(name) == len(ownCookie) || name[len(ownCookie)] == '-')
}

func hasFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// isPadding is what lenient parsers strip from a name.
func isPadding(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || r == '"' || r == '$'
}
