package console

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/internal/mount"
)

// maxForm is the most a form may weigh; the longest one has a few short fields.
const maxForm = 64 << 10

// request is an HTTP request and who sent it.
type request struct {
	*http.Request
	clock    clock
	fragment bool // htmx asks, for a part of a page
	session  curfew.Session
	account  account.Account // of this moment, so a changed role counts from the next request on
	absent   error           // why there is no session; nil for somebody signed in
}

func (c *console) newRequest(r *http.Request) *request {
	q := &request{Request: r, fragment: r.Header.Get("HX-Request") == "true"}
	q.clock = c.zones.clock(r, c.Sessions.Now())
	q.absent = c.identify(q)
	return q
}

// base is what stands before each address of ours for the request's sender.
func (r *request) base() string { return mount.Of(r.Request) }

// sharesOrigin reports whether the pages around ours may be an app's, whose scripts can do in the sender's name what the sender
// can. The base is there to keep us apart from an app, so where there is one there may be the other.
func (r *request) sharesOrigin() bool { return r.base() != "" }

// identify finds the session and its account.
func (c *console) identify(r *request) error {
	s, err := curfew.FromContext(r.Context())
	if err != nil {
		return err
	}
	a, err := c.Accounts.Owner(r.Context(), s)
	if err != nil {
		return err
	}
	r.session, r.account = s, a
	return nil
}

// admit returns nil if the request's sender may use a route with the access.
func (r *request) admit(a access) error {
	if a == public {
		return nil
	}
	if r.absent != nil {
		return r.absent
	}
	if a == signedIn || a == seesAll && r.account.Role.SeesAll() || a == manages && r.account.Role.Manages() {
		return nil
	}
	return errDenied
}

// signedOut reports whether the error says that the sender has no session, as opposed to nobody knowing.
func signedOut(err error) bool {
	return errors.Is(err, curfew.ErrNoSession) || curfew.ErrorCode(err) == curfew.CodeEnded
}

// actor is the sender, as history names them.
func (r *request) actor() curfew.Actor {
	return curfew.Actor{User: r.account.ID, Name: r.account.Name, Session: r.session.ID}
}

// field returns a field of the posted form, never one of the query.
func (r *request) field(name string) string { return r.PostForm.Get(name) }

// ticked reports whether the box was ticked without which nothing is ended.
func (r *request) ticked() bool { return r.field("confirm") == "yes" }

// readForm parses a posted form of at most maxForm bytes.
func (r *request) readForm() error {
	if r.Method != http.MethodPost {
		return nil
	}
	r.Body = http.MaxBytesReader(nil, r.Body, maxForm)
	err := r.ParseForm()
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		return errTooBig
	case err != nil && r.PostForm == nil:
		return errBadForm
	case err != nil && len(r.PostForm) == 0:
		return errBadForm
	}
	return nil
}

// maxSearch is how many characters of a search count; its field takes no more.
const maxSearch = 200

// search is what the address searches for.
func (r *request) search() string {
	s := []rune(r.URL.Query().Get("q"))
	return strings.TrimSpace(string(s[:min(len(s), maxSearch)]))
}

// owner is whose sessions the sender sees: their own, or with the empty ID everybody's.
func (r *request) owner() curfew.UserID { return r.account.Sees() }

// retrySeconds is a delay as Retry-After has it: whole seconds, at least one.
func retrySeconds(d time.Duration) int {
	return max(1, int((d+time.Second-1)/time.Second))
}
