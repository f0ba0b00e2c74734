package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

// TestGroupCommit signs 64 people in at once, in one transaction, of whom some can't be.
func TestGroupCommit(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	insert(t, db, storetest.Record("s00", "mia", 0))
	release, _ := sqlite.Hold(t.Context(), db)
	var wg sync.WaitGroup
	errs := make([]error, 64)
	for i := range errs {
		wg.Go(func() {
			r := storetest.Record(fmt.Sprintf("s%02d", i/2*2), "amara", 0) // every second has the ID of the one before
			_, errs[i] = db.Insert(context.Background(), storetest.T0, r, 0, false)
		})
	}
	for sqlite.Waiting(db) < len(errs) {
		time.Sleep(time.Millisecond)
	}
	release()
	wg.Wait()
	copied := openCopy(t, copyDatabase(t, dir)) // what a crash right now would leave
	for i := 0; i < len(errs); i += 2 {
		want := 1
		if i == 0 {
			want = 0
		}
		got := 0
		for _, err := range errs[i : i+2] {
			if err == nil {
				got++
			}
		}
		if got != want {
			t.Errorf("of two with the same ID %d were inserted, want %d: %v", got, want, errs[i:i+2])
		}
		if _, err := copied.Find(t.Context(), nil, curfew.SessionID(fmt.Sprintf("s%02d", i))); err != nil {
			t.Errorf("s%02d is lost: %v", i, err)
		}
	}
}

// TestCancelledInGroup cancels one of the changes that wait.
func TestCancelledInGroup(t *testing.T) {
	db := open(t, t.TempDir())
	release, _ := sqlite.Hold(t.Context(), db)
	ctx, cancel := context.WithCancel(t.Context())
	cancelled, other := make(chan error), make(chan error)
	go func() {
		_, err := db.Insert(ctx, storetest.T0, storetest.Record("cancelled", "amara", 0), 0, false)
		cancelled <- err
	}()
	go func() {
		_, err := db.Insert(context.Background(), storetest.T0, storetest.Record("other", "amara", 0), 0, false)
		other <- err
	}()
	for sqlite.Waiting(db) < 2 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	release()
	if err := <-other; err != nil {
		t.Errorf("another's change: %v", err)
	}
	if _, err := db.Find(t.Context(), nil, "cancelled"); !errors.Is(err, curfew.ErrNoSession) {
		t.Errorf("a change that was cancelled before its turn was made: %v", err)
	}
}

// TestCancelledTooLate cancels a change that is being made: it happens, so there is no error to report. A manager that
// took one for "not ended" would go on to accept what has ended.
func TestCancelledTooLate(t *testing.T) {
	db := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	release, done := sqlite.Hold(ctx, db)
	cancel()
	release()
	if err := <-done; err != nil {
		t.Errorf("a change that was made: %v", err)
	}
}

// TestFailedInsertReplacesNobody makes room at the cap for a session that then can't be inserted, in a group with a change
// that succeeds.
func TestFailedInsertReplacesNobody(t *testing.T) {
	db := open(t, t.TempDir())
	insert(t, db, storetest.Record("a", "amara", 0), storetest.Record("x", "arslan", 0))
	release, _ := sqlite.Hold(t.Context(), db)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := db.Insert(context.Background(), storetest.T0, storetest.Record("x", "amara", 0), 1, false); err == nil {
			t.Error("an ID was given twice")
		}
	})
	wg.Go(func() {
		if _, err := db.Insert(context.Background(), storetest.T0, storetest.Record("b", "arslan", 0), 0, false); err != nil {
			t.Errorf("another's sign-in: %v", err)
		}
	})
	for sqlite.Waiting(db) < 2 {
		time.Sleep(time.Millisecond)
	}
	release()
	wg.Wait()
	mustFind(t, db, "b")
	if r := mustFind(t, db, "a"); r.Ending != nil {
		t.Errorf("the session that was to make room has ended: %+v", *r.Ending)
	}
	storetest.CheckAudit(t, db)
}

