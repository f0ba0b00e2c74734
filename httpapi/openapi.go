package httpapi

import (
	"encoding/json"
	"net/http"
	"reflect"
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
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"sessionCookie": {Type: "apiKey", In: "cookie", Name: curfew.SecureCookie, Description: "The cookie of a session, as signing in sets it. Over plain HTTP its name is " + curfew.PlainCookie + "."},
					"apiKey":        {Type: "http", Scheme: "bearer", Description: "An API key, for scripts. It makes no session, and beside it the cookie counts for nothing."},
				},
			},
			Servers: []*huma.Server{{
				URL:         "http://127.0.0.1:8080",
				Description: "Where Curfew is. On a host of an app its path there is part of it: https://app.example.com/.curfew",
			}},
			Security: []map[string][]string{bySession, {"apiKey": {}}},
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

// bySession is the way in by a session.
var bySession = map[string][]string{"sessionCookie": {}}

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
		op.Security = []map[string][]string{bySession}
	}
	if created[rt.id] {
		op.DefaultStatus = http.StatusCreated
	}
	for _, status := range rt.refusals() {
		op.Responses[strconv.Itoa(status)] = problemResponse(http.StatusText(status))
	}
	op.Responses["default"] = problemResponse("Any other error")
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
	known:      "For whoever is signed in: admins have everybody's sessions, auditors see everybody's, and all others have their own.",
	seesAll:    "For admins and auditors.",
	manages:    "For admins.",
}

// refusals are the statuses besides those of success that every client of the route should know.
func (rt route) refusals() []int {
	list := []int{http.StatusUnauthorized, http.StatusTooManyRequests}
	if rt.access > hasAccount && rt.access != known || rt.care != plain {
		list = append(list, http.StatusForbidden)
	}
	if strings.Contains(rt.path, "{") {
		list = append(list, http.StatusNotFound)
	}
	if rt.method != http.MethodGet && rt.access > anySession {
		list = append(list, http.StatusConflict)
	}
	return append(list, http.StatusUnprocessableEntity)
}

func problemResponse(what string) *huma.Response {
	return &huma.Response{Description: what, Content: map[string]*huma.MediaType{
		problemType: {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}},
	}}
}

// contentsOf are the answers that handlers write themselves.
var contentsOf = map[string]map[string]*huma.MediaType{
	"watchSession":  {eventsType: {Schema: &huma.Schema{Type: huma.TypeString}}},
	"watchSessions": {eventsType: {Schema: &huma.Schema{Type: huma.TypeString}}},
	"listHistory": {
		jsonType:   {Schema: &huma.Schema{Ref: "#/components/schemas/HistoryPage"}},
		csvType:    {Schema: &huma.Schema{Type: huma.TypeString}},
		ndjsonType: {Schema: &huma.Schema{Type: huma.TypeString}},
	},
	"listAudit": {
		jsonType:   {Schema: &huma.Schema{Ref: "#/components/schemas/AuditPage"}},
		ndjsonType: {Schema: &huma.Schema{Type: huma.TypeString}},
	},
}

// notes say of calls what their parts don't.
var notes = map[string]string{
	"getSession":     "For a session that has ended the answer says how, with 200: a page that asks is to show it, not to fail.",
	"reportActivity": "Without a body it is activity of this moment. A session that has ended stays ended.",
	"giveProof":      "Changing accounts and ending sessions needs a password that was given in the session not longer than 10 minutes ago: at sign-in, or here.",
	"watchSession":   "Server-sent events: session, with your session at once, at each change and as its clock passes idle_at and ends_at; sessions, when any that you may see may have changed.",
	"watchSessions": "Server-sent events: started, changed and ended, each with a Session as it is when it is told; reset, where the client must list the sessions anew: at the beginning, unless the stream goes on after Last-Event-ID, and where more happened at once than is told one by one. " +
		"So connect first, list at each reset, and apply what follows; nothing is lost or told twice.",
	"endSessions":     "All that are asked for end, or none. The session in which it is asked never ends. With expect, sessions that started since they were counted stay, if there are no more than 10,000.",
	"endSession":      "Ending a session that has ended is answered in the same way. Your own is 409: sign out instead.",
	"listHistory":     "In csv, what a spreadsheet would take for a formula has a quote before it. An answer that can't be finished is broken off.",
	"listAudit":       "In ndjson each line is a record as it is kept, with its hash. An answer that can't be finished is broken off.",
	"verifyAudit":     "Looks at all records that are kept. A log that is broken is answered with 200, and where.",
	"changePassword":  "Ends your other sessions unless keep_others is set.",
	"setPassword":     "Ends the account's sessions. Your own password is changed under account.",
	"endUserSessions": "But for the one in which it is asked.",
	"makeKey":         "The answer alone shows the secret. A repeated call finds the name taken: revoke the key, and make it anew.",
	"makeUserKey":     "As makeKey. Whoever has the key acts in the account's name.",
	"revokeKey":       "An admin revokes whosever it is, others their own. It is refused at its next request. A repeated call finds none.",
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
	for _, item := range o.Paths {
		for _, op := range []*huma.Operation{item.Post, item.Put, item.Patch} {
			if op != nil && op.RequestBody != nil {
				seal(o.Components.Schemas, op.RequestBody.Content[jsonType].Schema)
			}
		}
	}
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
