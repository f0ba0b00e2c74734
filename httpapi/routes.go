package httpapi

import (
	"net/http"
	"slices"
)

// A route is a row of the table of routes. Rows are written without field names, so one without access doesn't compile.
type route struct {
	method  string
	path    string
	access  access
	care    care
	id      string // by which the OpenAPI document and generated clients call it
	handler register
	summary string
}

// access is who may use a route. Its zero value is nobody.
type access int

const (
	anySession access = iota + 1 // whoever has a session, be it ended
	inSession                    // whoever is signed in, in their session
	hasAccount                   // whoever has an account
	known                        // whoever may use the API at all
	seesAll                      // admins and auditors
	manages                      // admins
	machine                      // who runs this machine
)

// care is what a route asks for besides access.
type care int

const (
	plain   care = iota + 1
	proven       // the password, given in the session not long ago, or an API key
	present      // the password; an API key does not do
)

// takesKeys reports whether an API key lets anybody in.
func (rt route) takesKeys() bool {
	return rt.access != anySession && rt.access != inSession && rt.care != present
}

// routes are all calls. What is not here is not found. A GET changes nothing.
func (a *api) routes() []route {
	own := []route{
		{http.MethodGet, "/api/v1/session", anySession, plain, "getSession", handle(a.session), "Your own session"},
		{http.MethodDelete, "/api/v1/session", anySession, plain, "signOut", handle(a.signOut), "Sign out"},
		{http.MethodPost, "/api/v1/session/extend", anySession, plain, "extendSession", handle(a.extend), "Start the inactivity anew"},
		{http.MethodPost, "/api/v1/session/activity", anySession, plain, "reportActivity", handle(a.activity), "Report what a person did"},
		{http.MethodGet, "/api/v1/session/events", anySession, plain, "watchSession", raw(a.events), "Follow your own session"},
	}
	if a.Accounts == nil {
		return own
	}
	return slices.Concat(own, a.auditRoutes(), a.webhookRoutes(), []route{
		{http.MethodPost, "/api/v1/session/proof", inSession, plain, "giveProof", handle(a.prove), "Give the password once more"},

		{http.MethodGet, "/api/v1/sessions", known, plain, "listSessions", handle(a.listSessions), "List live sessions"},
		{http.MethodPost, "/api/v1/sessions/end", known, proven, "endSessions", handle(a.endSessions), "End many sessions at once"},
		{http.MethodGet, "/api/v1/sessions/events", known, plain, "watchSessions", raw(a.watchSessions), "Follow sessions"},
		{http.MethodGet, "/api/v1/sessions/{id}", known, plain, "findSession", handle(a.findSession), "One session, live or ended"},
		{http.MethodDelete, "/api/v1/sessions/{id}", known, proven, "endSession", handle(a.endSession), "End a session"},
		{http.MethodGet, "/api/v1/history", known, plain, "listHistory", raw(a.history), "List ended sessions"},

		{http.MethodGet, "/api/v1/account", hasAccount, plain, "getAccount", handle(a.account), "Your account"},
		{http.MethodPut, "/api/v1/account", hasAccount, plain, "updateAccount", handle(a.updateAccount), "Change your account"},
		{http.MethodPut, "/api/v1/account/lifetime", hasAccount, plain, "setLifetime", handle(a.setLifetime), "Set the Token Lifetime of your sessions"},
		{http.MethodPut, "/api/v1/account/password", inSession, plain, "changePassword", handle(a.changePassword), "Change your password"},

		{http.MethodGet, "/api/v1/keys", hasAccount, plain, "listKeys", handle(a.listKeys), "List your API keys"},
		{http.MethodPost, "/api/v1/keys", hasAccount, present, "makeKey", handle(a.makeKey), "Make an API key"},
		{http.MethodDelete, "/api/v1/keys/{id}", known, proven, "revokeKey", handle(a.revokeKey), "Revoke an API key"},

		{http.MethodGet, "/api/v1/users", seesAll, plain, "listUsers", handle(a.listUsers), "List accounts"},
		{http.MethodPost, "/api/v1/users", manages, proven, "addUser", handle(a.addUser), "Add an account"},
		{http.MethodGet, "/api/v1/users/{id}", seesAll, plain, "getUser", handle(a.getUser), "One account"},
		{http.MethodPatch, "/api/v1/users/{id}", manages, proven, "updateUser", handle(a.updateUser), "Change an account"},
		{http.MethodDelete, "/api/v1/users/{id}", manages, proven, "deleteUser", handle(a.deleteUser), "Delete an account"},
		{http.MethodPut, "/api/v1/users/{id}/password", manages, proven, "setPassword", handle(a.setPassword), "Set somebody's password"},
		{http.MethodDelete, "/api/v1/users/{id}/sessions", manages, proven, "endUserSessions", handle(a.endUserSessions), "End all sessions of an account"},
		{http.MethodPost, "/api/v1/users/{id}/unlock", manages, proven, "unlockUser", handle(a.unlockUser), "Let an owner in though others try wrong passwords"},
		{http.MethodGet, "/api/v1/users/{id}/keys", seesAll, plain, "listUserKeys", handle(a.listUserKeys), "List the API keys of an account"},
		{http.MethodPost, "/api/v1/users/{id}/keys", manages, present, "makeUserKey", handle(a.makeUserKey), "Make an API key of an account"},
		{http.MethodDelete, "/api/v1/users/{id}/keys/{key}", manages, proven, "revokeUserKey", handle(a.revokeUserKey), "Revoke an API key of an account"},

		{http.MethodGet, "/api/openapi.json", known, plain, "", page(a.document), ""},
		{http.MethodGet, "/api/docs", known, plain, "", page(a.docs), ""},
		{http.MethodGet, "/api/docs.css", known, plain, "", page(docsStyle), ""},
	})
}

// auditRoutes are those of the audit log, if there is one.
func (a *api) auditRoutes() []route {
	if a.Audit == nil {
		return nil
	}
	return []route{
		{http.MethodGet, "/api/v1/audit", seesAll, plain, "listAudit", raw(a.auditLog), "List the audit log"},
		{http.MethodGet, "/api/v1/audit/verification", seesAll, plain, "verifyAudit", handle(a.verifyAudit), "Verify the audit log"},
	}
}

// webhookRoutes are those of webhooks, if there may be some.
func (a *api) webhookRoutes() []route {
	if a.Webhooks == nil {
		return nil
	}
	return []route{
		{http.MethodGet, "/api/v1/webhooks", seesAll, plain, "listWebhooks", handle(a.listWebhooks), "List webhooks"},
		{http.MethodPost, "/api/v1/webhooks/{name}/test", manages, plain, "testWebhook", handle(a.testWebhook), "Send a webhook a test message"},
		{http.MethodPost, "/api/v1/webhooks/{name}/retry", manages, plain, "retryWebhook", handle(a.retryWebhook), "Try a webhook now, and switch it on"},
	}
}

// controlRoutes are what only who runs the machine has besides.
func (a *api) controlRoutes() []route {
	return []route{
		{http.MethodGet, "/api/v1/status", machine, plain, "", handle(a.serverStatus), ""},
		{http.MethodPost, "/api/v1/backup", machine, plain, "", handle(a.backup), ""},
	}
}
