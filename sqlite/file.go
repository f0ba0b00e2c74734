package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// ErrOwned says that another process has the database open.
var ErrOwned = errors.New("the data folder is in use by another Curfew")

// lockWithin is how long a lock is waited for that the owner before may have given up already: a program that it was just starting holds
// a copy of it, from fork to exec.
const (
	lockWithin = time.Second
	lockEvery  = 10 * time.Millisecond
)

// own takes the lock that makes this process the owner of the folder, until the file is closed or the process ends.
func own(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data folder can't be written: %w", err)
	}
	if err := sameOwner(dir, f); err != nil {
		return nil, errors.Join(fmt.Errorf("the data folder can't be written: %w", err), f.Close())
	}
	if err := lock(dir, f, unix.LOCK_EX); err != nil {
		return nil, err
	}
	return f, nil
}

// lock locks the folder by its file, alone or shared. It closes the file if it can't.
func lock(dir string, f *os.File, how int) error {
	switch err := flock(f, how); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return errors.Join(fmt.Errorf("%w: %s", ErrOwned, dir), f.Close())
	case err != nil:
		return errors.Join(fmt.Errorf("lock the data folder: %w", err), f.Close())
	}
	return nil
}

func flock(f *os.File, how int) error {
	late := time.Now().Add(lockWithin)
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(late) {
			return err
		}
		time.Sleep(lockEvery)
	}
}

// private makes the file, if there is none, and keeps it for this user alone. SQLite gives the files beside it the same mode.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("the database can't be written: %w", err)
	}
	return errors.Join(f.Chmod(0o600), sameOwner(filepath.Dir(path), f), f.Close())
}

// quickCheckSize is the size up to which a file is checked for damage whole, which takes about a second.
const quickCheckSize = 256 << 20

// inspect looks at an existing file without changing it, and says what is wrong with it.
func inspect(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("the database can't be read: %w", err)
	case info.Mode()&fs.ModeSymlink != 0: // the lock is on this folder, and another could have a link too
		return fmt.Errorf("the database %s is a symbolic link; link the folder instead", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("the database %s is not a regular file", path)
	case info.Size() == 0 && hasData(path+"-wal"): // SQLite would delete the log, and begin anew
		return ofDatabase(path, damaged(errors.New("the file is empty, but its write-ahead log is not")))
	}
	if err := checkPair(path); err != nil {
		return err
	}
	mode := "ro"
	if hasData(path + "-journal") {
		// A process died while it made the database, before there was a write-ahead log. What it began must be undone.
		mode = "rw"
	}
	db, err := sql.Open("sqlite", dsn(path, mode))
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if err := checkVersion(ctx, db); err != nil {
		return ofDatabase(path, err)
	}
	if info.Size() > quickCheckSize {
		return nil
	}
	if err := checkPages(ctx, db, "quick_check"); err != nil {
		return ofDatabase(path, err)
	}
	return nil
}

// checkPages has SQLite check the file: by integrity_check, or by quick_check, which passes over whether indexes fit their tables.
func checkPages(ctx context.Context, db *sql.DB, pragma string) error {
	var result string
	if err := db.QueryRowContext(ctx, "PRAGMA "+pragma+"(1)").Scan(&result); err != nil {
		return damaged(err)
	}
	if result != "ok" {
		return damaged(errors.New(lastLine(result)))
	}
	return nil
}

// secureLog brings to the disk what is in a write-ahead log that was left here, by a process that was killed, or whose disk failed. The system may have it in
// memory alone, and take some of it for written that is not. So it goes into the database itself, and the log begins anew: what is committed from now on would
// be lost behind a gap. A program that reads meanwhile, such as one that copies, may keep some of it in the log, which is synced.
func secureLog(ctx context.Context, path string) error {
	if !hasData(path + "-wal") {
		return nil
	}
	if err := syncLeft(path); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(path, "rw", "synchronous(FULL)"))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
	return errors.Join(err, db.Close())
}

// syncLeft syncs the write-ahead log that was left beside a database, if there is one. It changes nothing in it.
func syncLeft(path string) error {
	log, err := os.Open(path + "-wal")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return errors.Join(syncLog(log), log.Close())
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func hasData(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// damaged says that what is read is not a database of ours. A file that SQLite could not open at all has not been read.
func damaged(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code()&0xff == sqlitelib.SQLITE_CANTOPEN {
		return fmt.Errorf("can't be opened: %w", err)
	}
	return &damage{err}
}

// damage is what was found wrong with a file.
type damage struct{ err error }

func (d *damage) Error() string { return "is damaged: " + d.err.Error() }
func (d *damage) Unwrap() error { return d.err }

// ofDatabase says that an error is about the database that is to be opened, and what helps.
func ofDatabase(path string, err error) error {
	if d, ok := errors.AsType[*damage](err); ok {
		return fmt.Errorf("the database %s is damaged; restore it from a backup: %w", path, d.err)
	}
	return fmt.Errorf("the database %s %w", path, err)
}

// lastLine is the part of a check's result that says where.
func lastLine(s string) string { return s[strings.LastIndexByte(s, '\n')+1:] }

// checkVersion refuses a database that a newer Curfew has migrated.
func checkVersion(ctx context.Context, db *sql.DB) error {
	var exists bool
	const table = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'goose_db_version')"
	if err := db.QueryRowContext(ctx, table).Scan(&exists); err != nil {
		return damaged(err)
	}
	if !exists {
		return checkEmpty(ctx, db)
	}
	var has int64
	const version = "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied"
	if err := db.QueryRowContext(ctx, version).Scan(&has); err != nil {
		return damaged(err)
	}
	if knows := newestMigration(); has > knows {
		return fmt.Errorf("is of a newer Curfew (schema %d, this one knows %d); upgrade Curfew", has, knows)
	}
	return nil
}

// checkEmpty refuses the database of another program.
func checkEmpty(ctx context.Context, db *sql.DB) error {
	var tables int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return damaged(err)
	}
	if tables > 0 {
		return errors.New("is another program's")
	}
	return nil
}
