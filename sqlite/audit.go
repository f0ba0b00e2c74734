package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

var _ audit.Store = (*DB)(nil)

// note writes a record with what else the transaction changes.
func (t *tx) note(now time.Time, r audit.Record) {
	if r.At.IsZero() {
		r.At = audit.Time{Time: now}
	}
	t.notes = append(t.notes, r)
}

// noteEnds notes that sessions end as e says, or have ended by themselves.
func (t *tx) noteEnds(rows []liveRow, e curfew.Ending, from string) {
	for _, r := range rows {
		t.note(e.At, audit.End(curfew.User{ID: r.User, Name: r.name}, r.ID, r.ending(e), from))
	}
}

// writeNotes writes what the transaction has noted.
func (t *tx) writeNotes() error {
	end := t.audited
	for records := range slices.Chunk(t.notes, audit.BlockSize) {
		b := audit.Seal(end, records)
		_, err := t.exec("INSERT INTO audit (no, count, at, lines, hash) VALUES (?,?,?,CAST(? AS TEXT),?)", b.No, b.Count, milli(b.At), b.Lines, b.Hash[:])
		if err != nil {
			return err
		}
		end = b.End()
		runtime.Gosched() // encoding takes a while
	}
	t.onCommit(func() { t.audited = end })
	return nil
}

// loadAudited finds the end of the chain.
func (t *tx) loadAudited() (err error) {
	t.audited, err = scanMark(row(func(dest ...any) error { return t.queryRow(auditEnd, nil, dest...) }))
	return err
}

// auditEnd finds the place of the last record.
const auditEnd = "SELECT no + count - 1, hash FROM audit UNION ALL SELECT no, hash FROM audit_start ORDER BY 1 DESC LIMIT 1"

func scanMark(row scanner) (m audit.Mark, err error) {
	var hash []byte
	if err := row.Scan(&m.No, &hash); err != nil {
		return m, err
	}
	m.Hash, err = auditHash(hash)
	return m, err
}

func auditHash(b []byte) (h audit.Hash, err error) {
	if len(b) != len(h) {
		return h, fmt.Errorf("hash of %d bytes", len(b))
	}
	copy(h[:], b)
	return h, nil
}

// AppendAudit implements audit.Store.
func (db *DB) AppendAudit(ctx context.Context, now time.Time, records ...audit.Record) error {
	return db.writer.write(ctx, now, func(t *tx) error {
		t.noteAll(ctx, now, records)
		return nil
	})
}

// noteAll notes the records of something that is done in ctx.
func (t *tx) noteAll(ctx context.Context, now time.Time, records []audit.Record) {
	t.notes = append(t.notes, audit.Complete(ctx, now, records)...)
}

// AuditBlocks implements audit.Store.
func (db *DB) AuditBlocks(ctx context.Context, no int64, back bool, most int) ([]audit.Block, error) {
	query := "SELECT no, count, at, lines, hash FROM audit WHERE no <= ? ORDER BY no DESC LIMIT ?"
	if !back {
		query = "SELECT no, count, at, lines, hash FROM audit " +
			"WHERE no >= (SELECT ifnull(max(no), 0) FROM audit WHERE no <= ?1) AND no + count > ?1 ORDER BY no LIMIT ?2"
	}
	return readAll(ctx, db.reads.records(), func(s scanner) (b audit.Block, err error) {
		var at int64
		var hash []byte
		if err := s.Scan(&b.No, &b.Count, &at, &b.Lines, &hash); err != nil {
			return b, err
		}
		b.At = fromMilli(at)
		b.Hash, err = auditHash(hash)
		return b, err
	}, query, no, most)
}

// AuditStart implements audit.Store.
func (db *DB) AuditStart(ctx context.Context) (audit.Mark, error) {
	return scanMark(db.reads.records().row(ctx, "SELECT no, hash FROM audit_start"))
}

// AuditEnd implements audit.Store.
func (db *DB) AuditEnd(ctx context.Context) (audit.Mark, error) {
	return scanMark(db.reads.records().row(ctx, auditEnd))
}

// AuditSince implements audit.Store.
func (db *DB) AuditSince(ctx context.Context, at time.Time) (no int64, err error) {
	err = db.reads.records().row(ctx, "SELECT no FROM audit WHERE at >= ? ORDER BY at, no LIMIT 1", milli(at)).Scan(&no)
	if errors.Is(err, sql.ErrNoRows) {
		end, err := db.AuditEnd(ctx)
		return end.No + 1, err
	}
	return no, err
}

// ForgetAudit implements audit.Store.
func (db *DB) ForgetAudit(ctx context.Context, now, before time.Time) (n int, err error) {
	err = db.writer.write(ctx, now, func(t *tx) error {
		upto, err := scanMark(row(func(dest ...any) error { return t.queryRow(auditBefore, []any{milli(before)}, dest...) }))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		var first int64
		if err := t.queryRow("SELECT no FROM audit_start", nil, &first); err != nil {
			return err
		}
		if _, err := t.exec("UPDATE audit_start SET no = ?, hash = ?", upto.No, upto.Hash[:]); err != nil {
			return err
		}
		if _, err := t.exec("DELETE FROM audit WHERE no <= ?", upto.No); err != nil {
			return err
		}
		n = int(upto.No - first)
		t.note(now, audit.Forget(now, n, upto))
		return nil
	})
	return n, err
}

// auditBefore finds the place of the last record in blocks that end before a time, and come before all others.
const auditBefore = "SELECT no + count - 1, hash FROM audit " +
	"WHERE no < (SELECT ifnull((SELECT min(no) FROM audit WHERE at >= ?), 9e18)) ORDER BY no DESC LIMIT 1"
