package httpapi

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/curfewhq/curfew"
)

// config is huma's: JSON as we read and write it, errors in our words, and no address that we have not named.
func (a *api) config() huma.Config {
	c := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Curfew", Version: "1", Description: apiText,
				License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Components: &huma.Components{
				Schemas:   huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				Responses: refusals(),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"sessionCookie": {Type: "apiKey", In: "cookie", Name: curfew.SecureCookie, Description: "The cookie of a session, as signing in sets it over HTTPS."},
					"sharedCookie":  {Type: "apiKey", In: "cookie", Name: curfew.SharedCookie, Description: "The same where one sign-in is good for several hosts (--cookie-domain)."},
					"plainCookie":   {Type: "apiKey", In: "cookie", Name: curfew.PlainCookie, Description: "The same over plain HTTP, which is for a server on one's own machine."},
					"apiKey":        {Type: "http", Scheme: "bearer", Description: "An API key, for scripts. It makes no session, and beside it the cookie counts for nothing."},
				},
			},
			Servers: []*huma.Server{
				{URL: "https://curfew.example.com", Description: "Where Curfew is."},
				{URL: "https://app.example.com/.curfew", Description: "The same on a host of an app that it protects: there its path is part of the address."},
				{URL: "http://127.0.0.1:8080", Description: "A server on one's own machine."},
			},
			Security: append(slices.Clone(bySession), map[string][]string{"apiKey": {}}),
			Tags: []*huma.Tag{
				{Name: "session", Description: "Your own session"},
				{Name: "sessions", Description: "Who is signed in"},
				{Name: "history", Description: "Who was"},
				{Name: "audit", Description: "Who did what"},
				{Name: "webhooks", Description: "Programs that are told what happens"},
				{Name: "account", Description: "Your account"},
				{Name: "keys", Description: "Your API keys"},
				{Name: "users", Description: "All accounts"},
			},
		},
		Formats:                      map[string]huma.Format{jsonType: huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                jsonType,
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{translate},
	}
	c.AllowAdditionalPropertiesByDefault = true
	return c
}

const apiText = `Who is signed in, until when, and no longer: sessions, their history and accounts.

All times are RFC 3339 in UTC with milliseconds. Errors are problem documents (RFC 9457), with a code for programs. Lists come in pages: give next_cursor back as cursor.

docs/api.md says who may do what, and what may be repeated safely.`

// bySession are the ways in by a session: which of them it is depends on the address.
var bySession = []map[string][]string{{"sessionCookie": {}}, {"sharedCookie": {}}, {"plainCookie": {}}}

// operation is what the document says of a route before its handler adds what it takes and answers.
func operation(rt route) huma.Operation {
	op := huma.Operation{
		Method: rt.method, Path: rt.path, OperationID: rt.id, Summary: rt.summary, Hidden: rt.id == "",
		Description: rt.description(), MaxBodyBytes: maxBody, BodyReadTimeout: 0,
		Responses: map[string]*huma.Response{},
	}
	if parts := strings.Split(rt.path, "/"); len(parts) > 3 {
		op.Tags = []string{parts[3]}
	}
	if !rt.takesKeys() {
		op.Security = bySession
	}
	if created[rt.id] {
		op.DefaultStatus = http.StatusCreated
	}
	for _, status := range rt.refusals() {
		op.Responses[strconv.Itoa(status)] = refusalRef(status)
	}
	op.Responses["default"] = refusalRef(0)
	if contents, ok := contentsOf[rt.id]; ok {
		op.Responses["200"] = &huma.Response{Description: "OK", Content: contents}
	}
	return op
}

// created are the calls that answer 201.
var created = map[string]bool{"addUser": true, "makeKey": true, "makeUserKey": true}

// description says what the call does, and who may.
func (rt route) description() string {
	parts := []string{notes[rt.id], whoMay[rt.access]}
	if rt.care != plain {
		parts = append(parts, "In a session it needs a password given not longer than 10 minutes ago.")
	}
	if !rt.takesKeys() {
		parts = append(parts, "Not by an API key.")
	}
	return strings.TrimSpace(strings.Join(parts, " "))
}

var whoMay = map[access]string{
	anySession: "For whoever has a session, be it ended.",
	inSession:  "For whoever is signed in, in their session.",
	hasAccount: "For whoever is signed in.",
	known:      "For whoever is signed in.",
	seesAll:    "For admins and auditors.",
	manages:    "For admins.",
}

// refusals are the statuses besides those of success that every client of the route should know.
func (rt route) refusals() []int {
	list := []int{
		http.StatusUnauthorized, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable,
	}
	reads := rt.method == http.MethodGet
	if !reads || !rt.takesKeys() || rt.access == seesAll {
		list = append(list, http.StatusForbidden)
	}
	if strings.Contains(rt.path, "{") || namesOthers[rt.id] {
		list = append(list, http.StatusNotFound)
	}
	if !reads && rt.access > anySession {
		list = append(list, http.StatusConflict)
	}
	return list
}

// namesOthers are the calls that are not found where a parameter or the body names what isn't there.
var namesOthers = map[string]bool{"listSessions": true, "endSessions": true, "listHistory": true}

