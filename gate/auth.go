package gate

import (
	"net/http"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/mount"
)

// AuthPath is where proxies ask whether a request may pass. A path below it is the path of that request.
const AuthPath = mount.Base + "/auth"

// IsAuth reports whether a request is for the handler that Auth returns. No proxy spells it in another way, so nobody gets
// to it from outside past a proxy that keeps it for itself.
func IsAuth(r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.RequestURI, AuthPath)
	return ok && (rest == "" || rest[0] == '/' || rest[0] == '?')
}

// auth answers proxies.
type auth struct {
	*Gate
	edge curfew.Edge
}

// Auth returns a handler for proxies that ask about each request before they pass it to an app: nginx (auth_request), Caddy
// (forward_auth), Traefik (forwardAuth), HAProxy and Envoy (ext_authz over HTTP); see docs/recipes. It needs no other handler around it.
//
// It answers 200 if the request may pass, with Remote-User, Remote-Name and Remote-Role, empty where there is nothing to
// say, and with the cookies that the app may see in Cookie: the proxy must put all four in the place of what the client sent. nginx
// does so with a header that is missing as with an empty one, so to it what is empty is left out.
// If the sender has to sign in it answers navigations of a window with 303 to the sign-in page and anything else with 401. It
// answers 403 if they may not, 400 if the request can be read in more than one way, and 503 if nobody knows. nginx understands
// 401 and 403 alone: if it asks, with X-Original-URI, such a navigation gets 401 with Location too, and 403 stands for 400.
//
// Only the proxies that the edge trusts are answered. They say what they were asked for by X-Forwarded-Method, -Proto, -Host
// and -Uri, by X-Original-Method and -URI or -URL, or by their request itself. What they say twice must agree.
func (g *Gate) Auth(edge curfew.Edge) http.Handler { return &auth{g, edge} }

// ServeHTTP answers one question. It is called for each request to each app, so it does no more than it must.
func (g *auth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.edge.Trusts(r) {
		g.Logger.WarnContext(r.Context(), "forward-auth refused: the peer is not one of --trusted-proxy", "peer", r.RemoteAddr)
		refuse(w, http.StatusForbidden, errStranger)
		return
	}
	var d decision
	t, err := toldBy(r)
	if err == nil && leadsPast(r.Header) {
		err = errUpgrade
	}
	a := asked{}
	if err == nil {
		a, err = newAsked(t.method, t.secure(), t.host, t.uri)
	}
	if d.err = err; err == nil {
		a.activity = curfew.ActivityIn(t.method, r.Header)
		a.cookie = g.edge.SessionCookie(a.secure, a.host)
		g.decide(&d, r, &a)
	}
	if d.err != nil {
		g.refuse(w, r, &a, t.nginx, d.session.User, d.err)
		return
	}
	pass(w.Header(), r.Header, &d, t.nginx)
}

// noStore is for answers that are for one client alone.
var noStore = []string{"no-store"}

// pass lets a request pass, and says who sends it. Each line costs, so what is empty is left out if the proxy is nginx: its
// auth_request_set makes an empty variable of what is missing. In others what the client sent could stay.
func pass(to, from http.Header, d *decision, nginx bool) {
	values := [...]string{appCookies(from["Cookie"]), clean(d.session.User.Name), clean(d.session.User.FullName), clean(d.role)}
	for i, name := range [...]string{"Cookie", headerUser, headerName, headerRole} {
		if values[i] != "" || !nginx {
			to[name] = values[i : i+1 : i+1]
		}
	}
	to["Cache-Control"] = noStore
}

// refuse answers a question with no.
func (g *auth) refuse(w http.ResponseWriter, r *http.Request, a *asked, nginx bool, user curfew.User, err error) {
	status, page := statusOf(err), isNavigation(a.method, r.Header)
	if status == http.StatusUnauthorized && page && isTop(r) {
		w.Header().Set("Location", g.signIn(a.uri))
		if !nginx {
			status = http.StatusSeeOther
		}
	}
	if status >= http.StatusInternalServerError {
		g.Logger.ErrorContext(r.Context(), "forward-auth refused: nobody knows", "host", a.host, "error", err)
	}
	if nginx && status < http.StatusInternalServerError && status != http.StatusUnauthorized {
		status = http.StatusForbidden
	}
	if !page || nginx || status == http.StatusSeeOther { // nginx makes pages of its own
		refuse(w, status, err)
		return
	}
	answer := g.newRefusal(status, err, a.host, user)
	answer.SignIn = g.signIn("/") // from a frame; which page has it the proxy may not say
	refusePage(w, answer)
}

// told is what a proxy says of the request that it asks about.
type told struct {
	method, proto, host, uri string
	nginx                    bool // asks as nginx does, and understands no more than it
}

var (
	errStranger = &curfew.Error{Code: curfew.CodeDenied, Message: "only a proxy named by --trusted-proxy may ask here"}
	errTold     = &curfew.Error{Code: curfew.CodeInvalid, Message: "what the proxy says of the request is not complete, or contradicts itself: its configuration must set these headers itself, each once"}
)

// toldBy reads what the proxy says. Each thing may be said in several ways, and some headers may come from the client past a proxy that
// does not know them; so what is said in two ways must be the same.
func toldBy(r *http.Request) (told, error) {
	var t told
	original := r.Header["X-Original-Uri"]
	ok := agree(&t.method, r.Header["X-Original-Method"]) && agree(&t.uri, original) && t.agreeURL(r.Header["X-Original-Url"])
	t.nginx = t.uri != ""
	ok = ok && agree(&t.method, r.Header["X-Forwarded-Method"]) && agree(&t.uri, r.Header["X-Forwarded-Uri"]) &&
		agree(&t.host, r.Header["X-Forwarded-Host"]) && agree(&t.proto, r.Header["X-Forwarded-Proto"])
	if below := strings.TrimPrefix(r.RequestURI, AuthPath); ok && strings.HasPrefix(below, "/") && len(below) < len(r.RequestURI) {
		if climbs(below) { // out of what a proxy keeps for itself, so it may come from outside
			return t, errAmbiguous
		}
		ok = agreeWith(&t.method, r.Method) && agreeWith(&t.host, r.Host) && agreeWith(&t.uri, below)
	}
	if t.host == "" {
		t.host = r.Host
	}
	if !ok || t.method == "" || t.uri == "" || !isWeb(t.proto) {
		return t, errTold
	}
	return t, nil
}

// agreeURL is agree for a whole address.
func (t *told) agreeURL(values []string) bool {
	if len(values) == 0 {
		return true
	}
	proto, rest, ok := strings.Cut(values[0], "://")
	slash := strings.IndexByte(rest, '/')
	return len(values) == 1 && ok && slash > 0 && proto != "" &&
		agreeWith(&t.proto, proto) && agreeWith(&t.host, rest[:slash]) && agreeWith(&t.uri, rest[slash:])
}

// agree takes the value of a header. It reports false if the header is there twice, is empty, or contradicts what was
// said before.
func agree(to *string, values []string) bool {
	switch len(values) {
	case 0:
		return true
	case 1:
		return values[0] != "" && agreeWith(to, values[0])
	default:
		return false
	}
}

func agreeWith(to *string, value string) bool {
	if *to == "" {
		*to = value
	}
	return *to == value
}

// isWeb reports whether the scheme is one of the web's. Some proxies tell WebSockets apart.
func isWeb(proto string) bool {
	return proto == "https" || proto == "http" || proto == "wss" || proto == "ws"
}

func (t *told) secure() bool { return t.proto == "https" || t.proto == "wss" }
