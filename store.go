package curfew

import (
	"context"
	"slices"
	"time"
)

// Store keeps sessions. It decides nothing: every rule is in Manager, and a store does what it is told, whole or
// not at all. Package storetest has the suite that a store must pass.
//
// All methods may be called at once from many goroutines, and on one database from many processes if the store
// supports several nodes. A method that returns nil has made its change durable. One that returns an error has
// changed nothing, unless its context ended or the connection broke: then the change happened wholly or not at all.
// A missing session is never an error but in Find.
//
// Time is handed in as now; a store must not ask another clock, nor let its database expire rows by one. With each
// change it keeps the latest now it was handed, for Clock.
type Store interface {
	// Insert adds a live session. With most > 0 it makes room first, in the same transaction: when User has most or
	// more live sessions, the oldest by CreatedAt, then ID, end as Ending{ReasonReplaced, At: now} and are named;
	// or, if refuse is set, nothing is changed and the error has CodeConflict. Sessions that are due by now don't
	// count. A hash or an ID that was ever used, in a live session or in history, is an error.
	Insert(ctx context.Context, now time.Time, r Record, most int, refuse bool) (replaced []Key, err error)

	// Find returns the live or ended session with the hash or, if hash is nil, with the ID. It returns ErrNoSession
	// if there is none.
	Find(ctx context.Context, hash *TokenHash, id SessionID) (Record, error)

	// Touch sets LastActive of live sessions to later times, all in one transaction; an earlier time changes
	// nothing. It never inserts and never revives: what has ended, or was due by the time of the touch, stays as it is.
	// The answer has, for each touch, whether the session was live then. An empty list only records now.
	Touch(ctx context.Context, now time.Time, touches []Touch) ([]bool, error)

	// Update changes all live sessions of a user. Sessions that were due by now before the change stay as they are.
	Update(ctx context.Context, now time.Time, user UserID, c Change) error

	// End moves the selected live sessions to history in one transaction, all or none. A session whose own time was
	// over ends as Session.Due says, whatever e says. The others end as e says, with At: now, and n is how many those
	// are. A store may move rows later, if from the moment of the answer, and after any crash, all its methods but
	// History answer as if they had moved. It names all that ended, but need not if the selection is of Everybody.
	End(ctx context.Context, now time.Time, sel Selection, e Ending) (n int, ended []Key, err error)

	// List returns a page of live sessions that are not due by q.Now.
	List(ctx context.Context, q Query) (Page, error)

	// Count counts what List would go through, and the users that have them. It ignores the page. Without Search the
	// number of sessions is exact.
	Count(ctx context.Context, q Query) (Count, error)

	// History returns a page of ended sessions.
	History(ctx context.Context, q HistoryQuery) (HistoryPage, error)

	// Forget deletes history of sessions that ended before the time, and returns how many.
	Forget(ctx context.Context, now, before time.Time) (int, error)

	// Clock returns the latest now that any change was made with, or the zero time in an empty store. A restarted
	// manager goes on from there if the machine's clock was set back.
	Clock(ctx context.Context) (time.Time, error)
}

// Record is a session as a store keeps it.
type Record struct {
	Session Session
	Hash    TokenHash
	Ending  *Ending // nil while live
}

// Key is what a session is found by.
type Key struct {
	ID   SessionID
	Hash TokenHash
	User UserID
}

// Key returns what the record's session is found by.
func (r Record) Key() Key { return Key{r.Session.ID, r.Hash, r.Session.User.ID} }

// Touch is one piece of activity.
type Touch struct {
	ID            SessionID
	At            time.Time
	Authenticated bool // the user proved who they are: AuthenticatedAt moves as well
}

// Change is what changes in all live sessions of a user. Nil fields stay.
type Change struct {
	Lifetime *time.Duration
	FullName *string
}

// Selection says which live sessions to end. Its fields narrow it down together; but the zero Selection selects
// nothing, so that a forgotten field can't end everybody: say All for that.
type Selection struct {
	All    bool
	IDs    []SessionID
	User   UserID
	Due    bool      // those whose own time is over, in batches of the store's choosing
	Except SessionID // never this one
}

// Everybody reports whether the selection takes in all live sessions, but for Except.
func (sel Selection) Everybody() bool {
	return sel.All && len(sel.IDs) == 0 && sel.User == "" && !sel.Due
}

// Selects reports whether the selection takes in the session at now.
func (sel Selection) Selects(s Session, now time.Time) bool {
	if sel.Except != "" && s.ID == sel.Except {
		return false
	}
	if !sel.All && len(sel.IDs) == 0 && sel.User == "" && !sel.Due {
		return false
	}
	if sel.User != "" && s.User.ID != sel.User {
		return false
	}
	if len(sel.IDs) > 0 && !slices.Contains(sel.IDs, s.ID) {
		return false
	}
	_, due := s.Due(now)
	return due || !sel.Due
}

// Sort is an order of live sessions. Ties are broken in a way of the store's own, the same for as long as they stand.
type Sort string

// The orders there are. Each begins with the earliest, or the first in the alphabet, unless Query.Desc is set.
const (
	SortActivity Sort = "activity" // LastActive
	SortStarted  Sort = "started"  // CreatedAt
	SortUser     Sort = "user"     // user name, without regard to case
	SortOrigin   Sort = "origin"
	SortDevice   Sort = "device" // without regard to case
)

// Sorts are all orders there are.
var Sorts = []Sort{SortActivity, SortStarted, SortUser, SortOrigin, SortDevice}

// MaxPage is the most entries that one page holds; a Limit of 0 means DefaultPage.
const (
	MaxPage     = 500
	DefaultPage = 50
)

// PageSize is how many entries a page with the limit holds at most.
func PageSize(limit int) int {
	if limit <= 0 {
		return DefaultPage
	}
	return min(limit, MaxPage)
}

// Query asks for a page of live sessions.
type Query struct {
	Now    time.Time // set by the manager
	User   UserID    // only this user's
	Except SessionID // all but this one
	Search string    // see Session.Matches
	Sort   Sort      // "" is SortActivity
	Desc   bool      // the other way round
	Limit  int       // of entries, see PageSize
	Cursor Cursor    // where the page starts, as a Page says; zero for the first
}

// Cursor is a place between two entries: a page starts after it or, going Back, ends before it. Its strings are
// the store's own, short, and without secrets; strangers may send any.
type Cursor struct {
	Key  string // the sort key of the entry at the place; its form is the store's
	ID   SessionID
	Back bool
}

// Page is a part of a list, in the query's order.
type Page struct {
	Records []Record
	Prev    *Cursor // nil on the first page
	Next    *Cursor // nil on the last page
}

// Count is how many sessions there are, and of how many users. Where counting takes long it stops, and says so.
type Count struct {
	Sessions, Users         int
	MoreSessions, MoreUsers bool // there may be more than that
}

// HistoryQuery asks for a page of history, the latest end first.
type HistoryQuery struct {
	User   UserID // only this user's
	Search string // see Ended.Matches
	Reason Reason // only this one
	From   time.Time
	Until  time.Time // ended in [From, Until); zero times are open ends
	Limit  int
	Cursor Cursor
}

// HistoryPage is a part of the history, the latest end first.
type HistoryPage struct {
	Ended []Ended
	Prev  *Cursor
	Next  *Cursor
}
