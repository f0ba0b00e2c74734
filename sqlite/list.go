package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/curfewhq/curfew"
)

// List implements curfew.Store.
func (db *DB) List(ctx context.Context, q curfew.Query) (curfew.Page, error) {
	fences := *db.writer.tx.published.Load()
	return view(ctx, db.reads, func(view *sql.Tx) (curfew.Page, error) { return listLive(ctx, view, fences, q, db.effort.sort) })
}

func listLive(ctx context.Context, view *sql.Tx, fences fences, q curfew.Query, rare int) (curfew.Page, error) {
	order, limit := orderOf(q), curfew.PageSize(q.Limit)
	parts, err := order.parts(ctx, view, fences, q, rare)
	if err != nil {
		return curfew.Page{}, err
	}
	type row struct {
		curfew.Record
		seq, no int64
	}
	places, args := union(parts, order.by(order.union(), "n", "seq"), limit+1)
	rows, err := view.QueryContext(ctx, "SELECT s.seq, top.n, "+kept+" FROM ("+places+") top CROSS JOIN session s ON s.seq = top.seq"+
		order.by(order.union(), "n", "top.seq"), args...)
	if err != nil {
		return curfew.Page{}, err
	}
	found, err := scanAll(rows, func(s scanner) (r row, err error) {
		r.Record, err = scanKept(s, []any{&r.seq, &r.no})
		return r, err
	})
	if err != nil {
		return curfew.Page{}, err
	}
	var page curfew.Page
	found, page.Prev, page.Next = cut(found, q.Cursor, limit, func(r row) curfew.Cursor {
		return curfew.Cursor{Key: fmt.Sprintf("%d/%d/%s", r.seq, r.no, order.key(r.Session)), ID: r.Session.ID}
	})
	for _, r := range found {
		page.Records = append(page.Records, r.Record)
	}
	return page, nil
}

// part is a query for the places of sessions in an order.
type part struct {
	query string
	args  []any
}

// union returns a query for the first places that are in the parts.
func union(parts []part, by string, limit int) (query string, args []any) {
	list := []string{"SELECT NULL AS k, NULL AS n, NULL AS seq WHERE 0"}
	for _, p := range parts {
		list = append(list, "SELECT * FROM ("+p.query+" LIMIT ?)")
		args = append(append(args, p.args...), limit)
	}
	return "SELECT * FROM (" + strings.Join(list, " UNION ALL ") + ")" + by + " LIMIT ?", append(args, limit)
}

// parts returns queries for all that is in the list from the cursor on, each in the order.
func (o order) parts(ctx context.Context, view *sql.Tx, fs fences, q curfew.Query, rare int) (parts []part, err error) {
	if len(fs) == 0 {
		if parts, err = o.indexed(ctx, view, q, rare); err != nil {
			return nil, err
		}
	}
	for _, src := range fs.live() {
		c := queried(q)
		c.add(src.where, src.args...)
		for _, clue := range liveSessions.clues(q.User, q.Search) {
			c.add(clue.passing(), clue.args...)
		}
		parts = append(parts, o.sorted(c, src.hint, q.Cursor))
	}
	return parts, nil
}

// indexed returns queries for what is in the indexes.
func (o order) indexed(ctx context.Context, view *sql.Tx, q curfew.Query, rare int) ([]part, error) {
	clues, ok, err := liveSessions.find(ctx, view, q.User, q.Search)
	if err != nil || !ok {
		return nil, err
	}
	at, n, err := liveSessions.rarest(ctx, view, clues, rare+1)
	if err != nil {
		return nil, err
	}
	c := queried(q)
	c.add(liveSessions.where)
	if at < 0 || n > rare {
		return o.walk(c, clues, q.Cursor), nil
	}
	liveSessions.drive(c, clues, at)
	return []part{o.sorted(c, "", q.Cursor)}, nil
}

// queried are the conditions that are not of the search.
func queried(q curfew.Query) *conditions {
	c := &conditions{}
	c.add("+ends_at > ?", milli(q.Now))
	if q.Except != "" {
		c.add("+id <> ?", string(q.Except))
	}
	return c
}

// source is a part of the live sessions: a condition for them, and a hint how to find them.
type source struct {
	hint, where string
	args        []any
}

