package sqlite

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/audit"
)

var _ audit.CursorStore = (*DB)(nil)

// Cursors implements audit.CursorStore.
func (db *DB) Cursors(ctx context.Context) (map[string]audit.Cursor, error) {
	cursors := map[string]audit.Cursor{}
	_, err := readAll(ctx, db.reads.records(), func(s scanner) (name string, err error) {
		var c audit.Cursor
		err = s.Scan(&name, &c.No, &c.Off)
		cursors[name] = c
		return name, err
	}, "SELECT name, no, off FROM audit_cursor")
	return cursors, err
}

// SetCursor implements audit.CursorStore.
func (db *DB) SetCursor(ctx context.Context, now time.Time, name string, c audit.Cursor, notes ...audit.Record) error {
	return db.writer.write(ctx, now, func(t *tx) error {
		t.noteAll(ctx, now, notes)
		_, err := t.exec("INSERT INTO audit_cursor (name, no, off) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET no = ?2, off = ?3", name, c.No, c.Off)
		return err
	})
}

// ForgetCursors implements audit.CursorStore.
func (db *DB) ForgetCursors(ctx context.Context, but []string) error {
	return db.writer.write(ctx, time.Time{}, func(t *tx) error {
		_, err := t.exec("DELETE FROM audit_cursor WHERE name NOT IN "+listed, list(append([]string{}, but...)))
		return err
	})
}
