// Package httpapi is Curfew over HTTP with JSON: the API under /api/v1 for signed-in clients and the guard, and the
// control API, with its Go client, by which the command line runs a server on the same machine.
package httpapi

import (
	"log/slog"
	"net/http"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// maxBody is the most that the body of an API request may hold, in bytes. Nothing here needs a hundredth of it.
const maxBody = 64 << 10

// Options configure the API.
type Options struct {
	Sessions *curfew.Manager
	Accounts *account.Service // nil for sessions of accounts that are kept elsewhere: then there is only /api/v1/session
	Logger   *slog.Logger     // nil means slog.Default()
	// Stopping, once closed, ends the event streams, on which http.Server.Shutdown would wait for ever. Nil never does.
	Stopping <-chan struct{}
}

type api struct {
	Options
	streams streams
}

// New returns the API, for the paths under /api/v1/. Manager.Authenticate must be around it; so should
// http.CrossOriginProtection.
func New(opt Options) http.Handler {
	a := &api{Options: opt}
	e := edge{log: logger(opt.Logger), maxBody: maxBody}
	return e.mux(a.routes())
}

func logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.Default()
	}
	return l
}
