package sqlite_test

import (
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"modernc.org/libc"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/curfewhq/curfew/sqlite"
)

// disk records what SQLite does to the files of a folder, and tells what may be left of them when the power goes.
type disk struct {
	dir string

	mu      sync.Mutex
	names   map[string]*inode // the files there are
	first   map[string]*inode // those there were when the recording began
	log     []change
	relaxed bool          // the package's own syncs do nothing
	takes   time.Duration // each of them
}

// inode is a file, under whatever name or none.
type inode struct{ first []byte }

// change is one thing that was done. What the disk must keep from then on is what was synced.
type change struct {
	kind   changeKind
	name   string
	file   *inode
	offset int64
	data   []byte
	no     int // how many changes there were before it
	begun  int // of a sync: how many when it began, which are those that it brings to the disk
}

type changeKind int

const (
	created changeKind = iota
	deleted
	syncedFolder
	written
	truncated // to offset
	syncedFile
)

// sector is how much a disk writes whole.
const sector = 512

// record records what happens to the database in the folder, until stop is called.
func record(t *testing.T, dir string) *disk {
	t.Helper()
	d := &disk{dir: dir, names: map[string]*inode{}}
	for _, name := range []string{"curfew.db", "curfew.db-wal", "curfew.db-journal"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		d.names[name] = &inode{data}
	}
	d.first = maps.Clone(d.names)
	recorder.add(d)
	return d
}

func (d *disk) stop() { recorder.remove(d) }

// changes is how many changes there were so far.
func (d *disk) changes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.log)
}

func (d *disk) note(c change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, c)
}

// open returns the file with the name, which may be new.
func (d *disk) open(name string) *inode {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[name]
	if f == nil {
		f = &inode{}
		d.names[name] = f
		d.log = append(d.log, change{kind: created, name: name, file: f})
	}
	return f
}

// relax has only those syncs done that SQLite thinks it can't do without.
func (d *disk) relax() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.relaxed = true
}

// slow has each sync by the package take some time.
func (d *disk) slow(takes time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.takes = takes
}

// sync is a sync of the log by the package, past SQLite.
func (d *disk) sync(log string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	begun := len(d.log)
	d.mu.Unlock()
	time.Sleep(d.takes)
	d.mu.Lock()
	if !d.relaxed {
		d.log = append(d.log, change{kind: syncedFile, file: d.names[log], begun: begun})
	}
}

func (d *disk) remove(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.names, name)
	d.log = append(d.log, change{kind: deleted, name: name})
}

// remains is what a disk may have if the power goes after so many changes: all that was synced, and of the rest
// some, in sectors and without regard to order. The folder keeps the order of its own changes, as journals do.
func (d *disk) remains(changes int, r *rand.Rand) map[string][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	names, unsyncedNames := maps.Clone(d.first), []change(nil)
	files, unsynced := map[*inode][]byte{}, map[*inode][]change{}
	for _, f := range d.first {
		files[f] = slices.Clone(f.first)
	}
	all := func() bool { return true }
	for no, c := range d.log[:changes] {
		c.no = no
		switch c.kind {
		case created, deleted:
			unsyncedNames = append(unsyncedNames, c)
		case written, truncated:
			unsynced[c.file] = append(unsynced[c.file], c)
		case syncedFolder:
			rename(names, unsyncedNames)
			unsyncedNames = nil
		case syncedFile:
			late := slices.IndexFunc(unsynced[c.file], func(w change) bool { return w.no >= c.begun })
			if late < 0 {
				late = len(unsynced[c.file])
			}
			files[c.file] = rewritten(files[c.file], unsynced[c.file][:late], all)
			unsynced[c.file] = unsynced[c.file][late:]
		}
	}
	share := []float64{0, 0.5, r.Float64(), 1}[r.IntN(4)]
	lucky := func() bool { return r.Float64() < share }
	rename(names, unsyncedNames[:int(share*float64(len(unsyncedNames)))])
	left := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		f := names[name]
		left[name] = rewritten(files[f], unsynced[f], lucky)
	}
	return left
}

