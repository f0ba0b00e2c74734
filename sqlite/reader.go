package sqlite

import (
	"context"
	"database/sql"
)

// reader is a pool of connections that read. It returns nothing that a loss of power could undo: see syncer.
type reader struct {
	*sql.DB
	syncer *syncer // nil where nobody writes
	timely bool    // what it reads hangs on the time of each commit, or on its records in the audit log
}

// records is the reader for the clock and the audit log.
func (r reader) records() reader {
	r.timely = true
	return r
}

// settled returns the error of what was read, or none once that can be told.
func (r reader) settled(ctx context.Context, err error) error {
	if r.syncer == nil {
		return err
	}
	latest := &r.syncer.exposed
	if r.timely {
		latest = &r.syncer.made
	}
	if late := r.syncer.settled(ctx, latest); late != nil {
		return late
	}
	return err
}

// row reads one row.
func (r reader) row(ctx context.Context, query string, args ...any) row {
	return func(dest ...any) error { return r.settled(ctx, r.QueryRowContext(ctx, query, args...).Scan(dest...)) }
}

// readAll reads all rows.
func readAll[T any](ctx context.Context, r reader, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := r.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	all, err := scanAll(rows, scan)
	return all, r.settled(ctx, err)
}

// view has f read one state of the database, whatever is changed meanwhile.
func view[T any](ctx context.Context, r reader, f func(*sql.Tx) (T, error)) (T, error) {
	tx, err := r.BeginTx(ctx, nil)
	if err != nil {
		var none T
		return none, err
	}
	found, err := func() (T, error) {
		defer tx.Rollback()
		return f(tx)
	}()
	return found, r.settled(ctx, err)
}
