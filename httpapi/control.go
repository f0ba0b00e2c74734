package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// maxControlBody leaves room for as many session IDs as fit into a command line.
const maxControlBody = 4 << 20

// operatorHeader names who types the command.
const operatorHeader = "Curfew-Operator"

// ControlOptions configure the control API.
type ControlOptions struct {
	Sessions *curfew.Manager
	Accounts *account.Service
	Logger   *slog.Logger // nil means slog.Default()
	Status   Status
}

// Status says which server answers.
type Status struct {
	Version string `json:"version"`
	PID     int    `json:"pid"`
	Address string `json:"address"` // where it can be reached; empty if no server runs
}

type control struct{ ControlOptions }

// NewControl returns the control API, for the paths under /control/v1/. It asks nobody who they are: serve it only
// where whoever can reach it may do everything, such as a Unix socket with mode 0600.
func NewControl(opt ControlOptions) http.Handler {
	c := &control{opt}
	e := edge{log: logger(opt.Logger), maxBody: maxControlBody, frank: true}
	return e.mux(c.routes())
}

// operator lets everybody in, and notes whom they say they are.
func (c *control) operator(r *http.Request) (caller, error) {
	actor := curfew.Actor{Name: "the command line"}
	if name := r.Header.Get(operatorHeader); name != "" {
		actor.Name = name + " (command line)"
	}
	return caller{actor: actor}, nil
}

func (c *control) status(*call, none) (Status, error) { return c.Status, nil }

// User is an account as the command line sees it.
type User struct {
	ID              curfew.UserID `json:"id"`
	Username        string        `json:"username"`
	FullName        string        `json:"full_name"`
	Role            account.Role  `json:"role"`
	LifetimeSeconds int64         `json:"lifetime_seconds"`
	Enabled         bool          `json:"enabled"`
	CreatedAt       Time          `json:"created_at"`
	LastSignInAt    Time          `json:"last_sign_in_at,omitzero"`
}

func newUser(a account.Account) User {
	return User{
		ID: a.ID, Username: a.Name, FullName: a.FullName, Role: a.Role,
		LifetimeSeconds: int64(a.Lifetime / time.Second), Enabled: a.Enabled,
		CreatedAt: at(a.CreatedAt), LastSignInAt: at(a.LastSignIn),
	}
}

// NewUser is what is given for a new account.
type NewUser struct {
	Username        string       `json:"username"`
	FullName        string       `json:"full_name,omitempty"`
	Role            account.Role `json:"role"`
	LifetimeSeconds int64        `json:"lifetime_seconds,omitempty"` // 0 means the default
	Password        string       `json:"password"`
}

// UserChange is what changes in an account. Nil fields stay.
type UserChange struct {
	FullName        *string       `json:"full_name,omitempty"`
	Role            *account.Role `json:"role,omitempty"`
	LifetimeSeconds *int64        `json:"lifetime_seconds,omitempty"`
	Enabled         *bool         `json:"enabled,omitempty"`
}

type passwordRequest struct {
	Password string `json:"password"`
}

// Unlock is the code by which a browser becomes known to an account, see account.Service.Unlock.
type Unlock struct {
	Code string `json:"code"`
}

type userPage struct {
	Users []User `json:"users"`
	Next  string `json:"next,omitempty"`
	Total int    `json:"total"`
}

func (c *control) addUser(r *call, req NewUser) (User, error) {
	f := account.Fields{Name: req.Username, FullName: req.FullName, Role: req.Role, Password: req.Password}
	if req.LifetimeSeconds != 0 {
		d, err := wholeSeconds(req.LifetimeSeconds)
		if err != nil {
			return User{}, err
		}
		f.Lifetime = d
	}
	a, err := c.Accounts.Create(r.Context(), r.actor, f)
	return newUser(a), err
}

func (c *control) listUsers(r *call, _ none) (userPage, error) {
	p, err := c.Accounts.List(r.Context(), account.Query{After: r.FormValue("after"), Limit: curfew.MaxPage})
	page := userPage{Users: []User{}, Next: p.Next, Total: p.Total}
	for _, a := range p.Accounts {
		page.Users = append(page.Users, newUser(a))
	}
	return page, err
}

