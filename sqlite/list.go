package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/curfewhq/curfew"
)

// List implements curfew.Store.
func (db *DB) List(ctx context.Context, q curfew.Query) (curfew.Page, error) {
	order := orderOf(q)
	c := queried(q)
	order.seek(c, q.Cursor)
	by, limit := order.by(q.Cursor.Back), curfew.PageSize(q.Limit)+1
	var parts []string
	var args []any
	for _, src := range db.writer.tx.published.Load().live() {
		parts = append(parts, "SELECT * FROM (SELECT "+kept+" FROM session "+src.from+c.where(src.where)+by+" LIMIT ?)")
		args = append(append(args, c.args(src.args...)...), limit)
	}
	rows, err := db.reads.QueryContext(ctx, "SELECT * FROM ("+strings.Join(parts, " UNION ALL ")+")"+by+" LIMIT ?", append(args, limit)...)
	if err != nil {
		return curfew.Page{}, err
	}
	records, err := scanAll(rows, scanRecord)
	if err != nil {
		return curfew.Page{}, err
	}
	records, prev, next := cut(records, q.Cursor, curfew.PageSize(q.Limit), func(r curfew.Record) curfew.Cursor {
		return curfew.Cursor{Key: order.key(r.Session), ID: r.Session.ID}
	})
	return curfew.Page{Records: records, Prev: prev, Next: next}, nil
}

// Count implements curfew.Store.
func (db *DB) Count(ctx context.Context, q curfew.Query) (n curfew.Count, err error) {
	c := queried(q)
	var parts []string
	var args []any
	for _, src := range db.writer.tx.published.Load().live() {
		parts = append(parts, "SELECT user_id FROM session "+src.from+c.where(src.where))
		args = append(args, c.args(src.args...)...)
	}
	err = db.reads.QueryRowContext(ctx, "SELECT count(*), count(DISTINCT user_id) FROM ("+strings.Join(parts, " UNION ALL ")+")", args...).
		Scan(&n.Sessions, &n.Users)
	return n, err
}

// source is a part of the live sessions: a condition for them, and a hint how to find them.
type source struct {
	from, where string
	args        []any
}

// live returns all live sessions in parts. Indexes are of no use while most of what is in them has ended by a fence.
func (fs fences) live() []source {
	if len(fs) == 0 {
		return []source{{where: "indexed = 1"}, {where: "indexed = 0"}}
	}
	last := fs[len(fs)-1]
	but := []any{last.upto, string(last.but)}
	return []source{
		{"NOT INDEXED", "seq > ?", []any{last.upto}},
		{"", "indexed = 1 AND seq <= ? AND id = ?", but},
		{"", "indexed = 0 AND seq <= ? AND id = ?", but},
	}
}

func queried(q curfew.Query) *conditions {
	c := &conditions{}
	c.add("ends_at > ?", milli(q.Now))
	c.matches(q.User, q.Search)
	if q.Except != "" {
		c.add("id <> ?", string(q.Except))
	}
	return c
}

// History implements curfew.Store.
func (db *DB) History(ctx context.Context, q curfew.HistoryQuery) (curfew.HistoryPage, error) {
	order := order{"ended_at", true, nil}
	c := &conditions{}
	c.matches(q.User, q.Search)
	if q.Reason != "" {
		c.add("reason = ?", string(q.Reason))
	}
	if !q.From.IsZero() {
		c.add("ended_at >= ?", milli(q.From))
	}
	if !q.Until.IsZero() {
		c.add("ended_at < ?", milli(q.Until))
	}
	order.seek(c, q.Cursor)
	rows, err := db.reads.QueryContext(ctx, "SELECT "+kept+", reason, by_user, by_name, by_session, ended_at FROM history"+
		c.where()+order.by(q.Cursor.Back)+" LIMIT ?", append(c.args(), curfew.PageSize(q.Limit)+1)...)
	if err != nil {
		return curfew.HistoryPage{}, err
	}
	ended, err := scanAll(rows, func(row scanner) (curfew.Ended, error) {
		r, e, err := scanEnded(row)
		return curfew.Ended{Session: r.Session, Ending: e}, err
	})
	if err != nil {
		return curfew.HistoryPage{}, err
	}
	ended, prev, next := cut(ended, q.Cursor, curfew.PageSize(q.Limit), func(e curfew.Ended) curfew.Cursor {
		return curfew.Cursor{Key: timeKey(e.Ending.At), ID: e.Session.ID}
	})
	return curfew.HistoryPage{Ended: ended, Prev: prev, Next: next}, nil
}

// order is a column to sort by, with the ID to break ties.
type order struct {
	column string
	desc   bool
	key    func(curfew.Session) string // the column's value in a cursor
}

func orderOf(q curfew.Query) order {
	switch q.Sort {
	case curfew.SortStarted:
		return order{"created_at", q.Desc, func(s curfew.Session) string { return timeKey(s.CreatedAt) }}
	case curfew.SortUser:
		return order{"user_name COLLATE NOCASE", q.Desc, func(s curfew.Session) string { return s.User.Name }}
	case curfew.SortOrigin:
		return order{"origin", q.Desc, func(s curfew.Session) string { return s.Client.Origin }}
	case curfew.SortDevice:
		return order{"device COLLATE NOCASE", q.Desc, func(s curfew.Session) string { return s.Client.Device }}
	default:
		return order{"last_active", q.Desc, func(s curfew.Session) string { return timeKey(s.LastActive) }}
	}
}

// seek adds the condition that a page starts after the cursor, or ends before it.
func (o order) seek(c *conditions, cur curfew.Cursor) {
	if cur.ID == "" {
		return
	}
	key := any(cur.Key)
	if strings.HasSuffix(o.column, "_at") || o.column == "last_active" {
		n, err := strconv.ParseInt(cur.Key, 10, 64)
		if err != nil {
			return // a stranger's invention: the first page
		}
		key = n
	}
	cmp := ">"
	if o.desc != cur.Back {
		cmp = "<"
	}
	c.add(fmt.Sprintf("(%s, id) %s (?, ?)", o.column, cmp), key, string(cur.ID))
}

// by returns the ORDER BY clause; going back the order is turned round.
func (o order) by(back bool) string {
	dir := ""
	if o.desc != back {
		dir = " DESC"
	}
	return " ORDER BY " + o.column + dir + ", id" + dir
}

// cut makes a page of up to limit rows out of the limit+1 that were read, turning round those of a page that was
// read backwards.
func cut[T any](rows []T, cur curfew.Cursor, limit int, at func(T) curfew.Cursor) (page []T, prev, next *curfew.Cursor) {
	more := len(rows) > limit
	rows = rows[:min(len(rows), limit)]
	if len(rows) == 0 {
		return nil, nil, nil
	}
	if cur.Back {
		slices.Reverse(rows)
	}
	if cur.ID != "" && !cur.Back || cur.Back && more {
		p := at(rows[0])
		p.Back = true
		prev = &p
	}
	if cur.Back || more {
		n := at(rows[len(rows)-1])
		next = &n
	}
	return rows, prev, next
}
