package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/console"
	"github.com/curfewhq/curfew/gate"
	"github.com/curfewhq/curfew/httpapi"
	"github.com/curfewhq/curfew/internal/metrics"
	"github.com/curfewhq/curfew/internal/mount"
	"github.com/curfewhq/curfew/webhook"
)

// maxBody is the most that a request's body may hold. No form or document of ours comes near.
const maxBody = 64 << 10

// site is what strangers reach, of one house.
type site struct {
	*house
	gate     *gate.Gate
	setup    *console.Setup
	stopping <-chan struct{} // closed when the server stops
	health   *health
	edge     curfew.Edge

	forwardAuth bool          // proxies may ask
	keepAudit   time.Duration // how long records are kept
	webhooks    *webhook.Sender
}

// handler is everything that strangers reach.
func (s site) handler() http.Handler {
	api := httpapi.New(httpapi.Options{
		Sessions: s.sessions, Accounts: s.accounts, Audit: s.records, Webhooks: s.webhooks, Logger: s.log, Stopping: s.stopping,
	})
	pages := console.New(console.Options{
		Sessions: s.sessions, Accounts: s.accounts, Audit: s.records, KeepAudit: s.keepAudit, Webhooks: s.webhooks, Setup: s.setup, Logger: s.log,
		AppHosts: s.gate.Hosts(), CookieDomain: s.edge.CookieDomain,
	})
	api, pages = forAPI(routed(api)), forPages(routed(pages))
	mux := http.NewServeMux()
	mux.Handle("/guard.js", gate.Guard())
	mux.Handle("/api/", api)
	mux.Handle("/api", api) // else the mux redirects, and knows no base
	mux.Handle("/", pages)
	apps := s.gate.Proxy()
	all := s.split(s.own(mux), s.own(mount.Under(mux)), apps)
	if s.gate.ConsoleHost != "" {
		elsewhere := s.gate.Elsewhere()
		part := forApps(pages, api, elsewhere)
		all = s.byHost(all, s.split(s.own(elsewhere), s.own(mount.Under(part)), apps))
	}
	all = s.edge.Handler(s.health.beside(s.gate.Serves, all))
	auth := http.Handler(http.HandlerFunc(authOff))
	if s.forwardAuth {
		auth = s.gate.Auth(s.edge)
	}
	return outermost{s.instruments, s.edge}.around(s.beside(auth, all))
}

// forPages notes of requests that they are for pages.
func forPages(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		isFor(w, r, metrics.Console)
		pages.ServeHTTP(w, r)
	})
}

// forAPI notes of requests that they are for the API.
func forAPI(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		isFor(w, r, metrics.API)
		api.ServeHTTP(w, r)
	})
}

// forApps is what apps need of Curfew on their own hosts, where the console is elsewhere: a sign-in, the guard, and what both
// ask for. Whatever runs in an app's pages can use all of it in its reader's name.
func forApps(pages, api, elsewhere http.Handler) http.Handler {
	mux := http.NewServeMux()
	for _, path := range []string{"/signin", "/signout", "/unlock", "/theme", "/static/"} {
		mux.Handle(path, pages)
	}
	mux.Handle("/guard.js", gate.Guard())
	mux.Handle("/api/v1/session", api)
	mux.Handle("/api/v1/session/", api)
	mux.Handle("/static", elsewhere) // else the mux redirects, and knows no base
	mux.Handle("/", elsewhere)
	return mux
}

// byHost sends each request to the console's host or to the others.
func (s site) byHost(console, others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.gate.IsConsole(r.Host) {
			console.ServeHTTP(w, r)
		} else {
			others.ServeHTTP(w, r)
		}
	})
}

// beside lets what proxies ask go past the rest: there it would cost more than the answer.
func (s site) beside(auth, site http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gate.IsAuth(r) {
			isFor(w, r, metrics.ForwardAuth)
			auth.ServeHTTP(w, r)
		} else {
			site.ServeHTTP(w, r)
		}
	})
}

// split sends each request to Curfew below its base, to an app where the host has one, and else to Curfew too.
func (s site) split(root, below, apps http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case mount.Has(r.URL.Path):
			below.ServeHTTP(w, r)
		case s.gate.Serves(r.Host):
			isFor(w, r, metrics.App)
			apps.ServeHTTP(w, r)
		default:
			root.ServeHTTP(w, r)
		}
	})
}

// own puts around what is Curfew's own what apps do as they like: from which sites requests may come, how large they may
// be, and what browsers may do with the answers.
func (s site) own(h http.Handler) http.Handler {
	h = http.MaxBytesHandler(h, maxBody)
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(crossSite))
	inSession := protection.Handler(s.authenticate(h))
	return hardened(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, given := account.KeyOf(r); given { // no browser adds one by itself; a session beside it is not touched
			h.ServeHTTP(w, r)
		} else {
			inSession.ServeHTTP(w, r)
		}
	}))
}

// beganKey is where authenticate keeps when the check of a request began.
type beganKey struct{}

// authenticate is Manager.Authenticate, with the time that it takes measured if anything is.
func (s site) authenticate(next http.Handler) http.Handler {
	if s.metrics == nil {
		return s.sessions.Authenticate(next)
	}
	check := s.sessions.Authenticate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if began, ok := r.Context().Value(beganKey{}).(time.Time); ok {
			s.metrics.Checked(time.Since(began))
		}
		next.ServeHTTP(w, r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		check.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), beganKey{}, time.Now())))
	})
}

// hardened sets the headers that every answer has, whoever gives it. Pages and scripts set more.
func hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		if curfew.OriginOf(r).Secure { // elsewhere browsers ignore these, and complain
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// authOff answers a proxy that asks where nobody said that it may.
func authOff(w http.ResponseWriter, _ *http.Request) {
	writeProblem(w, http.StatusNotFound, "forward-auth is off; start the server with --forward-auth and --trusted-proxy")
}

// crossSite answers a request that another site made in somebody's name. No page of ours leads here, so it is for
// programs to read.
func crossSite(w http.ResponseWriter, r *http.Request) {
	writeProblem(w, http.StatusForbidden, "the request comes from another site")
}

func writeProblem(w http.ResponseWriter, status int, detail string) {
	writeProblemID(w, status, detail, "")
}

// writeProblemID is writeProblem with the ID by which the log knows more.
func writeProblemID(w http.ResponseWriter, status int, detail, id string) {
	if id != "" {
		id = fmt.Sprintf(`,"id":%q`, id)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"type":"about:blank","title":%q,"status":%d,"detail":%q%s}`+"\n", http.StatusText(status), status, detail, id)
}
