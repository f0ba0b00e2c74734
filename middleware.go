package curfew

import (
	"context"
	"net/http"
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
	switch {
	case isPrefetch(h), first(h, PassiveHeader) != "":
		return Passive
	case method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions:
		return Active
	case first(h, "Accept") == "text/event-stream":
		return Passive
	}
	mode, site, dest := first(h, "Sec-Fetch-Mode"), first(h, "Sec-Fetch-Site"), first(h, "Sec-Fetch-Dest")
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
