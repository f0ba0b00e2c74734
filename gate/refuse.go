package gate

import (
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/url"

	"github.com/curfewhq/curfew"
)

// statusError is an error that has a status of its own, and what strangers may know of it.
type statusError struct {
	status int
	detail string
}

func (e *statusError) Error() string { return e.detail }

// refuse answers a request that does not get through: it leads to sign-in whoever waits for a page and is signed out, and
// tells all others why.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, a *asked, err error) {
	h, status := w.Header(), statusOf(err)
	h.Set("Cache-Control", "no-store")
	if status == http.StatusUnauthorized && a.page && isTop(r) {
		h.Set("Location", g.signIn(a.uri))
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Cookie")
	case http.StatusServiceUnavailable:
		g.Logger.WarnContext(r.Context(), "nobody knows whether a request may pass", "path", a.path, "error", err)
		h.Set("Retry-After", "5")
	}
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	p := problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detailOf(status, err), SignIn: g.SignIn}
	if a.page {
		p.page(w)
	} else {
		p.document(w)
	}
}

// signIn is where to sign in, and to come back from.
func (g *Gate) signIn(next string) string {
	u, err := url.Parse(g.SignIn)
	if err != nil {
		return g.SignIn
	}
	q := u.Query()
	q.Set("next", next)
	u.RawQuery = q.Encode()
	return u.String()
}

// isTop reports whether a page is for a window and not for a frame in one, where no sign-in page may be.
func isTop(r *http.Request) bool {
	dest := r.Header.Get("Sec-Fetch-Dest")
	return dest == "" || dest == "document"
}

// detailOf says what strangers may know.
func detailOf(status int, err error) string {
	own, isOurs := errors.AsType[*curfew.Error](err)
	other, hasStatus := errors.AsType[*statusError](err)
	switch {
	case hasStatus:
		return other.detail
	case status == http.StatusUnauthorized:
		return "sign in first"
	case status == http.StatusServiceUnavailable:
		return "nobody knows at the moment who is signed in; nobody is let in until then"
	case status == http.StatusForbidden && !errors.Is(err, errDenied):
		return "this account may use nothing here"
	case isOurs:
		return own.Message
	default:
		return ""
	}
}

// problem is a problem document (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	SignIn string `json:"-"`
}

func (p problem) document(w http.ResponseWriter) {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // it has strings and a number
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	w.Write(append(text, '\n')) // a client that has gone is not our concern
}

var problemPage = template.Must(template.New("problem").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{.Title}}</title>
<h1>{{.Title}}</h1>
<p>{{.Status}}: {{.Detail}}.</p>
{{- if eq .Status 401}}
<p><a href="{{.SignIn}}" target="_top">Sign in</a></p>
{{- end}}
</html>
`))

func (p problem) page(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(p.Status)
	problemPage.Execute(w, p) // likewise
}
