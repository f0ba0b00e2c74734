package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// writer makes all changes, one after the other, in groups: what waits while a transaction is being made, or the one before it is on its
// way to the disk, goes together into the next one, so that one sync serves all.
type writer struct {
	db     *sql.DB
	tx     *tx
	syncer *syncer
	jobs   chan *job
	closed chan struct{} // no more jobs are taken
	idle   chan struct{} // the last job is done
	once   sync.Once
}

// groupSize is how many changes one transaction takes at most, so that nobody waits for more than those.
const groupSize = 512

// job is a change and its outcome.
type job struct {
	now    time.Time
	do     func(*tx) error
	start  *curfew.Record // instead of do: the session starts
	weight weight         // of what it does
	taken  atomic.Bool    // by the writer, to do it, or by who asked, to withdraw it
	err    error
	done   chan struct{}
}

var errClosed = &curfew.Error{Code: curfew.CodeUnavailable, Message: "the database is closed, or its disk has failed"}

// newWriter returns the writer of the database at the path, whose only connection that writes is db's.
func newWriter(ctx context.Context, db *sql.DB, path string) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{db: db, jobs: make(chan *job, groupSize), closed: make(chan struct{}), idle: make(chan struct{})}
	if err := w.open(ctx, conn, path); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	go w.run()
	return w, nil
}

func (w *writer) open(ctx context.Context, conn *sql.Conn, path string) (err error) {
	if w.tx, err = newTx(conn); err != nil {
		return err
	}
	// From here on the syncer sees to it that a commit is on the disk before anybody is told of it.
	if _, err := conn.ExecContext(ctx, "PRAGMA synchronous = NORMAL"); err != nil {
		return err
	}
	if w.syncer, err = newSyncer(path); err != nil {
		return err
	}
	w.tx.isAwaited = func() bool { return len(w.jobs) > 0 }
	w.tx.expose = w.syncer.expose
	return nil
}

// write makes a change, and returns when it is on the disk or not to be. An error of do undoes what do did.
func (w *writer) write(ctx context.Context, now time.Time, do func(*tx) error) error {
	return w.await(ctx, &job{now: now, do: do, weight: change, done: make(chan struct{})})
}

// writeTimely is write for what only time makes a change.
func (w *writer) writeTimely(ctx context.Context, now time.Time, do func(*tx) error) error {
	return w.await(ctx, &job{now: now, do: do, weight: timely, done: make(chan struct{})})
}

// start is write for a session that starts, which goes together with others that do.
func (w *writer) start(ctx context.Context, now time.Time, r *curfew.Record) error {
	return w.await(ctx, &job{now: now, start: r, weight: change, done: make(chan struct{})})
}

func (w *writer) await(ctx context.Context, j *job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-w.closed:
		return errClosed
	case <-w.idle:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	case w.jobs <- j:
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		<-j.done // it is happening: what comes of it is the answer
	case <-w.idle:
		if j.taken.CompareAndSwap(false, true) {
			return errClosed
		}
		<-j.done
	}
	return j.err
}

func (w *writer) close() error {
	w.once.Do(func() { close(w.closed) })
	<-w.idle
	return errors.Join(w.syncer.close(), w.tx.close(), w.db.Close())
}

// pace says when the work is done that nobody waits for.
type pace struct {
	first    int           // rows that move at once when everybody ends, so that for a few the history is complete
	step     int           // rows at once, later
	busy     int           // arrivals at once, while changes keep coming
	delay    time.Duration // after the last change
	every    time.Duration // while changes keep coming
	arrivals int           // with more than these, a step after each group of changes
	stay     int           // with more live sessions than these, the table of the ended ones is not emptied whole
}

var usualPace = pace{first: 100, step: 250, busy: 50, stay: 5000, delay: 20 * time.Millisecond, every: time.Second, arrivals: 200_000}

func (w *writer) run() {
	defer close(w.idle)
	defer w.syncer.last()
	last := time.Now() // when a chore was done
	delay := w.tx.pace.delay
	for {
		var pause <-chan time.Time
		if w.tx.hasChores() {
			pause = time.After(delay)
		}
		step := w.tx.pace.step
		select {
		case j := <-w.jobs:
			if isFatal(w.commit(w.group(j))) {
				return
			}
			delay = w.tx.pace.delay
			if step = w.tx.due(last); step == 0 {
				continue
			}
		case <-pause:
		case <-w.syncer.failed:
			return
		case <-w.closed:
			select {
			case j := <-w.jobs:
				w.commit(w.group(j))
			default:
			}
			return
		}
		err := w.chore(step)
		if isFatal(err) {
			return
		}
		last, delay = time.Now(), 0
		if err != nil {
			delay = w.tx.pace.every // the disk is full, say
		}
	}
}

// group takes all jobs that wait by now.
func (w *writer) group(first *job) []*job {
	jobs := []*job{first}
	for len(jobs) < groupSize {
		select {
		case j := <-w.jobs:
			jobs = append(jobs, j)
		default:
			return jobs
		}
	}
	return jobs
}

