package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

const (
	manyRounds = 3
	manyCuts   = 8 // of what was recorded in a round
)

// TestPowerLossAmongMany cuts the power while some change sessions and others read. What anybody was told by then must hold afterwards.
func TestPowerLossAmongMany(t *testing.T) {
	b := newBusy(t)
	for range manyRounds {
		if err := b.round(func(*disk) {}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPowerLossAmongManyIsSeen syncs less than the package does.
func TestPowerLossAmongManyIsSeen(t *testing.T) {
	b := newBusy(t)
	for range manyRounds {
		if err := b.round((*disk).relax); err != nil {
			return
		}
	}
	t.Error("without our own syncs nobody was told what was lost: TestPowerLossAmongMany proves nothing")
}

// busy is a database that many use at once, and whose power goes.
type busy struct {
	t      *testing.T
	dir    string
	clock  atomic.Int64 // milliseconds after T0
	issued atomic.Int64 // session IDs

	mu   sync.Mutex
	told map[claim]int // to somebody, when the disk had seen so many changes
}

// claim is something that stays true.
type claim struct {
	session curfew.SessionID // has started
	ended   bool             // and ended
	clock   time.Time        // or: the database's clock has come to this
	records int64            // or: the audit log has so many records
}

func newBusy(t *testing.T) *busy {
	return &busy{t: t, dir: t.TempDir(), told: map[claim]int{}}
}

// round has the database be used, and cuts the power over that several times.
func (b *busy) round(prepare func(*disk)) error {
	d := record(b.t, b.dir)
	defer d.stop()
	db, err := sqlite.Open(b.t.Context(), b.dir, sqlite.Options{Moved: true})
	if err != nil {
		return err
	}
	sqlite.Pragma(b.t, db, "wal_autocheckpoint = 40") // a checkpoint every few changes
	sqlite.SetSteps(b.t, db, 2, 5, 3)                 // ending everybody is a fence
	d.slow(500 * time.Microsecond)                    // in which others see what is not on the disk
	prepare(d)
	b.use(db, d)
	if err := db.Close(); err != nil {
		return err
	}
	var cut int
	for range manyCuts {
		cut = b.moment(d)
		b.dir = folder(b.t, d.remains(cut, random()))
		if err := b.check(cut); err != nil {
			return fmt.Errorf("cut after %d of %d changes: %w", cut, d.changes(), err)
		}
	}
	b.keep(cut) // the last is what really happened
	return nil
}

func random() *rand.Rand { return rand.New(rand.NewPCG(rand.Uint64(), 0)) }

// use has callers make changes, and readers read until those are done.
func (b *busy) use(db *sqlite.DB, d *disk) {
	var callers, readers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			p := person{b, db, d, random()}
			for range 20 {
				p.change()
			}
		})
	}
	var done atomic.Bool
	for range 3 {
		readers.Go(func() {
			p := person{b, db, d, random()}
			for !done.Load() {
				p.read()
			}
		})
	}
	callers.Wait()
	done.Store(true)
	readers.Wait()
}

// moment is when the power goes: at once after somebody was told something, or at any time.
func (b *busy) moment(d *disk) int {
	var moments []int
	for _, at := range b.told {
		moments = append(moments, at)
	}
	if len(moments) == 0 || rand.IntN(4) == 0 {
		return rand.IntN(d.changes() + 1)
	}
	return moments[rand.IntN(len(moments))]
}

// check wants all to be true in the folder's database that anybody was told before the cut.
func (b *busy) check(cut int) error {
	defer record(b.t, b.dir).stop() // which spares the syncs
	db, err := sqlite.Open(b.t.Context(), b.dir, sqlite.Options{Moved: true})
	if err != nil {
		return err
	}
	defer db.Close()
	if got := sqlite.Pragma(b.t, db, "integrity_check"); got != "ok" {
		return fmt.Errorf("integrity_check: %s", got)
	}
	ctx := b.t.Context()
	clock, err1 := db.Clock(ctx)
	end, err2 := db.AuditEnd(ctx)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	for what, at := range b.told {
		if at > cut {
			continue
		}
		if clock.Before(what.clock) || end.No < what.records {
			err = fmt.Errorf("the clock is %v, and the audit log has %d records", clock, end.No)
		} else {
			err = what.check(ctx, db)
		}
		if err != nil {
			return fmt.Errorf("%w; after %d changes somebody was told of %v", err, at, what)
		}
	}
	return nil
}

