// Package sqlite keeps sessions and accounts in one SQLite file, which one process owns.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/curfewhq/curfew"
)

// DB is an open database: a curfew.Store and an account.Store. Its methods may be called from many goroutines.
type DB struct {
	writer  *writer
	reads   reader // for lists and counts, which may be slow
	lookups reader // for the rest, which needs not wait for those
	find    find
	lock    *os.File
	effort  effort

	dir           string
	restored      *Restored     // what was found at the opening
	testified     int64         // the clock that the witness has
	stop, stopped chan struct{} // of what keeps the witness
	closing       sync.Once
	closed        error // what Close returns
}

var _ curfew.Store = (*DB)(nil)

// Names of what is in the data folder. SQLite puts FileName-wal and FileName-shm beside it.
const (
	FileName    = "curfew.db"
	lockName    = "curfew.lock"
	witnessName = "curfew.witness"
)

// Options configure a DB. The zero Options mean the defaults.
type Options struct {
	// AnyFilesystem opens a file on a network or FUSE file system too, whose locks and syncs may be no more than
	// polite fiction.
	AnyFilesystem bool
	// Moved lets sessions go on in a database that was copied here: see Restored. Say so only of one that nobody has used since it was copied,
	// neither here nor where it came from.
	Moved bool
	// Now is the wall clock; nil means time.Now. It is asked only for when the sessions of a restored database end.
	Now func() time.Time
}

func (opt Options) now() time.Time {
	if opt.Now == nil {
		return time.Now()
	}
	return opt.Now()
}

// Open opens the database in the folder, and makes folder and database if there are none. Errors are for people
// to read; nothing is changed in a file that is damaged, newer than this program, or owned by another process
// (ErrOwned). If the database is a backup, a copy, or older than the one that was here, all its sessions have ended when Open returns: see
// DB.Restored.
func Open(ctx context.Context, dir string, opt Options) (*DB, error) {
	lock, err := enter(dir, opt)
	if err != nil {
		return nil, err
	}
	db, err := open(ctx, dir)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	db.lock, db.dir = lock, dir
	db.stop, db.stopped = make(chan struct{}), make(chan struct{})
	if err := db.settle(ctx, opt); err != nil {
		return nil, errors.Join(err, db.close())
	}
	go db.keepWitness()
	return db, nil
}

// enter makes this process the owner of the folder.
func enter(dir string, opt Options) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the data folder can't be made: %w", err)
	}
	if !opt.AnyFilesystem { // first, since locks may not work there either
		if err := checkFilesystem(dir); err != nil {
			return nil, err
		}
	}
	return own(dir)
}

func open(ctx context.Context, dir string) (*DB, error) {
	path := filepath.Join(dir, FileName)
	if w, _, _, err := readWitness(dir); err != nil {
		return nil, err
	} else if w.Restoring {
		return nil, fmt.Errorf("%w: %s", ErrNotRestored, dir)
	}
	if err := inspect(ctx, path); err != nil {
		return nil, err
	}
	if err := errors.Join(private(path), deleteLeftovers(dir)); err != nil {
		return nil, err
	}
	if err := receive(ctx, path); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := secureLog(ctx, path); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db, err := connect(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// connect opens the connections to the file.
func connect(ctx context.Context, path string) (db *DB, err error) {
	var open []*sql.DB
	pool := func(size int, dsn string) *sql.DB {
		p, openErr := sql.Open("sqlite", dsn)
		if openErr != nil {
			panic(openErr) // the driver's name is wrong
		}
		p.SetMaxOpenConns(size)
		p.SetMaxIdleConns(size)
		open = append(open, p)
		return p
	}
	defer func() {
		if err != nil {
			for _, p := range open {
				err = errors.Join(err, p.Close())
			}
		}
	}()
	writes := pool(1, dsn(path, "rwc", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", writeCache, undoInMemory))
	if err := prepare(ctx, writes); err != nil {
		return nil, err
	}
	reads := func() reader { return reader{DB: pool(readers, dsn(path, "rw", "query_only(1)"))} }
	db = &DB{effort: usualEffort, reads: reads(), lookups: reads()}
	if db.find, err = prepareFind(ctx, db.lookups.DB); err != nil {
		return nil, err
	}
	if db.writer, err = newWriter(ctx, writes, path); err != nil {
		return nil, err
	}
	db.reads.syncer, db.lookups.syncer = db.writer.syncer, db.writer.syncer
	return db, nil
}

// readers is how many may read at once, for each of two purposes.
const readers = 4

// writeCache lets the connection that writes keep 64 MB of pages: each row that it moves is in ten places of the file.
const writeCache = "cache_size(-65536)"

// undoInMemory keeps the pages by which a statement or a savepoint is undone in memory: in a file, the default, each costs a
// system call, and they were a quarter of all the work.
const undoInMemory = "temp_store(MEMORY)"

func dsn(path, mode string, pragmas ...string) string {
	q := url.Values{"mode": {mode}, "_pragma": append(pragmas, "busy_timeout(5000)")}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
}

// prepare brings the schema up to date, and makes sure that each commit of that is on the disk before the next one begins.
func prepare(ctx context.Context, db *sql.DB) error {
	m, err := migrator(db)
	if err != nil {
		return err
	}
	if _, err := m.Up(ctx); err != nil {
		return err
	}
	// Whatever the version says, what every query needs must be there.
	if _, err := db.ExecContext(ctx, "SELECT 1 FROM session, history, person_word, device_word, total, clock, account, api_key, audit, audit_start LIMIT 0"); err != nil {
		return damaged(err)
	}
	var journal string
	var synchronous int
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&journal); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&synchronous); err != nil {
		return err
	}
	const full = 2
	if journal != "wal" || synchronous != full {
		return fmt.Errorf("commits would not be durable here (journal_mode %s, synchronous %d)", journal, synchronous)
	}
	return nil
}

// Failed is closed when the disk has failed under a write. What is on it is then unknown, and every later write is
// refused: the program should stop, and start again when the disk is well.
func (db *DB) Failed() <-chan struct{} { return db.writer.syncer.failed }

// Close finishes what is being written and closes the file. Close does no harm twice: it returns what it did the first time.
func (db *DB) Close() error {
	db.closing.Do(func() {
		close(db.stop)
		<-db.stopped
		db.closed = errors.Join(db.writer.close(), db.testify(), db.closeReaders())
	})
	return db.closed
}

// close is Close for a database that was not opened wholly.
func (db *DB) close() error { return errors.Join(db.writer.close(), db.closeReaders()) }

func (db *DB) closeReaders() error {
	return errors.Join(db.reads.Close(), db.lookups.Close(), db.lock.Close())
}