// commit does the jobs in one transaction, and has each told how it went. After a fatal error nothing is written any more, and who still waits
// is told by idle.
func (w *writer) commit(jobs []*job) error {
	err := w.syncer.failure()
	if err == nil {
		err = w.tx.group(jobs)
	}
	if isFatal(err) {
		w.syncer.fail()
	}
	if err != nil {
		for _, j := range jobs {
			j.err = unavailable(err)
		}
	}
	w.syncer.hand(jobs)
	return err
}

// chore does a step of the work that nobody waits for.
func (w *writer) chore(step int) (err error) {
	j := &job{weight: chore, done: make(chan struct{})}
	j.do = func(t *tx) error {
		err = t.chore(step)
		return err
	}
	return errors.Join(w.commit([]*job{j}), err)
}

// isFatal reports whether after the error nobody can know what is on the disk. A full disk is not that: SQLite
// undoes the transaction, and the next one may find room.
func isFatal(err error) bool {
	code := primaryCode(err)
	return code == sqlitelib.SQLITE_IOERR || code == sqlitelib.SQLITE_CORRUPT || code == sqlitelib.SQLITE_NOTADB
}

func primaryCode(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return sqlitelib.SQLITE_OK
	}
	return e.Code() & 0xff
}

func unavailable(err error) error {
	if primaryCode(err) == sqlitelib.SQLITE_FULL {
		return &curfew.Error{Code: curfew.CodeUnavailable, Message: "the disk is full", Err: err}
	}
	return &curfew.Error{Code: curfew.CodeUnavailable, Message: "the database failed", Err: err}
}

// tx is the connection that writes, within a transaction, and what is known in memory of the state it leads to.
type tx struct {
	conn       *sql.Conn
	statements map[string]*sql.Stmt
	appending  appending
	pace       pace
	isAwaited  func() bool  // whether another job waits
	expose     func(weight) // is called before a commit, see syncer
	rested     time.Time    // when the work at hand began, or went on
	arrivals   *arrivals
	lastSeq    int64 // the highest session.seq that was ever given in this process
	names      names
	fences     fences
	published  atomic.Pointer[fences] // those that are committed
	notes      []audit.Record         // for the audit log, written before the transaction is committed
	audited    audit.Mark             // the end of the audit log
	commits    []func()               // what is to be done when the transaction is committed
	rollbacks  []func()               // or undone, the latest first
}

func newTx(conn *sql.Conn) (*tx, error) {
	t := &tx{conn: conn, statements: map[string]*sql.Stmt{}, appending: appending{statements: map[string]driver.Stmt{}}, pace: usualPace, names: newNames()}
	err := errors.Join(t.loadArrivals(), t.loadFences(), t.loadLastSeq(), t.makeSurvivors(), t.loadAudited())
	t.committed()
	return t, err
}

func (t *tx) onCommit(f func())   { t.commits = append(t.commits, f) }
func (t *tx) onRollback(f func()) { t.rollbacks = append(t.rollbacks, f) }

func (t *tx) committed() {
	for _, f := range t.commits {
		f()
	}
	t.notes, t.commits, t.rollbacks = emptied(t.notes), emptied(t.commits), emptied(t.rollbacks)
}

// emptied returns the slice with room for as many as it had, and nothing in it.
func emptied[E any](s []E) []E {
	clear(s)
	return s[:0]
}

// mark is a point in a transaction to which it can be rolled back.
type mark struct{ notes, commits, rollbacks int }

func (t *tx) mark() mark { return mark{len(t.notes), len(t.commits), len(t.rollbacks)} }

func (t *tx) rolledBack(to mark) {
	for _, f := range slices.Backward(t.rollbacks[to.rollbacks:]) {
		f()
	}
	t.notes, t.commits, t.rollbacks = t.notes[:to.notes], t.commits[:to.commits], t.rollbacks[:to.rollbacks]
}

// due returns how many rows of the work that nobody waits for must go between changes that keep coming, when some were done last.
func (t *tx) due(last time.Time) int {
	overdue := time.Since(last) >= t.pace.every
	switch {
	case t.arrivals.len() >= t.pace.arrivals, overdue && len(t.fences) > 0:
		return t.pace.step
	case overdue && t.hasChores():
		return t.pace.busy
	}
	return 0
}

func (t *tx) hasChores() bool { return len(t.fences) > 0 || t.arrivals.len() > 0 }

// chore does a step of the work that nobody waits for: up to so many rows.
func (t *tx) chore(step int) error {
	if len(t.fences) > 0 {
		return t.moveFenced(step)
	}
	return t.index(step)
}

