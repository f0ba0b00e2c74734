package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// kept are the columns that live sessions and history share, in the order of values and scan.
const kept = "id, hash, user_id, user_name, full_name, credential, origin, device, " +
	"created_at, authenticated_at, last_active, lifetime, grace, expires_at"

// ofUser is the condition for a user's rows.
const ofUser = "person_no IN (SELECT no FROM person WHERE user_id = ?)"

// Insert implements curfew.Store.
func (db *DB) Insert(ctx context.Context, now time.Time, r curfew.Record, most int, refuse bool) ([]curfew.Key, error) {
	if most <= 0 {
		return nil, db.writer.start(ctx, now, &r)
	}
	var replaced []curfew.Key
	err := db.writer.write(ctx, now, func(t *tx) (err error) {
		if replaced, err = t.makeRoom(now, r.Session, most, refuse); err != nil {
			return err
		}
		return t.insert(&r)
	})
	if err != nil {
		return nil, err
	}
	return replaced, nil
}

// makeRoom ends the user's oldest sessions, so that with a new one there are at most so many.
func (t *tx) makeRoom(now time.Time, s curfew.Session, most int, refuse bool) ([]curfew.Key, error) {
	live, err := t.rowsOf(s.User.ID, milli(now))
	if err != nil || len(live) < most {
		return nil, err
	}
	if refuse {
		return nil, &curfew.Error{Code: curfew.CodeConflict, Message: "too many sessions of this user"}
	}
	surplus := live[:len(live)-most+1]
	return keys(surplus), t.endRows(surplus, curfew.Ending{Reason: curfew.ReasonReplaced, At: now}, s.Client.Origin)
}

// Find implements curfew.Store.
func (db *DB) Find(ctx context.Context, hash *curfew.TokenHash, id curfew.SessionID) (curfew.Record, error) {
	r, err := db.findNow(ctx, hash, id)
	if err := db.lookups.settled(ctx, err); err != nil {
		return curfew.Record{}, err
	}
	return r, nil
}

func (db *DB) findNow(ctx context.Context, hash *curfew.TokenHash, id curfew.SessionID) (curfew.Record, error) {
	fences := *db.writer.tx.published.Load() // before the row: one that is gone by then has been moved
	if seq, ok := db.writer.tx.arrivals.seq(hash, id); ok {
		r, err := readFound(db.find.bySeq.QueryRowContext(ctx, seq), fences)
		// If its row has moved, or never came to be, another one may be there.
		if err == nil && isWanted(r, hash, id) {
			return r, nil
		}
		if err != nil && !errors.Is(err, curfew.ErrNoSession) {
			return curfew.Record{}, err
		}
	}
	if hash != nil {
		return readFound(db.find.byHash.QueryRowContext(ctx, hash[:]), fences)
	}
	return readFound(db.find.byID.QueryRowContext(ctx, string(id)), fences)
}

// isWanted reports whether the record has the hash or, if hash is nil, the ID.
func isWanted(r curfew.Record, hash *curfew.TokenHash, id curfew.SessionID) bool {
	if hash != nil {
		return r.Hash == *hash
	}
	return r.Session.ID == id
}

// find are the statements of Find, which is called for every session that is not in the engine's memory.
type find struct{ bySeq, byHash, byID *sql.Stmt }

func prepareFind(ctx context.Context, reads *sql.DB) (find, error) {
	const live = "SELECT seq, ends_at, " + kept + ", '', '', '', '', '', -1 FROM session WHERE "
	// One statement sees one state of the database: a session that is being ended is either live or in history.
	const any = live + "indexed = 1 AND %[1]s = ?1 UNION ALL SELECT 0, 0, " + kept +
		", reason, by_user, by_name, by_session, by_key, ended_at FROM history WHERE %[1]s = ?1"
	var f find
	var err1, err2, err3 error
	f.bySeq, err1 = reads.PrepareContext(ctx, live+"seq = ?")
	f.byHash, err2 = reads.PrepareContext(ctx, fmt.Sprintf(any, "hash"))
	f.byID, err3 = reads.PrepareContext(ctx, fmt.Sprintf(any, "id"))
	return f, errors.Join(err1, err2, err3)
}

// readFound reads a session, live or ended: by the fences too.
func readFound(result *sql.Row, fs fences) (curfew.Record, error) {
	var at liveRow
	r, e, err := scanEnded(result, &at.seq, &at.endsAt)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return curfew.Record{}, curfew.ErrNoSession
	case err != nil:
		return curfew.Record{}, err
	}
	if e.At.UnixMilli() != -1 {
		r.Ending = &e
	} else if f := fs.of(at.seq, r.Session.ID); f != nil {
		ending := f.ending
		if own, due := r.Session.Due(ending.At); due {
			ending = own
		}
		r.Ending = &ending
	}
	return r, nil
}

