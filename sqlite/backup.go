package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"modernc.org/sqlite"
)

// The application ID of a database, which is in its header, says what it is (sqlite.org/fileformat2.html, 1.3.14).
const (
	idNone = 0          // made before there were such IDs, or a moment ago
	idLive = 0x43726677 // "Crfw": a witness is beside it
	idCopy = 0x43726662 // "Crfb": a backup, which nobody has opened yet
	idOld  = 0x4372666f // "Crfo": a backup that is being opened: its sessions have yet to end
)

// headerID is where the application ID is in a file, and backupPages how much of a database is copied at once: a megabyte.
const (
	headerID    = 68
	backupPages = 256
)

// Backup writes a copy of the database to a new file in the data folder, which is on the disk when Backup returns, and returns its path. The copy is
// of one moment; nobody waits for it. If it is ever opened as a database, all its sessions end before anything else. The caller moves or deletes
// the file; what is left is deleted when the folder is opened the next time.
func (db *DB) Backup(ctx context.Context) (file string, err error) {
	file = filepath.Join(db.dir, leftoverPrefix+rand.Text()+".db")
	if err := copyDatabase(ctx, filepath.Join(db.dir, FileName), file); err != nil {
		return "", fmt.Errorf("back up the database: %w", err)
	}
	if err := db.reads.records().settled(ctx, nil); err != nil {
		return "", fmt.Errorf("back up the database: %w", errors.Join(err, os.Remove(file)))
	}
	return file, nil
}

// copyDatabase writes a copy of a database to a new file, marked as such.
func copyDatabase(ctx context.Context, from, to string) (err error) {
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			err = errors.Join(err, os.Remove(to))
		}
	}()
	if err := copyPages(ctx, from, to); err != nil {
		return err
	}
	if err := markCopy(ctx, to); err != nil {
		return err
	}
	return f.Sync()
}

// copyPages copies a database as it is at one moment, whatever is changed meanwhile.
func copyPages(ctx context.Context, from, to string) error {
	db, err := sql.Open("sqlite", dsn(from, "ro"))
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// A transaction that has read something sees nothing that is committed later. Without one, each commit would have the copy begin anew.
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	var tables int
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	err = conn.Raw(func(driver any) error {
		source := driver.(interface {
			NewBackup(string) (*sqlite.Backup, error)
		})
		b, err := source.NewBackup(dsn(to, "rw", "journal_mode(OFF)", "synchronous(OFF)"))
		if err != nil {
			return err
		}
		return errors.Join(stepAll(ctx, b), b.Finish())
	})
	_, end := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	return errors.Join(err, end)
}

// stepAll copies all pages, and lets others run in between.
func stepAll(ctx context.Context, b *sqlite.Backup) error {
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if more, err = b.Step(backupPages); err != nil {
			return err
		}
		runtime.Gosched()
	}
	return nil
}

// markCopy says in a copy that it is one. It is then one file, with no log beside it.
func markCopy(ctx context.Context, file string) error {
	db, err := sql.Open("sqlite", dsn(file, "rw", "synchronous(OFF)"))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	for _, statement := range []string{"PRAGMA journal_mode = DELETE", fmt.Sprintf("PRAGMA application_id = %d", idCopy)} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return errors.Join(err, db.Close())
		}
	}
	return db.Close()
}

// CheckBackup reads a backup whole, and returns an error unless it is an undamaged database of Curfew that this program can open. That takes half a
// minute with a million sessions, since each entry of each index is looked up.
func CheckBackup(ctx context.Context, file string) error { return check(ctx, file, "integrity_check") }

// check does one of SQLite's checks on a database and those of ours, without changing it.
func check(ctx context.Context, file, pragma string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("the backup %s %w", file, err)
		}
	}()
	if err := checkFile(file); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(file, "ro"))
	if err != nil {
		return err
	}
	defer db.Close()
	if err := checkVersion(ctx, db); err != nil {
		return err
	}
	if err := checkTables(ctx, db); err != nil {
		return err
	}
	if err := checkPages(ctx, db, pragma); err != nil {
		return err
	}
	return checkReferences(ctx, db)
}

// checkFile refuses what is not a file, before SQLite says only that it can't open it.
func checkFile(file string) error {
	const help = "name a file that curfew backup has written"
	switch info, err := os.Stat(file); {
	case err != nil:
		return fmt.Errorf("can't be read: %w; "+help, errors.Unwrap(err)) // without the path, which is said already
	case info.IsDir():
		return errors.New("is a folder; " + help)
	default:
		return nil
	}
}

// checkTables refuses a database without ours. To SQLite, an empty file is one.
func checkTables(ctx context.Context, db *sql.DB) error {
	var ours int
	const tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('session', 'account')"
	if err := db.QueryRowContext(ctx, tables).Scan(&ours); err != nil {
		return damaged(err)
	}
	if ours < 2 {
		return errors.New("holds no accounts and sessions of Curfew")
	}
	return nil
}

func checkReferences(ctx context.Context, db *sql.DB) error {
	var table string
	switch err := db.QueryRowContext(ctx, "SELECT \"table\" FROM pragma_foreign_key_check").Scan(&table); {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return damaged(err)
	default:
		return damaged(fmt.Errorf("%s refers to what is not there", table))
	}
}

// idInFile returns the application ID that is in a file's header, whatever the log beside it says.
func idInFile(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var id [4]byte
	switch _, err := f.ReadAt(id[:], headerID); {
	case errors.Is(err, io.EOF):
		return idNone, nil
	case err != nil:
		return 0, err
	}
	return int64(binary.BigEndian.Uint32(id[:])), nil
}

// leftoverPrefix begins the names of copies in the data folder.
const leftoverPrefix = "curfew-part-"

// deleteLeftovers deletes copies that a process did not live to hand over.
func deleteLeftovers(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), leftoverPrefix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
