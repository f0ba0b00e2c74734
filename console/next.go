package console

import "github.com/curfewhq/curfew/internal/landing"

const homePath = "/sessions"

// next returns where a sign-in by the request is to lead: s, if it may, else "".
func (c *console) next(r *request, s string) string {
	return landing.Sites{Hosts: c.AppHosts, Domain: c.CookieDomain}.Check(r.Request, s)
}

// orHome is where to go if there is nowhere else.
func orHome(next string) string {
	if next == "" {
		return homePath
	}
	return next
}
