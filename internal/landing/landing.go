// Package landing decides where a sign-in may lead: to a page of the host where it happens, or of another host that was
// configured, and nowhere else. What it lets through is spelled in one way only, so that no browser can read it otherwise.
package landing

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/weborigin"
)

// maxLength is how long an address may be; a sign-in to a page with a longer one leads home.
const maxLength = 2048

// Sites are the hosts to which a sign-in may lead besides its own. The zero Sites are none.
type Sites struct {
	Hosts  []string // in lower case; with a port, that one is meant, else the port at which Curfew is reached
	Domain string   // likewise, and any host below it; empty: none
}

// Check returns next if a sign-in by the request may lead there, else "". It may be a path on the same host or, spelled
// out in lower case, the address of an allowed host with the scheme and the port of the request.
func (s Sites) Check(r *http.Request, next string) string {
	if p := Path(next); p != "" {
		return p
	}
	origin := curfew.OriginOf(r)
	rest, ok := strings.CutPrefix(next, weborigin.Scheme(origin)+"://")
	if !ok || len(next) > maxLength || strings.ContainsFunc(next, isNotPlain) {
		return ""
	}
	host, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	if !isHost(host) || !s.allows(host, origin.Host) || path != "" && Path(path) == "" {
		return ""
	}
	return next
}

// Origin returns the origin of what Check has let through, such as https://app.example.com, or "" for a path.
func Origin(next string) string {
	scheme, rest, ok := strings.Cut(next, "://")
	if !ok || strings.HasPrefix(next, "/") {
		return ""
	}
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

// allows reports whether the host is one of the sites, for a request that came to the host own.
func (s Sites) allows(host, own string) bool {
	own = strings.ToLower(own)
	if host == own {
		return true
	}
	_, ownPort := cutPort(own)
	name, port := cutPort(host)
	for _, h := range s.Hosts {
		if h == host || h == name && port == ownPort {
			return true
		}
	}
	return s.Domain != "" && port == ownPort && (name == s.Domain || strings.HasSuffix(name, "."+s.Domain))
}

// cutPort splits a host into its name and its port, which is empty if it is the scheme's own.
func cutPort(host string) (name, port string) {
	name, port, _ = strings.Cut(host, ":")
	return name, port
}

// isHost reports whether s is a domain name or an IPv4 address in lower case, without a dot at its end, and perhaps a
// port that is not spelled in some other way.
func isHost(s string) bool {
	name, port, hasPort := strings.Cut(s, ":")
	if hasPort && (port == "" || port[0] == '0' || len(port) > 5 || strings.Trim(port, "0123456789") != "") {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || label[0] == '-' || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// Path returns s if it is a path on this site, else "". Browsers drop control characters and read a backslash as a
// slash, so "/\host", "/\t/host" and what decodes to such would leave the site.
func Path(s string) string {
	if len(s) > maxLength || !strings.HasPrefix(s, "/") || strings.ContainsFunc(s, unsafeInPath) {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return ""
	}
	if strings.HasPrefix(s, "//") || strings.HasPrefix(u.Path, "//") || strings.ContainsFunc(u.Path, unsafeInPath) {
		return ""
	}
	return s
}

// isNotPlain is for what must not be in an address that is spelled out.
func isNotPlain(r rune) bool { return r <= ' ' || r > '~' }

func unsafeInPath(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == '\uFFFD' }
