package storetest

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew"
)

// RunProperty does random operations with a manager over the store, and compares every answer with those of a
// model that fits on a page. Time is free, as it runs in a bubble of testing/synctest.
//
// Boot returns what a new process finds: an empty store if old is nil, else the data of old, after a clean stop or,
// with crash, after the old process was killed at an idle moment. It closes old, and runs in the bubble.
//
// The flag -rapid.checks overrides the number of checks.
func RunProperty(t *testing.T, checks int, boot func(old curfew.Store, crash bool) (curfew.Store, error)) {
	setChecks(t, checks)
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			w := &world{boot: boot, policy: curfew.Policy{
				MaxAge:      rapid.SampledFrom([]time.Duration{time.Hour, curfew.DefaultMaxAge}).Draw(t, "max age"),
				MaxSessions: rapid.SampledFrom([]int{0, 0, 3}).Draw(t, "max sessions"),
			}}
			w.start(t, false)
			defer w.close()
			t.Repeat(map[string]func(*rapid.T){
				"sign in":       w.signIn,
				"check":         w.check,
				"check again":   w.check, // the commonest operation
				"extend":        w.extend,
				"authenticate":  w.authenticate,
				"end":           w.end,
				"end many":      w.endMany,
				"set lifetime":  w.setLifetime,
				"pass time":     w.passTime,
				"pass the edge": w.passEdge,
				"suspend":       w.suspend,
				"set back":      w.setBack,
				"restart":       w.restart,
				"crash":         w.crash,
				"":              w.count,
			})
		})
	})
}

// setChecks sets rapid's number of checks for the test, unless the command line says another.
func setChecks(t *testing.T, n int) {
	f := flag.Lookup("rapid.checks")
	if f.Value.String() != f.DefValue {
		return
	}
	t.Cleanup(func() { f.Value.Set(f.DefValue) })
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
}

// world is a machine with a manager, and the model of what it should do.
type world struct {
	boot   func(old curfew.Store, crash bool) (curfew.Store, error)
	policy curfew.Policy

	store   *plug
	manager *curfew.Manager
	shift   atomic.Int64 // of the wall clock against the bubble's, in nanoseconds

	model []*modelled
}

// plug is the store as one process sees it, until it is pulled.
type plug struct {
	curfew.Store
	pulled atomic.Bool
}

var errPulled = errors.New("the process is dead")

func (p *plug) Touch(ctx context.Context, now time.Time, touches []curfew.Touch) ([]bool, error) {
	if p.pulled.Load() {
		return nil, errPulled
	}
	return p.Store.Touch(ctx, now, touches)
}

func (p *plug) End(ctx context.Context, now time.Time, sel curfew.Selection, e curfew.Ending) (int, []curfew.Key, error) {
	if p.pulled.Load() {
		return 0, nil, errPulled
	}
	return p.Store.End(ctx, now, sel, e)
}

// wall is the machine's wall clock.
func (w *world) wall() time.Time {
	return time.Now().Round(0).Add(time.Duration(w.shift.Load()))
}

// start starts the next process, over what the one before has left.
func (w *world) start(t *rapid.T, crash bool) {
	var old curfew.Store
	if w.store != nil {
		old = w.store.Store
	}
	store, err := w.boot(old, crash)
	if err != nil {
		t.Fatal(err)
	}
	w.store = &plug{Store: store}
	w.manager, err = curfew.New(context.Background(), w.store, curfew.Options{
		Policy: w.policy, Logger: slog.New(slog.DiscardHandler),
		Now: w.wall,
	})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait() // for the sweeper's first round, so that a failure can be repeated
}

func (w *world) close() {
	w.manager.Close()
	if c, ok := w.store.Store.(interface{ Close() error }); ok {
		c.Close()
	}
}

