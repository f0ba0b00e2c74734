package sqlite_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/sqlite"
)

// TestPing asks a store that is well, one whose writer waits for another program, and one that is closed.
func TestPing(t *testing.T) {
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		info, err := os.Stat(filepath.Join(dir, sqlite.FileName+"-wal"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before := size()
	if err := db.Ping(t.Context()); err != nil || size() != before {
		t.Errorf("Ping: %v; it wrote %d bytes", err, size()-before)
	}
	hold(t, dir, func() {
		answer := make(chan error, 1)
		go func() { answer <- db.Ping(t.Context()) }()
		select {
		case err := <-answer:
			t.Errorf("while another program writes Ping returns %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); curfew.ErrorCode(err) == curfew.CodeOK {
		t.Error("a closed store answers")
	}
}

// hold runs f while another program has the lock of the database.
func hold(t *testing.T, dir string, f func()) {
	t.Helper()
	other, err := sql.Open("sqlite", filepath.Join(dir, sqlite.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetMaxOpenConns(1)
	if _, err := other.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	f()
	if _, err := other.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
}