func (c *control) getUser(r *call, _ none) (User, error) {
	a, err := c.named(r)
	return newUser(a), err
}

func (c *control) updateUser(r *call, req UserChange) (User, error) {
	a, err := c.named(r)
	if err != nil {
		return User{}, err
	}
	change := account.Change{FullName: req.FullName, Role: req.Role, Enabled: req.Enabled}
	if req.LifetimeSeconds != nil {
		d, err := wholeSeconds(*req.LifetimeSeconds)
		if err != nil {
			return User{}, err
		}
		change.Lifetime = &d
	}
	a, err = c.Accounts.Update(r.Context(), r.actor, a.ID, change)
	return newUser(a), err
}

func (c *control) setPassword(r *call, req passwordRequest) (none, error) {
	a, err := c.named(r)
	if err != nil {
		return none{}, err
	}
	return none{}, c.Accounts.SetPassword(r.Context(), r.actor, a.ID, req.Password)
}

func (c *control) unlock(r *call, _ none) (Unlock, error) {
	a, err := c.named(r)
	if err != nil {
		return Unlock{}, err
	}
	code, err := c.Accounts.Unlock(r.Context(), r.actor, a.ID)
	return Unlock{code}, err
}

func (c *control) deleteUser(r *call, _ none) (none, error) {
	a, err := c.named(r)
	if err != nil {
		return none{}, err
	}
	return none{}, c.Accounts.Delete(r.Context(), r.actor, a.ID)
}

// named returns the account that the request's path names.
func (c *control) named(r *call) (account.Account, error) {
	return c.userNamed(r.Context(), r.PathValue("name"))
}

func (c *control) userNamed(ctx context.Context, name string) (account.Account, error) {
	a, err := c.Accounts.ByName(ctx, name)
	if curfew.ErrorCode(err) == curfew.CodeNotFound {
		err = &curfew.Error{Code: curfew.CodeNotFound, Message: fmt.Sprintf("there is no user %q", name)}
	}
	return a, err
}

type sessionPage struct {
	Sessions []Session `json:"sessions"`
	Next     string    `json:"next,omitempty"`
}

// listSessions goes by start, which nothing moves: an iteration over many pages meets each session once.
func (c *control) listSessions(r *call, _ none) (sessionPage, error) {
	q, err := c.query(r.Context(), r.FormValue("user"))
	if err != nil {
		return sessionPage{}, err
	}
	if q.Cursor, err = parseCursor(r.FormValue("after")); err != nil {
		return sessionPage{}, err
	}
	p, err := c.Sessions.List(r.Context(), q)
	return sessionPage{Sessions: c.documents(p), Next: formatCursor(p.Next)}, err
}

// query is for the sessions of the named user or, without a name, of all.
func (c *control) query(ctx context.Context, name string) (curfew.Query, error) {
	q := curfew.Query{Sort: curfew.SortStarted, Limit: curfew.MaxPage}
	if name == "" {
		return q, nil
	}
	a, err := c.userNamed(ctx, name)
	q.User = a.ID
	return q, err
}

func (c *control) documents(p curfew.Page) []Session {
	docs, now := make([]Session, len(p.Records)), c.Sessions.Now()
	for i, r := range p.Records {
		docs[i] = newSession(r.Session, now)
	}
	return docs
}

func formatCursor(c *curfew.Cursor) string {
	if c == nil {
		return ""
	}
	text, _ := json.Marshal(c) // two strings and a bool
	return base64.RawURLEncoding.EncodeToString(text)
}

func parseCursor(s string) (c curfew.Cursor, err error) {
	if s == "" {
		return c, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		err = &curfew.Error{Code: curfew.CodeInvalid, Field: "after", Message: "must be the next of another page"}
	}
	return c, err
}

// Count is how many sessions there are, and of how many users.
type Count struct {
	Sessions int `json:"sessions"`
	Users    int `json:"users"`
}

