package console

// access is who may use a route. Its zero value is nobody, so a route that says nothing stays shut.
type access int

const (
	public   access = iota + 1 // anybody
	signedIn                   // whoever has a session
	seesAll                    // admins and auditors
	manages                    // admins
)

type route struct {
	pattern string
	access  access
	handler func(*console, *request) (answer, error)
}

// routes are all pages. What is not here is not found. A POST changes something; a GET never does.
var routes = []route{
	{"GET /{$}", public, (*console).home},
	{"GET /setup", public, (*console).setupForm},
	{"POST /setup", public, (*console).setUp},
	{"GET /signin", public, (*console).signInForm},
	{"POST /signin", public, (*console).signIn},
	{"GET /unlock", public, (*console).unlockForm},
	{"POST /unlock", public, (*console).unlock},
	{"POST /signout", public, (*console).signOut},
	{"POST /theme", public, (*console).setTheme},

	{"GET /sessions", signedIn, (*console).sessions},
	{"GET /sessions/{id}/end", signedIn, (*console).confirmEnd},
	{"POST /sessions/{id}/end", signedIn, (*console).end},
	{"GET /sessions/end-others", signedIn, (*console).confirmEndOthers},
	{"POST /sessions/end-others", signedIn, (*console).endOthers},
	{"GET /settings/token", signedIn, (*console).tokenForm},
	{"POST /settings/token", signedIn, (*console).setToken},
	{"GET /history", signedIn, (*console).history},
	{"GET /account", signedIn, (*console).account},
	{"POST /account/password", signedIn, (*console).changePassword},
	{"GET /account/keys/new", signedIn, (*console).askNewKey},
	{"POST /account/keys/new", signedIn, (*console).makeKey},
	{"GET /account/keys/{key}/revoke", signedIn, (*console).confirmRevoke},
	{"POST /account/keys/{key}/revoke", signedIn, (*console).revokeKey},

	{"GET /audit", seesAll, (*console).auditLog},
	{"GET /audit/{no}", seesAll, (*console).auditRecord},
	{"GET /audit/verify", seesAll, (*console).verifyAudit},

	{"GET /webhooks", seesAll, (*console).webhooks},
	{"POST /webhooks/{name}/test", manages, (*console).testWebhook},
	{"POST /webhooks/{name}/retry", manages, (*console).retryWebhook},

	{"GET /users", seesAll, (*console).users},
	{"GET /users/new", manages, (*console).newUserForm},
	{"POST /users/new", manages, (*console).addUser},
	{"GET /users/{id}", manages, (*console).editUserForm},
	{"POST /users/{id}", manages, (*console).editUser},
	{"GET /users/{id}/password", manages, (*console).passwordForm},
	{"POST /users/{id}/password", manages, (*console).setPassword},
	{"GET /users/{id}/delete", manages, (*console).confirmDelete},
	{"POST /users/{id}/delete", manages, (*console).deleteUser},
	{"GET /users/{id}/keys/{key}/revoke", manages, (*console).confirmRevoke},
	{"POST /users/{id}/keys/{key}/revoke", manages, (*console).revokeKey},

	{"/", public, (*console).notFound},
}
