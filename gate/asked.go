package gate

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/curfewhq/curfew"
)

// asked is a request as its client made it, whoever passed it on. Rules are applied to this and to nothing else.
type asked struct {
	method   string
	secure   bool   // over HTTPS
	host     string // lower case, without a port or a final dot
	path     string // decoded
	plain    bool   // any program reads the path as we do; see canonicalPath
	uri      string // path and query as they were sent, to come back to
	page     bool   // a navigation: somebody waits for a page, and can be led to sign-in
	activity curfew.Activity
	cookie   curfew.SessionCookie // how its session cookie is called
}

// newAsked makes a request canonical. Uri is a path with its query, as a request line has it. It returns an error of
// curfew.CodeInvalid for what no browser sends.
func newAsked(method string, secure bool, host, uri string) (asked, error) {
	a := asked{method: method, secure: secure, uri: uri}
	var ok bool
	if a.host, ok = canonicalHost(host); !ok {
		return a, errHost
	}
	if method == "" || method == http.MethodConnect || !strings.HasPrefix(uri, "/") {
		return a, errTarget
	}
	raw, _, _ := strings.Cut(uri, "?")
	a.path, a.plain = canonicalPath(raw)
	return a, nil
}

// askedOf is the request itself, from a client or from a proxy that curfew.TrustProxies believes.
func askedOf(r *http.Request) (asked, error) {
	uri := r.RequestURI
	if !strings.HasPrefix(uri, "/") { // the whole address, as a client of a forward proxy sends it
		uri = r.URL.RequestURI()
	}
	a, err := newAsked(r.Method, curfew.OriginOf(r).Secure, r.Host, uri)
	a.page, a.activity, a.cookie = isNavigation(r.Method, r.Header), curfew.ActivityOf(r), curfew.SessionCookieOf(r)
	return a, err
}

// isNavigation tells a page that somebody waits for from what scripts ask. Browsers say it by Fetch Metadata; over plain
// HTTP, where they don't, the Accept header tells.
func isNavigation(method string, h http.Header) bool {
	if method != http.MethodGet && method != http.MethodHead {
		return false
	}
	if mode := h.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(h.Get("Accept"), "text/html") && h.Get("Upgrade") == "" &&
		h.Get("X-Requested-With") == "" && h.Get(curfew.PassiveHeader) == ""
}

// canonicalHost returns a host in lower case, without port and final dot, if it is a name or an address.
func canonicalHost(host string) (string, bool) {
	name := host
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		if strings.Trim(host[i+1:], "0123456789") != "" || strings.Contains(host[:i], ":") && !strings.HasPrefix(host, "[") {
			return "", false
		}
		name = host[:i]
	}
	if strings.HasPrefix(name, "[") {
		addr, err := netip.ParseAddr(strings.Trim(name, "[]"))
		return "[" + addr.String() + "]", err == nil && addr.Is6() && addr.Zone() == ""
	}
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > 253 || strings.HasSuffix(name, ".") {
		return "", false
	}
	lower := true
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case 'A' <= c && c <= 'Z':
			lower = false
		case c == '.' && i > 0 && name[i-1] != '.':
		default:
			return "", false
		}
	}
	if lower {
		return name, true
	}
	return strings.ToLower(name), true
}

// canonicalPath decodes a path. It is plain if every program reads it alike. It is not if it holds what some decode
// once more, take for a separator, or tidy away: escaped slashes, dots and percent signs, backslashes, control
// characters, "//", "." and ".." as segments, a dot or a space at a segment's end, and ";".
func canonicalPath(raw string) (path string, plain bool) {
	if !strings.HasPrefix(raw, "/") {
		return raw, false
	}
	path, plain = raw, true
	if strings.IndexByte(raw, '%') >= 0 {
		path, plain = unescape(raw)
	}
	return path, plain && isPlain(path)
}

// unescape decodes percent escapes. What should not have been escaped, or not be there at all, is not plain.
func unescape(raw string) (path string, plain bool) {
	b := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if i+2 >= len(raw) || !isHex(raw[i+1]) || !isHex(raw[i+2]) {
				return raw, false
			}
			c = unhex(raw[i+1])<<4 | unhex(raw[i+2])
			if strings.IndexByte(`/\.;%?#`, c) >= 0 {
				return raw, false
			}
			i += 2
		}
		b = append(b, c)
	}
	return string(b), true
}

func isPlain(path string) bool {
	before := byte(0) // of the segment, its first character's
	for i := range len(path) {
		c := path[i]
		switch {
		case c < ' ' || c == 0x7f || c == '\\' || c == ';' || c == '#' || c == '?':
			return false
		case before == '/' && (c == '/' || c == '.' && isDots(path[i:])):
			return false
		case (c == '.' || c == ' ') && (i+1 == len(path) || path[i+1] == '/'): // some servers leave these out
			return false
		}
		before = c
	}
	return utf8.ValidString(path)
}

// isDots reports whether the first segment is "." or "..".
func isDots(s string) bool {
	segment, _, _ := strings.Cut(s, "/")
	return segment == "." || segment == ".."
}

// climbs reports whether a path with its query leads up by ".." once somebody has decoded it.
func climbs(uri string) bool {
	raw, _, _ := strings.Cut(uri, "?")
	path, err := url.PathUnescape(raw)
	segments := strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '\\' })
	return err != nil || slices.Contains(segments, "..")
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}