// Touch implements curfew.Store.
func (db *DB) Touch(ctx context.Context, now time.Time, touches []curfew.Touch) ([]bool, error) {
	live := make([]bool, len(touches))
	err := db.writer.writeTimely(ctx, now, func(t *tx) (err error) {
		for i, touch := range touches {
			if i > 0 {
				t.rest()
			}
			if live[i], err = t.touch(touch); err != nil {
				return err
			}
		}
		return nil
	})
	return live, err
}

func (t *tx) touch(touch curfew.Touch) (live bool, err error) {
	set := "last_active = max(last_active, ?1)"
	if touch.Authenticated {
		set += ", authenticated_at = max(authenticated_at, ?1)"
	}
	where, key := "indexed = 1 AND id = ?2", any(string(touch.ID))
	if seq, ok := t.arrivals.seq(nil, touch.ID); ok {
		where, key = "seq = ?2", seq
	}
	res, err := t.exec("UPDATE session SET "+set+" WHERE "+where+" AND ends_at > ?1 AND "+beyond,
		append([]any{milli(touch.At), key}, t.fences.args()...)...)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// Update implements curfew.Store.
func (db *DB) Update(ctx context.Context, now time.Time, user curfew.UserID, c curfew.Change) error {
	return db.writer.write(ctx, now, func(t *tx) error {
		rows, err := t.rowsOf(user, milli(now))
		if err != nil {
			return err
		}
		if c.Lifetime != nil {
			_, err := t.exec("UPDATE session SET lifetime = ? WHERE seq IN "+listed, c.Lifetime.Milliseconds(), seqs(rows))
			if err != nil {
				return err
			}
		}
		if c.FullName != nil {
			return t.rename(rows, *c.FullName)
		}
		return nil
	})
}

func (t *tx) rename(rows []liveRow, fullName string) error {
	result, err := t.query("SELECT seq, user_id, user_name FROM session WHERE seq IN "+listed, seqs(rows))
	if err != nil {
		return err
	}
	type row struct {
		seq  int64
		user curfew.User
	}
	found, err := scanAll(result, func(s scanner) (r row, err error) {
		err = s.Scan(&r.seq, &r.user.ID, &r.user.Name)
		return r, err
	})
	if err != nil {
		return err
	}
	for _, r := range found {
		r.user.FullName = fullName
		person, err := t.personNo(r.user)
		if err != nil {
			return err
		}
		if err := t.countLive("-", "+indexed = 1 AND seq = ?", r.seq); err != nil {
			return err
		}
		if _, err := t.exec("UPDATE session SET full_name = ?, person_no = ? WHERE seq = ?", fullName, person, r.seq); err != nil {
			return err
		}
		if err := t.countLive("+", "+indexed = 1 AND seq = ?", r.seq); err != nil {
			return err
		}
	}
	return nil
}

// End implements curfew.Store.
func (db *DB) End(ctx context.Context, now time.Time, sel curfew.Selection, e curfew.Ending) (n int, ended []curfew.Key, err error) {
	e.At = now
	write := db.writer.write
	if sel.Due {
		write = db.writer.writeTimely
		// Most rounds of a sweeper find nothing; those must not cost a commit.
		if found, err := db.anyDue(ctx, now); err != nil || !found {
			return 0, nil, err
		}
	}
	err = write(ctx, now, func(t *tx) (err error) {
		if sel.Everybody() {
			n, err = t.endEverybody(sel.Except, e, audit.From(ctx))
			return err
		}
		n, ended, err = t.end(sel, e, audit.From(ctx))
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	return n, ended, nil
}

// anyDue reports whether there is a live session whose time is over.
func (db *DB) anyDue(ctx context.Context, now time.Time) (found bool, err error) {
	query, args := db.writer.tx.published.Load().anyDue(now)
	err = db.lookups.row(ctx, query, args...).Scan(&found)
	return found, err
}

func (fs fences) anyDue(now time.Time) (query string, args []any) {
	var exist []string
	for _, src := range fs.byEnd() {
		exist = append(exist, "EXISTS (SELECT 1 FROM session WHERE "+src.where+" AND ends_at <= ?)")
		args = append(append(args, src.args...), milli(now))
	}
	return "SELECT " + strings.Join(exist, " OR "), args
}

func (t *tx) end(sel curfew.Selection, e curfew.Ending, from string) (n int, ended []curfew.Key, err error) {
	rows, err := t.selected(sel, e.At)
	if err != nil {
		return 0, nil, err
	}
	return liveAt(rows, e.At), keys(rows), t.endRows(rows, e, from)
}

// liveAt counts the rows that are not due.
func liveAt(rows []liveRow, now time.Time) (n int) {
	for _, r := range rows {
		if r.endsAt > milli(now) {
			n++
		}
	}
	return n
}

// endRows moves sessions to history, and notes it.
func (t *tx) endRows(rows []liveRow, e curfew.Ending, from string) error {
	t.noteEnds(rows, e, from)
	return t.move(rows, e)
}

// dueAtOnce is how many due sessions one call moves, so that other changes get between: these have to wait for the pages of all of them.
const dueAtOnce = 250

// selected returns the live sessions of a selection, which is not of everybody.
func (t *tx) selected(sel curfew.Selection, now time.Time) (rows []liveRow, err error) {
	switch {
	case len(sel.IDs) > 0:
		rows, err = t.byIDs(sel.IDs)
	case sel.User != "":
		rows, err = t.rowsOf(sel.User, always)
	case sel.Due:
		rows, err = t.rowsDue(now)
	}
	return slices.DeleteFunc(rows, func(r liveRow) bool {
		return sel.User != "" && r.User != sel.User || sel.Due && r.endsAt > milli(now) || sel.Except != "" && r.ID == sel.Except
	}), err
}

// listed is the place of a JSON array in a statement, which so is the same for any number of values.
const listed = "(SELECT value FROM json_each(?))"

func seqs(rows []liveRow) string {
	all := make([]int64, len(rows))
	for i, r := range rows {
		all[i] = r.seq
	}
	return list(all)
}

func list[T any](values []T) string {
	b, err := json.Marshal(values)
	if err != nil {
		panic(err) // neither numbers nor strings can fail
	}
	return string(b)
}

// always is before any session ends.
const always = math.MinInt64

// rowsOf returns the live sessions of a user that end after a time, the oldest first.
func (t *tx) rowsOf(user curfew.UserID, after int64) ([]liveRow, error) {
	return t.liveRows("SELECT "+keyColumns+" FROM session WHERE seq IN "+
		"(SELECT seq FROM session WHERE indexed = 1 AND "+ofUser+" UNION ALL SELECT value FROM json_each(?)) "+
		"AND user_id = ? AND ends_at > ? AND "+beyond+" ORDER BY created_at, id",
		slices.Concat([]any{string(user), list(t.arrivals.of(user)), string(user), after}, t.fences.args())...)
}

// rowsDue returns live sessions whose time is over, those in the indexes first.
func (t *tx) rowsDue(now time.Time) ([]liveRow, error) {
	var from []string
	var args []any
	for _, src := range t.fences.byEnd() {
		from = append(from, "SELECT * FROM (SELECT "+keyColumns+" FROM session WHERE "+src.where+" AND ends_at <= ? ORDER BY ends_at, id LIMIT ?)")
		args = append(append(args, src.args...), milli(now), dueAtOnce)
	}
	return t.liveRows(strings.Join(from, " UNION ALL "), args...)
}

// byIDs returns the live sessions that have the IDs.
func (t *tx) byIDs(ids []curfew.SessionID) ([]liveRow, error) {
	arrived, others := []int64{}, []curfew.SessionID{}
	for _, id := range ids {
		if seq, ok := t.arrivals.seq(nil, id); ok {
			arrived = append(arrived, seq)
		} else {
			others = append(others, id)
		}
	}
	from := "SELECT " + keyColumns + " FROM session WHERE " + beyond + " AND "
	return t.liveRows(from+"seq IN "+listed+" UNION ALL "+from+"indexed = 1 AND id IN "+listed,
		slices.Concat(t.fences.args(), []any{list(arrived)}, t.fences.args(), []any{list(others)})...)
}

// move moves sessions to history: those that were due by e.At as Session.Due says, the others as e says.
func (t *tx) move(rows []liveRow, e curfew.Ending) error {
	t.onCommit(func() { t.arrivals.remove(keys(rows)...) })
	if err := t.record(rows, e); err != nil {
		return err
	}
	return t.inPieces(rows, t.drop)
}

// record writes sessions into history, and counts them as live no longer.
func (t *tx) record(rows []liveRow, e curfew.Ending) error {
	by, err := t.byNo(e.By)
	if err != nil {
		return err
	}
	return t.inPieces(rows, func(piece []liveRow) error { return t.recordPiece(piece, e, by) })
}

// drop takes sessions that are in history out of the live ones.
func (t *tx) drop(rows []liveRow) error {
	_, err := t.exec("DELETE FROM session WHERE seq IN "+listed, seqs(rows))
	return err
}

// pieceSize is how many rows one statement changes: so few that it is soon over.
const pieceSize = 8

// inPieces calls f with a few rows at a time, and lets others run in between.
func (t *tx) inPieces(rows []liveRow, f func(piece []liveRow) error) error {
	for i, piece := range slices.Collect(slices.Chunk(rows, pieceSize)) {
		if i > 0 {
			t.rest()
		}
		if err := f(piece); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) recordPiece(rows []liveRow, e curfew.Ending, by any) error {
	// Whoever ends sessions undoes all if a statement fails, which needs nothing then to be undone by itself.
	_, err := t.exec("INSERT OR FAIL INTO history ("+kept+", person_no, device_no, reason, by_user, by_name, by_session, by_key, by_no, ended_at) SELECT "+
		kept+", person_no, device_no, "+
		"CASE WHEN ends_at > ?1 THEN ?2 WHEN ends_at = expires_at THEN ?3 ELSE ?4 END, "+
		"iif(ends_at > ?1, ?5, ''), iif(ends_at > ?1, ?6, ''), iif(ends_at > ?1, ?7, ''), iif(ends_at > ?1, ?8, ''), iif(ends_at > ?1, ?9, NULL), min(ends_at, ?1) FROM session "+
		"WHERE seq IN (SELECT value FROM json_each(?10))",
		milli(e.At), string(e.Reason), string(curfew.ReasonExpired), string(curfew.ReasonIdle),
		string(e.By.User), e.By.Name, string(e.By.Session), e.By.Key, by, seqs(rows))
	if err != nil {
		return err
	}
	return t.countLive("-", "+indexed = 1 AND seq IN "+listed, seqs(rows))
}

// countLiveAt counts the live sessions that are not due.
func (t *tx) countLiveAt(now time.Time) (n int, err error) {
	var count []string
	var args []any
	for _, src := range t.fences.live() {
		count = append(count, "(SELECT count(*) FROM session"+src.hint+" WHERE "+src.where+" AND ends_at > ?)")
		args = append(append(args, src.args...), milli(now))
	}
	if len(t.fences) == 0 {
		count = append(count, "(SELECT sessions FROM total) - (SELECT count(*) FROM session WHERE indexed = 1 AND ends_at <= ?)")
		args = append(args, milli(now))
	}
	err = t.queryRow("SELECT "+strings.Join(count, " + "), args, &n)
	return n, err
}

// endEverybody ends all live sessions but one, and returns how many were not over by themselves. The audit log has a record of
// each if they are few, and else one of them all: what ended is then in the history.
func (t *tx) endEverybody(but curfew.SessionID, e curfew.Ending, from string) (n int, err error) {
	few, err := t.rowsBut(but, t.pace.first+1)
	if err != nil {
		return 0, err
	}
	if len(few) <= t.pace.first {
		return liveAt(few, e.At), t.endRows(few, e, from)
	}
	if n, err = t.countLiveAt(e.At); err != nil {
		return 0, err
	}
	spared, err := t.byIDs([]curfew.SessionID{but})
	if err != nil {
		return 0, err
	}
	if len(spared) == 0 {
		but = "" // it has ended before, and stays so
	} else if spared[0].endsAt > milli(e.At) {
		n--
	}
	if err := t.fence(but, e); err != nil {
		return 0, err
	}
	t.note(e.At, audit.EndAll(n, but, e, from))
	return n, t.moveFenced(t.pace.first)
}

// rowsBut returns live sessions but one, up to most.
func (t *tx) rowsBut(but curfew.SessionID, most int) ([]liveRow, error) {
	var from []string
	var args []any
	for _, src := range t.fences.byEnd() {
		from = append(from, "SELECT "+keyColumns+" FROM session WHERE "+src.where+" AND +id <> ?")
		args = append(append(args, src.args...), string(but))
	}
	return t.liveRows(strings.Join(from, " UNION ALL ")+" LIMIT ?", append(args, most)...)
}

// Forget implements curfew.Store.
func (db *DB) Forget(ctx context.Context, now, before time.Time) (int, error) {
	n := int64(0)
	err := db.writer.write(ctx, now, func(t *tx) error {
		res, err := t.exec("DELETE FROM history WHERE ended_at < ?", milli(before))
		if err != nil {
			return err
		}
		if n, err = res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return t.forgetNames()
	})
	return int(n), err
}

// Clock implements curfew.Store.
func (db *DB) Clock(ctx context.Context) (time.Time, error) {
	var at int64
	if err := db.lookups.records().row(ctx, "SELECT at FROM clock").Scan(&at); err != nil || at == 0 {
		return time.Time{}, err
	}
	return fromMilli(at), nil
}
