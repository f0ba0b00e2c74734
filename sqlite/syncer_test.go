package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

// syncing is what happens to the syncs of some folders instead.
type syncing struct {
	mu  sync.Mutex
	dir map[string]func(sync func() error) error
}

var syncs = syncing{dir: map[string]func(func() error) error{}}

func (s *syncing) do(log *os.File, sync func(*os.File) error) error {
	s.mu.Lock()
	instead := s.dir[filepath.Dir(log.Name())]
	s.mu.Unlock()
	if instead == nil {
		return sync(log)
	}
	return instead(func() error { return sync(log) })
}

// instead has f called for each sync in the folder, until it is nil again.
func (s *syncing) instead(dir string, f func(sync func() error) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dir[dir] = f
}

// hold has syncs in the folder wait for release. What comes through begun says that one does.
func (s *syncing) hold(dir string) (begun <-chan struct{}, release func()) {
	held, free := make(chan struct{}, 1), make(chan struct{})
	s.instead(dir, func(sync func() error) error {
		select {
		case held <- struct{}{}:
		default:
		}
		<-free
		return sync()
	})
	return held, func() {
		s.instead(dir, nil)
		close(free)
	}
}

// failNext has the next sync in the folder fail once fail is closed. What comes through begun says that it is under way.
func (s *syncing) failNext(dir string) (begun <-chan struct{}, fail chan<- struct{}) {
	under, now := make(chan struct{}), make(chan struct{})
	s.instead(dir, func(func() error) error {
		s.instead(dir, nil)
		close(under)
		<-now
		return unix.EIO
	})
	return under, now
}

// await waits for a sync to begin.
func await(t *testing.T, begun <-chan struct{}) {
	t.Helper()
	select {
	case <-begun:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing is synced")
	}
}

// insertInVain has a session on its way to a disk that fails once fail is closed.
func insertInVain(t *testing.T, db *sqlite.DB, dir string) (outcome <-chan error, fail chan<- struct{}) {
	t.Helper()
	begun, fail := syncs.failNext(dir)
	done := make(chan error)
	go func() {
		_, err := db.Insert(context.Background(), storetest.T0, storetest.Record("s1", "amara", 0), 0, false)
		done <- err
	}()
	await(t, begun)
	return done, fail
}

// TestNothingIsToldBeforeItIsOnTheDisk holds the sync of a change that everything which is read has seen.
func TestNothingIsToldBeforeItIsOnTheDisk(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	insert(t, db, storetest.Record("s1", "amara", 0))
	now := storetest.T0.Add(time.Second)
	all := curfew.Selection{All: true}
	terminated := curfew.Ending{Reason: curfew.ReasonTerminated, At: now}
	calls := map[string]func(context.Context) error{
		"Find":         func(ctx context.Context) error { _, err := db.Find(ctx, nil, "s1"); return err },
		"Find nothing": func(ctx context.Context) error { _, err := db.Find(ctx, nil, "s2"); return err },
		"List":         func(ctx context.Context) error { _, err := db.List(ctx, curfew.Query{Now: now}); return err },
		"Count":        func(ctx context.Context) error { _, err := db.Count(ctx, curfew.Query{Now: now}); return err },
		"History":      func(ctx context.Context) error { _, err := db.History(ctx, curfew.HistoryQuery{}); return err },
		"Clock":        func(ctx context.Context) error { _, err := db.Clock(ctx); return err },
		"Ping":         db.Ping,
		"End again":    func(ctx context.Context) error { _, _, err := db.End(ctx, now, all, terminated); return err },
		"End of nothing due": func(ctx context.Context) error {
			_, _, err := db.End(ctx, now, curfew.Selection{Due: true}, curfew.Ending{Reason: curfew.ReasonIdle, At: now})
			return err
		},
		"FindAccount":  func(ctx context.Context) error { _, err := db.FindAccount(ctx, "id-amara", ""); return err },
		"ListAccounts": func(ctx context.Context) error { _, err := db.ListAccounts(ctx, account.Query{}); return err },
		"FindKey":      func(ctx context.Context) error { _, err := db.FindKey(ctx, curfew.TokenHash{}); return err },
		"KeyByID":      func(ctx context.Context) error { _, err := db.KeyByID(ctx, "k"); return err },
		"ListKeys":     func(ctx context.Context) error { _, err := db.ListKeys(ctx, "id-amara"); return err },
		"AuditBlocks":  func(ctx context.Context) error { _, err := db.AuditBlocks(ctx, 1, false, 1); return err },
		"AuditStart":   func(ctx context.Context) error { _, err := db.AuditStart(ctx); return err },
		"AuditEnd":     func(ctx context.Context) error { _, err := db.AuditEnd(ctx); return err },
		"AuditSince":   func(ctx context.Context) error { _, err := db.AuditSince(ctx, now); return err },
		"Cursors":      func(ctx context.Context) error { _, err := db.Cursors(ctx); return err },
		"Backup":       func(ctx context.Context) error { _, err := db.Backup(ctx); return err },
	}
	begun, release := syncs.hold(dir)
	var onDisk atomic.Bool
	ended := make(chan error, 1)
	go func() {
		_, _, err := db.End(context.Background(), now, all, terminated)
		if !onDisk.Load() {
			t.Error("the end was acknowledged")
		}
		ended <- err
	}()
	await(t, begun)
	var answered sync.WaitGroup
	for name, call := range calls {
		answered.Go(func() {
			if err := call(context.Background()); curfew.ErrorCode(err) == curfew.CodeUnavailable {
				t.Errorf("%s: %v", name, err)
			}
			if !onDisk.Load() {
				t.Errorf("%s has told what a loss of power would undo", name)
			}
		})
	}
	time.Sleep(100 * time.Millisecond) // in which they may be wrong
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Find(ctx, nil, "s1"); !errors.Is(err, context.Canceled) {
		t.Errorf("who does not wait any more is told %v", err)
	}
	onDisk.Store(true)
	release()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	answered.Wait()
}