func rename(names map[string]*inode, changes []change) {
	for _, c := range changes {
		if c.kind == deleted {
			delete(names, c.name)
		} else {
			names[c.name] = c.file
		}
	}
}

// rewritten makes those changes to the data, sector by sector, that the disk came to.
func rewritten(data []byte, changes []change, done func() bool) []byte {
	for _, c := range changes {
		if c.kind == truncated {
			if done() {
				data = resized(data, int(c.offset))
			}
			continue
		}
		for from, to := int(c.offset), 0; len(c.data) > 0; from = to {
			to = min(from/sector*sector+sector, from+len(c.data))
			if done() {
				data = resized(data, max(len(data), to))
				copy(data[from:to], c.data)
			}
			c.data = c.data[to-from:]
		}
	}
	return data
}

func resized(data []byte, n int) []byte {
	if n <= len(data) {
		return data[:n]
	}
	return append(data, make([]byte, n-len(data))...)
}

// layer is a VFS of SQLite over its usual one. It shows what is done to recorded folders to their disks, and spares
// them the syncs.
type layer struct {
	below *sqlitelib.Tsqlite3_vfs

	mu      sync.Mutex
	disks   map[string]*disk
	files   map[uintptr]*file
	methods map[uintptr]uintptr // for each of the usual VFS's tables of methods, one that records
}

// file is an open file.
type file struct {
	*disk
	*inode
	below       *sqlitelib.Tsqlite3_io_methods
	syncsFolder bool // with its next sync, as SQLite does for a log or journal that may be new
}

var recorder = &layer{disks: map[string]*disk{}, files: map[uintptr]*file{}, methods: map[uintptr]uintptr{}}

func (l *layer) add(d *disk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.below == nil {
		l.register()
	}
	l.disks[d.dir] = d
}

func (l *layer) remove(d *disk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.disks, d.dir)
}

// register makes the layer the default, for good: databases in other folders don't notice.
func (l *layer) register() {
	tls := libc.NewTLS()
	defer tls.Close()
	below := sqlitelib.Xsqlite3_vfs_find(tls, 0)
	above := duplicate[sqlitelib.Tsqlite3_vfs](tls, below)
	l.below = at[sqlitelib.Tsqlite3_vfs](below)
	at[sqlitelib.Tsqlite3_vfs](above).FxOpen = address(layerOpen)
	at[sqlitelib.Tsqlite3_vfs](above).FxDelete = address(layerDelete)
	if sqlitelib.Xsqlite3_vfs_register(tls, above, 1) != sqlitelib.SQLITE_OK {
		panic("the layer can't be registered")
	}
}

// opened takes note of an open file, if it is one of a recorded folder.
func (l *layer) opened(tls *libc.TLS, path string, pFile uintptr, flags int32) {
	const kinds = sqlitelib.SQLITE_OPEN_MAIN_DB | sqlitelib.SQLITE_OPEN_MAIN_JOURNAL | sqlitelib.SQLITE_OPEN_WAL
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.disks[filepath.Dir(path)]
	if d == nil || flags&kinds == 0 {
		return
	}
	methods := &at[sqlitelib.Tsqlite3_file](pFile).FpMethods
	isNew := flags&sqlitelib.SQLITE_OPEN_CREATE != 0 && flags&sqlitelib.SQLITE_OPEN_MAIN_DB == 0
	l.files[pFile] = &file{d, d.open(filepath.Base(path)), at[sqlitelib.Tsqlite3_io_methods](*methods), isNew}
	*methods = l.recording(tls, *methods)
}

