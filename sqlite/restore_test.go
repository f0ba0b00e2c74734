package sqlite_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

const (
	databaseName = "curfew.db"
	witnessName  = "curfew.witness"
)

// restoring is when databases are opened that came from elsewhere.
var restoring = storetest.T0.Add(2 * time.Minute)

func openLate(dir string) (*sqlite.DB, error) {
	return sqlite.Open(context.Background(), dir, sqlite.Options{Now: func() time.Time { return restoring }})
}

// leaked is a key that was revoked in time.
var leaked = account.StoredKey{
	Key:  account.Key{ID: "leaked", Owner: keyOwner.ID, Name: "of a script", Role: account.User, CreatedAt: storetest.T0},
	Hash: curfew.TokenHash{1, 2, 3},
}

var keyOwner = account.Stored{PasswordHash: "hash", Account: account.Account{
	ID: "id-noor", Name: "noor", Role: account.User, Lifetime: time.Minute, Enabled: true, CreatedAt: storetest.T0, PasswordChangedAt: storetest.T0,
}}

// timeline is a folder whose database has two sessions and a key. Of these a session has ended, and the key was revoked, since a copy of the folder and a
// backup were made.
type timeline struct{ dir, copied, backup string }

func newTimeline(t *testing.T) timeline {
	t.Helper()
	l := timeline{t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "backup.db")}
	db := openAndClose(t, l.dir)
	insert(t, db, storetest.Record("live", "amara", 0), storetest.Record("ended", "arslan", 0))
	err := errors.Join(db.InsertAccount(t.Context(), storetest.T0, keyOwner, true), db.InsertKey(t.Context(), storetest.T0, leaked, 10))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	copyOver(t, l.dir, l.copied)
	db = openAndClose(t, l.dir)
	mv(t, backup(t, db), l.backup)
	end(t, db, storetest.T0.Add(time.Minute), "ended")
	if err := db.DeleteKey(t.Context(), storetest.T0.Add(time.Minute), keyOwner.ID, leaked.ID); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return l
}