// bodyRefusals are those of calls that have a body.
var bodyRefusals = []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType}

// refusalTexts say when there is which refusal. 0 stands for all others.
var refusalTexts = map[int]string{
	0:                                "Any other error.",
	http.StatusBadRequest:            "The body is not one JSON object, or has a field that is not known, or one twice.",
	http.StatusUnauthorized:          "Nobody is signed in, the session has ended, or the API key is unknown, revoked or expired.",
	http.StatusForbidden:             "The role doesn't allow it, a password is wrong or was given too long ago (see type), an API key doesn't do, or another site asks in somebody's name.",
	http.StatusNotFound:              "There is no such thing, or none that the caller may know of.",
	http.StatusConflict:              "Not in this state: detail says what is in the way.",
	http.StatusRequestEntityTooLarge: "The body has more than 64 KB.",
	http.StatusUnsupportedMediaType:  "The body is not application/json.",
	http.StatusUnprocessableEntity:   "Parameters or fields are wrong or not known: errors names them.",
	http.StatusTooManyRequests:       "Too often.",
	http.StatusInternalServerError:   "The server's own fault. Its log knows it by the id.",
	http.StatusServiceUnavailable:    "The store can't be reached, so nobody knows, and nobody gets in.",
}

// refusalName is what the document calls the answer with a status.
func refusalName(status int) string {
	if status == 0 {
		return "OtherError"
	}
	return strings.ReplaceAll(http.StatusText(status), " ", "")
}

func refusalRef(status int) *huma.Response {
	return &huma.Response{Ref: responsesRef + refusalName(status)}
}

const responsesRef = "#/components/responses/"

// refusals are the answers that calls have in common.
func refusals() map[string]*huma.Response {
	all := map[string]*huma.Response{}
	for status := range refusalTexts {
		all[refusalName(status)] = refusal(status)
	}
	return all
}

func refusal(status int) *huma.Response {
	r := &huma.Response{Description: refusalTexts[status], Content: map[string]*huma.MediaType{
		problemType: {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}},
	}}
	switch status {
	case http.StatusUnauthorized:
		r.Headers = map[string]*huma.Param{"WWW-Authenticate": {Description: "How to get in (RFC 9110, 11.6.1).", Schema: &huma.Schema{Type: huma.TypeString}}}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		r.Headers = map[string]*huma.Param{"Retry-After": {Description: "In how many seconds to come back.", Schema: &huma.Schema{Type: huma.TypeInteger}}}
	}
	return r
}

// contentsOf are the answers that handlers write themselves.
var contentsOf = map[string]map[string]*huma.MediaType{
	"watchSession":  {eventsType: {Schema: textOf("Messages of server-sent events.")}},
	"watchSessions": {eventsType: {Schema: textOf("Messages of server-sent events.")}},
	"listHistory": {
		jsonType:   {Schema: &huma.Schema{Ref: "#/components/schemas/HistoryPage"}},
		csvType:    {Schema: textOf("A line with the names of the columns, and one for each session.")},
		ndjsonType: {Schema: textOf("A Session a line.")},
	},
	"listAudit": {
		jsonType:   {Schema: &huma.Schema{Ref: "#/components/schemas/AuditPage"}},
		ndjsonType: {Schema: textOf("A Record a line, with its hash as the last field.")},
	},
}

func textOf(what string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: what}
}

// whose says of which sessions calls tell.
const whose = " Admins have everybody's sessions, auditors see everybody's, and all others have their own."

// notes say of calls what their parts don't.
var notes = map[string]string{
	"getSession":     "For a session that has ended the answer says how, with 200: a page that asks is to show it, not to fail.",
	"signOut":        "Takes the cookie away too. A session that has ended is signed out already: the same answer.",
	"extendSession":  "Never past expires_at. A session that has ended stays ended, and the answer says how.",
	"listSessions":   "A page may be short, or empty, though more follows." + whose,
	"findSession":    "One that has ended is found until history forgets it." + whose,
	"reportActivity": "Without a body it is activity of this moment. A session that has ended stays ended.",
	"giveProof":      "Changing accounts and ending sessions needs a password that was given in the session not longer than 10 minutes ago: at sign-in, or here.",
	"watchSession":   "Server-sent events: session, with your session at once, at each change and as its clock passes idle_at and ends_at; sessions, when any that you may see may have changed.",
	"watchSessions": "Server-sent events: started, changed and ended, each with a Session as it is when it is told; reset, where the client must list the sessions anew: at the beginning, unless the stream goes on after Last-Event-ID, and where more happened at once than is told one by one. " +
		"So connect first, list at each reset, and apply what follows; nothing is lost or told twice." + whose,
	"endSessions":     "All that are asked for end, or none. The session in which it is asked never ends. With expect, sessions that started since they were counted stay, if there are no more than 10,000." + whose,
	"endSession":      "Ending a session that has ended is answered in the same way. Your own is 409: sign out instead." + whose,
	"listHistory":     "In csv, what a spreadsheet would take for a formula has a quote before it. An answer that can't be finished is broken off." + whose,
	"listAudit":       "In ndjson each line is a record as it is kept, with its hash. An answer that can't be finished is broken off.",
	"verifyAudit":     "Looks at all records that are kept. A log that is broken is answered with 200, and where.",
	"changePassword":  "Ends your other sessions unless keep_others is set.",
	"setPassword":     "Ends the account's sessions. Your own password is changed under account.",
	"endUserSessions": "But for the one in which it is asked.",
	"makeKey":         "The answer alone shows the secret. A repeated call finds the name taken: revoke the key, and make it anew.",
	"makeUserKey":     "As makeKey. Whoever has the key acts in the account's name.",
	"revokeKey":       "An admin revokes whosever it is, others their own. It is refused at its next request. A repeated call finds none.",
	"updateUser":      "The last admin who is enabled stays one: 409.",
	"deleteUser":      "Ends its sessions and revokes its API keys; history and the audit log keep its name. The last admin who is enabled stays: 409. A repeated call finds none.",
	"unlockUser":      "Makes a code for the owner, who opens /unlock?code=… below Curfew's address in the browser in which they will sign in, and voids the code before.",
	"testWebhook":     "One message of type curfew.test. 409, with the reason, if it is not taken.",
	"retryWebhook":    "Answers at once; listWebhooks says how it went.",
	"addUser":         "A repeated call finds the user name taken, unless it has an Idempotency-Key.",
}

