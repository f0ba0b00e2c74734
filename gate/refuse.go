package gate

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/landing"
)

// statusError is an error that has a status of its own, and what strangers may know of it.
type statusError struct {
	status int
	detail string
}

func (e *statusError) Error() string { return e.detail }

// signIn leads to the sign-in page and from there to the path and query that were asked for.
func (g *Gate) signIn(uri string) string {
	separator := "?"
	if strings.Contains(g.SignIn, "?") {
		separator = "&"
	}
	return g.SignIn + separator + "next=" + url.QueryEscape(uri)
}

// problem is the document that says why a request does not pass (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func newProblem(status int, err error) problem {
	return problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail(err)}
}

// refuse says to a program why a request does not pass. A Location is the caller's to set.
func refuse(w http.ResponseWriter, status int, err error) {
	setRefused(w.Header(), status)
	if status == http.StatusSeeOther {
		w.WriteHeader(status)
		return
	}
	body, _ := json.Marshal(newProblem(status, err)) // it holds nothing that could fail
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	w.Write(append(body, '\n')) // a client that has left needs no answer
}

// refusal is what a person reads instead of the page they asked for.
type refusal struct {
	problem
	Heading string
	App     string      // the host that was asked for
	User    curfew.User // who asks; without a name, nobody who is known
	SignIn  string      // leads who is signed out to the sign-in page
	SignOut string      // signs out who is signed in; empty if nobody knows where that is
}

// headings say to people what a status is called among programs.
var headings = map[int]string{
	http.StatusUnauthorized:       "You are signed out",
	http.StatusForbidden:          "This is not for your account",
	http.StatusBadGateway:         "The app does not answer",
	http.StatusServiceUnavailable: "Not at the moment",
	http.StatusGatewayTimeout:     "The app does not answer in time",
}

func (g *Gate) newRefusal(status int, err error, host string, user curfew.User) refusal {
	return refusal{
		problem: newProblem(status, err), Heading: cmp.Or(headings[status], http.StatusText(status)),
		App: host, User: user, SignOut: g.SignOut,
	}
}

// aroundFrame returns the page that has the frame for which the request asks, to come back to: the whole window goes to sign-in.
// It is known where the browser says from where the request comes and that is the same origin; else it is the app's first page.
func aroundFrame(r *http.Request) string {
	from, err := url.Parse(r.Referer())
	own := curfew.OriginOf(r)
	if err != nil || !strings.EqualFold(from.Host, own.Host) || (from.Scheme == "https") != own.Secure {
		return "/"
	}
	return cmp.Or(landing.Path(from.RequestURI()), "/")
}

// refusePage says it to a person.
func refusePage(w http.ResponseWriter, p refusal) {
	h := w.Header()
	setRefused(h, p.Status)
	h.Set("Content-Security-Policy", problemPolicy)
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(p.Status)
	problemPage.Execute(w, p) // likewise
}

func setRefused(h http.Header, status int) {
	h["Cache-Control"] = noStore
	h.Set("X-Content-Type-Options", "nosniff")
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Cookie")
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	}
}

// problemStyle has the colours of the console and asks for nothing: whoever may not pass gets no files.
const problemStyle = `
html { color-scheme: light dark; font: 400 15px/1.5 system-ui, sans-serif; color: light-dark(#1a1a23, #f0f0f3); background: light-dark(#f9fafc, #0c0d11); }
body { display: grid; min-height: 100vh; margin: 0; place-items: center; }
main { box-sizing: border-box; width: min(400px, 100vw - 32px); padding: 28px; overflow-wrap: anywhere; border: 1px solid light-dark(#dfdfe4, #292a31); border-radius: 18px; background: light-dark(#fff, #15161c); }
h1 { margin: 0 0 4px; font-size: 20px; font-weight: 600; }
p { margin: 0; color: light-dark(#5a5a63, #a9a9b2); }
p + p, form { margin-top: 16px; }
b { font-weight: 600; color: light-dark(#1a1a23, #f0f0f3); }
a { color: light-dark(#4330c4, #a9a9ff); }
button { padding: 7px 14px; font: inherit; font-weight: 500; color: inherit; background: none; border: 1px solid light-dark(#85858d, #73737d); border-radius: 10px; cursor: pointer; }
@media (max-width: 720px) { button { min-height: 44px; } }
@media (max-width: 320px), (max-height: 240px) {
  html { font-size: 14px; }
  main { width: 100%; min-height: 100vh; padding: 16px; border: 0; border-radius: 0; }
  h1 { font-size: 17px; }
  p + p, form { margin-top: 8px; }
}
`

