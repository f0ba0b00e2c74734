package sqlite_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

// TestCountAll has few users come and go in every way, and counts after each step: some of their sessions are in the indexes,
// some not yet, some due, and some under former names.
func TestCountAll(t *testing.T) {
	const seeds = 6
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			db, want := open(t, t.TempDir()), memory.NewSessions()
			sqlite.NoChores(t, db)
			for step := range 120 {
				at := time.Duration(step) * time.Second
				changeAtRandom(t, r, at, db, want)
				if r.IntN(4) == 0 {
					if err := sqlite.Chore(db); err != nil {
						t.Fatal(err)
					}
				}
				for _, except := range []string{"", fmt.Sprintf("s%03d", r.IntN(step+1))} {
					q := curfew.Query{Now: storetest.T0.Add(at), Except: curfew.SessionID(except)}
					n, err := db.Count(t.Context(), q)
					if m, _ := want.Count(t.Context(), q); err != nil || n != m {
						t.Fatalf("step %d: Count(%+v) = %+v, %v; want %+v", step, q, n, err, m)
					}
				}
			}
		})
	}
}

// TestCountAllIsQuick looks at how it is done: not by going through all sessions.
func TestCountAllIsQuick(t *testing.T) {
	for _, step := range sqlite.PlanOfCount(t, open(t, t.TempDir())) {
		if strings.HasPrefix(step, "SCAN session") {
			t.Errorf("the plan has %q", step)
		}
	}
}

// TestDueIsQuick looks at how the sweeper looks for work, each second: not by going through all arrivals, which made everybody else wait.
func TestDueIsQuick(t *testing.T) {
	db := open(t, t.TempDir())
	sqlite.NoChores(t, db)
	insert(t, db, storetest.Record("a", "amara", 0), storetest.Record("b", "amara", 0))
	wantIndexes := func(when string) {
		for _, step := range sqlite.PlanOfDue(t, db) {
			if strings.Contains(step, "SCAN session") || strings.Contains(step, "INTEGER PRIMARY KEY") {
				t.Errorf("%s the plan has %q", when, step)
			}
		}
	}
	wantIndexes("at first")
	sqlite.SetSteps(t, db, 0, 1, 1)
	if _, _, err := db.End(t.Context(), storetest.T0, curfew.Selection{All: true, Except: "a"}, curfew.Ending{}); err != nil {
		t.Fatal(err)
	}
	if fences, _ := sqlite.Chores(db); fences == 0 {
		t.Fatal("there is no fence")
	}
	wantIndexes("behind a fence")
}

// changeAtRandom makes one change in all stores.
func changeAtRandom(t *testing.T, r *rand.Rand, at time.Duration, stores ...curfew.Store) {
	t.Helper()
	now, user := storetest.T0.Add(at), fmt.Sprintf("user%d", r.IntN(5))
	rec := storetest.Record(fmt.Sprintf("s%03d", int(at/time.Second)), user, at)
	rec.Session.Lifetime = time.Duration(1+r.IntN(60)) * time.Second
	name := fmt.Sprint("Name ", r.IntN(3))
	sel := curfew.Selection{User: rec.Session.User.ID}
	kind := r.IntN(10)
	if kind == 0 {
		sel = curfew.Selection{Due: true}
	}
	for _, s := range stores {
		var err error
		switch kind {
		case 0, 1:
			_, _, err = s.End(t.Context(), now, sel, curfew.Ending{Reason: curfew.ReasonTerminated})
		case 2:
			err = s.Update(t.Context(), now, rec.Session.User.ID, curfew.Change{FullName: &name})
		default:
			_, err = s.Insert(t.Context(), now, rec, kind%4, false)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestFindComparesWhatIsThere has a look-up led to another session's row, as when a start was undone and its place taken.
func TestFindComparesWhatIsThere(t *testing.T) {
	db := open(t, t.TempDir())
	sqlite.NoChores(t, db)
	there, gone := storetest.Record("there", "amara", 0), storetest.Record("gone", "chris", 0)
	insert(t, db, there)
	sqlite.Mislead(db, gone.Key(), there.Key())
	for name, find := range map[string]func() (curfew.Record, error){
		"by hash": func() (curfew.Record, error) { return db.Find(t.Context(), &gone.Hash, "") },
		"by ID":   func() (curfew.Record, error) { return db.Find(t.Context(), nil, gone.Session.ID) },
	} {
		if r, err := find(); err != curfew.ErrNoSession {
			t.Errorf("%s: found %+v, %v; want ErrNoSession", name, r, err)
		}
	}
}
