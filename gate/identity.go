package gate

import (
	"net/http"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/weborigin"
)

// The headers by which an app learns who sends a request. The name is in UTF-8.
const (
	headerUser = "Remote-User" // the user name
	headerName = "Remote-Name" // the full name; absent if there is none
	headerRole = "Remote-Role" // absent if there is none
)

// setIdentity takes away what a client says about who and where it is, in every spelling, and says what we know.
func setIdentity(h http.Header, d *decision) {
	stripIdentity(h)
	if d.session.ID == "" {
		return
	}
	set(h, headerUser, d.session.User.Name)
	set(h, headerName, d.session.User.FullName)
	set(h, headerRole, d.role)
}

// setForwarded tells the app what its client asked for: it can't see it by itself.
func setForwarded(h http.Header, o curfew.Origin) {
	set(h, "X-Forwarded-For", o.Addr)
	set(h, "X-Forwarded-Proto", weborigin.Scheme(o))
	set(h, "X-Forwarded-Host", o.Host)
}

// set sets a header that is spelled as servers spell it, if there is anything to say.
func set(h http.Header, name, value string) {
	if value = clean(value); value != "" {
		h[name] = []string{value}
	}
}

// clean leaves out what no header can hold.
func clean(value string) string {
	for i := range len(value) {
		if isControl(rune(value[i])) {
			return strings.Map(func(r rune) rune {
				if isControl(r) {
					return -1
				}
				return r
			}, value)
		}
	}
	return value
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func stripIdentity(h http.Header) {
	for name := range h {
		if isIdentity(name) {
			delete(h, name)
		}
	}
}

// isIdentity reports whether apps may believe a header of this name about who sends a request, from where, or what was asked
// for. Many servers read an underscore as a hyphen (CGI makes one of both), PHP a dot too and some any other character that is
// no letter or digit; and none tells the case of letters apart. It covers more names than ours, since an app may have been set
// up for another gate before.
func isIdentity(name string) bool {
	switch initial(name) {
	case 'r':
		return hasName(name, "remote-", false)
	case 'x':
		return isOther(name)
	case 'f':
		return hasName(name, "forwarded", true)
	case 'c':
		return hasName(name, "client-ip", true)
	case 't':
		return hasName(name, "true-client-ip", true)
	case 'p':
		return hasName(name, "proxy", true) // CGI makes HTTP_PROXY of it, which many programs believe (CVE-2016-5385)
	default:
		return false
	}
}

// isOther is isIdentity for the names that begin with an x.
func isOther(name string) bool {
	if len(name) < 3 {
		return false
	}
	switch name[2] | 0x20 {
	case 'a':
		return hasName(name, "x-auth-request-", false) || hasName(name, "x-authenticated-", false) || hasName(name, "x-authentik-", false)
	case 'c':
		return hasName(name, "x-client-ip", true) || hasName(name, "x-cluster-client-ip", true)
	case 'f':
		return hasName(name, "x-forwarded", true) || hasName(name, "x-forwarded-", false)
	case 'o':
		return hasName(name, "x-original-", false)
	case 'r':
		return hasName(name, "x-remote-", false) || hasName(name, "x-real-ip", true) || hasName(name, "x-rewrite-url", true)
	case 'w':
		return hasName(name, "x-webauth-", false)
	default:
		return false
	}
}

func initial(s string) byte {
	if s == "" {
		return 0
	}
	return s[0] | 0x20
}

// hasName reports whether the name is the wanted one, or begins with it, in any spelling.
func hasName(name, want string, whole bool) bool {
	if len(name) < len(want) || whole && len(name) != len(want) {
		return false
	}
	for i := range len(want) {
		c := name[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		case (c < 'a' || c > 'z') && (c < '0' || c > '9'):
			c = '-'
		}
		if c != want[i] {
			return false
		}
	}
	return true
}
