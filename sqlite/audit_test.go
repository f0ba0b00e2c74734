package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/memory"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

func TestAudit(t *testing.T) {
	storetest.RunAudit(t, func(t *testing.T) storetest.AuditedStore { return open(t, t.TempDir()) })
}

// TestAuditOfSessions makes changes of all kinds, and finds in the audit log what the live list and the history say: each start
// and each end once, and as it was.
func TestAuditOfSessions(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			dir := t.TempDir()
			db, reference := openAccounts(t, dir), memory.NewSessions()
			for step := range 150 {
				changeAtRandom(t, r, time.Duration(step)*time.Second, db, reference)
				if step == 75 { // the chain goes on after a restart
					if err := db.Close(); err != nil {
						t.Fatal(err)
					}
					db = openAccounts(t, dir)
				}
			}
			storetest.CheckAudit(t, db)
		})
	}
}

// TestAuditOfMany ends all sessions at once, when they are few and when they are many.
func TestAuditOfMany(t *testing.T) {
	by := curfew.Ending{Reason: curfew.ReasonTerminated, By: curfew.Actor{User: "id-mia", Name: "mia", Session: "own", Key: "k1"}}
	for first, want := range map[int][]audit.Event{
		2: {audit.SessionTerminated, audit.SessionTerminated},
		1: {audit.SessionsTerminated},
	} {
		db := open(t, t.TempDir())
		sqlite.SetSteps(t, db, first, 10, 10)
		insert(t, db, storetest.Record("own", "mia", 0), storetest.Record("a", "amara", 0), storetest.Record("b", "amara", 0))
		n, _, err := db.End(t.Context(), storetest.T0, curfew.Selection{All: true, Except: "own"}, by)
		if n != 2 || err != nil {
			t.Fatalf("%d ended, %v", n, err)
		}
		settle(db)
		if past := history(t, db); len(past) != 2 {
			t.Errorf("the history is %+v", past)
		}
		page, err := audit.NewLog(db).List(t.Context(), audit.Query{Before: 4 + int64(len(want))})
		if err != nil || len(page.Records) != 3+len(want) {
			t.Fatalf("with %d at once the log is %+v, %v", first, page.Records, err)
		}
		for i, event := range want {
			if r := page.Records[i]; r.Event != event || r.By.Name != "mia" || r.By.Session != "own" || r.By.Key != "k1" || r.Reason != "terminated" {
				t.Errorf("with %d at once record %d is %+v, want %s", first, i, r, event)
			}
		}
		if r := page.Records[0]; r.Event == audit.SessionsTerminated && (r.Count != 2 || r.Session != "own") {
			t.Errorf("all at once are %+v", r)
		}
	}
}

// TestAuditTampered changes the database behind the package's back.
func TestAuditTampered(t *testing.T) {
	for name, c := range map[string]struct {
		change string
		no     int64 // that is said to be wrong; 0 if the database refuses the change
	}{
		"nothing":                {"SELECT 1", -1},
		"a change":               {"UPDATE audit SET lines = replace(lines, 'user3', 'user9') WHERE no = 3", 0},
		"a deletion":             {"DELETE FROM audit WHERE no = 3", 0},
		"a change, by force":     {"DROP TRIGGER audit_stays; UPDATE audit SET lines = replace(lines, 'user3', 'user9') WHERE no = 3", 3},
		"a hash, by force":       {"DROP TRIGGER audit_stays; UPDATE audit SET hash = zeroblob(32) WHERE no = 3", 3},
		"a deletion, by force":   {"DROP TRIGGER audit_is_kept; DELETE FROM audit WHERE no = 3", 3},
		"the latest, by force":   {"DROP TRIGGER audit_is_kept; DELETE FROM audit WHERE no = 5", 5},
		"the earliest, by force": {"DROP TRIGGER audit_is_kept; DELETE FROM audit WHERE no = 1", 1},
		"a new start":            {"UPDATE audit_start SET no = 2; DELETE FROM audit WHERE no <= 2", 3},
		"a new start that fits":  {"UPDATE audit_start SET no = 2, hash = (SELECT hash FROM audit WHERE no = 2); DELETE FROM audit WHERE no <= 2", 2},
		"one twice, by force":    {"DROP TRIGGER audit_stays; UPDATE audit SET lines = lines || lines, count = 2 WHERE no = 5", 6},
		"a number, by force":     {"DROP TRIGGER audit_stays; UPDATE audit SET lines = replace(lines, '\"no\":3', '\"no\":4') WHERE no = 3", 3},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db := openAccounts(t, dir)
			for i := range 5 {
				r := audit.Record{Event: audit.Unlocked, Outcome: audit.Success, User: &audit.Party{Name: fmt.Sprint("user", i+1)}}
				if err := db.AppendAudit(t.Context(), storetest.T0, r); err != nil {
					t.Fatal(err)
				}
			}
			mark, err := db.AuditEnd(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			err = behind(t, filepath.Join(dir, sqlite.FileName), c.change)
			if c.no == 0 {
				if err == nil {
					t.Error("the database let it happen")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = audit.NewLog(open(t, dir)).Verify(t.Context(), mark)
			var broken *audit.Broken
			if c.no < 0 && err != nil || c.no > 0 && (!errors.As(err, &broken) || broken.No != c.no) {
				t.Errorf("Verify says %v, want record %d", err, c.no)
			}
		})
	}
}

// behind changes a database that nobody has open.
func behind(t *testing.T, path, statements string) error {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.ExecContext(t.Context(), statements)
	return err
}
