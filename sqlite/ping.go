package sqlite

import (
	"context"
	"errors"
	"time"
)

// errNothing undoes a change that changed nothing.
var errNothing = errors.New("nothing to write")

// Ping returns nil once the database has answered a look-up and the writer has had its turn: between two groups of changes, without
// writing anything, so that an idle disk may sleep. Otherwise it returns what they say, or the context's error if they say nothing in time.
func (db *DB) Ping(ctx context.Context) error {
	if _, err := db.Clock(ctx); err != nil {
		return err
	}
	if err := db.writer.write(ctx, time.Time{}, func(*tx) error { return errNothing }); err != errNothing {
		return err
	}
	return nil
}