// TestWhatTimeDoesHoldsUpNobody holds the sync of activity, and of ends for which only time is the reason. Were those undone, the same would be told
// of the sessions; but not by the clock, nor by the audit log.
func TestWhatTimeDoesHoldsUpNobody(t *testing.T) {
	later := storetest.T0.Add(time.Second)
	due := storetest.T0.Add(time.Hour)
	for name, change := range map[string]func(*sqlite.DB) error{
		"activity": func(db *sqlite.DB) error {
			_, err := db.Touch(context.Background(), later, []curfew.Touch{{ID: "s1", At: later}})
			return err
		},
		"what is due": func(db *sqlite.DB) error {
			_, _, err := db.End(context.Background(), due, curfew.Selection{Due: true}, curfew.Ending{Reason: curfew.ReasonIdle})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db := open(t, dir)
			insert(t, db, storetest.Record("s1", "amara", 0))
			begun, release := syncs.hold(dir)
			done := make(chan error, 1)
			go func() { done <- change(db) }()
			await(t, begun)
			var onDisk atomic.Bool
			var records sync.WaitGroup
			for name, read := range map[string]func() error{
				"AuditEnd": func() error { _, err := db.AuditEnd(context.Background()); return err },
				"Clock":    func() error { _, err := db.Clock(context.Background()); return err },
			} {
				records.Go(func() {
					if err := read(); err != nil || !onDisk.Load() {
						t.Errorf("%s has told what a loss of power would undo, or %v", name, err)
					}
				})
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err1 := db.Find(ctx, nil, "s1")
			_, err2 := db.List(ctx, curfew.Query{Now: later})
			_, err3 := db.Count(ctx, curfew.Query{Now: later})
			_, err4 := db.History(ctx, curfew.HistoryQuery{})
			if err := errors.Join(err1, err2, err3, err4); err != nil {
				t.Errorf("what is told of sessions waits: %v", err)
			}
			onDisk.Store(true)
			release()
			if err := <-done; err != nil {
				t.Error(err)
			}
			records.Wait()
		})
	}
}

// TestMovingRowsNeedsNoSync holds all syncs while rows move behind a fence.
func TestMovingRowsNeedsNoSync(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	sqlite.SetSteps(t, db, 0, 1, 0)
	for i := range 300 {
		insert(t, db, storetest.Record(fmt.Sprintf("s%03d", i), "amara", 0))
	}
	if _, _, err := db.End(t.Context(), storetest.T0, curfew.Selection{All: true}, curfew.Ending{Reason: curfew.ReasonTerminated}); err != nil {
		t.Fatal(err)
	}
	_, release := syncs.hold(dir)
	defer release()
	if fences, _ := sqlite.Chores(db); fences == 0 {
		t.Fatal("the rows have moved already")
	}
	for late := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if fences, _ := sqlite.Chores(db); fences == 0 {
			return
		}
		if time.Now().After(late) {
			t.Fatal("rows wait for the disk")
		}
	}
}