// finish takes out what huma adds and nobody answers, and adds what handlers write themselves.
func finish(o *huma.OpenAPI) {
	o.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "")
	o.Components.Schemas.Schema(reflect.TypeFor[HistoryPage](), true, "")
	if o.Paths["/api/v1/audit"] != nil {
		o.Components.Schemas.Schema(reflect.TypeFor[AuditPage](), true, "")
	}
	schemas := o.Components.Schemas.Map()
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
	for name, s := range schemas {
		s.Description = schemaTexts[name]
	}
	for _, item := range o.Paths {
		for _, op := range []*huma.Operation{item.Post, item.Put, item.Patch} {
			if op == nil || op.RequestBody == nil {
				continue
			}
			seal(o.Components.Schemas, op.RequestBody.Content[jsonType].Schema)
			for _, status := range bodyRefusals {
				op.Responses[strconv.Itoa(status)] = refusalRef(status)
			}
		}
	}
}

// schemaTexts say what the objects are that calls take and answer.
var schemaTexts = map[string]string{
	"AccountChange":   "What people may say of their own account.",
	"ActivityRequest": "How long ago a person did something. Without it the activity is of this moment.",
	"AuditBreak":      "Where the audit log is not as it was written.",
	"AuditCheck":      "Whether the audit log is as it was written.",
	"AuditPage":       "A part of the audit log.",
	"Change":          "What became of one field of an account or a key.",
	"End":             "Which sessions to end: exactly one of others, filter and ids. The session in which it is asked never ends.",
	"EndResult":       "What was ended or, in a dry run, would be.",
	"Ended":           "How many sessions ended.",
	"FieldError":      "What is wrong with one field of a request.",
	"Filter":          "Narrows down sessions. Its fields hold together; those that are absent or empty do nothing.",
	"HistoryPage":     "A part of the history.",
	"Key":             "An API key. Its secret is nowhere in it.",
	"KeyList":         "The API keys of one account.",
	"Lifetime":        "A Token Lifetime.",
	"MadeKey":         "A new API key and, this once, its secret.",
	"NewKey":          "What is given for a new API key.",
	"NewPassword":     "A password that somebody else sets.",
	"NewUser":         "What is given for a new account.",
	"Party":           "An account, as it was called then, or who acted on the server's machine.",
	"PasswordChange":  "A new password of one's own.",
	"Problem":         "What is wrong (RFC 9457).",
	"Proof":           "A password given once more.",
	"Proven":          "Until when the password counts that was given.",
	"Record":          "One thing that was done or refused. What is empty is absent.",
	"Session":         "One sign-in on one client. Its token is nowhere in it.",
	"SessionPage":     "A part of a list of sessions.",
	"Unlock":          "The code by which a browser becomes known to an account.",
	"User":            "An account.",
	"UserChange":      "What changes in an account. What is absent stays.",
	"UserPage":        "A part of the list of accounts.",
	"Webhook":         "How a webhook does.",
	"WebhookList":     "All webhooks of the server's configuration.",
}

// seal says of what a request holds that nothing else may be in it. Answers may come to hold more.
func seal(schemas huma.Registry, s *huma.Schema) {
	if s.Ref != "" {
		s = schemas.SchemaFromRef(s.Ref)
	}
	if s.Type == huma.TypeObject {
		s.AdditionalProperties = false
	}
	for _, field := range s.Properties {
		seal(schemas, field)
	}
}

// document answers with the OpenAPI document.
func (a *api) document(w http.ResponseWriter, _ *call) error {
	text, err := a.openAPIText()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/openapi+json")
	w.Write(text)
	return nil
}

func (a *api) openAPIText() ([]byte, error) { return json.MarshalIndent(a.openAPI, "", "  ") }
