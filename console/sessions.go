package console

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

type sessionsPage struct {
	frame
	Lifetime  string
	Count     curfew.Count
	Ends      deadline
	Search    string
	User      string // the user name whose sessions alone are shown; empty for everybody's
	AllUsers  string // leads to the same list of everybody
	Found     int    // sessions that search and User leave; -1 without them
	More      bool   // there may be more than Found
	SortBy    curfew.Sort
	Direction string // "asc" or "desc"
	Columns   []column
	Rows      []row
	Links     links
	Others    int  // how many sessions Terminate Other Sessions would end
	Everybody bool // it would end those of others too
}

func (*sessionsPage) file() string { return "sessions" }

// deadline is when the viewer's session ends by itself.
type deadline struct {
	At      string // RFC 3339
	Now     string // the server's time, by which the browser counts
	In      string // "14:59"
	Because string
}

// column is a head of the table that sorts by it.
type column struct {
	Name string
	Sort string // aria-sort: "ascending", "descending" or "none"
	Link string
}

// row is a live session in a list.
type row struct {
	person
	ID             curfew.SessionID
	Device, System string
	Icon           string
	Origin         string
	Method         string
	Started        stamp
	Active         stamp
	Status         string // "active", "quiet" or "expiring"
	Own            bool   // the session of who looks
	CanEnd         bool
}

func (c *console) sessions(r *request) (answer, error) {
	q := sessionQuery(r)
	user, err := c.narrow(r, &q)
	if err != nil {
		return answer{}, err
	}
	page, err := c.Sessions.List(r.Context(), q)
	if err != nil {
		return answer{}, err
	}
	p := &sessionsPage{
		frame:     frame{Title: "Sessions", Nav: "sessions"},
		Lifetime:  Words(r.account.Lifetime),
		Ends:      deadlineOf(r),
		Search:    q.Search,
		User:      user,
		AllUsers:  listLink(q, "", q.Sort, q.Desc),
		SortBy:    q.Sort,
		Direction: direction(q.Desc),
		Columns:   columns(q, user),
		Rows:      r.rows(page.Records),
		Links:     pageLinks(r.URL, page.Prev, page.Next),
		Everybody: r.account.Role.Manages(),
	}
	if page.Prev == nil && matches(r.session, q) {
		p.Rows = slices.Insert(p.Rows, 0, r.row(r.session))
	}
	return answer{page: p}, c.countSessions(r, q, p)
}

// sessionQuery reads search, order and place from the address. The viewer's own session stands above the list.
func sessionQuery(r *request) curfew.Query {
	v := r.URL.Query()
	q := curfew.Query{
		User:   r.owner(),
		Except: r.session.ID,
		Search: r.search(),
		Sort:   curfew.Sort(v.Get("sort")),
		Desc:   v.Get("dir") == "desc",
		Cursor: cursorOf(v),
	}
	if !slices.Contains(curfew.Sorts, q.Sort) {
		q.Sort, q.Desc = curfew.SortActivity, true
	}
	return q
}

const userParam = "user"

// nobodysID stands for a name that nobody has; no account's ID is like it.
const nobodysID curfew.UserID = "-"

// narrow restricts the query to the user that the address names, and returns the name. Who sees only their own sessions
// has nothing to narrow down.
func (c *console) narrow(r *request, q *curfew.Query) (string, error) {
	name := strings.TrimSpace(r.URL.Query().Get(userParam))
	if name == "" || !r.account.Role.SeesAll() {
		return "", nil
	}
	a, err := c.Accounts.ByName(r.Context(), name)
	if curfew.ErrorCode(err) == curfew.CodeNotFound {
		q.User = nobodysID
		return name, nil
	}
	q.User = a.ID
	return a.Name, err
}

func (c *console) countSessions(r *request, q curfew.Query, p *sessionsPage) (err error) {
	if p.Count, err = c.Sessions.Count(r.Context(), curfew.Query{User: r.owner()}); err != nil {
		return err
	}
	if p.Others, err = c.countOthers(r); err != nil {
		return err
	}
	p.Found = -1
	if q.Search != "" || p.User != "" {
		found, err := c.Sessions.Count(r.Context(), curfew.Query{User: q.User, Search: q.Search})
		p.Found, p.More = found.Sessions, found.MoreSessions
		return err
	}
	return nil
}

