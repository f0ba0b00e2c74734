// Package console serves Curfew's web pages: first-run setup, sign-in, Sessions, Token Settings, History, Audit,
// Users and Account. Every page works without script; with it, confirm pages open in a dialog and lists follow the server.
package console

import (
	"crypto/rand"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/webhook"
)

// Options are what the console needs. Sessions, Accounts, Audit and Webhooks are required.
type Options struct {
	Sessions  *curfew.Manager
	Accounts  *account.Service
	Audit     *audit.Log
	KeepAudit time.Duration // how long records are kept; what the page says
	Webhooks  *webhook.Sender
	Setup     *Setup       // nil: the first account can't be made here
	Logger    *slog.Logger // nil means slog.Default()

	// AppHosts and CookieDomain are where a sign-in may lead besides its own host: to a host of the list or, if there is
	// a domain, of it. They are in lower case. A host without a port is meant at the port at which the console is reached.
	AppHosts     []string
	CookieDomain string
}

type console struct {
	Options
	assets assets
	pages  map[string]map[string]*template.Template // by the base that their links have, then by file
	zones  zones

	sealKey []byte // of verifications that go on from page to page
}

// New returns the console. The handlers around it must be, from the outside: curfew.Edge's,
// http.CrossOriginProtection, Manager.Authenticate and, where it is not at the root of its host, mount.Under.
func New(opt Options) http.Handler {
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	c := &console{Options: opt, assets: loadAssets(), sealKey: make([]byte, 32)}
	rand.Read(c.sealKey)
	c.pages = allPages(c.assets)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+staticPath+"{hash}/{file...}", c.assets.serve)
	mux.HandleFunc("GET "+staticPath+"{hash}", http.NotFound) // else the mux redirects, and knows no base
	for _, rt := range routes {
		mux.Handle(rt.pattern, c.handler(rt))
	}
	return secured(mux)
}

// secured sets the headers that every answer has.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
	"connect-src 'self'; form-action 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'"