var problemPolicy = func() string {
	hash := sha256.Sum256([]byte(problemStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'; base-uri 'none'; form-action 'self'"
}()

var problemPage = template.Must(template.New("problem").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{.Heading}}</title>
<style>` + problemStyle + `</style>
<main>
<h1>{{.Heading}}</h1>
{{- if eq .Status 403}}
<p>{{.Status}}: {{.Detail}}.{{with .User.Name}} You are signed in as <b>{{with $.User.FullName}}{{.}} ({{$.User.Name}}){{else}}{{.}}{{end}}</b>.{{end}}</p>
<p>Whoever runs Curfew here can allow it.{{with .SignOut}} Or sign out, and in as somebody else.{{end}}</p>
{{- with .SignOut}}
<form method="post" action="{{.}}" target="_top"><button>Sign out</button></form>
{{- end}}
{{- else if or (eq .Status 502) (eq .Status 504)}}
<p>{{.Status}}: nothing comes from the app behind <b>{{.App}}</b>. It may be starting, or down.{{if .User.Name}} Your session goes on.{{end}}</p>
<p><a href="">Try again</a> in a moment. If that does not help, tell whoever runs the app; Curfew’s log says what is wrong.</p>
{{- else if eq .Status 503}}
<p>{{.Status}}: Curfew can’t tell at the moment who may pass, so nobody may. Nobody is signed out by that.</p>
<p><a href="">Try again</a> in a few seconds. If that does not help, tell whoever runs Curfew here; its log says what is wrong.</p>
{{- else}}
<p>{{.Status}}: {{.Detail}}.</p>
{{- if eq .Status 401}}
<p><a href="{{.SignIn}}" target="_top">Sign in</a></p>
{{- end}}
{{- end}}
</main>
</html>
`))

// detail is what strangers may read of an error.
func detail(err error) string {
	if own, ok := errors.AsType[*statusError](err); ok {
		return own.detail
	}
	var e *curfew.Error
	switch code := curfew.ErrorCode(err); {
	case code == curfew.CodeEnded:
		return "the session has ended; sign in again"
	case errors.Is(err, curfew.ErrNoSession):
		return "sign in first"
	case (code == curfew.CodeInvalid || code == curfew.CodeDenied || errors.Is(err, errNoApp)) && errors.As(err, &e):
		return e.Message
	case code == curfew.CodeNotFound:
		return "sign in first"
	default:
		return "nobody knows at the moment who may pass; try again in a few seconds"
	}
}

// refuse answers a request that does not get through: it leads to sign-in whoever waits for a page and is signed out, and
// tells all others why. The user is who sends it, where that is known.
func (p *proxy) refuse(w http.ResponseWriter, r *http.Request, a *asked, user curfew.User, err error) {
	status := statusOf(err)
	if status == http.StatusServiceUnavailable {
		p.Logger.WarnContext(r.Context(), "a request was refused: nobody knows whether it may pass", "host", a.host, "path", a.path, "error", err)
	}
	switch {
	case status == http.StatusUnauthorized && a.page && isTop(r):
		w.Header().Set("Location", p.signIn(a.uri))
		refuse(w, http.StatusSeeOther, err)
	case a.page:
		page := p.newRefusal(status, err, a.host, user)
		page.SignIn = p.signIn(aroundFrame(r))
		refusePage(w, page)
	default:
		refuse(w, status, err)
	}
}

// isTop reports whether a page is for a window and not for a frame in one, where no sign-in page may be. What comes past an
// app's service worker says neither, and is taken for a window.
func isTop(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "iframe", "frame", "embed", "object", "fencedframe":
		return false
	default:
		return true
	}
}