func (c claim) String() string {
	switch {
	case c.session != "":
		return fmt.Sprintf("session %s (ended: %v)", c.session, c.ended)
	case c.records > 0:
		return fmt.Sprintf("%d records in the audit log", c.records)
	default:
		return fmt.Sprintf("the clock at %v", c.clock)
	}
}

// check wants the session to be as somebody was told, if it is about one.
func (c claim) check(ctx context.Context, db *sqlite.DB) error {
	if c.session == "" {
		return nil
	}
	switch r, err := db.Find(ctx, nil, c.session); {
	case err != nil:
		return err
	case c.ended && r.Ending == nil:
		return errors.New("an ended session is live")
	}
	return nil
}

// keep forgets what was told after the cut.
func (b *busy) keep(cut int) {
	for what, at := range b.told {
		if at > cut {
			delete(b.told, what)
		} else {
			b.told[what] = 0
		}
	}
}

// person is one of those who use it.
type person struct {
	*busy
	db *sqlite.DB
	d  *disk
	r  *rand.Rand
}

// hear is what a person does who was told something.
func (p person) hear(what claim) {
	at := p.d.changes()
	p.mu.Lock()
	defer p.mu.Unlock()
	if was, ok := p.told[what]; !ok || at < was {
		p.told[what] = at
	}
}

// known reports whether anybody was told that the session has started.
func (p person) known(id curfew.SessionID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.told[claim{session: id}]
	return ok
}

// change starts or ends a session, or ends all.
func (p person) change() {
	ctx := context.Background()
	now := storetest.T0.Add(time.Duration(p.clock.Add(1)) * time.Millisecond)
	terminated := curfew.Ending{Reason: curfew.ReasonTerminated, At: now}
	switch n := p.r.IntN(40); {
	case n == 0:
		before := p.started()
		if _, _, err := p.db.End(ctx, now, curfew.Selection{All: true}, terminated); err != nil {
			p.t.Error(err)
			return
		}
		for _, id := range before {
			p.hear(claim{session: id, ended: true})
		}
	case n < 15:
		id := p.any()
		known := p.known(id)
		if _, _, err := p.db.End(ctx, now, curfew.Selection{IDs: []curfew.SessionID{id}}, terminated); err != nil {
			p.t.Error(err)
		} else if known { // else it may start after that
			p.hear(claim{session: id, ended: true})
		}
	default:
		id := session(p.issued.Add(1))
		if _, err := p.db.Insert(ctx, now, storetest.Record(string(id), "amara", now.Sub(storetest.T0)), 0, false); err != nil {
			p.t.Error(err)
			return
		}
		p.hear(claim{session: id})
	}
}

// read reads something.
func (p person) read() {
	ctx := context.Background()
	var err error
	switch p.r.IntN(8) {
	case 0:
		var page curfew.Page
		page, err = p.db.List(ctx, curfew.Query{Now: storetest.T0, Sort: curfew.SortStarted, Desc: true, Limit: 10})
		for _, r := range page.Records {
			p.hear(claim{session: r.Session.ID})
		}
	case 1:
		var page curfew.HistoryPage
		page, err = p.db.History(ctx, curfew.HistoryQuery{Limit: 10})
		for _, e := range page.Ended {
			p.hear(claim{session: e.Session.ID, ended: true})
		}
	case 2:
		var clock time.Time
		clock, err = p.db.Clock(ctx)
		p.hear(claim{clock: clock})
	case 3:
		var end audit.Mark
		end, err = p.db.AuditEnd(ctx)
		p.hear(claim{records: end.No})
	default:
		id := p.any()
		var r curfew.Record
		if r, err = p.db.Find(ctx, nil, id); err == nil {
			p.hear(claim{session: id, ended: r.Ending != nil})
		} else if errors.Is(err, curfew.ErrNoSession) {
			err = nil
		}
	}
	if err != nil {
		p.t.Error(err)
	}
}

// any is one of the latest sessions, which may be about to start.
func (p person) any() curfew.SessionID {
	return session(max(1, p.issued.Load()-int64(p.r.IntN(10))))
}

func session(n int64) curfew.SessionID { return curfew.SessionID(fmt.Sprintf("m%04d", n)) }

// started are the sessions of which anybody was told that they have started.
func (p person) started() (ids []curfew.SessionID) {
	for n := range p.issued.Load() {
		if id := session(n + 1); p.known(id) {
			ids = append(ids, id)
		}
	}
	return ids
}
