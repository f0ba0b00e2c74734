package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// Log reads the records of a store. Its methods may be called from many goroutines.
type Log struct{ store Reader }

// NewLog returns a log of what the store keeps.
func NewLog(store Reader) *Log { return &Log{store} }

// Query asks for records, the latest first. Its fields narrow it down together.
type Query struct {
	Search  string // words that must all occur in the record, see curfew.SearchWords
	Events  []Event
	Outcome Outcome
	User    curfew.UserID // who did it, or to whom it was done
	From    time.Time
	Until   time.Time // at in [From, Until); zero times are open ends
	Limit   int       // 0 means curfew.DefaultPage; at most curfew.MaxPage
	Before  int64     // only records with lower numbers; 0 for the latest
}

// Page is a part of the records, the latest first.
type Page struct {
	Records []Record
	Next    int64 // for Query.Before; 0 if there are no more. A page may be short, even empty, with more to follow: see Effort
}

// Effort is how many records List looks at for one page.
const Effort = 50_000

// blocksAtOnce bounds what is in memory: some 3 MB at most.
const blocksAtOnce = 32

// List returns a page.
func (l *Log) List(ctx context.Context, q Query) (Page, error) {
	var page Page
	match := q.matcher()
	looked, most := 0, curfew.PageSize(q.Limit)
	for line, err := range l.back(ctx, q) {
		if err != nil {
			return Page{}, err
		}
		if !q.From.IsZero() && line.blockAt.Before(q.From) {
			return page, nil
		}
		if len(page.Records) == most || looked == Effort {
			page.Next = line.no + 1
			return page, nil
		}
		looked++
		r, ok, err := match(line.text)
		if err != nil {
			return Page{}, err
		}
		if ok {
			page.Records = append(page.Records, r)
		}
	}
	return page, nil
}

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

// matcher returns a function that reads a line if it matches.
func (q Query) matcher() func(line []byte) (Record, bool, error) {
	words := curfew.SearchWords(q.Search)
	return func(line []byte) (r Record, ok bool, err error) {
		if len(words) > 0 && !containsAll(strings.ToLower(string(line)), words) {
			return r, false, nil
		}
		if r, err = read(line); err != nil {
			return r, false, err
		}
		return r, q.matches(r), nil
	}
}

func containsAll(text string, words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

func (q Query) matches(r Record) bool {
	switch {
	case len(q.Events) > 0 && !slices.Contains(q.Events, r.Event):
	case q.Outcome != "" && q.Outcome != r.Outcome:
	case q.User != "" && !r.By.is(q.User) && !r.User.is(q.User):
	case !q.From.IsZero() && r.At.Before(q.From):
	case !q.Until.IsZero() && !r.At.Before(q.Until):
	default:
		return true
	}
	return false
}

func (p *Party) is(id curfew.UserID) bool { return p != nil && p.ID == id }

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

const hashField = `,"hash":"`

// withHash adds the hash to a line.
func withHash(line []byte, h Hash) []byte {
	return fmt.Appendf(nil, `%s%s%s"}`, bytes.TrimSuffix(line, []byte("}")), hashField, h)
}

// withoutHash is the reverse of withHash.
func withoutHash(line []byte) (text []byte, hash string, ok bool) {
	i := bytes.LastIndex(line, []byte(hashField))
	if i < 0 || !bytes.HasSuffix(line, []byte(`"}`)) {
		return nil, "", false
	}
	return append(slices.Clone(line[:i]), '}'), string(line[i+len(hashField) : len(line)-2]), true
}

// Broken says where a chain does not hold.
type Broken struct {
	No  int64 // the first record that is not as it was, or near it
	Why string
}

func (b *Broken) Error() string {
	return fmt.Sprintf("the audit log is not as it was written: at record %d, %s", b.No, b.Why)
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

// Start returns the place before the first record that is kept.
func (l *Log) Start(ctx context.Context) (Mark, error) { return l.store.AuditStart(ctx) }

// End returns the place of the last record.
func (l *Log) End(ctx context.Context) (Mark, error) { return l.store.AuditEnd(ctx) }

// WrittenAt returns when the record with the number was written or, if it is not kept, the next one that is: zero if there is none. It
// does not read the record itself, which may be damaged: all records of a block are of one transaction.
func (l *Log) WrittenAt(ctx context.Context, no int64) (time.Time, error) {
	blocks, err := l.store.AuditBlocks(ctx, no, false, 1)
	if err != nil || len(blocks) == 0 {
		return time.Time{}, err
	}
	return blocks[0].At, nil
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
