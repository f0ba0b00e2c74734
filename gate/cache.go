package gate

import (
	"net/http"
	"strings"
)

const cacheHeader = "Cache-Control"

// makePrivate keeps an answer out of caches that several people share, such as a proxy's or a CDN's (RFC 9111, 5.2.2.7): they
// answer without asking whether the next one may see it. What the answer says to its reader's own cache stays.
func makePrivate(h http.Header) {
	if lines, said := h[cacheHeader]; !said { // a shared cache may keep even that, by its own guess (RFC 9111, 4.2.2)
		h[cacheHeader] = private
	} else if kept, changed := privateOf(strings.Join(lines, ", ")); changed {
		h[cacheHeader] = []string{kept}
	}
	for name := range h {
		if isForSharedCaches(name) {
			delete(h, name)
		}
	}
}

var private = []string{"private"}

// privateOf returns a Cache-Control without what it says to shared caches, and with private, unless it is kept by nobody
// already. Private for some fields alone would let the rest be kept.
func privateOf(said string) (kept string, changed bool) {
	list, safe := private, false
	for directive := range directives(said) {
		name, value, _ := strings.Cut(directive, "=")
		switch name = strings.ToLower(strings.TrimSpace(name)); {
		case name == "public", name == "s-maxage", name == "proxy-revalidate", name == "private" && value != "":
			changed = true
		case name == "private":
			safe = true
		case name != "":
			safe = safe || name == "no-store"
			list = append(list, directive)
		}
	}
	return strings.Join(list, ", "), changed || !safe
}

// directives yields the parts of a Cache-Control. A comma in quotes does not part them.
func directives(s string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		from, quoted, escaped := 0, false, false
		for i := range len(s) {
			switch c := s[i]; {
			case escaped:
				escaped = false
			case c == '\\' && quoted:
				escaped = true
			case c == '"':
				quoted = !quoted
			case c == ',' && !quoted:
				if !yield(strings.TrimSpace(s[from:i])) {
					return
				}
				from = i + 1
			}
		}
		yield(strings.TrimSpace(s[from:]))
	}
}

// isForSharedCaches reports whether a header tells shared caches what to keep, whatever Cache-Control says: for all of a kind
// (RFC 9213), Surrogate-Control, and that of nginx.
func isForSharedCaches(name string) bool {
	return name != cacheHeader && strings.HasSuffix(name, "-"+cacheHeader) || name == "Surrogate-Control" || name == "X-Accel-Expires" ||
		name == "Edge-Control"
}