// live returns the live sessions, but for those in the indexes while there is no fence. Indexes are of no use while most
// of what is in them has ended by a fence.
func (fs fences) live() []source {
	if len(fs) == 0 {
		return []source{{where: "indexed = 0"}}
	}
	last := fs[len(fs)-1]
	but := []any{last.upto, string(last.but)}
	return []source{
		{" NOT INDEXED", "seq > ?", []any{last.upto}},
		{"", "indexed = 1 AND seq <= ? AND id = ?", but},
		{"", "indexed = 0 AND seq <= ? AND id = ?", but},
	}
}

// byEnd returns the live sessions, in parts that each have an index by which those are found that are due. While there is a fence,
// nothing comes into the indexes, so those that started after it are all arrivals.
func (fs fences) byEnd() []source {
	if len(fs) == 0 {
		return []source{{where: "indexed = 0"}, {where: "indexed = 1"}}
	}
	return []source{{where: "indexed = 0 AND " + beyond, args: fs.args()}, {where: "indexed = 1 AND id = ?", args: fs.args()[1:]}}
}

// Count implements curfew.Store.
func (db *DB) Count(ctx context.Context, q curfew.Query) (curfew.Count, error) {
	fences := *db.writer.tx.published.Load()
	return view(ctx, db.reads, func(view *sql.Tx) (curfew.Count, error) {
		switch {
		case q.Search != "" || len(fences) > 0:
			return db.countEach(ctx, view, fences, q)
		case q.User != "":
			return countUser(ctx, view, q)
		default:
			return countAll(ctx, view, q)
		}
	})
}

// countEach counts live sessions one by one; with a search up to a limit.
func (db *DB) countEach(ctx context.Context, view *sql.Tx, fs fences, q curfew.Query) (n curfew.Count, err error) {
	limit := -1
	if q.Search != "" {
		limit = db.effort.count
	}
	parts, err := tallies(ctx, view, fs, q, limit)
	if err != nil {
		return n, err
	}
	seen, people := 0, []int64{}
	for _, p := range parts {
		more, m, err := p.tally(ctx, view, limit)
		if err != nil {
			return n, err
		}
		seen, people = seen+more, append(people, m...)
	}
	n.Sessions = len(people)
	n.MoreSessions = limit > 0 && seen >= limit
	n.MoreUsers = n.MoreSessions
	slices.Sort(people)
	n.Users, err = countUsers(ctx, view, slices.Compact(people))
	return n, err
}

// tally returns how many sessions a query for persons and hits has looked at, and the person of each hit. They come in one text: a
// row for each of thousands would cost more than to find it.
func (p part) tally(ctx context.Context, view *sql.Tx, limit int) (seen int, people []int64, err error) {
	var text []byte
	err = view.QueryRowContext(ctx, "SELECT count(*), json_group_array(person_no) FILTER (WHERE hit) FROM ("+p.query+" LIMIT ?)",
		append(p.args, limit)...).Scan(&seen, &text)
	if err != nil {
		return 0, nil, err
	}
	return seen, people, json.Unmarshal(text, &people)
}

// countUsers counts the accounts of persons. Most have but one, so that only the others need to be looked up.
func countUsers(ctx context.Context, view *sql.Tx, people []int64) (n int, err error) {
	var anyAgain bool
	if err := view.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM person WHERE again = 1)").Scan(&anyAgain); err != nil {
		return 0, err
	}
	if !anyAgain {
		return len(people), nil
	}
	err = view.QueryRowContext(ctx, "SELECT ? - count(*) + count(DISTINCT user_id) FROM person WHERE again = 1 AND no IN "+listed,
		len(people), list(people)).Scan(&n)
	return n, err
}

// countAll counts all live sessions but one, by the totals of those in the indexes: without what is due there, and with what
// is not in them yet.
func countAll(ctx context.Context, view *sql.Tx, q curfew.Query) (n curfew.Count, err error) {
	err = view.QueryRowContext(ctx, countAllQuery, milli(q.Now), string(q.Except)).Scan(&n.Sessions, &n.Users)
	return n, err
}

