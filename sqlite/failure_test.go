package sqlite_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

// TestFailuresUnderLoad has the disk fail, under a change, under a sync or both, while many change and read, and closes the database while they still do.
// All must end, by an error that says so, and nothing may go on.
func TestFailuresUnderLoad(t *testing.T) {
	hangs := time.AfterFunc(time.Minute, func() { panic("somebody waits for ever") })
	defer hangs.Stop()
	before := runtime.NumGoroutine()
	for round := range 4 {
		failUnderLoad(t, round&1 != 0, round&2 != 0)
	}
	for runtime.NumGoroutine() > before {
		time.Sleep(time.Millisecond)
	}
}

func failUnderLoad(t *testing.T, failChange, failSync bool) {
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var closing atomic.Bool
	var ids atomic.Int64
	var users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			for !closing.Load() || rand.IntN(20) > 0 {
				err := useOnce(db, &ids)
				switch code := curfew.ErrorCode(err); {
				case err == nil, code == curfew.CodeUnavailable, errors.Is(err, curfew.ErrNoSession), errors.Is(err, context.DeadlineExceeded):
				case !closing.Load(): // what is read from a closed database has database/sql's own error
					t.Errorf("%v, want CodeUnavailable", err)
				}
			}
		})
	}
	for ids.Load() < 20 {
		time.Sleep(time.Millisecond)
	}
	if failSync {
		syncs.instead(dir, func(func() error) error { return unix.EIO })
	}
	if failChange {
		sqlite.FailDisk(t, db)
	}
	if failChange || failSync {
		<-db.Failed()
	}
	closing.Store(true)
	if err := db.Close(); err != nil && (!failChange && !failSync || curfew.ErrorCode(err) != curfew.CodeUnavailable) {
		t.Errorf("Close: %v", err)
	}
	users.Wait()
	syncs.instead(dir, nil)
}

// useOnce changes or reads something, and may not have the patience for it.
func useOnce(db *sqlite.DB, ids *atomic.Int64) error {
	ctx := context.Background()
	if rand.IntN(3) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(1000))*time.Microsecond)
		defer cancel()
	}
	switch rand.IntN(5) {
	case 0:
		_, err := db.Find(ctx, nil, curfew.SessionID(strconv.FormatInt(ids.Load(), 10)))
		return err
	case 1:
		_, err := db.Count(ctx, curfew.Query{Now: storetest.T0})
		return err
	case 2:
		_, _, err := db.End(ctx, storetest.T0, curfew.Selection{IDs: []curfew.SessionID{curfew.SessionID(strconv.FormatInt(ids.Load(), 10))}},
			curfew.Ending{Reason: curfew.ReasonTerminated, At: storetest.T0})
		return err
	case 3:
		return db.Ping(ctx)
	default:
		_, err := db.Insert(ctx, storetest.T0, storetest.Record(strconv.FormatInt(ids.Add(1), 10), "amara", 0), 0, false)
		return err
	}
}
