package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

// Exec runs a statement on the connection that writes, past all that this package sees to.
func Exec(db *DB, query string, args ...any) error {
	return db.writer.write(context.Background(), fromMilli(0), func(t *tx) error {
		_, err := t.exec(query, args...)
		return err
	})
}

// Pragma reads a setting of the connection that writes.
func Pragma(t *testing.T, db *DB, name string) (value string) {
	t.Helper()
	err := db.writer.write(t.Context(), fromMilli(0), func(t *tx) error {
		return t.queryRow("PRAGMA "+name, nil, &value)
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// FillDisk lets the file grow no further, and returns what makes room again.
func FillDisk(t *testing.T, db *DB) (makeRoom func()) {
	t.Helper()
	most := Pragma(t, db, "max_page_count")
	set := func(pages string) {
		if got := Pragma(t, db, fmt.Sprintf("max_page_count = %s", pages)); got != pages {
			t.Fatalf("max_page_count = %s, want %s", got, pages)
		}
	}
	set(Pragma(t, db, "page_count"))
	return func() { set(most) }
}

// Hold keeps the writer busy with a change until release is called, so that the changes of meanwhile come into one group.
// The outcome of its own change comes through done.
func Hold(ctx context.Context, db *DB) (release func(), done <-chan error) {
	held, free, outcome := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		outcome <- db.writer.write(ctx, fromMilli(0), func(*tx) error {
			close(held)
			<-free
			return nil
		})
	}()
	<-held
	return func() { close(free) }, outcome
}

// Make has a change wait for the writer when it returns. Whether it was begun is in made, and its outcome comes through done.
func Make(db *DB) (made *atomic.Bool, done <-chan error) {
	made = new(atomic.Bool)
	outcome := make(chan error, 1)
	go func() {
		outcome <- db.writer.write(context.Background(), fromMilli(0), func(*tx) error {
			made.Store(true)
			return nil
		})
	}()
	for Waiting(db) == 0 {
		time.Sleep(time.Millisecond)
	}
	return made, outcome
}

// Waiting is how many changes wait for the writer.
func Waiting(db *DB) int { return len(db.writer.jobs) }

// FailDisk has a change meet the error that SQLite gives for a file that is none of its own.
func FailDisk(t *testing.T, db *DB) {
	t.Helper()
	stranger := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(stranger, []byte(strings.Repeat("not a database. ", 64)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := db.reads.Exec("ATTACH ? AS stranger", stranger)
	if primaryCode(err) == 0 {
		_, err = db.reads.Exec("SELECT * FROM stranger.sqlite_schema")
	}
	if !isFatal(err) {
		t.Fatalf("%v is no error of a failed disk", err)
	}
	if err := db.writer.write(context.Background(), fromMilli(0), func(*tx) error { return err }); err == nil {
		t.Error("a change on a failed disk was made")
	}
}

// NoChores leaves the work undone that nobody waits for: sessions stay in no index, and behind fences.
func NoChores(t testing.TB, db *DB) {
	t.Helper()
	err := db.writer.write(context.Background(), fromMilli(0), func(t *tx) error {
		t.pace.delay, t.pace.every = time.Hour, time.Hour
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// SetSteps sets how many rows move when everybody ends and in each step after that, and with how many live ones the others are not
// deleted all at once.
func SetSteps(t testing.TB, db *DB, first, step, stay int) {
	t.Helper()
	err := db.writer.write(context.Background(), fromMilli(0), func(t *tx) error {
		t.pace.first, t.pace.step, t.pace.stay = first, step, stay
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Chore does a step of that work.
func Chore(db *DB) error {
	return db.writer.write(context.Background(), fromMilli(0), func(t *tx) error { return t.chore(t.pace.step) })
}

// Chores is how much is left of that work.
func Chores(db *DB) (fences, arrivals int) {
	return len(*db.writer.tx.published.Load()), db.writer.tx.arrivals.len()
}

// OnSync has f called instead of each sync of a log, with what does it. It is for init.
func OnSync(f func(log *os.File, sync func(*os.File) error) error) {
	real := syncLog
	syncLog = func(log *os.File) error { return f(log, real) }
}

// SetEffort has searches sort and count no more rows than these.
func SetEffort(db *DB, sort, count int) { db.effort = effort{sort, count} }

// LeftNames is how many persons and devices are known.
func LeftNames(t *testing.T, db *DB) (persons, devices int) {
	t.Helper()
	err := db.reads.QueryRow("SELECT (SELECT count(*) FROM person), (SELECT count(*) FROM device)").Scan(&persons, &devices)
	if err != nil {
		t.Fatal(err)
	}
	return persons, devices
}

// Mislead has look-ups of one session go to the row of another.
func Mislead(db *DB, from, to curfew.Key) {
	seq, _ := db.writer.tx.arrivals.seq(&to.Hash, "")
	db.writer.tx.arrivals.add(from, seq)
}

// PlanOfCount is how all sessions are counted.
func PlanOfCount(t *testing.T, db *DB) (steps []string) {
	t.Helper()
	return plan(t, db, countAllQuery, 0, "")
}

// PlanOfDue is how is looked for sessions that are due.
func PlanOfDue(t *testing.T, db *DB) (steps []string) {
	t.Helper()
	query, args := db.writer.tx.published.Load().anyDue(time.Now())
	return plan(t, db, query, args...)
}

// PlanOfPage is how a page of what is in the indexes is found by its cursor.
func PlanOfPage(t *testing.T, db *DB, q curfew.Query) (steps []string) {
	t.Helper()
	c := queried(q)
	c.add(liveSessions.where)
	for _, p := range orderOf(q).walk(c, nil, q.Cursor) {
		steps = append(steps, plan(t, db, p.query, p.args...)...)
	}
	return steps
}

func plan(t *testing.T, db *DB, query string, args ...any) (steps []string) {
	t.Helper()
	rows, err := db.reads.Query("EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	steps, err = scanAll(rows, func(s scanner) (step string, err error) {
		var id, parent, unused int
		err = s.Scan(&id, &parent, &unused, &step)
		return step, err
	})
	if err != nil || len(steps) == 0 {
		t.Fatalf("the plan is %q, %v", steps, err)
	}
	return steps
}

// NewestMigration is the schema of this program.
func NewestMigration() int64 { return newestMigration() }

// Former makes a database of a former schema, and runs statements in it.
func Former(t *testing.T, dir string, schema int64, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(filepath.Join(dir, FileName), "rwc", "journal_mode(WAL)"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	m, err := migrator(db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.UpTo(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// BreakRestore leaves the folder as a process does that fails, or is killed, where the backup was to take the database's place.
func BreakRestore(t *testing.T, dir string) {
	t.Helper()
	if _, err := putInPlace(dir, filepath.Join(dir, "nothing")); err == nil {
		t.Fatal("nothing took the place of the database")
	}
}

// Testify brings the witness up to date, as happens now and then.
func Testify(t *testing.T, db *DB) {
	t.Helper()
	if err := db.testify(); err != nil {
		t.Fatal(err)
	}
}
