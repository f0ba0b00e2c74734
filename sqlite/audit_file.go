package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/curfewhq/curfew/audit"
)

// AuditFile is the audit log of a data folder in which nothing is changed: the sessions of a copy, say, don't end as they do in Open. Its
// methods may be called from many goroutines.
type AuditFile struct {
	audit.Reader
	db   *sql.DB
	lock *os.File // nil if the folder has none
	made string   // what SQLite has made beside the file; empty for nothing
}

// OpenAudit opens the audit log in the folder, unless another process has the database open (ErrOwned). All that it needs to do is read, but
// a write-ahead log, which a process leaves that was killed, is brought to the disk first, so that nothing is told which a loss of power would undo;
// and SQLite writes its index of that beside it, FileName-shm.
func OpenAudit(ctx context.Context, dir string) (*AuditFile, error) {
	lock, err := share(dir)
	if err != nil {
		return nil, err
	}
	f := &AuditFile{lock: lock}
	if err := f.open(ctx, filepath.Join(dir, FileName)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *AuditFile) open(ctx context.Context, path string) (err error) {
	if err := checkPair(path); err != nil {
		return err
	}
	if err := syncLeft(path); err != nil && !isForReading(err) {
		return ofDatabase(path, fmt.Errorf("can't be brought to the disk: %w", err))
	}
	name := dsn(path, "ro")
	if !hasData(path+"-wal") && !hasData(path+"-journal") {
		name += "&immutable=1" // else SQLite would make an empty log
	} else if !exists(path + "-shm") {
		f.made = path + "-shm"
	}
	if f.db, err = sql.Open("sqlite", name); err != nil {
		return err
	}
	f.Reader = &DB{reads: reader{DB: f.db}}
	if err = checkVersion(ctx, f.db); err == nil {
		_, err = f.AuditEnd(ctx)
	}
	if err != nil {
		return ofDatabase(path, err)
	}
	return nil
}

// isForReading reports that a file system is only for reading, so that nothing is to be synced.
func isForReading(err error) bool { return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EROFS) }

// Close closes the file.
func (f *AuditFile) Close() error {
	var err error
	if f.db != nil {
		err = f.db.Close()
	}
	if f.made != "" && exists(f.made) {
		err = errors.Join(err, os.Remove(f.made))
	}
	if f.lock != nil {
		err = errors.Join(err, f.lock.Close())
	}
	return err
}

// share keeps other processes from owning the folder until the file is closed. A folder without a lock is nobody's.
func share(dir string) (*os.File, error) {
	f, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the data folder can't be read: %w", err)
	}
	if err := lock(dir, f, unix.LOCK_SH); err != nil {
		return nil, err
	}
	return f, nil
}