func TestAfterClose(t *testing.T) {
	db, err := sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	release, _ := sqlite.Hold(t.Context(), db)
	waiting := make(chan error)
	go func() {
		_, err := db.Insert(context.Background(), storetest.T0, storetest.Record("s1", "amara", 0), 0, false)
		waiting <- err
	}()
	for sqlite.Waiting(db) < 1 {
		time.Sleep(time.Millisecond)
	}
	closed := make(chan error)
	go func() { closed <- db.Close() }()
	release()
	if err := <-waiting; err != nil && curfew.ErrorCode(err) != curfew.CodeUnavailable {
		t.Errorf("a change that waited: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	_, err = db.Insert(t.Context(), storetest.T0, storetest.Record("s2", "amara", 0), 0, false)
	if curfew.ErrorCode(err) != curfew.CodeUnavailable {
		t.Errorf("Insert after Close: %v, want CodeUnavailable", err)
	}
}

func TestFullDisk(t *testing.T) {
	db := open(t, t.TempDir())
	r := storetest.Record("s0", "amara", 0)
	insert(t, db, r)
	makeRoom := sqlite.FillDisk(t, db)
	var err error
	inserted := 1
	for ; err == nil && inserted < 1000; inserted++ {
		_, err = db.Insert(t.Context(), storetest.T0, storetest.Record(fmt.Sprintf("s%d", inserted), "amara", 0), 0, false)
	}
	inserted--
	if curfew.ErrorCode(err) != curfew.CodeUnavailable || !errors.As(err, new(*curfew.Error)) || err.Error()[:16] != "the disk is full" {
		t.Fatalf("after %d: %v, want CodeUnavailable, the disk is full", inserted, err)
	}
	if got, err := db.Find(t.Context(), &r.Hash, ""); err != nil || got.Ending != nil {
		t.Errorf("Find on a full disk: %+v, %v", got, err)
	}
	n, _, err := db.End(t.Context(), storetest.T0, curfew.Selection{All: true}, curfew.Ending{Reason: curfew.ReasonTerminated})
	if ended := mustFind(t, db, "s0").Ending != nil; (err == nil) != ended || err == nil && n != inserted {
		t.Errorf("End on a full disk = %d, %v; but ended: %v", n, err, ended)
	}
	select {
	case <-db.Failed():
		t.Fatal("the database gave up")
	default:
	}
	makeRoom()
	insert(t, db, storetest.Record("later", "amara", 0))
	if _, _, err := audit.NewLog(db).Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := db.Touch(t.Context(), storetest.T0.Add(time.Second), []curfew.Touch{{ID: "later", At: storetest.T0.Add(time.Second)}}); err != nil {
		t.Errorf("Touch with room: %v", err)
	}
	sel := curfew.Selection{All: true}
	if _, _, err := db.End(t.Context(), storetest.T0.Add(time.Second), sel, curfew.Ending{Reason: curfew.ReasonTerminated}); err != nil {
		t.Errorf("End with room: %v", err)
	}
	if mustFind(t, db, "s0").Ending == nil || mustFind(t, db, "later").Ending == nil {
		t.Error("with room again, a session did not end")
	}
}

func mustFind(t *testing.T, db *sqlite.DB, id curfew.SessionID) curfew.Record {
	t.Helper()
	r, err := db.Find(t.Context(), nil, id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestFailedDisk has the disk fail under a change: no later one may be made, nor while the program closes.
func TestFailedDisk(t *testing.T) {
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sqlite.FailDisk(t, db)
	select {
	case <-db.Failed():
	default:
		t.Error("the program is not told")
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			_, err := db.Insert(context.Background(), storetest.T0, storetest.Record(fmt.Sprint("s", i), "amara", 0), 0, false)
			if curfew.ErrorCode(err) != curfew.CodeUnavailable {
				t.Errorf("Insert: %v, want CodeUnavailable", err)
			}
		})
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	n, err := open(t, dir).Count(t.Context(), curfew.Query{Now: storetest.T0})
	if err != nil || n.Sessions != 0 {
		t.Errorf("Count = %+v, %v; want none", n, err)
	}
}

// TestStartsTogether starts sessions by one statement, in the middle of which is one whose ID has been used: it alone fails.
func TestStartsTogether(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	insert(t, db, storetest.Record("s05", "mia", 0))
	if _, _, err := db.End(t.Context(), storetest.T0, curfew.Selection{All: true}, curfew.Ending{Reason: curfew.ReasonTerminated}); err != nil {
		t.Fatal(err)
	}
	settle(db)
	release, _ := sqlite.Hold(t.Context(), db)
	var wg sync.WaitGroup
	errs := make([]error, 13)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = db.Insert(context.Background(), storetest.T0, storetest.Record(fmt.Sprintf("s%02d", i), "amara", 0), 0, false)
		})
	}
	for sqlite.Waiting(db) < len(errs) {
		time.Sleep(time.Millisecond)
	}
	release()
	wg.Wait()
	for i, err := range errs {
		if (err != nil) != (i == 5) {
			t.Errorf("s%02d: %v", i, err)
		}
	}
	for _, db := range []*sqlite.DB{db, openCopy(t, copyDatabase(t, dir))} {
		page, err := db.List(t.Context(), curfew.Query{Now: storetest.T0})
		if err != nil || len(page.Records) != len(errs)-1 {
			t.Errorf("%d live, %v; want %d", len(page.Records), err, len(errs)-1)
		}
		if r, err := db.Find(t.Context(), nil, "s05"); err != nil || r.Ending == nil {
			t.Errorf("the one that had ended is %+v, %v", r, err)
		}
	}
}
