package sqlite_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"golang.org/x/sys/unix"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

func TestSecondOwner(t *testing.T) {
	dir := t.TempDir()
	first, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.Open(t.Context(), dir, sqlite.Options{})
	if !errors.Is(err, sqlite.ErrOwned) || !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "\n") {
		t.Errorf("second Open: %v, want one line with ErrOwned and the folder", err)
	}
	insert(t, first, storetest.Record("s1", "amara", 0))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, dir).Find(t.Context(), nil, "s1"); err != nil {
		t.Errorf("after the first has closed it: %v", err)
	}
}

// TestOwnerLeaves has a copy of the lock outlive its owner for a moment, as a program has it that the owner was starting.
func TestOwnerLeaves(t *testing.T) {
	dir := t.TempDir()
	first, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Open(filepath.Join(dir, "curfew.lock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, func() { lock.Close() })
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func insert(t *testing.T, db curfew.Store, records ...curfew.Record) {
	t.Helper()
	for _, r := range records {
		if _, err := db.Insert(t.Context(), r.Session.CreatedAt, r, 0, false); err != nil {
			t.Fatal(err)
		}
	}
}

// filled returns a folder with a database of some dozen pages.
func filled(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		insert(t, db, storetest.Record(fmt.Sprintf("s%03d", i), "amara", 0))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// killed returns a copy of the folder in which somebody signed in last before the process was killed: that is in the
// write-ahead log alone.
func killed(t *testing.T, dir string) string {
	t.Helper()
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	insert(t, db, storetest.Record("last", "amara", 0))
	return copyDatabase(t, dir)
}

// contents are all files of the folder that have data, and not only say who reads.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(f)] = string(data)
	}
	delete(all, "curfew.db-shm") // an index of the log, which any reader makes anew
	maps.DeleteFunc(all, func(_, data string) bool { return data == "" })
	return all
}

// refuses opens the folder, and wants an error of one line with the words, and nothing changed.
func refuses(t *testing.T, dir string, words ...string) {
	t.Helper()
	before := contents(t, dir)
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err == nil {
		db.Close()
		t.Fatal("it was opened")
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q doesn't say %q", err, word)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error of several lines: %q", err)
	}
	after := contents(t, dir)
	if !maps.Equal(before, after) {
		t.Errorf("files changed: %v before, %v after", sizes(before), sizes(after))
	}
}

func sizes(files map[string]string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		list = append(list, fmt.Sprintf("%s of %d", name, len(files[name])))
	}
	return list
}

func TestDamagedFile(t *testing.T) {
	const page = 4096
	for name, damage := range map[string]func(data []byte) []byte{
		"garbage":              func([]byte) []byte { return bytes.Repeat([]byte("garbage "), 4*page/8) },
		"text":                 func([]byte) []byte { return []byte("not a database\n") },
		"header":               func(data []byte) []byte { data[3] ^= 1; return data },
		"cut in half":          func(data []byte) []byte { return data[:len(data)/2] },
		"cut by half a page":   func(data []byte) []byte { return data[:len(data)-page/2] },
		"cut by a page":        func(data []byte) []byte { return data[:len(data)-page] },
		"header alone":         func(data []byte) []byte { return data[:100] },
		"schema":               func(data []byte) []byte { data[100] ^= 0xff; return data },
		"kind of second page":  func(data []byte) []byte { data[page] ^= 0xff; return data },
		"kind of middle page":  func(data []byte) []byte { data[len(data)/page/2*page] ^= 0xff; return data },
		"kind of last page":    func(data []byte) []byte { data[len(data)-page] ^= 0xff; return data },
		"pointer in last page": func(data []byte) []byte { data[len(data)-page+9] ^= 0xff; return data },
		"zeros in the middle":  func(data []byte) []byte { clear(data[len(data)/page/2*page:][:page]); return data },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filled(t)
			rewrite(t, dir, damage)
			refuses(t, dir, "damaged", "curfew.db")
		})
	}
	t.Run("killed", func(t *testing.T) {
		dir := killed(t, filled(t))
		rewrite(t, dir, func(data []byte) []byte { clear(data[len(data)/page/2*page:][:page]); return data })
		refuses(t, dir, "damaged", "curfew.db")
	})
}

