package httpapi

import "net/http"

// A route is a row of a table of routes. Rows are written without field names, so one without access doesn't compile.
type route struct {
	method  string
	path    string
	access  access
	handler handler
}

// routes is the API that signed-in clients use.
func (a *api) routes() []route {
	own := []route{
		{http.MethodGet, "/api/v1/session", a.anySession, handle(a.session)},
		{http.MethodPost, "/api/v1/session/extend", a.anySession, handle(a.extend)},
		{http.MethodPost, "/api/v1/session/activity", a.anySession, handle(a.activity)},
		{http.MethodGet, "/api/v1/session/events", a.anySession, a.events},
	}
	if a.Accounts == nil {
		return own
	}
	return append(own,
		route{http.MethodPut, "/api/v1/account/lifetime", a.liveSession, handle(a.setLifetime)},
	)
}

// routes is the API that the command line uses.
func (c *control) routes() []route {
	return []route{
		{http.MethodGet, "/control/v1/status", c.operator, handle(c.status)},
		{http.MethodGet, "/control/v1/users", c.operator, handle(c.listUsers)},
		{http.MethodPost, "/control/v1/users", c.operator, handle(c.addUser)},
		{http.MethodGet, "/control/v1/users/{name}", c.operator, handle(c.getUser)},
		{http.MethodPatch, "/control/v1/users/{name}", c.operator, handle(c.updateUser)},
		{http.MethodDelete, "/control/v1/users/{name}", c.operator, handle(c.deleteUser)},
		{http.MethodPut, "/control/v1/users/{name}/password", c.operator, handle(c.setPassword)},
		{http.MethodPost, "/control/v1/users/{name}/unlock", c.operator, handle(c.unlock)},
		{http.MethodGet, "/control/v1/sessions", c.operator, handle(c.listSessions)},
		{http.MethodGet, "/control/v1/sessions/count", c.operator, handle(c.countSessions)},
		{http.MethodPost, "/control/v1/sessions/end", c.operator, handle(c.endSessions)},
	}
}