// group does jobs in one transaction. An error means that none of them happened.
func (t *tx) group(jobs []*job) error {
	t.rested = time.Now()
	if _, err := t.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	jobs = take(jobs)
	if err := t.doAll(jobs); err != nil {
		return errors.Join(err, t.rollback())
	}
	latest, changed := latestOf(jobs)
	if !changed { // a group of failures needs no sync
		return t.rollback()
	}
	if err := t.writeNotes(); err != nil {
		return errors.Join(err, t.rollback())
	}
	if _, err := t.exec("UPDATE clock SET at = ? WHERE at < ?", milli(latest), milli(latest)); err != nil {
		return errors.Join(err, t.rollback())
	}
	t.expose(heaviest(jobs))
	if _, err := t.exec("COMMIT"); err != nil {
		return errors.Join(err, t.rollback())
	}
	t.committed()
	return nil
}

// restAfter is how long the writer works at a stretch while nobody waits for it. A thread that is always busy keeps another one that wakes on its
// processor waiting for as long as the system lets it, which may be milliseconds, and Go's scheduler lets a goroutine run for 10.
const restAfter = 300 * time.Microsecond

// rest is called between the parts of long work. It lets others run, and if no other job waits, for as long as it has worked.
func (t *tx) rest() {
	worked := time.Since(t.rested)
	if worked < restAfter || t.isAwaited() {
		runtime.Gosched()
		return
	}
	time.Sleep(min(worked, time.Millisecond))
	t.rested = time.Now()
}

// take returns the jobs that nobody has withdrawn.
func take(jobs []*job) []*job {
	return slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return !j.taken.CompareAndSwap(false, true) })
}

// latestOf returns the latest time of a change that was made, if any was.
func latestOf(jobs []*job) (latest time.Time, changed bool) {
	for _, j := range jobs {
		if j.err == nil {
			changed = true
			if j.now.After(latest) {
				latest = j.now
			}
		}
	}
	return latest, changed
}

// heaviest returns the most that any of the jobs weighs.
func heaviest(jobs []*job) (most weight) {
	for _, j := range jobs {
		most = max(most, j.weight)
	}
	return most
}

// doAll does the jobs, those at once that can be. The error is one that the group can't survive.
func (t *tx) doAll(jobs []*job) error {
	alone := len(jobs) == 1
	for len(jobs) > 0 {
		n := starts(jobs)
		var err error
		if n > 0 {
			err = t.startAll(jobs[:n])
		} else {
			n, err = 1, t.do(jobs[0], alone)
		}
		if err != nil {
			return err
		}
		if jobs = jobs[n:]; len(jobs) > 0 {
			runtime.Gosched()
		}
	}
	return nil
}

// do does a job wholly or not at all. The error is one that the group can't survive. A job that is alone in its group is
// undone with it.
func (t *tx) do(j *job, alone bool) error {
	if alone {
		return t.attempt(j)
	}
	if _, err := t.exec("SAVEPOINT job"); err != nil {
		return err
	}
	if err := t.attempt(j); err != nil {
		return err
	}
	if j.err != nil {
		if _, err := t.exec("ROLLBACK TO job"); err != nil {
			return err
		}
	}
	_, err := t.exec("RELEASE job")
	return err
}

func (t *tx) attempt(j *job) error {
	before := t.mark()
	if j.err = j.do(t); j.err == nil {
		return nil
	}
	if endsGroup(j.err) {
		return j.err
	}
	t.rolledBack(before)
	return nil
}

// endsGroup reports whether after the error the whole transaction has to be rolled back, or already is.
func endsGroup(err error) bool { return primaryCode(err) == sqlitelib.SQLITE_FULL || isFatal(err) }

// rollback ends the transaction, unless SQLite has already done so.
func (t *tx) rollback() error {
	t.rolledBack(mark{})
	_, err := t.exec("ROLLBACK")
	if primaryCode(err) == sqlitelib.SQLITE_ERROR {
		return nil
	}
	return err
}

// exec runs a statement, which is kept prepared: its text must not depend on data. Statements take no context, since a
// group must not stop for one of its members.
func (t *tx) exec(query string, args ...any) (sql.Result, error) {
	st, err := t.prepare(query)
	if err != nil {
		return nil, err
	}
	return st.Exec(args...)
}

// query is exec for statements that return rows.
func (t *tx) query(query string, args ...any) (*sql.Rows, error) {
	st, err := t.prepare(query)
	if err != nil {
		return nil, err
	}
	return st.Query(args...)
}

// queryRow is query for one row.
func (t *tx) queryRow(query string, args []any, dest ...any) error {
	st, err := t.prepare(query)
	if err != nil {
		return err
	}
	return st.QueryRow(args...).Scan(dest...)
}

// statementsKept bounds the prepared statements; those that list IDs come in many lengths.
const statementsKept = 200

func (t *tx) prepare(query string) (*sql.Stmt, error) {
	if st := t.statements[query]; st != nil {
		return st, nil
	}
	st, err := t.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	if len(t.statements) >= statementsKept {
		t.forget()
	}
	t.statements[query] = st
	return st, nil
}

func (t *tx) forget() {
	for q, st := range t.statements {
		st.Close()
		delete(t.statements, q)
	}
}

func (t *tx) close() error {
	t.forget()
	return errors.Join(t.appending.close(), t.conn.Close())
}
