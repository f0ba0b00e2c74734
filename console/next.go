package console

import "github.com/curfewhq/curfew/internal/landing"

const homePath = "/sessions"

// next returns where a sign-in by the request is to lead: s, if it may, else "".
func (c *console) next(r *request, s string) string {
	return landing.Sites{Hosts: c.AppHosts, Domain: c.CookieDomain}.Check(r.Request, s)
}

// afterSignIn is where a sign-in leads: to next, if that is anywhere. Else where an app is at the root it leads there, and
// where we are to our own first page.
func (r *request) afterSignIn(next string) string {
	switch {
	case next != "":
		return next
	case r.base() != "":
		return "/"
	default:
		return homePath
	}
}
