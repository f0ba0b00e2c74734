package sqlite

import (
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// appendValues appends the columns of kept.
func appendValues(to []any, r *curfew.Record) []any {
	s := &r.Session
	return append(to,
		string(s.ID), r.Hash[:], string(s.User.ID), s.User.Name, s.User.FullName,
		string(s.Credential), s.Client.Origin, s.Client.Device,
		milli(s.CreatedAt), milli(s.AuthenticatedAt), milli(s.LastActive), s.Lifetime.Milliseconds(), s.Grace.Milliseconds(), milli(s.ExpiresAt))
}

type scanner interface{ Scan(dest ...any) error }

// scanEnded scans some other columns, those of kept, and those of an ending.
func scanEnded(row scanner, first ...any) (curfew.Record, curfew.Ending, error) {
	var e curfew.Ending
	var at int64
	r, err := scanKept(row, first, &e.Reason, &e.By.User, &e.By.Name, &e.By.Session, &e.By.Key, &at)
	e.At = fromMilli(at)
	return r, e, err
}

func scanKept(row scanner, first []any, more ...any) (curfew.Record, error) {
	var r curfew.Record
	var hash []byte
	var created, authenticated, active, lifetime, grace, expires int64
	s := &r.Session
	dest := append(first,
		&s.ID, &hash, &s.User.ID, &s.User.Name, &s.User.FullName, &s.Credential, &s.Client.Origin, &s.Client.Device,
		&created, &authenticated, &active, &lifetime, &grace, &expires)
	if err := row.Scan(append(dest, more...)...); err != nil {
		return curfew.Record{}, err
	}
	if len(hash) != len(r.Hash) {
		return curfew.Record{}, fmt.Errorf("session %s: hash of %d bytes", s.ID, len(hash))
	}
	copy(r.Hash[:], hash)
	s.CreatedAt, s.AuthenticatedAt = fromMilli(created), fromMilli(authenticated)
	s.LastActive, s.ExpiresAt = fromMilli(active), fromMilli(expires)
	s.Lifetime, s.Grace = time.Duration(lifetime)*time.Millisecond, time.Duration(grace)*time.Millisecond
	return r, nil
}

// scanAll reads all rows and closes them.
func scanAll[T any](rows *sql.Rows, scan func(scanner) (T, error)) ([]T, error) {
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

func milli(t time.Time) int64      { return t.UnixMilli() }
func fromMilli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
func timeKey(t time.Time) string   { return strconv.FormatInt(t.UnixMilli(), 10) }

// conditions are joined by AND.
type conditions struct {
	list   []string
	values []any
}

func (c *conditions) add(condition string, values ...any) {
	c.list = append(c.list, condition)
	c.values = append(c.values, values...)
}

// and returns these conditions with one more.
func (c *conditions) and(condition string, values ...any) *conditions {
	more := &conditions{slices.Clone(c.list), slices.Clone(c.values)}
	more.add(condition, values...)
	return more
}

// all returns the conditions as one.
func (c *conditions) all() string { return "(" + strings.Join(c.list, ") AND (") + ")" }

// where returns the WHERE clause.
func (c *conditions) where() string {
	if len(c.list) == 0 {
		return ""
	}
	return " WHERE " + c.all()
}

// args returns the values, with more after them.
func (c *conditions) args(more ...any) []any {
	return append(c.values[:len(c.values):len(c.values)], more...)
}