// recording is a table of methods that records and then does as the given one. The caller holds l.mu.
func (l *layer) recording(tls *libc.TLS, below uintptr) uintptr {
	if l.methods[below] == 0 {
		l.methods[below] = duplicate[sqlitelib.Tsqlite3_io_methods](tls, below)
		m := at[sqlitelib.Tsqlite3_io_methods](l.methods[below])
		m.FxWrite, m.FxTruncate = address(layerWrite), address(layerTruncate)
		m.FxSync, m.FxClose = address(layerSync), address(layerClose)
	}
	return l.methods[below]
}

func (l *layer) file(pFile uintptr) *file {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.files[pFile]
}

func init() {
	sqlite.OnSync(func(log *os.File, sync func(*os.File) error) error {
		if d := recorder.diskOf(log.Name()); d != nil {
			d.sync(filepath.Base(log.Name()))
			return nil
		}
		return syncs.do(log, sync)
	})
}

func (l *layer) diskOf(path string) *disk {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.disks[filepath.Dir(path)]
}

func layerOpen(tls *libc.TLS, _, zName, pFile uintptr, flags int32, pOutFlags uintptr) int32 {
	rc := method[func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32](recorder.below.FxOpen)(
		tls, uintptr(unsafe.Pointer(recorder.below)), zName, pFile, flags, pOutFlags)
	if rc == sqlitelib.SQLITE_OK && zName != 0 {
		recorder.opened(tls, libc.GoString(zName), pFile, flags)
	}
	return rc
}

func layerDelete(tls *libc.TLS, _, zName uintptr, syncDir int32) int32 {
	rc := method[func(*libc.TLS, uintptr, uintptr, int32) int32](recorder.below.FxDelete)(
		tls, uintptr(unsafe.Pointer(recorder.below)), zName, syncDir)
	path := libc.GoString(zName)
	d := recorder.diskOf(path)
	if rc != sqlitelib.SQLITE_OK || d == nil {
		return rc
	}
	d.remove(filepath.Base(path))
	if syncDir != 0 {
		d.note(change{kind: syncedFolder})
	}
	return rc
}

func layerWrite(tls *libc.TLS, pFile, data uintptr, n int32, offset int64) int32 {
	f := recorder.file(pFile)
	rc := method[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](f.below.FxWrite)(tls, pFile, data, n, offset)
	if rc == sqlitelib.SQLITE_OK {
		f.note(change{kind: written, file: f.inode, offset: offset, data: slices.Clone(unsafe.Slice(at[byte](data), n))})
	}
	return rc
}

func layerTruncate(tls *libc.TLS, pFile uintptr, size int64) int32 {
	f := recorder.file(pFile)
	rc := method[func(*libc.TLS, uintptr, int64) int32](f.below.FxTruncate)(tls, pFile, size)
	if rc == sqlitelib.SQLITE_OK {
		f.note(change{kind: truncated, file: f.inode, offset: size})
	}
	return rc
}

func layerSync(_ *libc.TLS, pFile uintptr, _ int32) int32 {
	f := recorder.file(pFile)
	f.note(change{kind: syncedFile, file: f.inode, begun: f.changes()})
	if f.syncsFolder {
		f.syncsFolder = false
		f.note(change{kind: syncedFolder})
	}
	return sqlitelib.SQLITE_OK
}

func layerClose(tls *libc.TLS, pFile uintptr) int32 {
	f := recorder.file(pFile)
	recorder.mu.Lock()
	delete(recorder.files, pFile)
	recorder.mu.Unlock()
	return method[func(*libc.TLS, uintptr) int32](f.below.FxClose)(tls, pFile)
}

// at is the value at an address of SQLite's memory, which Go doesn't manage.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

// duplicate copies a value into memory of SQLite's, for good.
func duplicate[T any](tls *libc.TLS, p uintptr) uintptr {
	to := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(*at[T](p))))
	*at[T](to) = *at[T](p)
	return to
}

// method is the function that SQLite's pointer means.
func method[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&struct{ uintptr }{p})) }

// address is SQLite's pointer to a function of the package.
func address[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }
