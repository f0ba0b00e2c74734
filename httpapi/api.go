// Package httpapi is Curfew over HTTP with JSON: the API under /api/v1, for signed-in clients, the guard, and by a socket of its
// own for the command line; its OpenAPI document; and a Go client.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
)

// maxBody is the most that the body of a request may hold, in bytes. Nothing here needs more.
const maxBody = 64 << 10

// Options configure the API.
type Options struct {
	Sessions *curfew.Manager
	Accounts *account.Service // nil for sessions of accounts that are kept elsewhere: then there is only /api/v1/session
	Audit    *audit.Log       // nil if none is kept: then there is no /api/v1/audit
	Webhooks Webhooks         // nil if there are none: then there is no /api/v1/webhooks
	Logger   *slog.Logger     // nil means slog.Default()
	// Stopping, once closed, ends the event streams, on which http.Server.Shutdown would wait for ever. Nil never does.
	Stopping <-chan struct{}
}

// ControlOptions configure the API of those who run the machine.
type ControlOptions struct {
	Sessions *curfew.Manager
	Accounts *account.Service
	Audit    *audit.Log   // as in Options
	Webhooks Webhooks     // as in Options
	Logger   *slog.Logger // nil means slog.Default()
	Status   Status
	Stopping <-chan struct{}                                // as in Options
	Backup   func(context.Context) (file string, err error) // makes a copy of the database; nil if there is none to copy
}

type api struct {
	Options
	edge
	identify func(*http.Request) (caller, error) // whose request it is, or why it is nobody's
	status   Status
	streams  streams
	limits   limits
	feed     *feed
	repeats  repeats
	openAPI  *huma.OpenAPI

	makeBackup func(context.Context) (file string, err error)
}

// New returns the API, for the paths under /api/. Manager.Authenticate must be around it; so should
// http.CrossOriginProtection. Requests that account.KeyOf says come with an API key go past both: they are in no session, and no
// other site can make them in somebody's name.
func New(opt Options) http.Handler {
	a := newAPI(opt)
	a.identify = a.stranger
	return a.handler(a.routes())
}

// NewControl returns the same API for who runs this machine, who may do everything. It asks nobody who they are: serve it only
// where whoever can reach it may do that, such as a Unix socket with mode 0600.
func NewControl(opt ControlOptions) http.Handler {
	a := newAPI(Options{Sessions: opt.Sessions, Accounts: opt.Accounts, Audit: opt.Audit, Webhooks: opt.Webhooks, Logger: opt.Logger, Stopping: opt.Stopping})
	a.identify, a.status, a.frank, a.makeBackup = operator, opt.Status, true, opt.Backup
	return a.handler(append(a.routes(), a.controlRoutes()...))
}

func newAPI(opt Options) *api {
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	return &api{Options: opt, edge: edge{log: opt.Logger}, feed: newFeed(opt.Sessions)}
}
