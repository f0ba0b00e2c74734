package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/console"
	"github.com/curfewhq/curfew/gate"
	"github.com/curfewhq/curfew/httpapi"
	"github.com/curfewhq/curfew/internal/metrics"
	"github.com/curfewhq/curfew/internal/mount"
	"github.com/curfewhq/curfew/internal/tracing"
	"github.com/curfewhq/curfew/webhook"
)

// maxBody is the most that a request's body may hold. No form or document of ours comes near.
const maxBody = 64 << 10

type siteOptions struct {
	*house
	gate     *gate.Gate
	setup    *console.Setup
	log      *slog.Logger
	stopping <-chan struct{} // closed when the server stops
	health   *health
	metrics  *metrics.Metrics // nil: nothing is counted
	traces   *tracing.Tracer  // nil: nothing is traced
	edge     curfew.Edge

	forwardAuth bool          // proxies may ask
	keepAudit   time.Duration // how long records are kept
	webhooks    *webhook.Sender
}

// siteHandler is everything that strangers reach.
func siteHandler(opt siteOptions) http.Handler {
	records := audit.NewLog(opt.db)
	api := httpapi.New(httpapi.Options{
		Sessions: opt.sessions, Accounts: opt.accounts, Audit: records, Webhooks: opt.webhooks, Logger: opt.log, Stopping: opt.stopping,
	})
	pages := console.New(console.Options{
		Sessions: opt.sessions, Accounts: opt.accounts, Audit: records, KeepAudit: opt.keepAudit, Webhooks: opt.webhooks, Setup: opt.setup, Logger: opt.log,
		AppHosts: opt.gate.Hosts(), CookieDomain: opt.edge.CookieDomain,
	})
	api, pages = forAPI(routed(api)), forPages(routed(pages))
	mux := http.NewServeMux()
	mux.Handle("/guard.js", gate.Guard())
	mux.Handle("/api/", api)
	mux.Handle("/api", api) // else the mux redirects, and knows no base
	mux.Handle("/", pages)
	apps := opt.gate.Proxy()
	site := opt.split(opt.own(mux), opt.own(mount.Under(mux)), apps)
	if opt.gate.ConsoleHost != "" {
		elsewhere := opt.gate.Elsewhere()
		part := forApps(pages, api, elsewhere)
		site = opt.byHost(site, opt.split(opt.own(elsewhere), opt.own(mount.Under(part)), apps))
	}
	site = opt.edge.Handler(opt.health.beside(opt.gate.Serves, site))
	auth := http.Handler(http.HandlerFunc(authOff))
	if opt.forwardAuth {
		auth = opt.gate.Auth(opt.edge)
	}
	return outermost{opt.log, opt.metrics, opt.traces, opt.edge}.around(opt.beside(auth, site))
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
func (opt siteOptions) byHost(console, others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if opt.gate.IsConsole(r.Host) {
			console.ServeHTTP(w, r)
		} else {
			others.ServeHTTP(w, r)
		}
	})
}

// beside lets what proxies ask go past the rest: there it would cost more than the answer.
func (opt siteOptions) beside(auth, site http.Handler) http.Handler {
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
func (opt siteOptions) split(root, below, apps http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case mount.Has(r.URL.Path):
			below.ServeHTTP(w, r)
		case opt.gate.Serves(r.Host):
			isFor(w, r, metrics.App)
			apps.ServeHTTP(w, r)
		default:
			root.ServeHTTP(w, r)
		}
	})
}

// own puts around what is Curfew's own what apps do as they like: from which sites requests may come, how large they may
// be, and what browsers may do with the answers.
func (opt siteOptions) own(h http.Handler) http.Handler {
	h = http.MaxBytesHandler(h, maxBody)
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(crossSite))
	inSession := protection.Handler(opt.authenticate(h))
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
func (opt siteOptions) authenticate(next http.Handler) http.Handler {
	if opt.metrics == nil {
		return opt.sessions.Authenticate(next)
	}
	check := opt.sessions.Authenticate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if began, ok := r.Context().Value(beganKey{}).(time.Time); ok {
			opt.metrics.Checked(time.Since(began))
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
