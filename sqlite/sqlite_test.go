package sqlite_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

// open opens a database that is closed when the test ends.
func open(t *testing.T, dir string) *sqlite.DB {
	t.Helper()
	return openAs(t, dir, sqlite.Options{})
}

// openCopy opens what copyDatabase has made, as if it were no copy.
func openCopy(t *testing.T, dir string) *sqlite.DB {
	t.Helper()
	return openAs(t, dir, sqlite.Options{Moved: true})
}

func openAs(t *testing.T, dir string, opt sqlite.Options) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestSessions(t *testing.T) {
	storetest.Run(t, func(t *testing.T) curfew.Store { return open(t, t.TempDir()) })
}

// TestSessionsWithoutChores has all sessions in no index, and behind fences for as long as the test runs.
func TestSessionsWithoutChores(t *testing.T) {
	storetest.Run(t, func(t *testing.T) curfew.Store {
		db := open(t, t.TempDir())
		sqlite.NoChores(t, db)
		return db
	})
}

// TestRestartBehindFence ends everybody and restarts before the rows have moved, which they do afterwards.
func TestRestartBehindFence(t *testing.T) {
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sqlite.NoChores(t, db)
	all := make([]curfew.Record, 1100)
	var wg sync.WaitGroup
	for i := range all {
		all[i] = storetest.Record(fmt.Sprintf("s%04d", i), "amara", 0)
		wg.Go(func() {
			if _, err := db.Insert(t.Context(), storetest.T0, all[i], 0, false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	now, spared := storetest.T0.Add(time.Second), all[7]
	_, _, err = db.End(t.Context(), now, curfew.Selection{All: true, Except: spared.Session.ID}, curfew.Ending{Reason: curfew.ReasonTerminated})
	if err != nil {
		t.Fatal(err)
	}
	if fences, arrivals := sqlite.Chores(db); fences != 1 || arrivals != 1000 {
		t.Fatalf("%d fences and %d arrivals are left, want 1 and 1000", fences, arrivals)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir)
	for i, r := range all {
		if i%100 != 7 {
			continue
		}
		got, err := db.Find(t.Context(), &r.Hash, "")
		if err != nil || (got.Ending == nil) != (r.Session.ID == spared.Session.ID) {
			t.Fatalf("after the restart %s is %+v, %v", r.Session.ID, got, err)
		}
	}
	settle(db)
	if n := len(history(t, db)); n != len(all)-1 {
		t.Errorf("the history has %d sessions, want %d", n, len(all)-1)
	}
}
