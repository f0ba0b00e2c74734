package sqlite_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

// TestAuditFile reads the audit log of copies: of a folder whose process was killed, with and without SQLite's index, and of one that was closed.
func TestAuditFile(t *testing.T) {
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	insert(t, db, storetest.Record("a", "amara", 0))
	want, err := db.AuditEnd(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.OpenAudit(t.Context(), dir); !errors.Is(err, sqlite.ErrOwned) {
		t.Errorf("of an open database: %v", err)
	}
	killed, bare := copyFolder(t, dir), copyFolder(t, dir)
	if err := os.Remove(filepath.Join(bare, sqlite.FileName+"-shm")); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"killed": killed, "without an index": bare, "closed": copyFolder(t, dir)} {
		data, files := contents(t, dir), names(t, dir)
		f, err := sqlite.OpenAudit(t.Context(), dir)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, last, err := audit.NewLog(f).Verify(t.Context()); last != want || err != nil {
			t.Errorf("%s: the end is %v, %v; want %v", name, last, err, want)
		}
		if _, err := sqlite.Open(t.Context(), dir, sqlite.Options{}); !errors.Is(err, sqlite.ErrOwned) {
			t.Errorf("%s: opened while it is read: %v", name, err)
		}
		if err := f.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if now := names(t, dir); !slices.Equal(now, files) || !maps.Equal(contents(t, dir), data) {
			t.Errorf("%s: the folder has changed: %v were there, and are %v", name, files, now)
		}
	}
}

// TestAuditFileIsOnTheDisk has a log that a killed process left, and that can't be synced. On a file system which is only for reading it need not be.
func TestAuditFileIsOnTheDisk(t *testing.T) {
	dir := killed(t, filled(t))
	for _, fails := range []error{unix.EIO, unix.EINVAL, unix.EROFS} {
		syncs.instead(dir, func(func() error) error { return fails })
		f, err := sqlite.OpenAudit(t.Context(), dir)
		if told := err == nil; told != (fails != unix.EIO) || !told && !errors.Is(err, fails) {
			t.Errorf("with %v: %v", fails, err)
		}
		if err == nil {
			f.Close()
		}
	}
	syncs.instead(dir, nil)
}

func copyFolder(t *testing.T, dir string) (to string) {
	t.Helper()
	to = filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// names are the files in a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}
