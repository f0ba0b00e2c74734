package sqlite

import (
	"slices"

	"github.com/curfewhq/curfew"
)

// fence is the end of all sessions that started up to one, but for an exception. It takes effect as a whole when it is
// committed; the rows move to history afterwards, in steps.
type fence struct {
	id     int64
	upto   int64 // session.seq
	but    curfew.SessionID
	ending curfew.Ending
}

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
	rows, err := t.query("SELECT id, upto, but, reason, by_user, by_name, by_session, at FROM fence ORDER BY id")
	if err != nil {
		return err
	}
	all, err := scanAll(rows, func(s scanner) (f fence, err error) {
		var at int64
		e := &f.ending
		err = s.Scan(&f.id, &f.upto, &f.but, &e.Reason, &e.By.User, &e.By.Name, &e.By.Session, &at)
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
	f := fence{but: but, ending: e}
	if err := t.queryRow("SELECT ifnull(max(seq), 0) FROM session", nil, &f.upto); err != nil {
		return err
	}
	res, err := t.exec("INSERT INTO fence (upto, but, reason, by_user, by_name, by_session, at) VALUES (?,?,?,?,?,?,?)",
		f.upto, string(f.but), string(e.Reason), string(e.By.User), e.By.Name, string(e.By.Session), milli(e.At))
	if err != nil {
		return err
	}
	if f.id, err = res.LastInsertId(); err != nil {
		return err
	}
	t.setFences(append(slices.Clip(t.fences), f))
	return nil
}

// moveFenced moves up to most sessions that the first fence ends to history. The fence that ends nobody any more goes.
func (t *tx) moveFenced(most int) error {
	f := t.fences[0]
	rows, err := t.query("SELECT "+keyColumns+" FROM session WHERE seq <= ? AND id <> ? ORDER BY seq LIMIT ?", f.upto, string(f.but), most)
	if err != nil {
		return err
	}
	found, err := scanAll(rows, scanRow)
	if err != nil {
		return err
	}
	if err := t.move(found, f.ending); err != nil || len(found) == most {
		return err
	}
	if _, err := t.exec("DELETE FROM fence WHERE id = ?", f.id); err != nil {
		return err
	}
	t.setFences(t.fences[1:])
	return nil
}
