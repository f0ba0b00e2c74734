package httpapi

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// Filter narrows down sessions. Its fields hold together; those that are left out do nothing, and over HTTP no text may be empty.
type Filter struct {
	Q              string    `query:"q" json:"q,omitempty" minLength:"1" maxLength:"200" doc:"Words, each of which must begin a word of the user name, the full name or the device, or begin the address."`
	User           string    `query:"user" json:"user,omitempty" minLength:"1" maxLength:"64" doc:"Only of the account with this user name."`
	Origin         string    `query:"origin" json:"origin,omitempty" minLength:"1" maxLength:"64" doc:"Only from this address, or from this network, such as 192.0.2.0/24."`
	Credential     string    `query:"credential" json:"credential,omitempty" minLength:"1" maxLength:"64" doc:"Only signed in this way, such as password."`
	Device         string    `query:"device" json:"device,omitempty" minLength:"1" maxLength:"200" doc:"Words, each of which must begin a word of the device."`
	StartedAfter   time.Time `query:"started_after" json:"started_after,omitzero" doc:"Only started later than this."`
	IdleLongerThan int64     `query:"idle_longer_than" json:"idle_longer_than,omitempty" minimum:"0" maximum:"2592000" doc:"Only without activity for more seconds than this."`
}

// checkWords refuses words of which there are none: what has none of them would be everybody's.
func (f Filter) checkWords() error {
	switch {
	case f.Q != "" && isBlank(f.Q):
		return &curfew.Error{Code: curfew.CodeInvalid, Field: "filter.q", Message: "must not be empty"}
	case f.Device != "" && isBlank(f.Device):
		return &curfew.Error{Code: curfew.CodeInvalid, Field: "filter.device", Message: "must not be empty"}
	}
	return nil
}

// checkSpan refuses times between which nothing can be. The zero time is no bound.
func checkSpan(from, until time.Time) error {
	if !from.IsZero() && !until.IsZero() && !from.Before(until) {
		return &curfew.Error{Code: curfew.CodeInvalid, Field: "until", Message: "must be later than from"}
	}
	return nil
}

// sieve is a Filter as it works: what the store finds, and what is looked at here.
type sieve struct {
	user     curfew.UserID // whose; empty: everybody's
	search   string        // that of the filter
	network  netip.Prefix  // valid if there is one
	filter   Filter
	deviceIs []string // the words of the device
}

// sieve returns the filter for the caller, to whom there are the sessions of scope alone: empty for all.
func (a *api) sieve(ctx context.Context, f Filter, scope curfew.UserID, who caller) (sieve, error) {
	s := sieve{user: scope, search: f.Q, filter: f, deviceIs: curfew.SearchWords(f.Device)}
	if f.Origin != "" {
		network, err := parseNetwork(f.Origin)
		if err != nil {
			return s, err
		}
		s.network = network
	}
	if f.User == "" {
		return s, nil
	}
	if who.account.ID != "" && strings.EqualFold(strings.TrimSpace(f.User), who.account.Name) { // who runs the machine has no account
		s.user = who.account.ID
		return s, nil
	}
	if !who.account.Role.SeesAll() {
		return s, noUser(f.User)
	}
	acc, err := a.named(ctx, f.User)
	if err == nil && scope != "" && scope != acc.ID {
		err = errDenied
	}
	s.user = acc.ID
	return s, err
}

func parseNetwork(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, &curfew.Error{Code: curfew.CodeInvalid, Field: "origin", Message: "must be an address or a network, such as 192.0.2.0/24"}
	}
	addr = addr.Unmap()
	return addr.Prefix(addr.BitLen())
}

// isPlain reports whether the store does all of the work.
func (s sieve) isPlain() bool {
	f := s.filter
	return !s.network.IsValid() && f.Credential == "" && len(s.deviceIs) == 0 && f.StartedAfter.IsZero() && f.IdleLongerThan == 0
}

// onlyUser reports whether the sieve lets through all sessions of one user, or of all.
func (s sieve) onlyUser() bool { return s.isPlain() && s.search == "" }

// query is what the store is asked for: all that passes, and more.
func (s sieve) query(sort curfew.Sort, desc bool) curfew.Query {
	return curfew.Query{User: s.user, Search: s.hints(), Sort: sort, Desc: desc, Limit: curfew.MaxPage}
}

// hints are words that the store finds quickly, and that whatever passes has. Past the eighth they do nothing.
func (s sieve) hints() string {
	words := []string{s.search}
	if s.network.IsValid() && s.network.IsSingleIP() {
		words = append(words, s.network.Addr().String())
	}
	return strings.TrimSpace(strings.Join(append(words, s.deviceIs...), " "))
}

