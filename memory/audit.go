package memory

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/curfewhq/curfew/audit"
)

// Audit is an audit.Store in memory.
type Audit struct {
	mu     sync.Mutex
	start  audit.Mark
	blocks []audit.Block

	cursors map[string]audit.Cursor
}

// NewAudit returns an empty store.
func NewAudit() *Audit { return &Audit{cursors: map[string]audit.Cursor{}} }

var (
	_ audit.Store       = (*Audit)(nil)
	_ audit.CursorStore = (*Audit)(nil)
)

// AppendAudit implements audit.Store.
func (a *Audit) AppendAudit(ctx context.Context, now time.Time, records ...audit.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.note(ctx, now, records)
	return nil
}

// note appends records of what has happened.
func (a *Audit) note(ctx context.Context, now time.Time, records []audit.Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.append(audit.Complete(ctx, now, records))
}

func (a *Audit) append(notes []audit.Record) {
	for records := range slices.Chunk(notes, audit.BlockSize) {
		a.blocks = append(a.blocks, audit.Seal(a.end(), records))
	}
}

func (a *Audit) end() audit.Mark {
	if len(a.blocks) == 0 {
		return a.start
	}
	return a.blocks[len(a.blocks)-1].End()
}

// AuditBlocks implements audit.Store.
func (a *Audit) AuditBlocks(ctx context.Context, no int64, back bool, most int) ([]audit.Block, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !back {
		i := slices.IndexFunc(a.blocks, func(b audit.Block) bool { return b.End().No >= no })
		if i < 0 {
			return nil, nil
		}
		return slices.Clone(a.blocks[i:min(len(a.blocks), i+most)]), nil
	}
	var found []audit.Block
	for _, b := range slices.Backward(a.blocks) {
		if b.No <= no && len(found) < most {
			found = append(found, b)
		}
	}
	return found, nil
}

// AuditStart implements audit.Store.
func (a *Audit) AuditStart(ctx context.Context) (audit.Mark, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.start, ctx.Err()
}

// AuditEnd implements audit.Store.
func (a *Audit) AuditEnd(ctx context.Context) (audit.Mark, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.end(), ctx.Err()
}

// AuditSince implements audit.Store.
func (a *Audit) AuditSince(ctx context.Context, at time.Time) (int64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, b := range a.blocks {
		if !b.At.Before(at) {
			return b.No, ctx.Err()
		}
	}
	return a.end().No + 1, ctx.Err()
}

// ForgetAudit implements audit.Store.
func (a *Audit) ForgetAudit(ctx context.Context, now, before time.Time) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.start
	for len(a.blocks) > 0 && a.blocks[0].At.Before(before) {
		a.start = a.blocks[0].End()
		a.blocks = a.blocks[1:]
	}
	if a.start == was {
		return 0, nil
	}
	n := int(a.start.No - was.No)
	a.append([]audit.Record{audit.Forget(now, n, a.start)})
	return n, nil
}

// Cursors implements audit.CursorStore.
func (a *Audit) Cursors(ctx context.Context) (map[string]audit.Cursor, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.cursors), ctx.Err()
}

// SetCursor implements audit.CursorStore.
func (a *Audit) SetCursor(ctx context.Context, now time.Time, name string, c audit.Cursor, notes ...audit.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cursors[name] = c
	a.append(audit.Complete(ctx, now, notes))
	return nil
}

// ForgetCursors implements audit.CursorStore.
func (a *Audit) ForgetCursors(ctx context.Context, but []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.cursors, func(name string, _ audit.Cursor) bool { return !slices.Contains(but, name) })
	return nil
}