// matches does for the one session above the list what the store does for those in it.
func matches(s curfew.Session, q curfew.Query) bool {
	return (q.User == "" || q.User == s.User.ID) && s.Matches(q.Search)
}

func deadlineOf(r *request) deadline {
	end := r.session.EndsAt()
	d := deadline{
		At:      end.Format(time.RFC3339Nano),
		Now:     r.clock.now.UTC().Format(time.RFC3339Nano),
		In:      countdown(end.Sub(r.clock.now)),
		Because: "if inactive",
	}
	if end.Equal(r.session.ExpiresAt) {
		d.Because = "at the latest"
	}
	return d
}

func direction(desc bool) string {
	if desc {
		return "desc"
	}
	return "asc"
}

var columnNames = []struct {
	name string
	sort curfew.Sort
}{
	{"User", curfew.SortUser},
	{"Device", curfew.SortDevice},
	{"Origin", curfew.SortOrigin},
	{"Started", curfew.SortStarted},
	{"Last activity", curfew.SortActivity},
}

// columns links each head to the list in its order. The head it is sorted by turns it round; times begin with the
// latest.
func columns(q curfew.Query, user string) []column {
	var list []column
	for _, n := range columnNames {
		desc := n.sort == curfew.SortStarted || n.sort == curfew.SortActivity
		col := column{Name: n.name, Sort: "none"}
		if n.sort == q.Sort {
			desc, col.Sort = !q.Desc, map[bool]string{true: "descending", false: "ascending"}[q.Desc]
		}
		col.Link = listLink(q, user, n.sort, desc)
		list = append(list, col)
	}
	return list
}

// listLink returns the address of what the query searches for, of one user or everybody, in an order.
func listLink(q curfew.Query, user string, by curfew.Sort, desc bool) string {
	v := url.Values{"sort": {string(by)}, "dir": {direction(desc)}}
	if q.Search != "" {
		v.Set("q", q.Search)
	}
	if user != "" {
		v.Set(userParam, user)
	}
	return homePath + "?" + v.Encode()
}

func (r *request) rows(records []curfew.Record) []row {
	rows := make([]row, 0, len(records)+1)
	for _, rec := range records {
		rows = append(rows, r.row(rec.Session))
	}
	return rows
}

func (r *request) row(s curfew.Session) row {
	device, system, icon := deviceOf(s.Client.Device)
	own := s.ID == r.session.ID
	return row{
		person: personOf(s.User.Name, s.User.FullName),
		ID:     s.ID,
		Device: device, System: system, Icon: icon,
		Origin:  s.Client.Origin,
		Method:  methodName(s.Credential),
		Started: r.clock.stamp(s.CreatedAt),
		Active:  r.clock.stamp(s.LastActive),
		Status:  statusOf(s, r.clock.now),
		Own:     own,
		CanEnd:  !own && r.account.MayEnd(s.User.ID),
	}
}

func methodName(c curfew.Credential) string {
	if c == curfew.CredentialPassword {
		return "Password"
	}
	return string(c)
}

func statusOf(s curfew.Session, now time.Time) string {
	switch {
	case s.State(now) != curfew.StateActive:
		return "expiring"
	case now.Sub(s.LastActive) < time.Minute:
		return "active"
	default:
		return "quiet"
	}
}

// deviceOf splits "Chrome 156 on macOS" into its two lines, and finds an icon for it.
func deviceOf(words string) (device, system, icon string) {
	device, system, _ = strings.Cut(words, " on ")
	switch {
	case system == "":
		icon = "terminal"
	case strings.HasPrefix(system, "iPad"):
		icon = "tablet"
	case strings.HasPrefix(system, "iPhone"), strings.HasPrefix(system, "iOS"), strings.HasPrefix(system, "Android"):
		icon = "smartphone"
	case strings.HasPrefix(system, "macOS"), strings.HasPrefix(system, "ChromeOS"):
		icon = "laptop"
	default:
		icon = "monitor"
	}
	return cmp.Or(device, "Unknown device"), system, icon
}
