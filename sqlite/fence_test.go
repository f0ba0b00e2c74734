package sqlite_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

// TestFences ends everybody, again and again between other changes, and looks at all there is after each: while rows move to history, after crashes
// in between, and when all have moved.
func TestFences(t *testing.T) {
	const seeds, steps = 3, 120
	for _, stay := range []int{0, 2, 1000} {
		for seed := range uint64(seeds) {
			t.Run(fmt.Sprintf("stay %d, seed %d", stay, seed), func(t *testing.T) {
				t.Parallel()
				f := &fenced{T: t, r: rand.New(rand.NewPCG(seed, 2)), want: memory.NewSessions(), stay: stay}
				f.open(t.TempDir())
				for step := range steps {
					f.step(time.Duration(step) * time.Second)
				}
				for f.left() > 0 {
					f.chore()
				}
				f.compareAll(steps * time.Second)
				f.compareHistory()
			})
		}
	}
}

// fenced is a database whose chores are done when the test says so, and a store that has none.
type fenced struct {
	*testing.T
	r    *rand.Rand
	db   *sqlite.DB
	dir  string
	stay int
	want *memory.Sessions
	all  []curfew.Record
}

func (f *fenced) open(dir string) {
	f.Helper()
	f.db, f.dir = openCopy(f.T, dir), dir
	sqlite.NoChores(f.T, f.db)
	sqlite.SetSteps(f.T, f.db, 1, 3, f.stay)
}

func (f *fenced) chore() {
	f.Helper()
	if err := sqlite.Chore(f.db); err != nil {
		f.Fatal(err)
	}
}

func (f *fenced) left() int {
	fences, arrivals := sqlite.Chores(f.db)
	return fences + arrivals
}

func (f *fenced) step(at time.Duration) {
	switch f.r.IntN(12) {
	case 0:
		f.endEverybody(at)
	case 1:
		f.open(copyDatabase(f.T, f.dir)) // what a crash right now would leave
	case 2, 3, 4, 5:
		f.chore()
	case 6:
		changeAtRandom(f.T, f.r, at, f.db, f.want)
	default:
		r := storetest.Record(fmt.Sprintf("n%03d", len(f.all)), fmt.Sprintf("user%d", f.r.IntN(5)), at)
		f.all = append(f.all, r)
		insert(f.T, f.db, r)
		insert(f.T, f.want, r)
	}
	f.compareAll(at)
}

func (f *fenced) endEverybody(at time.Duration) {
	f.Helper()
	sel := curfew.Selection{All: true}
	if len(f.all) > 0 && f.r.IntN(4) > 0 {
		sel.Except = f.all[f.r.IntN(len(f.all))].Session.ID
	}
	e := curfew.Ending{Reason: curfew.ReasonTerminated, By: curfew.Actor{User: "id-admin", Name: "admin"}}
	n, _, err := f.db.End(f.Context(), storetest.T0.Add(at), sel, e)
	if m, _, _ := f.want.End(f.Context(), storetest.T0.Add(at), sel, e); err != nil || n != m {
		f.Fatalf("%d ended, %v; want %d", n, err, m)
	}
}

// compareAll finds, lists and counts.
func (f *fenced) compareAll(at time.Duration) {
	f.Helper()
	for _, r := range f.all {
		want, _ := f.want.Find(f.Context(), &r.Hash, "")
		byHash, err1 := f.db.Find(f.Context(), &r.Hash, "")
		byID, err2 := f.db.Find(f.Context(), nil, r.Session.ID)
		if err1 != nil || err2 != nil || !same(byHash, want) || !same(byID, want) {
			f.Fatalf("at %v %s is\n%s, %v\n%s, %v, want\n%s", at, r.Session.ID, text(byHash), err1, text(byID), err2, text(want))
		}
	}
	q := curfew.Query{Now: storetest.T0.Add(at), Sort: curfew.SortStarted, Limit: curfew.MaxPage}
	got, want := live(f.T, f.db, q), live(f.T, f.want, q)
	if got != want {
		f.Fatalf("at %v live are %s, want %s", at, got, want)
	}
}

// same is whether their texts are, which costs much more to ask.
func same(a, b curfew.Record) bool {
	equal := a.Session == b.Session && (a.Ending == nil) == (b.Ending == nil) && (a.Ending == nil || *a.Ending == *b.Ending)
	return equal || text(a) == text(b)
}

// text is a record with the ending that its pointer leads to.
func text(r curfew.Record) string {
	if r.Ending == nil {
		return fmt.Sprintf("%+v", r.Session)
	}
	return fmt.Sprintf("%+v %+v", r.Session, *r.Ending)
}

// live lists and counts.
func live(t *testing.T, s curfew.Store, q curfew.Query) string {
	t.Helper()
	page, err := s.List(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.Count(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%+v, %+v", n, page.Records)
}

func (f *fenced) compareHistory() {
	f.Helper()
	got, want := history(f.T, f.db), history(f.T, f.want)
	if !slices.Equal(got, want) {
		f.Errorf("the history has %d sessions\n%+v\nwant %d\n%+v", len(got), got, len(want), want)
	}
}

// settle waits until the work is done that nobody waits for.
func settle(db *sqlite.DB) {
	for fences, arrivals := sqlite.Chores(db); fences+arrivals > 0; fences, arrivals = sqlite.Chores(db) {
		time.Sleep(time.Millisecond)
	}
}

// history is all of it, by ID.
func history(t *testing.T, s curfew.Store) (all []curfew.Ended) {
	t.Helper()
	for q := (curfew.HistoryQuery{Limit: 7}); ; {
		page, err := s.History(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Ended...)
		if page.Next == nil {
			break
		}
		q.Cursor = *page.Next
	}
	slices.SortFunc(all, func(a, b curfew.Ended) int { return cmp.Compare(a.Session.ID, b.Session.ID) })
	return all
}
