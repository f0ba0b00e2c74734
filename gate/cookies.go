package gate

import (
	"net/http"
	"strings"
	"unicode"
)

// hideCookies takes Curfew's cookies out of a request. An app that knew the token could be its user anywhere.
func hideCookies(h http.Header) {
	lines := h["Cookie"]
	if !hasOurs(lines) {
		return
	}
	if left := appCookies(lines); left != "" {
		h["Cookie"] = []string{left}
	} else {
		delete(h, "Cookie")
	}
}

// appCookies returns the cookies of a request that are not Curfew's.
func appCookies(lines []string) string {
	var left []string
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			if pair = strings.Trim(pair, " \t"); pair != "" && !isOurCookie(pair) {
				left = append(left, pair)
			}
		}
	}
	return strings.Join(left, "; ")
}

func hasOurs(lines []string) bool {
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			if isOurCookie(pair) {
				return true
			}
		}
	}
	return false
}

// setsOurs reports whether a Set-Cookie is for a name of Curfew's.
func setsOurs(line string) bool {
	pair, _, _ := strings.Cut(line, ";")
	return isOurCookie(pair)
}

// isOurCookie reports whether a cookie has a name of Curfew's, as curfew.CookieOf knows them: in any case, and with anything
// around it that lenient parsers strip. All that begin with "curfew-" are ours.
func isOurCookie(pair string) bool {
	name, _, _ := strings.Cut(pair, "=")
	name = strings.TrimFunc(name, isPadding)
	for _, prefix := range [...]string{"__host-", "__secure-"} {
		if len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			name = name[len(prefix):]
		}
	}
	const ours = "curfew"
	return len(name) >= len(ours) && strings.EqualFold(name[:len(ours)], ours) && (len(name) == len(ours) || name[len(ours)] == '-')
}

func isPadding(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || r == '"' || r == '$'
}
