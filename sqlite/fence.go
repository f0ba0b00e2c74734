package sqlite

import (
	"errors"
	"slices"
	"strings"

	"github.com/curfewhq/curfew"
)

// fence is the end of all sessions that started up to one, but for an exception. It takes effect as a whole when it is
// committed; the rows move to history afterwards, in steps.
type fence struct {
	id     int64
	upto   int64 // session.seq
	but    curfew.SessionID
	ending curfew.Ending
	copied copied
}

// copied is how far the indexed rows behind a fence are in history, in the order of persons. One index of history after another
// then grows at its end, where in the order of the starts each row would be on a page of its own.
type copied struct{ person, seq int64 }

func (f fence) ends(seq int64, id curfew.SessionID) bool { return seq <= f.upto && id != f.but }

// fences are those whose rows still move, the earliest first. A session ends by the first that ends it.
type fences []fence

// of returns the fence by which the session has ended, or nil.
func (fs fences) of(seq int64, id curfew.SessionID) *fence {
	for i, f := range fs {
		if f.ends(seq, id) {
			return &fs[i]
		}
	}
	return nil
}

// beyond is the condition for sessions that no fence ends. Since each fence reaches further than the one before, the
// last one says it all. The signs keep SQLite from thinking that this is a way to find rows.
const beyond = "(+seq > ? OR +id = ?)"

func (fs fences) args() []any {
	if len(fs) == 0 {
		return []any{0, ""}
	}
	last := fs[len(fs)-1]
	return []any{last.upto, string(last.but)}
}

// loadFences finds those that the last process has not finished.
func (t *tx) loadFences() error {
	rows, err := t.query("SELECT id, upto, but, reason, by_user, by_name, by_session, by_key, at, copied_person, copied_seq FROM fence ORDER BY id")
	if err != nil {
		return err
	}
	all, err := scanAll(rows, func(s scanner) (f fence, err error) {
		var at int64
		e := &f.ending
		err = s.Scan(&f.id, &f.upto, &f.but, &e.Reason, &e.By.User, &e.By.Name, &e.By.Session, &e.By.Key, &at, &f.copied.person, &f.copied.seq)
		e.At = fromMilli(at)
		return f, err
	})
	t.setFences(all)
	return err
}

// setFences has this transaction and, when it is committed, everybody go by the fences.
func (t *tx) setFences(fs fences) {
	was := t.fences
	t.fences = fs
	t.onCommit(func() { t.published.Store(&fs) })
	t.onRollback(func() { t.fences = was })
}

// fence ends all live sessions but one, which is live itself, as e says.
func (t *tx) fence(but curfew.SessionID, e curfew.Ending) error {
	f := fence{upto: t.lastSeq, but: but, ending: e}
	res, err := t.exec("INSERT INTO fence (upto, but, reason, by_user, by_name, by_session, by_key, at) VALUES (?,?,?,?,?,?,?,?)",
		f.upto, string(f.but), string(e.Reason), string(e.By.User), e.By.Name, string(e.By.Session), e.By.Key, milli(e.At))
	if err != nil {
		return err
	}
	if f.id, err = res.LastInsertId(); err != nil {
		return err
	}
	t.setFences(append(slices.Clip(t.fences), f))
	return nil
}

// moveFenced does a step of what the first fence has left to do, of up to most rows: those in no index move to history, the others are
// copied there, and then deleted. The fence that ends nobody any more goes.
func (t *tx) moveFenced(most int) error {
	for _, stage := range []func(f fence, most int) (n int, err error){t.moveArrived, t.copyIndexed, t.clearCopied} {
		n, err := stage(t.fences[0], most)
		if err != nil {
			return err
		}
		if most -= n; most == 0 {
			return nil
		}
	}
	if _, err := t.exec("DELETE FROM fence WHERE id = ?", t.fences[0].id); err != nil {
		return err
	}
	t.setFences(t.fences[1:])
	return nil
}