// passes looks at a session that the store found.
func (s sieve) passes(session curfew.Session, asOf time.Time) bool {
	f := s.filter
	switch {
	case s.network.IsValid() && !contains(s.network, session.Client.Origin):
	case f.Credential != "" && string(session.Credential) != f.Credential:
	case !hasWords(session.Client.Device, s.deviceIs):
	case !f.StartedAfter.IsZero() && !session.CreatedAt.After(f.StartedAfter):
	case f.IdleLongerThan > 0 && asOf.Sub(session.LastActive) <= s.idle():
	default:
		return true
	}
	return false
}

func (s sieve) idle() time.Duration { return time.Duration(s.filter.IdleLongerThan) * time.Second }

func contains(network netip.Prefix, origin string) bool {
	addr, err := netip.ParseAddr(origin)
	return err == nil && network.Contains(addr.Unmap())
}

// hasWords reports whether each of the words begins a word of the text.
func hasWords(text string, begins []string) bool {
	if len(begins) == 0 {
		return true
	}
	words := curfew.Words(text)
	for _, begin := range begins {
		if !slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, begin) }) {
			return false
		}
	}
	return true
}

// behind is by how much, at most, the activity by which a store sorts is behind what the manager knows: it is written at
// least once a minute.
const behind = 2 * time.Minute

// isPast reports whether in the order no session after this one passes.
func (s sieve) isPast(session curfew.Session, sort curfew.Sort, desc bool, now time.Time) bool {
	switch {
	case sort == curfew.SortStarted && desc && !s.filter.StartedAfter.IsZero():
		return !session.CreatedAt.After(s.filter.StartedAfter)
	case sort == curfew.SortActivity && !desc && s.filter.IdleLongerThan > 0:
		return now.Sub(session.LastActive) <= s.idle()-behind
	default:
		return false
	}
}

// best is the order in which the sessions that pass come soonest.
func (s sieve) best() (sort curfew.Sort, desc bool) {
	if !s.filter.StartedAfter.IsZero() {
		return curfew.SortStarted, true
	}
	return curfew.SortActivity, false
}

// maxPages is how many pages of curfew.MaxPage one request reads, and so maxSieved how many sessions.
const (
	maxPages  = 20
	maxSieved = maxPages * curfew.MaxPage
)

// page returns at most limit sessions that pass, in the order, from the cursor on. It may be fewer though there are more, of
// which next then tells: it reads no more than maxPages pages.
func (a *api) page(
	ctx context.Context, s sieve, sort curfew.Sort, desc bool, from curfew.Cursor, limit int,
) (found []curfew.Session, next *curfew.Cursor, err error) {
	next = &from
	for n := 0; n < maxPages && next != nil && len(found) < limit; n++ {
		q := s.query(sort, desc)
		q.Cursor = *next
		page, some, err := a.fitting(ctx, s, q, limit-len(found))
		if err != nil {
			return nil, nil, err
		}
		found, next = append(found, some...), page.Next
		if s.isOver(page, q, a.Sessions.Now()) {
			next = nil
		}
	}
	return found, next, nil
}

// fitting returns a page of which at most room sessions pass, the largest that surely is one.
func (a *api) fitting(ctx context.Context, s sieve, q curfew.Query, room int) (curfew.Page, []curfew.Session, error) {
	if !s.isPlain() {
		if page, some, err := a.sieved(ctx, s, q); err != nil || len(some) <= room {
			return page, some, err
		}
	}
	q.Limit = room
	return a.sieved(ctx, s, q)
}

func (s sieve) isOver(page curfew.Page, q curfew.Query, now time.Time) bool {
	n := len(page.Records)
	return n > 0 && s.isPast(page.Records[n-1].Session, q.Sort, q.Desc, now)
}

// sieved returns a page of the store, and those of its sessions that pass.
func (a *api) sieved(ctx context.Context, s sieve, q curfew.Query) (curfew.Page, []curfew.Session, error) {
	page, err := a.Sessions.List(ctx, q)
	var some []curfew.Session
	now := a.Sessions.Now()
	for _, r := range page.Records {
		if s.passes(r.Session, now) {
			some = append(some, r.Session)
		}
	}
	return page, some, err
}

// count counts what passes, and says whether it counted all.
func (a *api) count(ctx context.Context, s sieve) (n int, exact bool, err error) {
	if s.isPlain() {
		c, err := a.Sessions.Count(ctx, curfew.Query{User: s.user, Search: s.search})
		return c.Sessions, !c.MoreSessions, err
	}
	all, exact, err := a.all(ctx, s)
	return len(all), exact, err
}

// all returns the sessions that pass, and whether these are all: it reads no more than maxSieved.
func (a *api) all(ctx context.Context, s sieve) (found []curfew.Session, complete bool, err error) {
	sort, desc := s.best()
	q := s.query(sort, desc)
	for range maxPages {
		page, some, err := a.sieved(ctx, s, q)
		if err != nil {
			return nil, false, err
		}
		found = append(found, some...)
		if page.Next == nil || s.isOver(page, q, a.Sessions.Now()) {
			return found, true, nil
		}
		q.Cursor = *page.Next
	}
	return found, false, nil
}
