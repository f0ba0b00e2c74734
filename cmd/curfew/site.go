package main

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/console"
	"github.com/curfewhq/curfew/gate"
	"github.com/curfewhq/curfew/httpapi"
	"github.com/curfewhq/curfew/internal/mount"
)

// maxBody is the most that a request's body may hold. No form or document of ours comes near.
const maxBody = 64 << 10

type siteOptions struct {
	*house
	setup    *console.Setup
	log      *slog.Logger
	stopping <-chan struct{} // closed when the server stops
	edge     curfew.Edge

	forwardAuth bool // proxies may ask
}

// siteHandler is everything that strangers reach. What proxies ask goes past the rest: there it would cost more than the
// answer.
func siteHandler(opt siteOptions) (http.Handler, error) {
	pages := pagesHandler(opt)
	if !opt.forwardAuth {
		return pages, nil
	}
	g, err := gate.New(gate.Options{Sessions: opt.sessions, Apps: []gate.App{{}}, Role: opt.role, Logger: opt.log})
	if err != nil {
		return nil, err
	}
	auth := g.Auth(opt.edge)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gate.IsAuth(r) {
			auth.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	}), nil
}

// pagesHandler is all pages and the API, from the outside inwards: who is asking, from where, not across sites, not too
// much.
func pagesHandler(opt siteOptions) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(mount.Base+"/", mount.Under(mux))
	mux.Handle("/.curfew/guard.js", gate.Guard())
	mux.Handle("/api/", httpapi.New(httpapi.Options{
		Sessions: opt.sessions, Accounts: opt.accounts, Logger: opt.log, Stopping: opt.stopping,
	}))
	mux.Handle("/", console.New(console.Options{
		Sessions: opt.sessions, Accounts: opt.accounts, Setup: opt.setup, Logger: opt.log, CookieDomain: opt.edge.CookieDomain,
	}))
	h := opt.sessions.Authenticate(mux)
	h = http.MaxBytesHandler(h, maxBody)
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(crossSite))
	return opt.edge.Handler(hardened(protection.Handler(h)))
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

// crossSite answers a request that another site made in somebody's name. No page of ours leads here, so it is for
// programs to read.
func crossSite(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprintln(w, `{"type":"about:blank","title":"Forbidden","status":403,"detail":"the request comes from another site"}`)
}