func rewrite(t *testing.T, dir string, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(dir, "curfew.db")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestNewerSchema(t *testing.T) {
	for name, kill := range map[string]bool{"closed": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := sqlite.Exec(db, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
				t.Fatal(err)
			}
			if kill {
				dir = copyDatabase(t, dir)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			refuses(t, dir, "newer Curfew", "9999")
		})
	}
}

// TestKilled opens what a killed process leaves.
func TestKilled(t *testing.T) {
	db := openCopy(t, killed(t, filled(t)))
	if n, err := db.Count(t.Context(), curfew.Query{Now: storetest.T0}); err != nil || n.Sessions != 101 {
		t.Errorf("Count = %+v, %v; want 101", n, err)
	}
}

// TestKilledAtBirth opens the empty file of a process that was killed before it could write anything.
func TestKilledAtBirth(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "curfew.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	insert(t, open(t, dir), storetest.Record("s1", "amara", 0))
}

// TestEmptyFileBesideItsLog has a file of which only the log is left. SQLite would delete that too.
func TestEmptyFileBesideItsLog(t *testing.T) {
	dir := killed(t, filled(t))
	rewrite(t, dir, func([]byte) []byte { return nil })
	refuses(t, dir, "damaged", "curfew.db")
}

// TestUnopenedIsNotDamaged has a database that SQLite can't open for what is beside it: nobody should restore a backup for that.
func TestUnopenedIsNotDamaged(t *testing.T) {
	dir := filled(t)
	if err := os.Mkdir(filepath.Join(dir, "curfew.db-wal"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err == nil || !strings.Contains(err.Error(), "can't be opened") || strings.Contains(err.Error(), "damaged") {
		t.Errorf("%v", err)
	}
}

// TestLinkedDatabase has a link to a database of another folder, which that folder's owner would not notice, and to nothing.
func TestLinkedDatabase(t *testing.T) {
	for name, target := range map[string]string{"a database": filled(t), "nothing": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Symlink(filepath.Join(target, "curfew.db"), filepath.Join(dir, "curfew.db")); err != nil {
				t.Fatal(err)
			}
			if db, err := sqlite.Open(t.Context(), dir, sqlite.Options{}); err == nil {
				db.Close()
				t.Error("it was opened")
			} else if !strings.Contains(err.Error(), "symbolic link") {
				t.Errorf("Open: %v, want an error about the link", err)
			}
		})
	}
	linked := filepath.Join(t.TempDir(), "data")
	if err := os.Symlink(filled(t), linked); err != nil {
		t.Fatal(err)
	}
	open(t, linked)
}

func TestFolderThatCantBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	occupied := t.TempDir()
	if err := os.Mkdir(filepath.Join(occupied, "curfew.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "data"), occupied} {
		if db, err := sqlite.Open(t.Context(), dir, sqlite.Options{}); err == nil {
			db.Close()
			t.Errorf("%s was opened", dir)
		} else if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), filepath.Dir(file)) && !strings.Contains(err.Error(), dir) {
			t.Errorf("error %q, want one line that says where", err)
		}
	}
}

// TestFolderNames has names in which a URL would see something else.
func TestFolderNames(t *testing.T) {
	for _, name := range []string{"a b", "a?mode=memory", "a#b", "a%41", "ä", "a:b", "a&b;c", "a'b\"c"} {
		dir := filepath.Join(t.TempDir(), name)
		open(t, dir)
		if _, err := os.Stat(filepath.Join(dir, "curfew.db")); err != nil {
			t.Errorf("folder %q: %v", name, err)
		}
	}
	t.Chdir(t.TempDir())
	open(t, "data")
	open(t, ":memory:")
	for _, dir := range []string{"data", ":memory:"} {
		if _, err := os.Stat(filepath.Join(dir, "curfew.db")); err != nil {
			t.Errorf("folder %q: %v", dir, err)
		}
	}
}

// TestPrivateFiles has password hashes in a folder that all may look into.
func TestPrivateFiles(t *testing.T) {
	defer unix.Umask(unix.Umask(0o022))
	dir := t.TempDir()
	insert(t, open(t, dir), storetest.Record("s1", "amara", 0))
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v, %v; want nothing for others", f.Name(), info.Mode(), err)
		}
	}
}

func TestDurability(t *testing.T) {
	db := open(t, t.TempDir())
	for name, want := range map[string]string{"journal_mode": "wal", "synchronous": "1", "foreign_keys": "1"} {
		if got := sqlite.Pragma(t, db, name); got != want {
			t.Errorf("%s = %s, want %s", name, got, want)
		}
	}
}