// countAllQuery has the time and the exception as its arguments.
const countAllQuery = `WITH
off AS MATERIALIZED (SELECT person_no, count(*) AS n FROM (
	SELECT person_no FROM session WHERE indexed = 1 AND ends_at <= ?1
	UNION ALL SELECT person_no FROM session WHERE indexed = 1 AND id = ?2 AND +ends_at > ?1) GROUP BY person_no),
off_user AS MATERIALIZED (SELECT user_id, sum(n) AS n FROM off JOIN person ON no = person_no GROUP BY user_id),
arrived AS MATERIALIZED (SELECT user_id, count(*) AS n FROM session
	WHERE indexed = 0 AND ends_at > ?1 AND id <> ?2 GROUP BY user_id)
SELECT
	sessions - (SELECT ifnull(sum(n), 0) FROM off) + (SELECT ifnull(sum(n), 0) FROM arrived),
	users - (SELECT count(*) FROM off_user o WHERE n = (SELECT sum(live) FROM person WHERE user_id = o.user_id))
		+ (SELECT count(*) FROM arrived a WHERE (SELECT ifnull(sum(live), 0) FROM person WHERE user_id = a.user_id)
			= ifnull((SELECT n FROM off_user WHERE user_id = a.user_id), 0))
FROM total`

// countUser counts the live sessions of a user but one.
func countUser(ctx context.Context, view *sql.Tx, q curfew.Query) (n curfew.Count, err error) {
	err = view.QueryRowContext(ctx, countUserQuery, milli(q.Now), string(q.Except), string(q.User)).Scan(&n.Sessions)
	n.Users = min(n.Sessions, 1)
	return n, err
}

// countUserQuery has the time, the exception and the user as its arguments.
const countUserQuery = `SELECT
	(SELECT ifnull(sum(live), 0) FROM person WHERE user_id = ?3)
	- (SELECT count(*) FROM session WHERE indexed = 1 AND ends_at <= ?1 AND +user_id = ?3)
	- (SELECT count(*) FROM session WHERE indexed = 1 AND id = ?2 AND +ends_at > ?1 AND +user_id = ?3)
	+ (SELECT count(*) FROM session WHERE indexed = 0 AND ends_at > ?1 AND +id <> ?2 AND +user_id = ?3)`

// tallies returns queries that have in each row the person of a session that was looked at, and whether it is one to count.
func tallies(ctx context.Context, view *sql.Tx, fs fences, q curfew.Query, most int) (parts []part, err error) {
	if len(fs) == 0 {
		if parts, err = found(ctx, view, q, most); err != nil {
			return nil, err
		}
	}
	for _, src := range fs.live() {
		c := queried(q)
		c.add(src.where, src.args...)
		for _, clue := range liveSessions.clues(q.User, q.Search) {
			c.add(clue.passing(), clue.args...)
		}
		parts = append(parts, part{"SELECT person_no, 1 AS hit FROM session" + src.hint + c.where(), c.args()})
	}
	return parts, nil
}

// found tallies the indexed sessions that a search may find.
func found(ctx context.Context, view *sql.Tx, q curfew.Query, most int) ([]part, error) {
	clues, ok, err := liveSessions.find(ctx, view, q.User, q.Search)
	if err != nil || !ok {
		return nil, err
	}
	at, _, err := liveSessions.rarest(ctx, view, clues, most)
	if err != nil {
		return nil, err
	}
	// All that is needed is in each index. What is due is few, and looking it up spares a look at each row.
	var from []string
	var args []any
	for _, way := range clues[at].either() {
		from = append(from, "SELECT * FROM (SELECT seq, person_no, device_no, origin FROM session WHERE indexed = 1 AND ("+way.direct()+") LIMIT ?)")
		args = append(append(args, way.args...), most)
	}
	c, hit := &conditions{}, &conditions{}
	c.add("seq NOT IN (SELECT seq FROM session WHERE indexed = 1 AND ends_at <= ?)", milli(q.Now))
	c.add("seq IS NOT (SELECT seq FROM session WHERE indexed = 1 AND id = ?)", string(q.Except))
	hit.add("1")
	for i, clue := range clues {
		if i != at {
			hit.add(clue.passing(), clue.args...)
		}
	}
	return []part{{"SELECT person_no, " + hit.all() + " AS hit FROM (" + strings.Join(from, " UNION ") + ")" + c.where(),
		slices.Concat(hit.values, args, c.values)}}, nil
}

// History implements curfew.Store.
func (db *DB) History(ctx context.Context, q curfew.HistoryQuery) (curfew.HistoryPage, error) {
	return view(ctx, db.reads, func(view *sql.Tx) (curfew.HistoryPage, error) { return listEnded(ctx, view, q, db.effort.sort) })
}

