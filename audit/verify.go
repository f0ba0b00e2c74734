package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
)

// Broken says where a chain does not hold.
type Broken struct {
	No  int64 // the first record that is not as it was, or near it
	Why string
}

func (b *Broken) Error() string {
	return fmt.Sprintf("the audit log is not as it was written: at record %d, %s", b.No, b.Why)
}

// Verify looks at all records that are kept, and returns the places before the first and of the last. The error is a *Broken if a
// record was changed, taken away or put in; also if the chain does not go through one of the marks, which were noted
// elsewhere at other times. Marks from before the first record that is kept can't be looked at, and are passed over.
//
// Who can write the store can make a new chain. It then does not go through marks of the old one.
func (l *Log) Verify(ctx context.Context, marks ...Mark) (first, last Mark, err error) {
	if first, err = l.Start(ctx); err != nil {
		return first, last, err
	}
	first, last, _, err = l.VerifyOn(ctx, first, math.MaxInt, marks...)
	return first, last, err
}

// VerifyOn is a part of Verify: it looks at about most records that come after a place, which it believes, and returns whether there
// are more after last. First is that place or, if records were forgotten meanwhile, the one before the first that is kept.
func (l *Log) VerifyOn(ctx context.Context, at Mark, most int, marks ...Mark) (first, last Mark, more bool, err error) {
	first = at
	c := checker{at: at, marks: marks}
	if err := c.passed(); err != nil {
		return first, c.at, false, err
	}
	looked := 0
	for b, err := range l.blocks(ctx, at) {
		if err != nil {
			return first, c.at, false, err
		}
		if looked >= most {
			return first, c.at, true, nil
		}
		if b.before.No > c.at.No { // what was between is forgotten
			first, c.at = b.before, b.before
		}
		if err := c.block(b.Block); err != nil {
			return first, c.at, false, err
		}
		looked += b.Count
	}
	if err := c.reached(); err != nil {
		return first, c.at, false, err
	}
	return first, c.at, false, l.vouched(ctx)
}

// vouched returns nil if a record says that all before the first one were deleted because of their age.
func (l *Log) vouched(ctx context.Context) error {
	start, err := l.Start(ctx)
	if err != nil || start.No == 0 {
		return err
	}
	note := []byte(start.String())
	for line, err := range l.back(ctx, Query{}) {
		if err != nil {
			return err
		}
		if !bytes.Contains(line.text, note) {
			continue
		}
		if r, err := read(line.text); err != nil || r.Event == Forgotten && r.Note == string(note) {
			return err
		}
	}
	switch now, err := l.Start(ctx); {
	case err != nil:
		return err
	case now != start: // more was deleted meanwhile, perhaps with the record that vouched for it
		return l.vouched(ctx)
	}
	return &Broken{start.No, "which is missing, as all before it, though no record says that they were deleted because of their age"}
}

// checker follows a chain.
type checker struct {
	at    Mark
	marks []Mark
}

const noHash = "the text does not have its hash"

func (c *checker) block(b Block) error {
	if b.No != c.at.No+1 {
		return &Broken{c.at.No + 1, fmt.Sprintf("which is missing; the next is %d", b.No)}
	}
	lines := b.lines()
	if len(lines) != b.Count {
		return &Broken{b.No, fmt.Sprintf("there are %d lines for %d records", len(lines), b.Count)}
	}
	for _, line := range lines {
		if err := c.line(line); err != nil {
			return err
		}
	}
	switch {
	case c.at.Hash == b.Hash:
		return nil
	case b.Count == 1:
		return &Broken{b.No, noHash}
	default:
		return &Broken{b.No, fmt.Sprintf("or up to %d, %s", c.at.No, noHash)}
	}
}

func (c *checker) line(line []byte) error {
	var is struct{ No int64 }
	if err := json.Unmarshal(line, &is); err != nil || is.No != c.at.No+1 {
		return &Broken{c.at.No + 1, fmt.Sprintf("the line is no record, or one of another number (%d)", is.No)}
	}
	c.at = Mark{is.No, c.at.Hash.Next(line)}
	return c.passed()
}

// passed compares the place with the marks.
func (c *checker) passed() error {
	for _, m := range c.marks {
		if m.No == c.at.No && m.Hash != c.at.Hash {
			return &Broken{m.No, "the hash is not the one noted in the mark"}
		}
	}
	return nil
}

// reached reports marks from beyond the end.
func (c *checker) reached() error {
	for _, m := range c.marks {
		if m.No > c.at.No {
			return &Broken{c.at.No + 1, fmt.Sprintf("which is missing, as all are up to the mark at %d", m.No)}
		}
	}
	return nil
}