// TestSQLiteVersion wants the fix of the WAL-reset bug, 3.51.3 or later.
func TestSQLiteVersion(t *testing.T) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var version string
	if err := db.QueryRowContext(t.Context(), "SELECT sqlite_version()").Scan(&version); err != nil {
		t.Fatal(err)
	}
	var got [3]int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &got[0], &got[1], &got[2]); err != nil {
		t.Fatal(err)
	}
	if slices.Compare(got[:], []int{3, 51, 3}) < 0 {
		t.Errorf("SQLite %s, want 3.51.3 or later", version)
	}
}

func TestMigrationNumbers(t *testing.T) {
	files, err := filepath.Glob("migration/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d migrations, %v", len(files), err)
	}
	for i, f := range files {
		n, err := goose.NumericComponent(f)
		if err != nil || n != int64(i+1) || !strings.HasSuffix(f, ".sql") {
			t.Errorf("%s is number %d, %v; want %d", f, n, err, i+1)
		}
	}
}

// TestOneWay goes past the package's code to the database's own rules.
func TestOneWay(t *testing.T) {
	db := open(t, t.TempDir())
	insert(t, db, storetest.Record("live", "amara", 0), storetest.Record("ended", "amara", 0))
	ended := curfew.Selection{IDs: []curfew.SessionID{"ended"}}
	if _, _, err := db.End(t.Context(), storetest.T0, ended, curfew.Ending{Reason: curfew.ReasonTerminated}); err != nil {
		t.Fatal(err)
	}
	const columns = "user_id, user_name, full_name, credential, origin, device, created_at, authenticated_at, last_active, lifetime, grace, expires_at, person_no, device_no"
	for name, query := range map[string]string{
		"insert an ended ID":      "INSERT INTO session (id, hash, " + columns + ") SELECT id, randomblob(32), " + columns + " FROM history",
		"insert an ended hash":    "INSERT INTO session (id, hash, " + columns + ") SELECT 'new', hash, " + columns + " FROM history",
		"replace by an ended one": "INSERT OR REPLACE INTO session (id, hash, " + columns + ") SELECT id, hash, " + columns + " FROM history",
		"change an ID":            "UPDATE session SET id = 'ended'",
		"change a hash":           "UPDATE session SET hash = (SELECT hash FROM history)",
		"change an owner":         "UPDATE session SET user_id = 'id-arslan'",
		"change a start":          "UPDATE session SET created_at = created_at + 1",
		"change a reason":         "UPDATE history SET reason = 'signed-out'",
		"change an end":           "UPDATE history SET ended_at = ended_at + 1",
		"short hash":              "INSERT INTO session (id, hash, " + columns + ") SELECT 'new', x'00', " + columns + " FROM session",
		"no lifetime":             "UPDATE session SET lifetime = 0",
		"a second clock":          "INSERT INTO clock VALUES (2, 0)",
	} {
		if err := sqlite.Exec(db, query); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if r, err := db.Find(t.Context(), nil, "ended"); err != nil || r.Ending == nil || r.Ending.Reason != curfew.ReasonTerminated {
		t.Errorf("the ended session is %+v, %v", r, err)
	}
	if err := sqlite.Exec(db, "UPDATE session SET last_active = last_active + 1"); err != nil {
		t.Errorf("what is allowed: %v", err)
	}
}

// TestNoTokenOnDisk looks for a token in everything that is written about its session.
func TestNoTokenOnDisk(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	m, err := curfew.New(t.Context(), db, curfew.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s, token, err := m.Start(t.Context(), curfew.Start{User: curfew.User{ID: "id-amara", Name: "amara"}, Lifetime: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	hidden := func() {
		t.Helper()
		found := false
		hash := token.Hash()
		for name, data := range contents(t, dir) {
			if strings.Contains(data, token.Reveal()[4:36]) {
				t.Errorf("the token is in %s", name)
			}
			found = found || strings.Contains(data, string(hash[:]))
		}
		if !found {
			t.Error("not even the hash is there: this test looks in the wrong place")
		}
	}
	hidden()
	if _, err := m.Check(t.Context(), token, curfew.Active); err != nil {
		t.Fatal(err)
	}
	if _, err := m.End(t.Context(), s.ID, curfew.Ending{Reason: curfew.ReasonSignedOut}); err != nil {
		t.Fatal(err)
	}
	hidden()
}
