package audit

import (
	"context"
	"iter"
	"time"

	"github.com/curfewhq/curfew"
)

// Log reads the records of a store. Its methods may be called from many goroutines.
type Log struct{ store Reader }

// NewLog returns a log of what the store keeps.
func NewLog(store Reader) *Log { return &Log{store} }

// Start returns the place before the first record that is kept.
func (l *Log) Start(ctx context.Context) (Mark, error) { return l.store.AuditStart(ctx) }

// End returns the place of the last record.
func (l *Log) End(ctx context.Context) (Mark, error) { return l.store.AuditEnd(ctx) }

// Get returns a record and its place. The error has CodeNotFound if it is not kept.
func (l *Log) Get(ctx context.Context, no int64) (Record, Mark, error) {
	for e, err := range l.Entries(ctx, no) {
		if err != nil {
			return Record{}, Mark{}, err
		}
		if e.Mark.No != no {
			break
		}
		return e.Record, e.Mark, nil
	}
	return Record{}, Mark{}, &curfew.Error{Code: curfew.CodeNotFound, Message: "there is no such record, or it was deleted because of its age"}
}

// Line is a record as it is kept, with its hash as the last field: what Export writes.
type Line struct {
	No   int64
	Text []byte // JSON, without the line's end
}

// Lines returns the records from a number on that are kept at the time of the call, the earliest first, with their hashes.
func (l *Log) Lines(ctx context.Context, from int64) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		for at, err := range l.chain(ctx, from) {
			var line Line
			if err == nil {
				line = Line{at.No, withHash(at.text, at.Hash)}
			}
			if !yield(line, err) {
				return
			}
		}
	}
}

// Entry is a record with its place.
type Entry struct {
	Record
	Mark Mark
}

// Entries is Lines for records that are to be read.
func (l *Log) Entries(ctx context.Context, from int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for at, err := range l.chain(ctx, from) {
			e := Entry{Mark: at.Mark}
			if err == nil {
				e.Record, err = read(at.text)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// read is parse for what is kept.
func read(line []byte) (Record, error) {
	r, err := parse(line)
	if err != nil {
		return r, &curfew.Error{Code: curfew.CodeUnavailable, Message: "the audit log is damaged; run \"curfew audit verify\"", Err: err}
	}
	return r, nil
}

// WrittenAt returns when the record with the number was written or, if it is not kept, the next one that is: zero if there is none. It
// does not read the record itself, which may be damaged: all records of a block are of one transaction.
func (l *Log) WrittenAt(ctx context.Context, no int64) (time.Time, error) {
	blocks, err := l.store.AuditBlocks(ctx, no, false, 1)
	if err != nil || len(blocks) == 0 {
		return time.Time{}, err
	}
	return blocks[0].At, nil
}
