package sqlite_test

import (
	"cmp"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

var (
	powerRounds = flag.Int("power.rounds", 50, "how often TestPowerLoss cuts the power")
	powerSeed   = flag.Uint64("power.seed", 0, "what TestPowerLoss begins with; 0 means anything")
)

// powerCuts is how often the power goes over one folder, before another is taken.
const powerCuts = 10

// TestPowerLoss cuts the power at any write of opening, changing and closing a database, and loses what was not synced, or a
// part of it. What was acknowledged must be there afterwards, to the last field; what was under way, wholly or not at all.
func TestPowerLoss(t *testing.T) {
	seed := *powerSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	for first := 0; first < *powerRounds; first += powerCuts {
		h := newPowered(t, seed)
		for round := range powerCuts {
			if err := h.round(func(*disk) {}); err != nil {
				t.Fatalf("cut %d: %v\nrun it again by -power.seed=%d -power.rounds=%d", round, err, seed, powerCuts)
			}
		}
		seed++
	}
}

// TestPowerLossIsSeen syncs less than the package does.
func TestPowerLossIsSeen(t *testing.T) {
	h := newPowered(t, 1)
	for range 20 {
		if err := h.round((*disk).relax); err != nil {
			return
		}
	}
	t.Error("without our own syncs nothing was lost: TestPowerLoss proves nothing")
}

// TestPowerLossAtBirth cuts the power at each write that makes a database.
func TestPowerLossAtBirth(t *testing.T) {
	h := newPowered(t, 1)
	d := record(t, h.dir)
	defer d.stop()
	if err := h.reopen(); err != nil {
		t.Fatal(err)
	}
	for cut := range d.changes() {
		h.restore(d.remains(cut, h.r))
		again := record(t, h.dir)
		if err := h.reopen(); err != nil {
			t.Errorf("cut after %d changes: %v", cut, err)
		}
		again.stop()
	}
}

// powered is a database whose power goes again and again.
type powered struct {
	t     *testing.T
	r     *rand.Rand
	dir   string
	now   time.Time
	users []string
	next  int // the number of the next session

	done  []step // what must be there
	doubt step   // what was under way when the power went, if anything was
}

// step is a change to a store.
type step func(curfew.Store) error

func newPowered(t *testing.T, seed uint64) *powered {
	return &powered{t: t, r: rand.New(rand.NewPCG(seed, 0)), dir: t.TempDir(), now: storetest.T0, users: []string{"amara", "arslan", "mia"}}
}

// round opens what the last cut left, compares it with what was acknowledged, makes changes, and cuts the power.
func (h *powered) round(prepare func(*disk)) error {
	d := record(h.t, h.dir)
	defer d.stop()
	db, err := sqlite.Open(h.t.Context(), h.dir, sqlite.Options{Moved: true})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	sqlite.NoChores(h.t, db) // they are steps, or no round could be repeated
	if err := h.compare(db); err != nil {
		db.Close()
		return err
	}
	prepare(d)
	sqlite.Pragma(h.t, db, "wal_autocheckpoint = 40") // a checkpoint every few changes
	type made struct {
		step
		from, to int // of the disk's changes
	}
	var steps []made
	for range h.r.IntN(30) {
		s, from := h.step(), d.changes()
		if err := s(db); err != nil {
			db.Close()
			return err
		}
		steps = append(steps, made{s, from, d.changes()})
	}
	if err := db.Close(); err != nil {
		return err
	}
	cut := h.r.IntN(d.changes() + 1)
	for _, s := range steps {
		switch {
		case s.to <= cut:
			h.done = append(h.done, s.step)
		case s.from < cut:
			h.doubt = s.step
		}
	}
	h.restore(d.remains(cut, h.r))
	return nil
}

// reopen opens the database and closes it.
func (h *powered) reopen() error {
	db, err := sqlite.Open(h.t.Context(), h.dir, sqlite.Options{Moved: true})
	if err != nil {
		return err
	}
	return db.Close()
}

// restore makes a new folder with the files.
func (h *powered) restore(files map[string][]byte) { h.dir = folder(h.t, files) }

// folder returns a new folder with the files.
func folder(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// compare wants in the database what was done, with or without what was in doubt.
func (h *powered) compare(db *sqlite.DB) error {
	if got := sqlite.Pragma(h.t, db, "integrity_check"); got != "ok" {
		return fmt.Errorf("integrity_check: %s", got)
	}
	got, sure := h.contents(db), h.contents(h.model())
	if got == sure {
		h.doubt = nil
		return nil
	}
	if h.doubt != nil {
		h.done = append(h.done, h.doubt)
		h.doubt = nil
		if got == h.contents(h.model()) {
			return nil
		}
	}
	return fmt.Errorf("the database has\n%s\nacknowledged was\n%s", got, sure)
}

// model is a store to which all was done that must be there.
func (h *powered) model() curfew.Store {
	m := memory.NewSessions()
	for _, s := range h.done {
		if err := s(m); err != nil {
			h.t.Fatal(err)
		}
	}
	return m
}

// contents is all that a store has.
func (h *powered) contents(s curfew.Store) string {
	h.t.Helper()
	ctx := h.t.Context()
	live, err := s.List(ctx, curfew.Query{Sort: curfew.SortStarted, Limit: curfew.MaxPage})
	if err != nil {
		h.t.Fatal(err)
	}
	ended, err := s.History(ctx, curfew.HistoryQuery{Limit: curfew.MaxPage})
	if err != nil {
		h.t.Fatal(err)
	}
	clock, err := s.Clock(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	slices.SortFunc(ended.Ended, func(a, b curfew.Ended) int { // what ended at once is in any order
		return cmp.Or(a.Ending.At.Compare(b.Ending.At), cmp.Compare(a.Session.ID, b.Session.ID))
	})
	return fmt.Sprintf("clock %v\nlive %+v\nended %+v", clock, live.Records, ended.Ended)
}

// step is some change, a little later than the last.
func (h *powered) step() step {
	ctx := h.t.Context()
	h.now = h.now.Add(time.Duration(h.r.IntN(20_000)) * time.Millisecond)
	now, user, any := h.now, h.users[h.r.IntN(len(h.users))], h.session(h.r.IntN(h.next+1))
	byAmara := curfew.Ending{Reason: curfew.ReasonTerminated, By: curfew.Actor{User: "id-amara", Name: "amara"}}
	switch h.r.IntN(10) {
	case 0:
		return func(s curfew.Store) error {
			_, err := s.Touch(ctx, now, []curfew.Touch{{ID: any, At: now}})
			return err
		}
	case 1, 2:
		return func(s curfew.Store) error {
			_, _, err := s.End(ctx, now, curfew.Selection{IDs: []curfew.SessionID{any}}, byAmara)
			return err
		}
	case 3:
		return func(s curfew.Store) error {
			_, _, err := s.End(ctx, now, curfew.Selection{User: curfew.UserID("id-" + user), Except: any}, byAmara)
			return err
		}
	case 4:
		lifetime := time.Duration(30+h.r.IntN(300)) * time.Second
		return func(s curfew.Store) error {
			return s.Update(ctx, now, curfew.UserID("id-"+user), curfew.Change{Lifetime: &lifetime})
		}
	case 5:
		return func(s curfew.Store) error {
			_, _, err := s.End(ctx, now, curfew.Selection{All: true, Except: any}, byAmara)
			return err
		}
	case 6:
		return func(s curfew.Store) error {
			if db, ok := s.(*sqlite.DB); ok {
				return sqlite.Chore(db)
			}
			return nil
		}
	default:
		r := h.record(user)
		most := h.r.IntN(6)
		return func(s curfew.Store) error {
			_, err := s.Insert(ctx, now, r, most, false)
			return err
		}
	}
}

func (h *powered) session(n int) curfew.SessionID { return curfew.SessionID(fmt.Sprintf("s%03d", n)) }

// record is a new session, the same whenever the seed is.
func (h *powered) record(user string) curfew.Record {
	r := storetest.Record(string(h.session(h.next)), user, h.now.Sub(storetest.T0))
	h.next++
	for i := 0; i < len(r.Hash); i += 8 {
		binary.LittleEndian.PutUint64(r.Hash[i:], h.r.Uint64())
	}
	return r
}