// TestSyncsServeMany holds a sync until others wait for the next: that is one for all.
func TestSyncsServeMany(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	begun, release := syncs.hold(dir)
	const many = 50
	done := make(chan error, many)
	sign := func(id curfew.SessionID) {
		_, err := db.Insert(context.Background(), storetest.T0, storetest.Record(string(id), "amara", 0), 0, false)
		done <- err
	}
	go sign("first")
	await(t, begun)
	proceed, held := sqlite.Hold(t.Context(), db) // or the writer would take the first few by themselves
	for i := range many - 1 {
		go sign(curfew.SessionID([]byte{'s', byte('0' + i/10), byte('0' + i%10)}))
	}
	for sqlite.Waiting(db) < many-1 {
		time.Sleep(time.Millisecond)
	}
	proceed()
	n := 0
	count := func(sync func() error) error {
		n++
		return sync()
	}
	release()
	syncs.instead(dir, count)
	for range many {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if err := <-held; err != nil {
		t.Error(err)
	}
	syncs.instead(dir, nil)
	if n > 3 { // with one of what nobody waits for
		t.Errorf("%d syncs for %d who waited at once", n, many-1)
	}
}

// TestChangeDuringAFailedSync makes a change while the sync before it is under way, which fails. The change's own would not, but nobody knows what that
// would be worth. Those that wait behind it are not made any more.
func TestChangeDuringAFailedSync(t *testing.T) {
	for range 8 { // by chance the writer may see the failure first
		dir := t.TempDir()
		db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		first, fail := insertInVain(t, db, dir)
		release, second := sqlite.Hold(t.Context(), db)
		made, third := sqlite.Make(db)
		close(fail)
		err1 := <-first
		release()
		for _, err := range []error{err1, <-second, <-third} {
			if curfew.ErrorCode(err) != curfew.CodeUnavailable {
				t.Errorf("%v, want CodeUnavailable", err)
			}
		}
		if made.Load() {
			t.Fatal("a change was begun after the disk had failed")
		}
	}
}

// TestFailedSync fails one sync: nobody knows then what is on the disk, and nothing is told or written any more, even if the disk is well again.
func TestFailedSync(t *testing.T) {
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	insert(t, db, storetest.Record("s1", "amara", 0))
	syncs.instead(dir, func(func() error) error { return unix.EIO })
	_, err = db.Insert(t.Context(), storetest.T0, storetest.Record("s2", "amara", 0), 0, false)
	if curfew.ErrorCode(err) != curfew.CodeUnavailable || !errors.Is(err, unix.EIO) {
		t.Errorf("Insert: %v, want CodeUnavailable and why", err)
	}
	syncs.instead(dir, nil)
	select {
	case <-db.Failed():
	default:
		t.Error("the program is not told")
	}
	if r, err := db.Find(t.Context(), nil, "s2"); curfew.ErrorCode(err) != curfew.CodeUnavailable {
		t.Errorf("Find: %+v, %v; want CodeUnavailable", r, err)
	}
	for _, id := range []string{"s3", "s4"} {
		if _, err := db.Insert(t.Context(), storetest.T0, storetest.Record(id, "amara", 0), 0, false); curfew.ErrorCode(err) != curfew.CodeUnavailable {
			t.Errorf("Insert after that: %v, want CodeUnavailable", err)
		}
	}
	if err := db.Close(); curfew.ErrorCode(err) != curfew.CodeUnavailable {
		t.Errorf("Close: %v, want CodeUnavailable", err)
	}
}

// TestOpenAfterKill opens what a process has left that was killed before it had synced its log.
func TestOpenAfterKill(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	insert(t, db, storetest.Record("s1", "amara", 0))
	left := copyDatabase(t, dir)
	syncs.instead(left, func(func() error) error { return unix.EIO })
	if _, err := sqlite.Open(t.Context(), left, sqlite.Options{Moved: true}); !errors.Is(err, unix.EIO) {
		t.Errorf("Open: %v, want what the disk says", err)
	}
	synced := false
	syncs.instead(left, func(sync func() error) error {
		synced = true
		return sync()
	})
	again := openCopy(t, left)
	syncs.instead(left, nil)
	if !synced {
		t.Error("the log that was found was not synced")
	}
	if info, err := os.Stat(filepath.Join(left, sqlite.FileName+"-wal")); err != nil || info.Size() > 0 {
		t.Errorf("the log goes on behind what may be a gap: %v, %v", info, err)
	}
	mustFind(t, again, "s1")
}

// TestBackupDuringAFailedSync has a backup see what then nobody knows to be on the disk: it is not handed over, nor left.
func TestBackupDuringAFailedSync(t *testing.T) {
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	changed, fail := insertInVain(t, db, dir)
	backed := make(chan error)
	go func() {
		_, err := db.Backup(context.Background())
		backed <- err
	}()
	close(fail)
	<-changed
	if err := <-backed; curfew.ErrorCode(err) != curfew.CodeUnavailable {
		t.Errorf("Backup: %v, want CodeUnavailable", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "curfew-part-*")); err != nil || len(left) > 0 {
		t.Errorf("Backup has left %q, %v", left, err)
	}
}

// TestCloseTwice closes a database while changes wait, and what is read, and again meanwhile and afterwards.
func TestCloseTwice(t *testing.T) {
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	begun, release := syncs.hold(dir)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			id := curfew.SessionID([]byte{'s', byte('a' + i)})
			_, err := db.Insert(context.Background(), storetest.T0, storetest.Record(string(id), "amara", 0), 0, false)
			if err != nil && curfew.ErrorCode(err) != curfew.CodeUnavailable {
				t.Errorf("Insert: %v", err)
			}
		})
	}
	await(t, begun)
	for range 3 {
		all.Go(func() { _, _ = db.Clock(context.Background()) }) // which comes too late, or waits for the disk
	}
	for range 2 {
		all.Go(func() {
			if err := db.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	release()
	all.Wait()
	if err := db.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}
