package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// Restored says of a database that was opened that it is not simply the one of last time: it was put here from a backup or in some
// other way, or is older than the one that was here. What its sessions and API keys have come to since, nobody knows; so the ones have ended,
// and the others are revoked.
type Restored struct {
	Why      string    // how that shows, in words
	At       time.Time // when its sessions ended
	Sessions int       // how many that were; those whose own time was over aren't counted
	Keys     int       // how many API keys were revoked with them
}

// Restored returns what was found when the database was opened, or nil if it is the one of last time.
func (db *DB) Restored() *Restored { return db.restored }

// ErrNotRestored says that the process that restored the folder's database was stopped in the middle of it.
var ErrNotRestored = errors.New("a restore was begun here and not finished; run curfew restore again")

// settle makes sure that no session is live which ended after this database was copied, and has the witness speak of this one.
func (db *DB) settle(ctx context.Context, opt Options) error {
	var clock, id int64
	if err := db.lookups.records().row(ctx, "SELECT at FROM clock").Scan(&clock); err != nil {
		return err
	}
	if err := db.lookups.row(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	w, found, original, err := readWitness(db.dir)
	if err != nil {
		return err
	}
	why := suspicion(id, clock, w, found, original)
	if clock == 0 || opt.Moved { // of an empty database nothing can be old
		why = ""
	}
	if why != "" {
		if err := db.endRestored(ctx, why, later(later(opt.now(), fromMilli(clock)), fromMilli(w.Clock))); err != nil {
			return err
		}
		clock = db.restored.At.UnixMilli()
	}
	if err := (witness{Clock: clock}).write(db.dir); err != nil {
		return fmt.Errorf("the witness of the database can't be written: %w", err)
	}
	db.testified = clock
	if why != "" || id == idLive {
		return nil
	}
	// Only now: a database that says it has a witness, and has none, was copied.
	return db.writer.write(ctx, fromMilli(clock), func(t *tx) error { return t.setID(idLive) })
}

// suspicion says why a database is not the one that was here, or nothing.
func suspicion(id, clock int64, w witness, found, original bool) string {
	switch {
	case id == idCopy || id == idOld:
		return "it is a backup"
	case found && !original:
		return "it is in a copy of its folder, or on another disk"
	case w.Clock > clock:
		return fmt.Sprintf("its last change is of %s, but there was one of %s here", fromMilli(clock).Format(time.RFC3339), fromMilli(w.Clock).Format(time.RFC3339))
	case id == idLive && !found:
		return "it was copied here without " + witnessName
	default:
		return ""
	}
}

// endRestored ends all sessions and revokes all API keys, in the transaction after which the database is no backup any more.
func (db *DB) endRestored(ctx context.Context, why string, at time.Time) error {
	r := &Restored{Why: why, At: fromMilli(milli(at))}
	err := db.writer.write(ctx, r.At, func(t *tx) (err error) {
		if r.Sessions, err = t.endEverybody("", curfew.Ending{Reason: curfew.ReasonRestored, At: r.At}, ""); err != nil {
			return err
		}
		if r.Keys, err = t.revokeAllKeys(r.At); err != nil {
			return err
		}
		t.note(r.At, audit.Record{Event: audit.Restored, Outcome: audit.Success, Count: r.Sessions, Note: why})
		return t.setID(idLive)
	})
	if err != nil {
		return fmt.Errorf("end the sessions of a restored database: %w", err)
	}
	db.restored = r
	return nil
}

// revokeAllKeys revokes the keys of all accounts.
func (t *tx) revokeAllKeys(at time.Time) (n int, err error) {
	rows, err := t.query("SELECT api_key.id, api_key.name, account.id, account.name FROM api_key JOIN account ON account.id = owner ORDER BY api_key.id")
	if err != nil {
		return 0, err
	}
	revoked, err := scanAll(rows, func(s scanner) (audit.Record, error) {
		r := audit.Record{Event: audit.KeyRevoked, Outcome: audit.Success, User: &audit.Party{}, Reason: string(curfew.ReasonRestored)}
		err := s.Scan(&r.Key, &r.Note, &r.User.ID, &r.User.Name)
		return r, err
	})
	if err != nil {
		return 0, err
	}
	for _, r := range revoked {
		t.note(at, r)
	}
	_, err = t.exec("DELETE FROM api_key")
	return len(revoked), err
}

func (t *tx) setID(id int64) error {
	_, err := t.exec(fmt.Sprintf("PRAGMA application_id = %d", id))
	return err
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// receive notes in a backup's own header that it is being opened, before there is a log beside it. So a backup with a log beside it is known for what
// it is: a file that somebody copied over another database, whose log would spoil it.
func receive(ctx context.Context, path string) error {
	id, err := idInFile(path)
	if err != nil || id != idCopy {
		return err
	}
	db, err := sql.Open("sqlite", dsn(path, "rw", "synchronous(FULL)"))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", idOld))
	return errors.Join(err, db.Close())
}

// checkPair refuses a backup that has the log of another database beside it.
func checkPair(path string) error {
	id, err := idInFile(path)
	if err != nil {
		return fmt.Errorf("the database can't be read: %w", err)
	}
	if id == idCopy && hasData(path+"-wal") {
		return fmt.Errorf("the database %s is a backup, but %s-wal beside it belongs to another one and would spoil it; use curfew restore", path, FileName)
	}
	return nil
}

// Restore puts a backup into a data folder that no process has open. The file may also be the database of another data folder that no process has
// open. All sessions in it end when it is opened. With replace a database that is in the folder already, damaged or not, is moved into a folder
// within it, whose path is returned; without, that is an error.
func Restore(ctx context.Context, file, dir string, replace bool, opt Options) (replaced string, err error) {
	if err := check(ctx, file, "quick_check"); err != nil {
		return "", err
	}
	lock, err := enter(dir, opt)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	path := filepath.Join(dir, FileName)
	if _, err := os.Lstat(path); err == nil && !replace {
		return "", fmt.Errorf("%w: %s", ErrOccupied, path)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := deleteLeftovers(dir); err != nil {
		return "", err
	}
	part := filepath.Join(dir, leftoverPrefix+"restore.db")
	if err := copyDatabase(ctx, file, part); err != nil {
		return "", fmt.Errorf("copy the backup: %w", err)
	}
	if err := giveAway(dir, part); err != nil {
		return "", errors.Join(err, os.Remove(part))
	}
	return putInPlace(dir, part)
}

// ErrOccupied says that there is a database where one is to be restored.
var ErrOccupied = errors.New("there is a database already")

// putInPlace puts a checked copy in the place of the folder's database. From the first step to the last the folder can't be opened.
func putInPlace(dir, part string) (replaced string, err error) {
	w, _, _, err := readWitness(dir)
	if err != nil {
		return "", err
	}
	w.Restoring = true
	if err := w.write(dir); err != nil {
		return "", err
	}
	if replaced, err = setAside(dir); err != nil {
		return "", err
	}
	if err := os.Rename(part, filepath.Join(dir, FileName)); err != nil {
		return replaced, err
	}
	if err := syncFolder(dir); err != nil {
		return replaced, err
	}
	w.Restoring = false // but its clock stays: the database's will go on from there
	return replaced, w.write(dir)
}

// setAside moves what there is of a database into a new folder, and returns that.
func setAside(dir string) (aside string, err error) {
	for _, suffix := range []string{"-journal", "-wal", "-shm", ""} {
		name := FileName + suffix
		if !exists(filepath.Join(dir, name)) {
			continue
		}
		if aside == "" {
			if aside, err = os.MkdirTemp(dir, "replaced-"+time.Now().UTC().Format("20060102T150405Z")+"-"); err != nil {
				return "", err
			}
		}
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(aside, name)); err != nil {
			return aside, err
		}
	}
	return aside, nil
}

// giveAway gives a file to the folder's owner.
func giveAway(dir, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(sameOwner(dir, f), f.Close())
}
