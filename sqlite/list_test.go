package sqlite_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

// crowd puts sessions into stores: some due, some ended, some by users that were renamed, some not in an index yet.
func crowd(t *testing.T, stores ...curfew.Store) (now time.Time) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	now = storetest.T0.Add(4 * time.Minute)
	each := func(f func(curfew.Store) error) {
		t.Helper()
		for _, s := range stores {
			if err := f(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 160 {
		at := time.Duration(i) * time.Second
		rec := storetest.Record(fmt.Sprintf("s%03d", i), pick("amara", "amara.okafor", "Ben", "chris", "zoe"), at)
		rec.Session.Client = curfew.Client{Origin: pick("10.0.0.1", "10.0.1.1", "192.0.2.1", "2001:db8::1"),
			Device: pick("Chrome 156 on macOS", "chrome 1 on Linux", "Safari 19 on macOS", "curl 10.0", "")}
		if i%10 == 0 {
			rec.Session.Lifetime = 30 * time.Second
		}
		each(func(s curfew.Store) error {
			_, err := s.Insert(t.Context(), rec.Session.CreatedAt, rec, 0, false)
			return err
		})
		if i%9 == 0 {
			e := curfew.Ending{Reason: curfew.ReasonTerminated, By: curfew.Actor{User: "id-zoe", Name: "zoe"}}
			sel := curfew.Selection{IDs: []curfew.SessionID{rec.Session.ID}}
			each(func(s curfew.Store) error { _, _, err := s.End(t.Context(), storetest.T0.Add(at), sel, e); return err })
		}
		if i == 80 {
			name := "Amara Adeyemi"
			each(func(s curfew.Store) error {
				return s.Update(t.Context(), storetest.T0.Add(at), "id-amara", curfew.Change{FullName: &name})
			})
		}
		if i == 120 {
			waitForChores(t, stores[0].(*sqlite.DB))
		}
	}
	return now
}

// waitForChores waits until all sessions are in the indexes.
func waitForChores(t *testing.T, db *sqlite.DB) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if fences, arrivals := sqlite.Chores(db); fences+arrivals == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the chores are not done")
		}
	}
}

var searches = []string{"", "amara", "amara.ok", "okafor", "a", "c", "1", "10.0", "10.0.1.", "chrome", "chrome mac", "macos zoe", "safari linux",
	"zoe zoe", "full amara", "adeyemi", "adeyemi 10.0.0 chrome", "2001:", "nobody", "zoe nobody", "10.0 156"}

// However a search is done, it finds what the store in memory finds.
func TestSearchFindsTheSameInEveryWay(t *testing.T) {
	for _, effort := range [][2]int{{5000, 10_000}, {0, 10_000}} {
		t.Run(fmt.Sprint(effort), func(t *testing.T) {
			db, want := open(t, t.TempDir()), memory.NewSessions()
			now := crowd(t, db, want)
			sqlite.SetEffort(db, effort[0], effort[1])
			for _, search := range searches {
				compareLists(t, db, want, curfew.Query{Now: now, Search: search, Except: "s159", Limit: curfew.MaxPage})
				for _, user := range []curfew.UserID{"", "id-amara", "id-nobody"} {
					compareHistory(t, db, want, curfew.HistoryQuery{Search: search, User: user})
					compareHistory(t, db, want, curfew.HistoryQuery{Search: search, User: user, Reason: curfew.ReasonTerminated,
						From: storetest.T0.Add(time.Minute), Until: storetest.T0.Add(2 * time.Minute)})
				}
			}
			for _, search := range []string{"", "chrome", "a 10.0"} {
				compareLists(t, db, want, curfew.Query{Now: now, Search: search, Limit: 17})
				compareLists(t, db, want, curfew.Query{Now: now, Search: search, Limit: curfew.MaxPage, User: "id-amara"})
			}
		})
	}
}

func compareLists(t *testing.T, got, want curfew.Store, q curfew.Query) {
	t.Helper()
	n, err := got.Count(t.Context(), q)
	if m, _ := want.Count(t.Context(), q); err != nil || n != m {
		t.Errorf("Count(%+v) = %+v, %v; want %+v", q, n, err, m)
	}
	for _, q.Sort = range curfew.Sorts {
		for _, q.Desc = range []bool{false, true} {
			there, back := walk(t, got, q)
			all := q
			all.Limit = curfew.MaxPage
			page, err := want.List(t.Context(), all)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := places(there, q), places(page.Records, q); !slices.Equal(a, b) {
				t.Errorf("List(%+v) has the keys\n%v, want\n%v", q, a, b)
			}
			if a, b := sorted(there), sorted(page.Records); !slices.Equal(a, b) {
				t.Errorf("List(%+v) = %v, want %v", q, a, b)
			}
			if !slices.Equal(records(there), records(back)) {
				t.Errorf("List(%+v) differs on the way back", q)
			}
		}
	}
}

