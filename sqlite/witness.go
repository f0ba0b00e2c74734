package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// witness is a file beside the database that says how far the database has been. A database that is not as far as that is an
// older one. The file also says when it was made itself, which no program can set: so a copy of it is known for one.
type witness struct {
	Birth     string `json:"birth"`               // of this very file, see births
	Clock     int64  `json:"clock"`               // the latest time that the database has had a change of
	Restoring bool   `json:"restoring,omitempty"` // the database is being replaced
}

// witnessEvery is how often the witness follows the database: a database older than it by less may pass for the present one, but only
// if the process was killed meanwhile, for one that starts or stops writes it too.
const witnessEvery = 30 * time.Second

// readWitness reads the witness of the folder. It reports whether there is one that was made here.
func readWitness(dir string) (w witness, found, original bool, err error) {
	f, err := os.Open(filepath.Join(dir, witnessName))
	if errors.Is(err, fs.ErrNotExist) {
		return w, false, false, nil
	}
	if err != nil {
		return w, false, false, fmt.Errorf("the witness of the database can't be read: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return w, false, false, fmt.Errorf("the witness of the database can't be read: %w", err)
	}
	if json.Unmarshal(text, &w) != nil {
		return witness{}, true, false, nil // we wrote no such thing
	}
	is, err := births(f)
	return w, true, slices.Contains(is, w.Birth), err
}

// write makes the witness anew, on the disk. It takes the place of the one before as a whole.
func (w witness) write(dir string) (err error) {
	path := filepath.Join(dir, witnessName)
	making := path + ".new"
	if err := os.Remove(making); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(making, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(making)
		}
	}()
	if err := errors.Join(w.writeTo(f), sameOwner(dir, f), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(making, path); err != nil {
		return err
	}
	return syncFolder(dir)
}

func (w witness) writeTo(f *os.File) error {
	is, err := births(f)
	if err != nil {
		return err
	}
	w.Birth = is[0]
	return json.NewEncoder(f).Encode(w)
}

// sameOwner gives a file that root has made to the folder's owner, who runs the server.
func sameOwner(dir string, f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	var folder, file unix.Stat_t
	if err := errors.Join(unix.Stat(dir, &folder), unix.Fstat(int(f.Fd()), &file)); err != nil {
		return err
	}
	if folder.Uid == file.Uid {
		return nil
	}
	return f.Chown(int(folder.Uid), int(folder.Gid))
}

// syncFolder has the disk keep the names that are in the folder now.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// testify brings the witness up to date, if there were changes since.
func (db *DB) testify() error {
	var clock int64
	if err := db.lookups.records().row(context.Background(), "SELECT at FROM clock").Scan(&clock); err != nil {
		return err
	}
	if clock == db.testified {
		return nil // the disk of an idle machine may sleep
	}
	if err := (witness{Clock: clock}).write(db.dir); err != nil {
		return err
	}
	db.testified = clock
	return nil
}

// keepWitness does testify now and then, until stop is closed. If it can't, as on a full disk, the witness stays at what was true
// before, which is true still.
func (db *DB) keepWitness() {
	defer close(db.stopped)
	t := time.NewTicker(witnessEvery)
	defer t.Stop()
	for {
		select {
		case <-db.stop:
			return
		case <-t.C:
			_ = db.testify()
		}
	}
}