func (t *tx) moveArrived(f fence, most int) (n int, err error) {
	found, err := t.liveRows("SELECT "+keyColumns+" FROM session WHERE indexed = 0 AND +seq <= ? AND +id <> ? ORDER BY ends_at LIMIT ?", f.upto, string(f.but), most)
	if err != nil {
		return 0, err
	}
	return len(found), t.move(found, f.ending)
}

// copyIndexed copies rows to history. They stay among the live ones, where the fence ends them.
func (t *tx) copyIndexed(f fence, most int) (n int, err error) {
	to := f.copied
	rows, err := t.query("SELECT "+keyColumns+", person_no FROM session INDEXED BY session_person WHERE indexed = 1 "+
		"AND (person_no, seq) > (?, ?) AND seq <= ? AND +id <> ? ORDER BY person_no, seq LIMIT ?",
		to.person, to.seq, f.upto, string(f.but), most)
	if err != nil {
		return 0, err
	}
	found, err := scanAll(rows, func(s scanner) (liveRow, error) {
		r, err := scanRowAnd(s, &to.person)
		to.seq = r.seq
		return r, err
	})
	if err != nil || len(found) == 0 {
		return 0, err
	}
	if err := t.record(found, f.ending); err != nil {
		return 0, err
	}
	return len(found), t.setCopied(to)
}

// setCopied remembers how far the rows behind the first fence are copied.
func (t *tx) setCopied(to copied) error {
	f := t.fences[0]
	if _, err := t.exec("UPDATE fence SET copied_person = ?, copied_seq = ? WHERE id = ?", to.person, to.seq, f.id); err != nil {
		return err
	}
	f.copied = to
	t.setFences(append(fences{f}, t.fences[1:]...))
	return nil
}

// clearCopied deletes the rows that are copied. If nearly all are, the whole table is emptied at once, which is hundreds of times quicker than
// taking each row out of each index, and those that stay are put back.
func (t *tx) clearCopied(f fence, most int) (n int, err error) {
	found, err := t.liveRows("SELECT "+keyColumns+" FROM session WHERE seq <= ? AND id <> ? ORDER BY seq LIMIT ?", f.upto, string(f.but), most)
	if err != nil || len(found) < most {
		return len(found), errors.Join(err, t.inPieces(found, t.drop))
	}
	staying, err := t.survivors(f, t.pace.stay+1)
	if err != nil {
		return 0, err
	}
	if staying > t.pace.stay {
		return most, t.inPieces(found, t.drop)
	}
	return 0, t.clearAll(f)
}

// makeSurvivors makes the table for the sessions that stay while the others are deleted. It is of this connection alone.
func (t *tx) makeSurvivors() error {
	_, err := t.exec("CREATE TEMP TABLE survivor AS SELECT " + stored + " FROM session LIMIT 0")
	return err
}

// stored are all columns of session that are not computed.
const stored = "seq, indexed, person_no, device_no, " + kept

// survivors counts the sessions that the fence does not end, up to most.
func (t *tx) survivors(f fence, most int) (n int, err error) {
	query, args := f.others("1")
	err = t.queryRow("SELECT count(*) FROM ("+query+" LIMIT ?)", append(args, most), &n)
	return n, err
}

// others returns a query for columns of the sessions that the fence does not end.
func (f fence) others(columns string) (query string, args []any) {
	var list []string
	for _, src := range (fences{f}).live() {
		list = append(list, "SELECT "+columns+" FROM session"+src.hint+" WHERE "+src.where)
		args = append(args, src.args...)
	}
	return strings.Join(list, " UNION ALL "), args
}

// clearAll deletes all sessions but those that the fence does not end.
func (t *tx) clearAll(f fence) error {
	query, args := f.others(stored)
	if _, err := t.exec("INSERT INTO survivor "+query, args...); err != nil {
		return err
	}
	for _, statement := range []string{
		"DELETE FROM session", // without a condition and a trigger, SQLite lets go of all pages at once
		"INSERT INTO session (" + stored + ") SELECT * FROM survivor",
		"DELETE FROM survivor",
	} {
		if _, err := t.exec(statement); err != nil {
			return err
		}
	}
	return nil
}
