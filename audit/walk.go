package audit

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"time"
)

// blocksAtOnce bounds what is in memory: some 3 MB at most.
const blocksAtOnce = 32

// place is a line where it was found.
type place struct {
	no      int64
	text    []byte
	blockAt time.Time // the time of the last record in its block
}

// back returns the lines before q.Before and those not long after q.Until, the latest first.
func (l *Log) back(ctx context.Context, q Query) iter.Seq2[place, error] {
	return func(yield func(place, error) bool) {
		no := q.Before - 1
		if q.Before <= 0 {
			end, err := l.end(ctx, q.Until)
			if err != nil {
				yield(place{}, err)
				return
			}
			no = end
		}
		for no > 0 {
			blocks, err := l.store.AuditBlocks(ctx, no, true, blocksAtOnce)
			if err != nil {
				yield(place{}, err)
				return
			}
			if len(blocks) == 0 {
				return
			}
			for _, b := range blocks {
				lines := b.lines()
				for i, text := range slices.Backward(lines) {
					if at := b.No + int64(i); at <= no && !yield(place{at, text, b.At}, nil) {
						return
					}
				}
				no = b.No - 1
			}
		}
	}
}

// end returns the number of the last record that may be before a time, or of the last of all.
func (l *Log) end(ctx context.Context, until time.Time) (int64, error) {
	last, err := l.store.AuditEnd(ctx)
	if err != nil || until.IsZero() {
		return last.No, err
	}
	// The block may hold records from before the time.
	no, err := l.store.AuditSince(ctx, until)
	return min(last.No, no+BlockSize), err
}

// lines returns the block's lines, without their ends.
func (b Block) lines() [][]byte {
	lines := bytes.Split(b.Lines, []byte("\n"))
	return lines[:len(lines)-1]
}

// chained is a line as it is kept, with its place.
type chained struct {
	Mark
	text []byte
}

// chain is Lines for what is kept itself.
func (l *Log) chain(ctx context.Context, from int64) iter.Seq2[chained, error] {
	return func(yield func(chained, error) bool) {
		last, err := l.store.AuditEnd(ctx)
		if err != nil {
			yield(chained{}, err)
			return
		}
		at, err := l.placeBefore(ctx, from)
		if err != nil {
			yield(chained{}, err)
			return
		}
		for b, err := range l.blocks(ctx, at) {
			if err != nil {
				yield(chained{}, err)
				return
			}
			if b.No > last.No {
				return
			}
			hash := b.before.Hash
			for i, text := range b.lines() {
				hash = hash.Next(text)
				no := b.No + int64(i)
				if no >= from && !yield(chained{Mark{no, hash}, text}, nil) {
					return
				}
			}
		}
	}
}

// linked is a block with the place before it.
type linked struct {
	Block
	before Mark
}

// placeBefore returns the place before the block that holds a record.
func (l *Log) placeBefore(ctx context.Context, no int64) (Mark, error) {
	blocks, err := l.store.AuditBlocks(ctx, no, true, 2)
	if err != nil || len(blocks) < 2 {
		start, startErr := l.store.AuditStart(ctx)
		return start, errors.Join(err, startErr)
	}
	return blocks[1].End(), nil
}

// blocks returns the blocks after a place, in order. Those that are forgotten meanwhile are left out.
func (l *Log) blocks(ctx context.Context, at Mark) iter.Seq2[linked, error] {
	return func(yield func(linked, error) bool) {
		for {
			blocks, err := l.store.AuditBlocks(ctx, at.No+1, false, blocksAtOnce)
			if err != nil {
				yield(linked{}, err)
				return
			}
			if len(blocks) == 0 {
				return
			}
			if blocks[0].No != at.No+1 {
				start, err := l.store.AuditStart(ctx)
				if err != nil {
					yield(linked{}, err)
					return
				}
				if start.No > at.No {
					at = start
					continue
				}
			}
			for _, b := range blocks {
				if !yield(linked{b, at}, nil) {
					return
				}
				at = b.End()
			}
		}
	}
}