func (c *control) countSessions(r *call, _ none) (Count, error) {
	q, err := c.query(r.Context(), r.FormValue("user"))
	if err != nil {
		return Count{}, err
	}
	n, err := c.Sessions.Count(r.Context(), q)
	return Count{n.Sessions, n.Users}, err
}

// End says which sessions to end: exactly one of IDs, User and All.
type End struct {
	IDs    []curfew.SessionID `json:"ids,omitempty"`
	User   string             `json:"user,omitempty"` // the user name
	All    bool               `json:"all,omitempty"`
	DryRun bool               `json:"dry_run,omitempty"` // only say what would end
}

// EndResult is what was ended or, in a dry run, would be.
type EndResult struct {
	Count    int       `json:"count"`
	Sessions []Session `json:"sessions"` // at most curfew.MaxPage of them, as they were just before
}

// endSessions ends all that are asked for, or none if it returns an error.
func (c *control) endSessions(r *call, req End) (EndResult, error) {
	sel, result, err := c.selection(r.Context(), req)
	if err != nil || req.DryRun {
		return result, err
	}
	result.Count, err = c.Sessions.EndAll(r.Context(), sel, curfew.Ending{Reason: curfew.ReasonTerminated, By: r.actor})
	return result, err
}

func (c *control) selection(ctx context.Context, req End) (curfew.Selection, EndResult, error) {
	ways := 0
	for _, given := range []bool{len(req.IDs) > 0, req.User != "", req.All} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return curfew.Selection{}, EndResult{}, &curfew.Error{Code: curfew.CodeInvalid, Message: "say which sessions to end: by their ids, by one user, or all"}
	}
	if len(req.IDs) > 0 {
		return c.selectIDs(ctx, req.IDs)
	}
	return c.selectUser(ctx, req.User)
}

// selectUser selects all sessions of the named user or, without a name, of all.
func (c *control) selectUser(ctx context.Context, name string) (curfew.Selection, EndResult, error) {
	q, err := c.query(ctx, name)
	if err != nil {
		return curfew.Selection{}, EndResult{}, err
	}
	n, err := c.Sessions.Count(ctx, q)
	if err != nil {
		return curfew.Selection{}, EndResult{}, err
	}
	p, err := c.Sessions.List(ctx, q)
	return curfew.Selection{All: q.User == "", User: q.User}, EndResult{n.Sessions, c.documents(p)}, err
}

// selectIDs selects sessions one by one. If any is unknown or has ended, the error names all that are.
func (c *control) selectIDs(ctx context.Context, ids []curfew.SessionID) (curfew.Selection, EndResult, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	var page curfew.Page
	var unknown, ended []curfew.SessionID
	for _, id := range ids {
		s, err := c.Sessions.Get(ctx, id)
		switch curfew.ErrorCode(err) {
		case curfew.CodeOK:
			page.Records = append(page.Records, curfew.Record{Session: s})
		case curfew.CodeNotFound:
			unknown = append(unknown, id)
		case curfew.CodeEnded:
			ended = append(ended, id)
		default:
			return curfew.Selection{}, EndResult{}, err
		}
	}
	if err := notLive(unknown, ended); err != nil {
		return curfew.Selection{}, EndResult{}, err
	}
	docs := c.documents(page)
	return curfew.Selection{IDs: ids}, EndResult{len(docs), docs[:min(len(docs), curfew.MaxPage)]}, nil
}

// notLive returns an error that names the sessions which can't be ended, if there are any.
func notLive(unknown, ended []curfew.SessionID) error {
	var parts []string
	code := curfew.CodeConflict
	if len(unknown) > 0 {
		code = curfew.CodeNotFound
		parts = append(parts, "no such session: "+join(unknown))
	}
	if len(ended) > 0 {
		parts = append(parts, "already ended: "+join(ended))
	}
	if parts == nil {
		return nil
	}
	return &curfew.Error{Code: code, Message: strings.Join(parts, "; ") + "; nothing was ended"}
}

func join(ids []curfew.SessionID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	return strings.Join(texts, ", ")
}
