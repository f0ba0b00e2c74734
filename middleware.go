package curfew

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// authContext is a request's context with the answer to its check in it: one allocation for both.
type authContext struct {
	context.Context
	session Session
	token   Token
	err     error
}

type authKey struct{}

// Value returns the authContext itself for authKey.
func (c *authContext) Value(key any) any {
	if key == (authKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// Authenticate checks each request's session once and keeps the answer for FromContext. It refuses nothing: what
// follows decides who may pass. Whether a request counts as activity is up to ActivityOf.
func (m *Manager) Authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &authContext{Context: r.Context(), err: ErrNoSession}
		if t, ok := TokenOf(r); ok {
			c.token = t
			c.session, c.err = m.Check(r.Context(), t, ActivityOf(r))
		}
		next.ServeHTTP(w, r.WithContext(c))
	})
}

// Require lets through whoever has a session, and refuses all others. It must be inside Authenticate. Who asks for a page is
// led to the sign-in page, which may have a query, with the path that was asked for in the parameter next: lead back there only after
// making sure that it is a path on your own site. Anything else gets 401, and 503 if nobody knows, with a problem document (RFC 9457).
func Require(signIn string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := FromContext(r.Context())
		switch {
		case err == nil:
			next.ServeHTTP(w, r)
		case !isSignedOut(err):
			refuseUnknown(w)
		case isPage(r):
			w.Header().Set("Cache-Control", "no-store")
			http.Redirect(w, r, withNext(signIn, r.URL.RequestURI()), http.StatusSeeOther)
		default:
			w.Header().Set("WWW-Authenticate", "Cookie")
			refuse(w, http.StatusUnauthorized, "sign in first")
		}
	})
}

// withNext is the address of a sign-in page that leads on to what was asked for.
func withNext(signIn, uri string) string {
	separator := "?"
	if strings.Contains(signIn, "?") {
		separator = "&"
	}
	return signIn + separator + "next=" + url.QueryEscape(uri)
}

// isSignedOut reports whether the error says that there is no session, as opposed to nobody knowing.
func isSignedOut(err error) bool {
	code := ErrorCode(err)
	return code == CodeNotFound || code == CodeEnded
}

// SignOut answers the POST of a sign-out button, or of the Logout dialog: it ends the session of the request, takes its cookie and
// what the browser has cached away, and leads to an address (303), such as the sign-in page. Who has no session is led there too. It
// must be inside Authenticate, and inside http.CrossOriginProtection, or other sites sign people out. If the session can't be ended
// the answer is 503 and the cookie stays, so that nobody walks away from a session that lives on.
func (m *Manager) SignOut(to string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost { // links are followed ahead of any click
			w.Header().Set("Allow", http.MethodPost)
			refuse(w, http.StatusMethodNotAllowed, "signing out is a POST")
			return
		}
		s, err := FromContext(r.Context())
		if err == nil {
			by := Actor{User: s.User.ID, Name: s.User.Name, Session: s.ID}
			_, err = m.End(r.Context(), s.ID, Ending{Reason: ReasonSignedOut, By: by})
		}
		if err != nil && !isSignedOut(err) {
			refuseUnknown(w)
			return
		}
		ClearCookie(w, r)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Clear-Site-Data", `"cache"`)
		http.Redirect(w, r, to, http.StatusSeeOther)
	})
}

// isPage tells a page that somebody waits for from what scripts ask. Over plain HTTP, where there is no Fetch Metadata, the
// Accept header tells.
func isPage(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if mode := first(r.Header, "Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(first(r.Header, "Accept"), "text/html") && first(r.Header, PassiveHeader) == ""
}

func refuseUnknown(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	refuse(w, http.StatusServiceUnavailable, "nobody knows at the moment who is signed in")
}

func refuse(w http.ResponseWriter, status int, detail string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	fmt.Fprintf(w, "{\"type\":\"about:blank\",\"title\":%q,\"status\":%d,\"detail\":%q}\n", http.StatusText(status), status, detail)
}

// FromContext returns the session that Authenticate found for the request, or the error of its check: ErrNoSession
// without a token, an *EndedError, or one with CodeUnavailable. Without Authenticate it is ErrNoSession.
func FromContext(ctx context.Context) (Session, error) {
	c, ok := ctx.Value(authKey{}).(*authContext)
	if !ok {
		return Session{}, ErrNoSession
	}
	return c.session, c.err
}

// TokenFromContext returns the request's token, for handlers that go on checking after they began to answer, such
// as event streams. It is the zero Token, which no session has, if there was none.
func TokenFromContext(ctx context.Context) Token {
	c, ok := ctx.Value(authKey{}).(*authContext)
	if !ok {
		return Token{}
	}
	return c.token
}

// PassiveHeader marks a request that a script makes by itself, for browsers that send no Fetch Metadata: over plain HTTP none
// does. It can only make a request passive.
const PassiveHeader = "Curfew-Passive"

// ActivityOf tells a person's deeds from a page's. Active are navigations of a window, methods that change something, and
// requests without Fetch Metadata, which come from scripts. What is marked with PassiveHeader, background reads, sub-resources, frames, event streams and
// prefetches are passive, so that a page which polls goes idle; and so is a navigation that another site causes without
// a person's click.
func ActivityOf(r *http.Request) Activity {
	return ActivityIn(r.Method, r.Header)
}

// ActivityIn is ActivityOf for a request that a proxy asks about, with its method and header.
func ActivityIn(method string, h http.Header) Activity {
	changes := method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
	mode := first(h, "Sec-Fetch-Mode")
	switch {
	case !changes && mode != "" && mode != "navigate": // most requests, so no more is looked up
		return Passive
	case isPrefetch(h), first(h, PassiveHeader) != "":
		return Passive
	case changes:
		return Active
	case first(h, "Accept") == "text/event-stream":
		return Passive
	}
	site, dest := first(h, "Sec-Fetch-Site"), first(h, "Sec-Fetch-Dest")
	if mode == "" && site == "" && dest == "" {
		return Active
	}
	elsewhere := site == "cross-site" || site == "same-site"
	return Activity(mode == "navigate" && (dest == "document" || dest == "") &&
		(!elsewhere || first(h, "Sec-Fetch-User") == "?1"))
}

func isPrefetch(h http.Header) bool {
	return strings.Contains(first(h, "Sec-Purpose"), "prefetch") || first(h, "Purpose") == "prefetch"
}

// first is h.Get for a name that is spelled as servers spell it, which Get would make sure of each time.
func first(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}