// walk reads all pages, there and back.
func walk(t *testing.T, s curfew.Store, q curfew.Query) (there, back []curfew.Record) {
	t.Helper()
	read := func(c curfew.Cursor) curfew.Page {
		q.Cursor = c
		page, err := s.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	page := read(curfew.Cursor{})
	there = page.Records
	for page.Next != nil {
		page = read(*page.Next)
		there = append(there, page.Records...)
	}
	back = page.Records
	for page.Prev != nil {
		page = read(*page.Prev)
		back = slices.Concat(page.Records, back)
	}
	return there, back
}

func records(rs []curfew.Record) (ids []curfew.SessionID) {
	for _, r := range rs {
		ids = append(ids, r.Session.ID)
	}
	return ids
}

func sorted(rs []curfew.Record) []curfew.SessionID { return slices.Sorted(slices.Values(records(rs))) }

// places are what the records are sorted by.
func places(rs []curfew.Record, q curfew.Query) (keys []string) {
	for _, r := range rs {
		s := r.Session
		keys = append(keys, map[curfew.Sort]string{curfew.SortActivity: s.LastActive.String(), curfew.SortStarted: s.CreatedAt.String(),
			curfew.SortUser: s.User.Name, curfew.SortOrigin: s.Client.Origin, curfew.SortDevice: s.Client.Device}[q.Sort])
	}
	return keys
}

// TestPagesAreQuick looks at how a page is found by its cursor: not by going through all that is before it.
func TestPagesAreQuick(t *testing.T) {
	db := open(t, t.TempDir())
	insert(t, db, storetest.Record("a", "amara", 0), storetest.Record("b", "chris", 0))
	waitForChores(t, db)
	for _, sort := range curfew.Sorts {
		q := curfew.Query{Now: storetest.T0, Sort: sort, Limit: 1}
		page, err := db.List(t.Context(), q)
		if err != nil || page.Next == nil {
			t.Fatalf("by %s there is %+v, %v; want a next page", sort, page, err)
		}
		q.Cursor = *page.Next
		for _, step := range sqlite.PlanOfPage(t, db, q) {
			if strings.HasPrefix(step, "SCAN") {
				t.Errorf("by %s the plan has %q", sort, step)
			}
		}
	}
}

func compareHistory(t *testing.T, got, want curfew.Store, q curfew.HistoryQuery) {
	t.Helper()
	q.Limit = curfew.MaxPage
	a, err := got.History(t.Context(), q)
	b, _ := want.History(t.Context(), q)
	if err != nil || !slices.Equal(a.Ended, b.Ended) {
		t.Errorf("History(%+v) has %d entries, %v; want %d", q, len(a.Ended), err, len(b.Ended))
	}
}

func TestCountStopsWhereItSays(t *testing.T) {
	db := open(t, t.TempDir())
	now := crowd(t, db)
	sqlite.SetEffort(db, 5000, 50)
	n, err := db.Count(t.Context(), curfew.Query{Now: now, Search: "10.0"})
	if err != nil || !n.MoreSessions || !n.MoreUsers || n.Sessions < 50 {
		t.Errorf("Count of a search = %+v, %v; want 50 or more, and that there may be more", n, err)
	}
	all, err := db.Count(t.Context(), curfew.Query{Now: now})
	if err != nil || all.MoreSessions || all.Sessions < 100 {
		t.Errorf("Count of all = %+v, %v; want it exact", all, err)
	}
}

// Names must not outlive what they are names of.
func TestForgetForgetsNames(t *testing.T) {
	db := open(t, t.TempDir())
	crowd(t, db)
	if _, _, err := db.End(t.Context(), storetest.T0.Add(time.Hour), curfew.Selection{User: "id-amara"}, curfew.Ending{}); err != nil {
		t.Fatal(err)
	}
	for _, user := range []curfew.UserID{"id-amara.okafor", "id-Ben", "id-chris"} {
		if _, _, err := db.End(t.Context(), storetest.T0.Add(time.Hour), curfew.Selection{User: user}, curfew.Ending{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Forget(t.Context(), storetest.T0.Add(2*time.Hour), storetest.T0.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if persons, devices := sqlite.LeftNames(t, db); persons != 1 || devices != 5 {
		t.Errorf("%d persons and %d devices are left, want zoe with all devices", persons, devices)
	}
	r := storetest.Record("again", "amara", time.Minute)
	if _, err := db.Insert(t.Context(), r.Session.CreatedAt, r, 0, false); err != nil {
		t.Fatal(err)
	}
	page, err := db.List(t.Context(), curfew.Query{Now: r.Session.CreatedAt, Search: "amara"})
	if err != nil || len(page.Records) != 1 {
		t.Errorf("%d sessions of a user who came back, %v; want 1", len(page.Records), err)
	}
}

// TestRenameOfManyNames gives a new full name to sessions that began under different user names, in the order of neither.
func TestRenameOfManyNames(t *testing.T) {
	db := open(t, t.TempDir())
	for i, name := range []string{"amara", "okafor", "amara"} {
		r := storetest.Record(fmt.Sprint("s", i), "amara", 0)
		r.Session.User.Name = name
		insert(t, db, r)
	}
	waitForChores(t, db)
	fullName := "A. O."
	if err := db.Update(t.Context(), storetest.T0, "id-amara", curfew.Change{FullName: &fullName}); err != nil {
		t.Fatal(err)
	}
	page, err := db.List(t.Context(), curfew.Query{Now: storetest.T0, Search: "okafor"})
	if err != nil || len(page.Records) != 1 || page.Records[0].Session.ID != "s1" {
		t.Errorf("found %+v, %v; want s1", page.Records, err)
	}
}