func (w *world) signIn(t *rapid.T) {
	w.settle(t)
	name := rapid.SampledFrom([]string{"amara", "arslan", "mia"}).Draw(t, "user")
	user := curfew.User{ID: curfew.UserID("id-" + name), Name: name}
	s, token, err := w.manager.Start(context.Background(), curfew.Start{
		User: user, Lifetime: drawLifetime(t), Grace: rapid.SampledFrom([]time.Duration{0, curfew.DefaultGrace}).Draw(t, "grace"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range w.surplus(user.ID, s.CreatedAt) {
		m.end(curfew.Ending{Reason: curfew.ReasonReplaced, At: s.CreatedAt})
	}
	w.model = append(w.model, &modelled{token: token, session: s, least: s.LastActive, durable: s.LastActive})
}

func drawLifetime(t *rapid.T) time.Duration {
	return rapid.SampledFrom([]time.Duration{30 * time.Second, time.Minute, 300 * time.Second, time.Hour}).Draw(t, "lifetime")
}

// pick returns some session that there is or was.
func (w *world) pick(t *rapid.T) *modelled {
	if len(w.model) == 0 {
		w.signIn(t)
	}
	// The younger half is more likely live.
	i := rapid.IntRange(0, len(w.model)-1).Draw(t, "session")
	return w.model[max(i, rapid.IntRange(0, len(w.model)-1).Draw(t, "or session"))]
}

func (w *world) check(t *rapid.T) {
	w.checkOne(t, w.pick(t), curfew.Activity(rapid.Bool().Draw(t, "active")))
}

func (w *world) checkOne(t *rapid.T, m *modelled, act curfew.Activity) {
	now := w.manager.Now()
	s, err := w.manager.Check(context.Background(), m.token, act)
	m.answered(t, now, s, err)
	if err == nil && act == curfew.Active {
		m.active(t, now, s)
	}
}

func (w *world) extend(t *rapid.T) {
	m, now := w.pick(t), w.manager.Now()
	s, err := w.manager.Extend(context.Background(), m.session.ID)
	w.wrote(t, m, now, s, err)
}

func (w *world) authenticate(t *rapid.T) {
	m, now := w.pick(t), w.manager.Now()
	s, err := w.manager.Authenticated(context.Background(), m.session.ID)
	if err == nil {
		m.session.AuthenticatedAt = now
	}
	w.wrote(t, m, now, s, err)
}

// wrote notes the answer to activity that is written before it.
func (w *world) wrote(t *rapid.T, m *modelled, now time.Time, s curfew.Session, err error) {
	m.answered(t, now, s, err)
	if err == nil {
		m.active(t, now, s)
		m.written()
	}
}

var reasons = rapid.SampledFrom([]curfew.Reason{curfew.ReasonTerminated, curfew.ReasonSignedOut, curfew.ReasonPasswordChanged})

// drawEnding is an ending by somebody with a session.
func (w *world) drawEnding(t *rapid.T) curfew.Ending {
	s := w.pick(t).session
	return curfew.Ending{Reason: reasons.Draw(t, "reason"), By: curfew.Actor{User: s.User.ID, Name: s.User.Name, Session: s.ID}}
}

func (w *world) end(t *rapid.T) {
	w.settle(t)
	m, e, now := w.pick(t), w.drawEnding(t), w.manager.Now()
	got, err := w.manager.End(context.Background(), m.session.ID, e)
	if e.Reason == curfew.ReasonTerminated && e.By.Session == m.session.ID {
		if !errors.Is(err, curfew.ErrOwnSession) {
			t.Fatalf("End of one's own session: %v, want ErrOwnSession", err)
		}
		return
	}
	if err != nil {
		t.Fatalf("End: %v", err)
	}
	e.At = now
	m.end(e)
	if got.Ending != *m.ended {
		t.Fatalf("End = %+v, want %+v", got.Ending, *m.ended)
	}
}

func (w *world) endMany(t *rapid.T) {
	w.settle(t)
	e, now := w.drawEnding(t), w.manager.Now()
	sel := curfew.Selection{All: true}
	if rapid.Bool().Draw(t, "one user") {
		sel = curfew.Selection{User: w.pick(t).session.User.ID}
	}
	n, err := w.manager.EndAll(context.Background(), sel, e)
	if err != nil {
		t.Fatalf("EndAll: %v", err)
	}
	if e.Reason == curfew.ReasonTerminated {
		sel.Except = e.By.Session
	}
	e.At = now
	want := 0
	for _, m := range w.model {
		if m.ended == nil && sel.Selects(m.session, now) {
			m.end(e)
			if *m.ended == e {
				want++
			}
		}
	}
	if n != want {
		t.Fatalf("EndAll(%+v) = %d, want %d", sel, n, want)
	}
}

func (w *world) setLifetime(t *rapid.T) {
	w.settle(t)
	user, d, now := w.pick(t).session.User.ID, drawLifetime(t), w.manager.Now()
	if err := w.manager.SetLifetime(context.Background(), user, d); err != nil {
		t.Fatalf("SetLifetime: %v", err)
	}
	for _, m := range w.model {
		if m.session.User.ID == user && m.live(now) {
			m.session.Lifetime = d
			m.written()
		}
	}
}

func (w *world) passTime(t *rapid.T) {
	ms := rapid.OneOf(rapid.IntRange(1, 3000), rapid.IntRange(1000, 120_000), rapid.IntRange(1, 400_000)).Draw(t, "ms")
	w.sleep(time.Duration(ms) * time.Millisecond)
}

// passEdge looks at a session in the last millisecond of its life, and in the first after.
func (w *world) passEdge(t *rapid.T) {
	w.settle(t)
	m := w.pick(t)
	if d := m.session.EndsAt().Sub(w.wall()); m.live(w.manager.Now()) && d < 10*time.Minute {
		w.sleep(d - time.Millisecond)
		w.checkOne(t, m, curfew.Passive)
		w.sleep(time.Millisecond)
		w.checkOne(t, m, curfew.Activity(rapid.Bool().Draw(t, "active")))
	}
}

func (w *world) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
	if d < time.Second {
		return
	}
	for _, m := range w.model { // a sweeper came by in the last second
		m.swept(w.manager.Now().Add(-time.Second))
	}
}

// suspend is time that only the wall clock notices.
func (w *world) suspend(t *rapid.T) {
	w.shift.Add(int64(rapid.IntRange(1, 3600).Draw(t, "s")) * int64(time.Second))
}

func (w *world) setBack(t *rapid.T) {
	before := w.manager.Now()
	w.shift.Add(-int64(rapid.IntRange(1, 600).Draw(t, "s")) * int64(time.Second))
	if w.manager.Now().Before(before) {
		t.Fatalf("the manager's time went back")
	}
}

func (w *world) restart(t *rapid.T) {
	before := w.manager.Now()
	if err := w.manager.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	w.start(t, false)
	if w.manager.Now().Before(before) {
		t.Fatalf("the manager's time went back by %v over a restart", before.Sub(w.manager.Now()))
	}
	for _, m := range w.model {
		if m.live(before) {
			m.written()
		}
	}
}

func (w *world) crash(t *rapid.T) {
	// What is over must be on record before the clock may go back. It takes a sweeper's round.
	w.sleep(time.Second)
	before := w.manager.Now()
	synctest.Wait()
	w.store.pulled.Store(true)
	w.manager.Close()
	w.start(t, true)
	if back := before.Sub(w.manager.Now()); back > 31*time.Second && w.anyLive(before) {
		t.Fatalf("the manager's time went back by %v over a crash, want at most 31 s", back)
	}
	for _, m := range w.model {
		m.crashed()
	}
}

// anyLive reports whether the clock matters to anybody.
func (w *world) anyLive(now time.Time) bool {
	for _, m := range w.model {
		if m.surelyLive(now) {
			return true
		}
	}
	return false
}

// settle looks at the sessions of which the model doesn't know what a crash took away.
func (w *world) settle(t *rapid.T) {
	for _, m := range w.model {
		if m.uncertain() {
			w.checkOne(t, m, curfew.Passive)
		}
	}
}

// count compares the list's length with the model's.
func (w *world) count(t *rapid.T) {
	now, least, most := w.manager.Now(), 0, 0
	for _, m := range w.model {
		if m.surelyLive(now) {
			least++
		}
		if m.live(now) {
			most++
		}
	}
	n, err := w.manager.Count(context.Background(), curfew.Query{})
	if err != nil || n.Sessions < least || n.Sessions > most {
		t.Fatalf("Count = %+v, %v; want %d to %d", n, err, least, most)
	}
}
