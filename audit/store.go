package audit

import (
	"context"
	"time"
)

// Complete returns the records as they are kept of what is done in ctx at now, but for their numbers: without those that have no Event, with At
// and From where they have none.
func Complete(ctx context.Context, now time.Time, records []Record) []Record {
	var kept []Record
	for _, r := range records {
		if r.Event == "" {
			continue
		}
		if r.At.IsZero() {
			r.At = Time{now}
		}
		if r.From == "" {
			r.From = From(ctx)
		}
		kept = append(kept, r)
	}
	return kept
}

// Store keeps records. It writes those of sessions and accounts by itself, in the transactions of their changes; those methods say so.
//
// All methods may be called at once from many goroutines.
type Store interface {
	Reader

	// AppendAudit appends records, as Complete makes them, in a transaction of their own.
	AppendAudit(ctx context.Context, now time.Time, records ...Record) error

	// ForgetAudit deletes whole blocks whose last record is before the time, and returns how many records. The record of that,
	// which says up to which place, is written in the same transaction.
	ForgetAudit(ctx context.Context, now, before time.Time) (int, error)
}

// Reader is the part of a Store that changes nothing.
type Reader interface {
	// AuditBlocks returns up to most blocks in order, from the one that holds the record with the number on; or, going back,
	// that one first and then those before it. A number that is not kept stands for the nearest that is, in the direction.
	AuditBlocks(ctx context.Context, no int64, back bool, most int) ([]Block, error)

	// AuditStart returns the place before the first record that is kept: zero, or that of the last record that was forgotten.
	AuditStart(ctx context.Context) (Mark, error)

	// AuditEnd returns the place of the last record.
	AuditEnd(ctx context.Context) (Mark, error)

	// AuditSince returns the number of the first record of the first block whose last record is at a time or later, or of the
	// record that comes next if there is none.
	AuditSince(ctx context.Context, at time.Time) (no int64, err error)
}

// Cursor is how far somebody is who follows the log.
type Cursor struct {
	No  int64 // the last record that is dealt with
	Off bool  // nobody follows at the moment
}

// CursorStore keeps cursors, under the names of those who follow. All methods may be called at once from many goroutines.
type CursorStore interface {
	Cursors(ctx context.Context) (map[string]Cursor, error)

	// SetCursor keeps a cursor and, in the same transaction, records as Complete makes them.
	SetCursor(ctx context.Context, now time.Time, name string, c Cursor, notes ...Record) error

	// ForgetCursors forgets all but those of the names.
	ForgetCursors(ctx context.Context, but []string) error
}
