package sqlite_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

func TestProperty(t *testing.T) { testProperty(t, func(*sqlite.DB) {}) }

// TestPropertyWithoutChores has all sessions in no index, and behind fences.
func TestPropertyWithoutChores(t *testing.T) {
	testProperty(t, func(db *sqlite.DB) { sqlite.NoChores(t, db) })
}

func testProperty(t *testing.T, prepare func(*sqlite.DB)) {
	empty := t.TempDir()
	db, err := sqlite.Open(t.Context(), empty, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	var dir string
	storetest.RunProperty(t, 10, func(old curfew.Store, crash bool) (curfew.Store, error) {
		switch {
		case old == nil:
			dir = copyDatabase(t, empty)
		case crash:
			release, done := sqlite.Hold(context.Background(), old.(*sqlite.DB))
			dir = copyDatabase(t, dir)
			release()
			<-done
			fallthrough
		default:
			if err := old.(*sqlite.DB).Close(); err != nil {
				return nil, err
			}
		}
		db, err := sqlite.Open(context.Background(), dir, sqlite.Options{Moved: true})
		if err == nil {
			prepare(db)
		}
		return db, err
	})
}

// copyDatabase copies a database that is idle, or closed, and returns the new folder. Of an open one the copy has what
// a process that is killed would leave.
func copyDatabase(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{"curfew.db", "curfew.db-wal"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}
