package console

import (
	"net/url"
	"strings"
)

const homePath = "/sessions"

// localPath returns s if it is a path on this site, else "". Browsers drop control characters and read a backslash as a
// slash, so "/\host", "/\t/host" and what decodes to such would leave the site.
func localPath(s string) string {
	if len(s) > 2048 || !strings.HasPrefix(s, "/") || strings.ContainsFunc(s, unsafeInPath) {
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

func unsafeInPath(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == '\uFFFD' }

// afterSignIn is where a sign-in leads: to the page that was asked for, if it is on this host. Else where an app is at the
// root it leads there, and where we are to our own first page.
func (r *request) afterSignIn(next string) string {
	if p := localPath(next); p != "" {
		return p
	}
	if r.base() != "" {
		return "/"
	}
	return homePath
}