// openAndClose opens a database that the test closes.
func openAndClose(t *testing.T, dir string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func backup(t *testing.T, db *sqlite.DB) string {
	t.Helper()
	file, err := db.Backup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func end(t *testing.T, db *sqlite.DB, at time.Time, id curfew.SessionID) {
	t.Helper()
	sel := curfew.Selection{IDs: []curfew.SessionID{id}}
	if _, _, err := db.End(t.Context(), at, sel, curfew.Ending{Reason: curfew.ReasonTerminated}); err != nil {
		t.Fatal(err)
	}
}

func mv(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// copyOver copies the files of a folder, or one file, into another folder. Files that are there get the content of others, and stay the same files.
func copyOver(t *testing.T, from, to string) {
	t.Helper()
	files := []string{from}
	if entries, err := os.ReadDir(from); err == nil {
		files = nil
		for _, e := range entries {
			files = append(files, filepath.Join(from, e.Name()))
		}
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(to, filepath.Base(file)), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestRestored puts an older database back in every way that comes to mind: nobody who was signed in then may be signed in afterwards, and
// the admin is told how it was noticed.
func TestRestored(t *testing.T) {
	for name, put := range map[string]struct {
		do  func(t *testing.T, l timeline) (dir string)
		why string
	}{
		"a backup over the database": {func(t *testing.T, l timeline) string {
			mv(t, l.backup, filepath.Join(l.dir, databaseName))
			return l.dir
		}, "it is a backup"},
		"a backup in a new folder": {func(t *testing.T, l timeline) string {
			dir := t.TempDir()
			mv(t, l.backup, filepath.Join(dir, databaseName))
			return dir
		}, "it is a backup"},
		"curfew restore": {func(t *testing.T, l timeline) string {
			restore(t, l.backup, l.dir)
			return l.dir
		}, "it is a backup"},
		"curfew restore of a copied database": {func(t *testing.T, l timeline) string {
			restore(t, filepath.Join(l.copied, databaseName), l.dir)
			return l.dir
		}, "it is a backup"},
		"cp over the database": {func(t *testing.T, l timeline) string {
			copyOver(t, filepath.Join(l.copied, databaseName), l.dir)
			return l.dir
		}, "its last change is of 2026"},
		"mv over the database": {func(t *testing.T, l timeline) string {
			mv(t, filepath.Join(l.copied, databaseName), filepath.Join(l.dir, databaseName))
			return l.dir
		}, "its last change is of 2026"},
		"cp of the database into a new folder": {func(t *testing.T, l timeline) string {
			dir := t.TempDir()
			copyOver(t, filepath.Join(l.copied, databaseName), dir)
			return dir
		}, "copied here without curfew.witness"},
		"a copy of the folder": {func(t *testing.T, l timeline) string {
			return l.copied
		}, "a copy of its folder"},
		"cp of the folder over the folder": {func(t *testing.T, l timeline) string {
			copyOver(t, l.copied, l.dir)
			return l.dir
		}, "a copy of its folder"},
		"a witness that is none": {func(t *testing.T, l timeline) string {
			if err := os.WriteFile(filepath.Join(l.dir, witnessName), []byte("what?"), 0o600); err != nil {
				t.Fatal(err)
			}
			return l.dir
		}, "a copy of its folder"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := put.do(t, newTimeline(t))
			db, err := openLate(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			r := db.Restored()
			if r == nil || !strings.Contains(r.Why, put.why) || r.Sessions == 0 || !r.At.Equal(restoring) {
				t.Errorf("Restored = %+v; want why: %s", r, put.why)
			}
			wantAllEnded(t, db)
			wantRecord(t, db, put.why)
			wantGoesOn(t, db, dir)
		})
	}
}

func restore(t *testing.T, file, dir string) (replaced string) {
	t.Helper()
	replaced, err := sqlite.Restore(t.Context(), file, dir, true, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return replaced
}

// wantAllEnded wants nobody signed in, and in the history why.
func wantAllEnded(t *testing.T, db *sqlite.DB) {
	t.Helper()
	if n, err := db.Count(t.Context(), curfew.Query{Now: restoring}); err != nil || n.Sessions != 0 {
		t.Errorf("Count = %+v, %v; want none", n, err)
	}
	for _, id := range []string{"live", "ended"} {
		r, err := db.Find(t.Context(), nil, curfew.SessionID(id))
		if err != nil || r.Ending == nil {
			t.Errorf("%s is %+v, %v; want it ended", id, r, err)
			continue
		}
		wants := curfew.Ending{Reason: curfew.ReasonRestored, At: restoring}
		if e := *r.Ending; e != wants && e.Reason != curfew.ReasonTerminated {
			t.Errorf("%s has ended as %+v", id, e)
		}
		if _, err := db.Insert(t.Context(), restoring, storetest.Record(id, "amara", 0), 0, false); err == nil {
			t.Errorf("%s starts again", id)
		}
	}
	if k, err := db.FindKey(t.Context(), leaked.Hash); !errors.Is(err, account.ErrNoKey) {
		t.Errorf("the revoked key is %+v, %v", k, err)
	}
	if a, err := db.FindAccount(t.Context(), keyOwner.ID, ""); err != nil || a.PasswordHash != keyOwner.PasswordHash {
		t.Errorf("its owner is %+v, %v", a, err)
	}
	if now, err := db.Clock(t.Context()); err != nil || now.Before(restoring) {
		t.Errorf("Clock = %v, %v; want %v", now, err, restoring)
	}
}

// wantRecord wants the audit log to say why.
func wantRecord(t *testing.T, db *sqlite.DB, why string) {
	t.Helper()
	blocks, err := db.AuditBlocks(t.Context(), math.MaxInt64, true, 1)
	if err != nil || len(blocks) == 0 {
		t.Fatalf("%d blocks, %v", len(blocks), err)
	}
	if lines := string(blocks[0].Lines); !strings.Contains(lines, string(audit.Restored)) || !strings.Contains(lines, why) {
		t.Errorf("the audit log ends with\n%s", lines)
	}
}

// wantGoesOn wants a session that starts now to be live, and so after a restart too.
func wantGoesOn(t *testing.T, db *sqlite.DB, dir string) {
	t.Helper()
	insert(t, db, storetest.Record("new", "mia", 2*time.Minute))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	if r := again.Restored(); r != nil {
		t.Errorf("opened once more it is Restored: %+v", r)
	}
	if r, err := again.Find(t.Context(), nil, "new"); err != nil || r.Ending != nil {
		t.Errorf("a session started since is %+v, %v", r, err)
	}
}

// TestNotRestored does to a database what happens without any restore.
func TestNotRestored(t *testing.T) {
	for name, do := range map[string]func(t *testing.T, dir string) string{
		"nothing": func(_ *testing.T, dir string) string { return dir },
		"the folder is renamed": func(t *testing.T, dir string) string {
			mv(t, dir, dir+"-new")
			return dir + "-new"
		},
		"another mode and time": func(t *testing.T, dir string) string {
			for _, name := range []string{databaseName, witnessName} {
				path := filepath.Join(dir, name)
				if err := errors.Join(os.Chmod(path, 0o640), os.Chtimes(path, restoring, restoring)); err != nil {
					t.Fatal(err)
				}
			}
			return dir
		},
		"a witness from before the last changes, as after a crash": func(t *testing.T, dir string) string {
			before, err := os.ReadFile(filepath.Join(dir, witnessName))
			if err != nil {
				t.Fatal(err)
			}
			db := openAndClose(t, dir)
			mv(t, filepath.Join(dir, witnessName), filepath.Join(dir, "kept"))
			end(t, db, restoring, "s000")
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			mv(t, filepath.Join(dir, "kept"), filepath.Join(dir, witnessName))
			if after, err := os.ReadFile(filepath.Join(dir, witnessName)); err != nil || len(after) != len(before) {
				t.Fatalf("the witness is %s, %v", after, err)
			}
			return dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t, do(t, filled(t)))
			if r := db.Restored(); r != nil {
				t.Errorf("Restored = %+v", r)
			}
			if r, err := db.Find(t.Context(), nil, "s001"); err != nil || r.Ending != nil {
				t.Errorf("a live session is %+v, %v", r, err)
			}
		})
	}
}

// TestWitnessOfNoDatabase begins anew in a folder of which somebody has deleted the database.
func TestWitnessOfNoDatabase(t *testing.T) {
	dir := filled(t)
	if err := os.Remove(filepath.Join(dir, databaseName)); err != nil {
		t.Fatal(err)
	}
	if r := open(t, dir).Restored(); r != nil {
		t.Errorf("Restored = %+v", r)
	}
}

// TestWitnessFollows has the database copied back that a killed process left: what it had said since counts.
func TestWitnessFollows(t *testing.T) {
	l := newTimeline(t)
	db := open(t, l.dir)
	copied := copyDatabase(t, l.dir)
	end(t, db, restoring.Add(-time.Second), "live")
	sqlite.Testify(t, db)
	killed := t.TempDir()
	mv(t, filepath.Join(l.dir, witnessName), filepath.Join(killed, witnessName)) // the very file
	copyOver(t, copied, killed)
	db, err := openLate(killed)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if r := db.Restored(); r == nil || !strings.Contains(r.Why, "its last change is of") {
		t.Errorf("Restored = %+v", r)
	}
	wantAllEnded(t, db)
}

// TestRestoredIsInterrupted has the process stop after the sessions have ended, and before the witness says so.
func TestRestoredIsInterrupted(t *testing.T) {
	l := newTimeline(t)
	dir := t.TempDir()
	mv(t, l.backup, filepath.Join(dir, databaseName))
	obstacle := filepath.Join(dir, witnessName+".new", "x")
	if err := os.MkdirAll(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	if db, err := openLate(dir); err == nil {
		db.Close()
		t.Fatal("it was opened without a witness")
	}
	if err := os.RemoveAll(filepath.Dir(obstacle)); err != nil {
		t.Fatal(err)
	}
	db, err := openLate(dir)
	if err != nil {
		t.Fatal(err)
	}
	wantAllEnded(t, db)
	wantGoesOn(t, db, dir)
}

// TestClockAfterRestore restores a backup on a machine whose clock was set back: no time is told twice.
func TestClockAfterRestore(t *testing.T) {
	l := newTimeline(t)
	restore(t, l.backup, l.dir)
	db, err := sqlite.Open(t.Context(), l.dir, sqlite.Options{Now: func() time.Time { return storetest.T0.Add(-time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	want := storetest.T0.Add(time.Minute) // when "ended" ended
	if now, err := db.Clock(t.Context()); err != nil || now.Before(want) {
		t.Errorf("Clock = %v, %v; want at least %v", now, err, want)
	}
	if r, err := db.Find(t.Context(), nil, "ended"); err != nil || r.Ending == nil || !r.Ending.At.Equal(want) {
		t.Errorf("the ended session is %+v, %v", r, err)
	}
}

// TestForeignLog has a backup beside the log of the database whose place it took, as after cp and a crash.
func TestForeignLog(t *testing.T) {
	l := newTimeline(t)
	dir := killed(t, filled(t))
	copyOver(t, l.backup, dir)
	mv(t, filepath.Join(dir, "backup.db"), filepath.Join(dir, databaseName))
	refuses(t, dir, "is a backup", "curfew.db-wal", "curfew restore")
	if replaced := restore(t, l.backup, dir); replaced == "" {
		t.Error("what was there is gone")
	} else if _, err := os.Stat(filepath.Join(replaced, databaseName+"-wal")); err != nil {
		t.Error(err)
	}
	db, err := openLate(dir)
	if err != nil {
		t.Fatal(err)
	}
	wantAllEnded(t, db)
	wantGoesOn(t, db, dir)
}

// TestOwnLogOfBackup kills the process that has opened a backup first: the log is the backup's own then.
func TestOwnLogOfBackup(t *testing.T) {
	l := newTimeline(t)
	dir := t.TempDir()
	mv(t, l.backup, filepath.Join(dir, databaseName))
	db, err := openLate(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	insert(t, db, storetest.Record("new", "mia", 2*time.Minute))
	left := openCopy(t, copyDatabase(t, dir))
	if r, err := left.Find(t.Context(), nil, "live"); err != nil || r.Ending == nil {
		t.Errorf("a session of the backup is %+v, %v", r, err)
	}
	if r, err := left.Find(t.Context(), nil, "new"); err != nil || r.Ending != nil {
		t.Errorf("a session started since is %+v, %v", r, err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	l := newTimeline(t)
	other := filepath.Join(t.TempDir(), "other.db")
	if err := os.WriteFile(other, []byte(strings.Repeat("not a database. ", 256)), 0o600); err != nil {
		t.Fatal(err)
	}
	running := t.TempDir()
	open(t, running)
	before := contents(t, l.dir)
	for name, r := range map[string]struct {
		file, dir string
		replace   bool
		err       error
		words     string
	}{
		"without being asked": {l.backup, l.dir, false, sqlite.ErrOccupied, databaseName},
		"below a server":      {l.backup, running, true, sqlite.ErrOwned, running},
		"another file":        {other, l.dir, true, nil, "is damaged"},
		"no file":             {other + ".gz", l.dir, true, os.ErrNotExist, "the backup " + other + ".gz can't be read: no such file or directory; name a file"},
		"a folder":            {filepath.Dir(l.backup), l.dir, true, nil, "is a folder; name a file that curfew backup has written"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sqlite.Restore(t.Context(), r.file, r.dir, r.replace, sqlite.Options{})
			if err == nil || r.err != nil && !errors.Is(err, r.err) || !strings.Contains(err.Error(), r.words) {
				t.Errorf("Restore: %v", err)
			}
		})
	}
	if after := contents(t, l.dir); after[databaseName] != before[databaseName] || len(after) != len(before) {
		t.Errorf("files changed: %v before, %v after", sizes(before), sizes(after))
	}
}

// TestRestoreIsInterrupted has the folder stay shut until the restore is done.
func TestRestoreIsInterrupted(t *testing.T) {
	l := newTimeline(t)
	sqlite.BreakRestore(t, l.dir)
	if db, err := openLate(l.dir); !errors.Is(err, sqlite.ErrNotRestored) {
		if err == nil {
			db.Close()
		}
		t.Fatalf("Open: %v", err)
	}
	restore(t, l.backup, l.dir)
	if kept, err := filepath.Glob(filepath.Join(l.dir, "replaced-*", databaseName)); err != nil || len(kept) != 1 {
		t.Errorf("kept is %v, %v; want what was there", kept, err)
	}
	db, err := openLate(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	wantAllEnded(t, db)
	wantGoesOn(t, db, l.dir)
}

// TestFolderOwner makes a database and restores one in a folder that may be somebody else's than the user's, as when root does that for a server. All
// files are the folder's owner's, or the server could not open them.
func TestFolderOwner(t *testing.T) {
	l, dir, owner := newTimeline(t), t.TempDir(), os.Geteuid()
	if owner == 0 {
		owner = 65534
	}
	if err := os.Chown(dir, owner, -1); err != nil {
		t.Fatal(err)
	}
	look := func(want int) {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(dir, "curfew.*"))
		if err != nil || len(files) != want {
			t.Errorf("files are %v, %v; want %d", files, err, want)
		}
		for _, file := range files {
			var st unix.Stat_t
			if err := unix.Stat(file, &st); err != nil || int(st.Uid) != owner {
				t.Errorf("%s is of user %d, %v; want %d", filepath.Base(file), st.Uid, err, owner)
			}
		}
	}
	db := openAndClose(t, dir)
	insert(t, db, storetest.Record("s1", "amara", 0))
	look(5) // with the log and its index
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	restore(t, l.backup, dir)
	look(3)
}

// TestBackup makes a backup while people sign in.
func TestBackup(t *testing.T) {
	dir := t.TempDir()
	db := openAndClose(t, dir)
	insert(t, db, storetest.Record("before", "amara", 0))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			r := storetest.Record("during", "mia", 0)
			r.Session.ID = curfew.SessionID(strings.Repeat("x", i+1))
			r.Hash[0], r.Hash[1], r.Hash[2] = byte(i), byte(i>>8), 1
			_, _ = db.Insert(context.Background(), storetest.T0, r, 0, false)
		}
	}()
	var file string
	for range 20 {
		file = backup(t, db)
		if err := sqlite.CheckBackup(t.Context(), file); err != nil {
			t.Error(err)
		}
	}
	stop()
	<-done
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	to := t.TempDir()
	mv(t, file, filepath.Join(to, databaseName))
	for _, left := range []string{"-wal", "-shm", "-journal"} {
		if _, err := os.Stat(file + left); err == nil {
			t.Errorf("%s is left", left)
		}
	}
	if r, err := openCopy(t, to).Find(t.Context(), nil, "before"); err != nil || r.Ending != nil {
		t.Errorf("what was there before is %+v, %v", r, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if left, err := filepath.Glob(filepath.Join(dir, "curfew-part-*")); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestBackupIsCancelled(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if file, err := db.Backup(ctx); err == nil {
		t.Errorf("%s was made", file)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "curfew-part-*")); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// TestNoBackup has files in which SQLite finds nothing wrong, and Curfew nothing of its own.
func TestNoBackup(t *testing.T) {
	for name, statement := range map[string]string{
		"an empty file":                   "", // such as a stream of a backup that failed
		"no tables":                       "PRAGMA user_version = 1",
		"a table as other programs' have": "CREATE TABLE goose_db_version (version_id INTEGER, is_applied INTEGER)",
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "other.db")
			if err := behind(t, file, statement); err != nil {
				t.Fatal(err)
			}
			_, restored := sqlite.Restore(t.Context(), file, t.TempDir(), false, sqlite.Options{})
			for _, err := range []error{sqlite.CheckBackup(t.Context(), file), restored} {
				if err == nil || !strings.HasSuffix(err.Error(), "other.db holds no accounts and sessions of Curfew") {
					t.Error(err)
				}
			}
		})
	}
}

func TestCheckBackup(t *testing.T) {
	const page = 4096
	for name, damage := range map[string]func(data []byte) []byte{
		"cut": func(data []byte) []byte { return data[:len(data)-page] },
		"an index entry": func(data []byte) []byte {
			return []byte(strings.Replace(string(data), "id-amaraamaraFull", "id-amaraomaraFull", 1))
		},
		"a page": func(data []byte) []byte { clear(data[len(data)/page/2*page:][:page]); return data },
		"a stranger": func(data []byte) []byte {
			return []byte(strings.ReplaceAll(string(data), "goose_db_version", "moose_db_version"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filled(t)
			rewrite(t, dir, damage)
			err := sqlite.CheckBackup(t.Context(), filepath.Join(dir, databaseName))
			if err == nil || !strings.Contains(err.Error(), databaseName) || strings.Contains(err.Error(), "\n") {
				t.Errorf("CheckBackup: %v", err)
			}
		})
	}
}
