package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// kept are the columns that live sessions and history share, in the order of values and scan.
const kept = "id, hash, user_id, user_name, full_name, credential, origin, device, " +
	"created_at, authenticated_at, last_active, lifetime, grace, expires_at"

// Insert implements curfew.Store.
func (db *DB) Insert(ctx context.Context, now time.Time, r curfew.Record, most int, refuse bool) ([]curfew.SessionID, error) {
	var replaced []curfew.SessionID
	err := db.writer.write(ctx, now, func(t *tx) error {
		surplus, err := surplus(t, now, r.Session.User.ID, most)
		if err != nil {
			return err
		}
		if len(surplus) > 0 && refuse {
			return &curfew.Error{Code: curfew.CodeConflict, Message: "too many sessions of this user"}
		}
		if len(surplus) > 0 {
			sel := curfew.Selection{IDs: surplus}
			if _, err := end(t, now, sel, curfew.Ending{Reason: curfew.ReasonReplaced}); err != nil {
				return err
			}
		}
		replaced = surplus
		_, err = t.exec("INSERT INTO session ("+kept+", search) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
			append(values(r), r.Session.SearchText())...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return replaced, nil
}

// surplus returns the user's oldest sessions, of which there must be fewer than most.
func surplus(t *tx, now time.Time, user curfew.UserID, most int) ([]curfew.SessionID, error) {
	if most <= 0 {
		return nil, nil
	}
	const newestFirst = "SELECT id FROM session WHERE user_id = ? AND ends_at > ? ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET ?"
	rows, err := t.query(newestFirst, string(user), milli(now), most-1)
	if err != nil {
		return nil, err
	}
	return scanAll(rows, func(row scanner) (id curfew.SessionID, err error) { return id, row.Scan(&id) })
}

// Find implements curfew.Store.
func (db *DB) Find(ctx context.Context, hash *curfew.TokenHash, id curfew.SessionID) (curfew.Record, error) {
	where, arg := "id = ?", any(string(id))
	if hash != nil {
		where, arg = "hash = ?", hash[:]
	}
	// One statement sees one state of the database: a session that is being ended is either live or in history.
	row := db.reads.QueryRowContext(ctx, "SELECT "+kept+", '', '', '', '', -1 FROM session WHERE "+where+
		" UNION ALL SELECT "+kept+", reason, by_user, by_name, by_session, ended_at FROM history WHERE "+where, arg, arg)
	r, e, err := scanEnded(row)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return curfew.Record{}, curfew.ErrNoSession
	case err != nil:
		return curfew.Record{}, err
	}
	if e.At.UnixMilli() != -1 {
		r.Ending = &e
	}
	return r, nil
}

// Touch implements curfew.Store.
func (db *DB) Touch(ctx context.Context, now time.Time, touches []curfew.Touch) ([]bool, error) {
	live := make([]bool, len(touches))
	err := db.writer.write(ctx, now, func(t *tx) error {
		for i, touch := range touches {
			at := milli(touch.At)
			set := "last_active = max(last_active, ?1)"
			if touch.Authenticated {
				set += ", authenticated_at = max(authenticated_at, ?1)"
			}
			res, err := t.exec("UPDATE session SET "+set+" WHERE id = ?2 AND ends_at > ?1", at, string(touch.ID))
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			live[i] = n == 1
		}
		return nil
	})
	return live, err
}

// Update implements curfew.Store.
func (db *DB) Update(ctx context.Context, now time.Time, user curfew.UserID, c curfew.Change) error {
	return db.writer.write(ctx, now, func(t *tx) error {
		if c.Lifetime != nil {
			_, err := t.exec("UPDATE session SET lifetime = ? WHERE user_id = ? AND ends_at > ?",
				c.Lifetime.Milliseconds(), string(user), milli(now))
			if err != nil {
				return err
			}
		}
		if c.FullName != nil {
			return rename(t, now, user, *c.FullName)
		}
		return nil
	})
}

func rename(t *tx, now time.Time, user curfew.UserID, fullName string) error {
	rows, err := t.query("SELECT "+kept+" FROM session WHERE user_id = ? AND ends_at > ?", string(user), milli(now))
	if err != nil {
		return err
	}
	records, err := scanAll(rows, scanRecord)
	if err != nil {
		return err
	}
	for _, r := range records {
		r.Session.User.FullName = fullName
		_, err := t.exec("UPDATE session SET full_name = ?, search = ? WHERE id = ?",
			fullName, r.Session.SearchText(), string(r.Session.ID))
		if err != nil {
			return err
		}
	}
	return nil
}

// End implements curfew.Store.
func (db *DB) End(ctx context.Context, now time.Time, sel curfew.Selection, e curfew.Ending) (int, error) {
	if sel.Due {
		// Most rounds of a sweeper find nothing; those must not cost a commit.
		var any bool
		err := db.reads.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM session WHERE ends_at <= ?)", milli(now)).Scan(&any)
		if err != nil || !any {
			return 0, err
		}
	}
	n := 0
	err := db.writer.write(ctx, now, func(t *tx) (err error) {
		n, err = end(t, now, sel, e)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// idsAtOnce bounds the parameters of one statement.
const idsAtOnce = 500

func end(t *tx, now time.Time, sel curfew.Selection, e curfew.Ending) (int, error) {
	if len(sel.IDs) <= idsAtOnce {
		return endSome(t, now, sel, e)
	}
	n, ids := 0, sel.IDs
	for len(ids) > 0 {
		sel.IDs = ids[:min(len(ids), idsAtOnce)]
		ids = ids[len(sel.IDs):]
		m, err := endSome(t, now, sel, e)
		if err != nil {
			return 0, err
		}
		n += m
	}
	return n, nil
}

// dueAtOnce is how many due sessions one call moves, so that other changes get between.
const dueAtOnce = 1000

func endSome(t *tx, now time.Time, sel curfew.Selection, e curfew.Ending) (int, error) {
	c := selected(sel, now)
	n := 0
	if err := t.queryRow("SELECT count(*) FROM session"+c.where("ends_at > ? OR ?"), c.args(milli(now), sel.Due), &n); err != nil {
		return 0, err
	}
	due := milli(now)
	_, err := t.exec("INSERT INTO history ("+kept+", search, reason, by_user, by_name, by_session, ended_at) SELECT "+kept+", search, "+
		"CASE WHEN ends_at > ? THEN ? WHEN ends_at = expires_at THEN ? ELSE ? END, "+
		"iif(ends_at > ?, ?, ''), iif(ends_at > ?, ?, ''), iif(ends_at > ?, ?, ''), min(ends_at, ?) FROM session"+c.where(),
		append([]any{due, string(e.Reason), string(curfew.ReasonExpired), string(curfew.ReasonIdle),
			due, string(e.By.User), due, e.By.Name, due, string(e.By.Session), due}, c.args()...)...)
	if err != nil {
		return 0, err
	}
	_, err = t.exec("DELETE FROM session"+c.where(), c.args()...)
	return n, err
}

// selected turns a selection into conditions.
func selected(sel curfew.Selection, now time.Time) *conditions {
	c := &conditions{}
	if !sel.All && len(sel.IDs) == 0 && sel.User == "" && !sel.Due {
		c.add("0")
	}
	if len(sel.IDs) > 0 {
		c.add("id IN (?"+strings.Repeat(",?", len(sel.IDs)-1)+")", anys(sel.IDs)...)
	}
	if sel.User != "" {
		c.add("user_id = ?", string(sel.User))
	}
	if sel.Except != "" {
		c.add("id <> ?", string(sel.Except))
	}
	if sel.Due {
		c.add(fmt.Sprintf("id IN (SELECT id FROM session WHERE ends_at <= ? ORDER BY ends_at, id LIMIT %d)", dueAtOnce), milli(now))
	}
	return c
}

// Forget implements curfew.Store.
func (db *DB) Forget(ctx context.Context, now, before time.Time) (int, error) {
	n := int64(0)
	err := db.writer.write(ctx, now, func(t *tx) error {
		res, err := t.exec("DELETE FROM history WHERE ended_at < ?", milli(before))
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	return int(n), err
}

// Clock implements curfew.Store.
func (db *DB) Clock(ctx context.Context) (time.Time, error) {
	var at int64
	if err := db.reads.QueryRowContext(ctx, "SELECT at FROM clock").Scan(&at); err != nil || at == 0 {
		return time.Time{}, err
	}
	return fromMilli(at), nil
}