func listEnded(ctx context.Context, view *sql.Tx, q curfew.HistoryQuery, rare int) (curfew.HistoryPage, error) {
	query, args, err := pastQuery(ctx, view, q, rare)
	if err != nil || query == "" {
		return curfew.HistoryPage{}, err
	}
	rows, err := view.QueryContext(ctx, query+" LIMIT ?", append(args, curfew.PageSize(q.Limit)+1)...)
	if err != nil {
		return curfew.HistoryPage{}, err
	}
	type row struct {
		curfew.Ended
		no int64
	}
	found, err := scanAll(rows, func(s scanner) (row, error) {
		var no int64
		r, e, err := scanEnded(s, &no)
		return row{curfew.Ended{Session: r.Session, Ending: e}, no}, err
	})
	if err != nil {
		return curfew.HistoryPage{}, err
	}
	var page curfew.HistoryPage
	found, page.Prev, page.Next = cut(found, q.Cursor, curfew.PageSize(q.Limit), func(r row) curfew.Cursor {
		return curfew.Cursor{Key: fmt.Sprintf("%d/%s", r.no, timeKey(r.Ending.At)), ID: r.Session.ID}
	})
	for _, r := range found {
		page.Ended = append(page.Ended, r.Ended)
	}
	return page, nil
}

// pastQuery returns the query for history from the cursor on, or nothing if no entry can match.
func pastQuery(ctx context.Context, view *sql.Tx, q curfew.HistoryQuery, rare int) (query string, args []any, err error) {
	clues, ok, err := endedSessions.find(ctx, view, q.User, q.Search)
	if err != nil || !ok {
		return "", nil, err
	}
	at, n, err := endedSessions.rarest(ctx, view, clues, rare+1)
	if err != nil {
		return "", nil, err
	}
	ended := "+ended_at" // sorted
	if at < 0 || n > rare {
		at, ended = -1, "ended_at" // walked through
	}
	c := &conditions{}
	endedSessions.drive(c, clues, at)
	if q.Reason != "" {
		c.add("reason = ?", string(q.Reason))
	}
	if !q.From.IsZero() {
		c.add(ended+" >= ?", milli(q.From))
	}
	if !q.Until.IsZero() {
		c.add(ended+" < ?", milli(q.Until))
	}
	o := order{desc: true, back: q.Cursor.Back}
	if at, no, ok := pastPlace(q.Cursor); ok {
		c.add("("+ended+", no) "+o.sign()+" (?, ?)", at, no)
	}
	return "SELECT no, " + kept + ", reason, by_user, by_name, by_session, by_key, ended_at FROM history" + c.where() + o.by(ended, "no"), c.args(), nil
}

// pastPlace is where a cursor stands in history. For a stranger's invention, as for none, it reports false.
func pastPlace(cur curfew.Cursor) (at, no int64, ok bool) {
	first, second, _ := strings.Cut(cur.Key, "/")
	no, err := strconv.ParseInt(first, 10, 64)
	at, err2 := strconv.ParseInt(second, 10, 64)
	return at, no, cur.ID != "" && err == nil && err2 == nil
}

// order is an order of live sessions. Ties are broken by seq.
type order struct {
	column string // by which it goes
	fold   string // its collation, if that is not the column's own
	number string // if the column is in a table of names, the column of session that leads there
	desc   bool
	back   bool                        // the page is read backwards
	key    func(curfew.Session) string // the column's value in a cursor
}

func orderOf(q curfew.Query) order {
	o := order{desc: q.Desc, back: q.Cursor.Back}
	switch q.Sort {
	case curfew.SortStarted:
		o.column, o.key = "s.created_at", func(s curfew.Session) string { return timeKey(s.CreatedAt) }
	case curfew.SortUser:
		o.column, o.fold, o.number, o.key = "person.user_name", noCase, "person_no", func(s curfew.Session) string { return s.User.Name }
	case curfew.SortOrigin:
		o.column, o.key = "s.origin", func(s curfew.Session) string { return s.Client.Origin }
	case curfew.SortDevice:
		o.column, o.fold, o.number, o.key = "device.name", noCase, "device_no", func(s curfew.Session) string { return s.Client.Device }
	default:
		o.column, o.key = "s.last_active", func(s curfew.Session) string { return timeKey(s.LastActive) }
	}
	return o
}

