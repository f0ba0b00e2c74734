package gate

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/mount"
)

// Options are what a Gate needs. Sessions is required.
type Options struct {
	Sessions *curfew.Manager
	Apps     []App

	// Role returns the role of the session's user, as it is now. It is asked at each request, from many goroutines, so it
	// should answer from memory. An error of curfew.CodeNotFound or curfew.CodeEnded means that the session counts no
	// more, one of curfew.CodeDenied that its user may do nothing, and any other that nobody knows, so the request is refused
	// with 503. Nil: nobody has a role.
	Role func(context.Context, curfew.Session) (string, error)

	// ConsoleHost is the host that serves Curfew's console, and no app. It is written as App.Host is. "" is none: then the console
	// is on each host, below its base.
	ConsoleHost string

	// SignIn is where a page is led whose reader is signed out, with the page in the parameter next. The guard adds ended=signed-out if
	// they signed out in another tab, or the browser has no token any more. "" is Curfew's own.
	SignIn string

	// SignOut is where who is signed in signs out, on each host, by a POST that curfew.Manager.SignOut can answer. The Logout dialog
	// leads there, and the page that says what is not for their account. "" is Curfew's own. Beside a SignIn that is not Curfew's set
	// this too, else the page has no such button, and the dialog's finds nobody.
	SignOut string

	// Checked, if it is set, is told how long it took to say whose session a request is in, and their role.
	Checked func(took time.Duration)

	// Transport, if it is set, returns what is put around each http.RoundTripper that asks an app, such as what traces requests.
	Transport func(http.RoundTripper) http.RoundTripper

	Logger *slog.Logger // nil means slog.Default()
}

// Gate stands in front of apps. Its methods may be called from many goroutines.
type Gate struct {
	Options
	apps map[string]*App // by host; "" has the hosts that no other has
	open []*openings     // of each proxy
}

// ownSignOut is where Curfew's own pages sign out.
const ownSignOut = mount.Base + "/signout"

// New returns a gate, or an error of curfew.CodeInvalid if an app or a rule is wrong.
func New(opt Options) (*Gate, error) {
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if opt.SignIn == "" {
		opt.SignIn, opt.SignOut = mount.Base+"/signin", cmp.Or(opt.SignOut, ownSignOut)
	}
	if err := CheckApps(opt.Apps); err != nil {
		return nil, err
	}
	if err := CheckConsoleHost(opt.ConsoleHost, opt.Apps); err != nil {
		return nil, err
	}
	g := &Gate{Options: opt, apps: map[string]*App{}}
	for i := range opt.Apps {
		g.apps[opt.Apps[i].Host] = &opt.Apps[i]
	}
	return g, nil
}

// Serves reports whether the proxy serves an app under the host.
func (g *Gate) Serves(host string) bool {
	host, ok := canonicalHost(host)
	if !ok {
		return false
	}
	app := g.app(host)
	return app != nil && app.Upstream != nil
}

// Close cuts all that is still open, and what is opened from now on: WebSockets with status 1001. It is for when the server
// stops: what goes on for ever would hold it up.
func (g *Gate) Close() {
	for _, o := range g.open {
		o.close()
	}
}

// Wait returns when nothing is open any more, or when ctx is done. http.Server.Shutdown does not wait for WebSockets; this does.
func (g *Gate) Wait(ctx context.Context) {
	for _, o := range g.open {
		o.wait(ctx)
	}
}

// Errors of decisions.
var (
	errHost      = &curfew.Error{Code: curfew.CodeInvalid, Message: "the host can't be read"}
	errTarget    = &curfew.Error{Code: curfew.CodeInvalid, Message: "the address can't be read"}
	errAmbiguous = &curfew.Error{Code: curfew.CodeInvalid, Message: "the path can be read in more than one way"}
	errNoApp     = &curfew.Error{Code: curfew.CodeNotFound, Message: "no app is served under this host"}
	errDenied    = &curfew.Error{Code: curfew.CodeDenied, Message: "this account may not use this part of the app"}
)

// decision is whether a request may pass, and who sends it.
type decision struct {
	app     *App // nil: no app is served under the host
	rule    Rule
	session curfew.Session // without an ID: nobody, or on a public path nobody of whom we know
	token   curfew.Token
	role    string
	err     error // nil: let it through
}

// decide is the one decision about a request, for the proxy and for forward-auth. What r carries is its cookies; the rest is
// what was asked. In doubt the answer is no: d.err is nil only if the request may pass.
func (g *Gate) decide(d *decision, r *http.Request, a *asked) {
	if d.app = g.app(a.host); d.app == nil {
		d.err = errNoApp
		return
	}
	if d.rule, d.err = d.app.rule(a.path, a.plain); d.err != nil {
		return
	}
	d.err = g.identify(d, r, a)
	switch {
	case d.rule.Access.Public: // who can't be identified is a stranger there
		if d.err != nil {
			d.session, d.token, d.role, d.err = curfew.Session{}, curfew.Token{}, "", nil
		}
	case d.err == nil && !d.rule.Access.allows(d.session.User, d.role):
		d.err = errDenied
	}
}

// Hosts returns the hosts that have an app of their own.
func (g *Gate) Hosts() []string {
	var hosts []string
	for _, a := range g.Apps {
		if a.Host != "" {
			hosts = append(hosts, a.Host)
		}
	}
	return hosts
}

// app returns the app of a canonical host, or nil if it has none.
func (g *Gate) app(host string) *App {
	if a := g.apps[host]; a != nil {
		return a
	}
	if g.ConsoleHost != "" && host == g.ConsoleHost {
		return nil
	}
	return g.apps[""]
}

// identify finds out who sends the request.
func (g *Gate) identify(d *decision, r *http.Request, a *asked) (err error) {
	token, ok := a.cookie.Token(r.Header)
	if !ok {
		return curfew.ErrNoSession
	}
	if g.Checked != nil {
		began := time.Now()
		defer func() { g.Checked(time.Since(began)) }()
	}
	act := a.activity
	if d.rule.Passive {
		act = curfew.Passive
	}
	if d.session, err = g.Sessions.Check(r.Context(), token, act); err != nil {
		return err
	}
	d.token = token
	if g.Role != nil {
		d.role, err = g.Role(r.Context(), d.session)
	}
	return err
}

// statusOf is the one table from decisions to HTTP statuses. In doubt it is 503.
func statusOf(err error) int {
	if own, ok := errors.AsType[*statusError](err); ok {
		return own.status
	}
	switch code := curfew.ErrorCode(err); {
	case code == curfew.CodeOK:
		return http.StatusOK
	case errors.Is(err, errNoApp):
		return http.StatusMisdirectedRequest
	case code == curfew.CodeNotFound, code == curfew.CodeEnded:
		return http.StatusUnauthorized
	case code == curfew.CodeInvalid:
		return http.StatusBadRequest
	case code == curfew.CodeDenied:
		return http.StatusForbidden
	default:
		return http.StatusServiceUnavailable
	}
}
