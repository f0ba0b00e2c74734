package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// startsAtOnce is how many sessions one statement appends at most. Half of what a row costs alone is the statement; and the
// scheduler, which lets a goroutine run for 10 ms, looks for timers and network input only between two.
const startsAtOnce = 16

// starts returns how many of the jobs, from the first on, can be done together because each is the start of a session.
func starts(jobs []*job) int {
	n := 0
	for n < len(jobs) && n < startsAtOnce && jobs[n].start != nil {
		n++
	}
	return n
}

// newRow is a session that is about to be appended, under the numbers that it gets.
type newRow struct {
	*curfew.Record
	seq, person, device int64
	job                 *job
}

// startAll appends the sessions of jobs; each gets its own outcome. The error is one that the group can't survive.
func (t *tx) startAll(jobs []*job) error {
	rows := make([]newRow, 0, len(jobs))
	for _, j := range jobs {
		row, err := t.newRow(j.start)
		if err != nil {
			if j.err = err; endsGroup(err) {
				return err
			}
			continue
		}
		row.job = j
		rows = append(rows, row)
	}
	for len(rows) > 0 {
		n := 1 << (bits.Len(uint(len(rows))) - 1) // a power of two: of few lengths the statements stay prepared
		if err := t.appendEach(rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// insert appends a session.
func (t *tx) insert(r *curfew.Record) error {
	row, err := t.newRow(r)
	if err != nil {
		return err
	}
	return t.append([]newRow{row})
}

// newRow gives a session its numbers, and makes it known as an arrival.
func (t *tx) newRow(r *curfew.Record) (row newRow, err error) {
	if t.arrivals.has(r.Key()) {
		return row, fmt.Errorf("session %s: the ID or the hash was used before", r.Session.ID)
	}
	row.Record = r
	var err1, err2 error
	row.person, err1 = t.personNo(r.Session.User)
	row.device, err2 = t.deviceNo(r.Session.Client.Device)
	if err := errors.Join(err1, err2); err != nil {
		return row, err
	}
	t.lastSeq++
	row.seq = t.lastSeq
	t.arrivals.add(r.Key(), row.seq)
	t.onRollback(func() { t.arrivals.remove(r.Key()) })
	return row, nil
}

// appendEach appends all rows or, if they can't be appended together, those that can be.
func (t *tx) appendEach(rows []newRow) error {
	err := t.append(rows)
	switch {
	case err == nil || endsGroup(err):
		return err
	case len(rows) == 1:
		t.arrivals.remove(rows[0].Key())
		rows[0].job.err = err
		return nil
	}
	// The statement has stopped at the first that it can't append.
	if _, err := t.exec("DELETE FROM session WHERE seq BETWEEN ? AND ?", rows[0].seq, rows[len(rows)-1].seq); err != nil {
		return err
	}
	for i := range rows {
		if err := t.appendEach(rows[i : i+1]); err != nil {
			return err
		}
	}
	return nil
}

// appendQuery are the statements that append 1, 2, 4 … rows, by the binary logarithm of that.
var appendQuery = func() (queries []string) {
	row := "(?" + strings.Repeat(",?", 16) + ")"
	for n := 1; n <= startsAtOnce; n *= 2 {
		// FAIL leaves the rows before the one that fails, and spares the copies of pages by which a statement is undone.
		queries = append(queries, "INSERT OR FAIL INTO session (seq, person_no, device_no, "+kept+") VALUES "+row+strings.Repeat(","+row, n-1))
	}
	return queries
}()

// append appends rows, as many as a power of two, by one statement.
func (t *tx) append(rows []newRow) error {
	if err := t.appending.exec(t.conn, rows); err != nil {
		return err
	}
	for _, r := range rows {
		t.note(r.Session.CreatedAt, audit.Start(r.Session))
	}
	return nil
}

// appending runs appendQuery on the driver itself, and keeps what it needs for the next time: database/sql would copy hundreds
// of arguments for each statement, only for them to be collected as garbage.
type appending struct {
	statements map[string]driver.Stmt
	args       []any
	named      []driver.NamedValue
}

func (a *appending) exec(conn *sql.Conn, rows []newRow) error {
	a.args, a.named = emptied(a.args), emptied(a.named)
	for _, r := range rows {
		a.args = append(a.args, r.seq, r.person, r.device)
		a.args = appendValues(a.args, r.Record)
	}
	for i, v := range a.args {
		a.named = append(a.named, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return conn.Raw(func(c any) error {
		st, err := a.prepare(c.(driver.Conn), appendQuery[bits.Len(uint(len(rows)))-1])
		if err != nil {
			return err
		}
		_, err = st.(driver.StmtExecContext).ExecContext(context.Background(), a.named)
		return err
	})
}

func (a *appending) prepare(conn driver.Conn, query string) (driver.Stmt, error) {
	if st := a.statements[query]; st != nil {
		return st, nil
	}
	st, err := conn.Prepare(query)
	if err == nil {
		a.statements[query] = st
	}
	return st, err
}

func (a *appending) close() error {
	var errs []error
	for _, st := range a.statements {
		errs = append(errs, st.Close())
	}
	return errors.Join(errs...)
}

// loadLastSeq finds the highest number in use. None is given twice in one process, so that fences which a reader still
// goes by end nothing that starts after them.
func (t *tx) loadLastSeq() error {
	return t.queryRow("SELECT max(ifnull((SELECT max(seq) FROM session), 0), ifnull((SELECT max(upto) FROM fence), 0))", nil, &t.lastSeq)
}