// no is the number of the name that the order goes by, or 0.
func (o order) no() string {
	if o.number == "" {
		return "0"
	}
	return o.names() + ".no"
}

// names is the table of names that the order goes by.
func (o order) names() string { return strings.TrimSuffix(o.number, "_no") }

// union is the column in a union of parts.
func (o order) union() string { return "k" + o.fold }

// noCase makes no difference between upper and lower case.
const noCase = " COLLATE NOCASE"

// walk returns queries that go through the indexed sessions in the order, and pass over those that don't match.
func (o order) walk(c *conditions, clues []clue, cur curfew.Cursor) []part {
	for _, clue := range clues {
		where := clue.passing()
		switch {
		case o.number != "" && clue.column == o.number:
			where = strings.ReplaceAll(clue.where, "@"+o.number, "+"+o.names()+".no") // the order's index is to be gone through
		case "s."+clue.column == o.column:
			where = clue.direct()
		}
		c.add(where, clue.args...)
	}
	from := "session s"
	if o.number != "" {
		from = fmt.Sprintf("%s CROSS JOIN session s ON s.%s = %[1]s.no", o.names(), o.number)
	}
	p, ok := placeOf(cur, o)
	switch {
	case !ok:
		return []part{o.part(from, c, "")}
	case o.number == "":
		c.add(fmt.Sprintf("(%s, s.seq) %s (?, ?)", o.column, o.sign()), p.key, p.seq)
		return []part{o.part(from, c, "")}
	}
	// The rest of those with the same name, and those with the names after it. With the collation on the left SQLite would not
	// see that an index leads there, and go through all names.
	same, after := c.and(o.names()+".no = ? AND s.seq "+o.sign()+" ?", p.no, p.seq),
		c.and(fmt.Sprintf("(%s, %s.no) %s (?%s, ?)", o.column, o.names(), o.sign(), o.fold), p.key, p.no)
	return []part{o.part(from, same, ""), o.part(from, after, "")}
}

// sorted returns a query that finds sessions by its conditions, and sorts them.
func (o order) sorted(c *conditions, hint string, cur curfew.Cursor) part {
	if p, ok := placeOf(cur, o); ok {
		c.add(fmt.Sprintf("(+%s%s, %s, +s.seq) %s (?, ?, ?)", o.column, o.fold, o.no(), o.sign()), p.key, p.no, p.seq)
	}
	from := "session s" + hint
	if o.number != "" {
		from += fmt.Sprintf(" CROSS JOIN %s ON %[1]s.no = s.%s", o.names(), o.number)
	}
	return o.part(from, c, "+")
}

// part returns a query for places. With a plus they are sorted, without one an index has them in the order.
func (o order) part(from string, c *conditions, plus string) part {
	return part{"SELECT " + o.column + " AS k, " + o.no() + " AS n, s.seq AS seq FROM " + from + c.where() +
		o.by(plus+o.column+o.fold, o.no(), "s.seq"), c.args()}
}

// by returns the ORDER BY clause; going back the order is turned round.
func (o order) by(columns ...string) string {
	dir := ""
	if o.desc != o.back {
		dir = " DESC"
	}
	var list []string
	for _, column := range columns {
		if column != "0" {
			list = append(list, column+dir)
		}
	}
	return " ORDER BY " + strings.Join(list, ", ")
}

// sign is between a place after the cursor and the cursor.
func (o order) sign() string {
	if o.desc != o.back {
		return "<"
	}
	return ">"
}

// place is where a cursor stands in an order.
type place struct {
	seq, no int64
	key     any
}

// placeOf reads a cursor. For a stranger's invention, as for none, it reports false: that is the first page.
func placeOf(cur curfew.Cursor, o order) (p place, ok bool) {
	fields := strings.SplitN(cur.Key, "/", 3)
	if cur.ID == "" || len(fields) < 3 {
		return place{}, false
	}
	seq, err := strconv.ParseInt(fields[0], 10, 64)
	no, err2 := strconv.ParseInt(fields[1], 10, 64)
	p = place{seq, no, fields[2]}
	if o.isTime() {
		ms, err := strconv.ParseInt(fields[2], 10, 64)
		p.key, ok = ms, err == nil
	} else {
		ok = true
	}
	return p, ok && err == nil && err2 == nil
}

func (o order) isTime() bool { return o.column == "s.created_at" || o.column == "s.last_active" }

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
