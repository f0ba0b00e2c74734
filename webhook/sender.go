package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// Store is what a sender keeps things in: where the endpoints are, under their names, and what somebody did with one.
type Store interface {
	audit.CursorStore
	AppendAudit(ctx context.Context, now time.Time, records ...audit.Record) error // as of audit.Store
}

// Options are what a sender needs; all but Now and Logger are required.
type Options struct {
	Log       *audit.Log // of the store
	Store     Store
	Endpoints []Endpoint
	Now       func() time.Time // of what is written to the log; nil means time.Now
	Logger    *slog.Logger     // nil means slog.Default()
}

// Sender tells endpoints what happens: one message after the other to each, in the order of the audit log. Of several processes on
// one store only one may have a sender that runs. Its methods may be called at once from many goroutines.
type Sender struct {
	Options
	receivers []*receiver
	pace      pace
}

// pace says when things are tried.
type pace struct {
	look    time.Duration   // how often the log is looked at
	save    time.Duration   // how often a cursor is written that moves
	again   []time.Duration // the waits between tries; the last one stays
	refusal int             // tries of a message that is refused, as opposed to not answered
	age     time.Duration   // with this age a message is given up that can't be delivered
	start   time.Duration   // but not before the sender has run for so long: a receiver may have started when we did
	test    time.Duration   // how long a test may take
}

var usualPace = pace{
	look: 500 * time.Millisecond,
	save: time.Second,
	again: []time.Duration{
		time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour,
	},
	refusal: 5,
	age:     3 * 24 * time.Hour,
	start:   time.Hour,
	test:    10 * time.Second,
}

// New returns a sender, or an error if there is something wrong with an endpoint. It does nothing before Run.
func New(opt Options) (*Sender, error) {
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s := &Sender{Options: opt, pace: usualPace}
	client := newClient()
	for _, e := range opt.Endpoints {
		r, err := newReceiver(e, client)
		if err != nil {
			return nil, fmt.Errorf("webhook %s: %w", e.Name, err)
		}
		s.receivers = append(s.receivers, r)
	}
	return s, nil
}

// Run tells all endpoints what happens until ctx ends. An endpoint that is new is told what happens from now on. The place of one that is
// there no more is kept, in case it comes back, until the records that it has not been told of are deleted because of their age.
func (s *Sender) Run(ctx context.Context) {
	cursors, ok := s.start(ctx)
	if !ok {
		return
	}
	var wg sync.WaitGroup
	for _, r := range s.receivers {
		r.set(cursors[r.Name])
		r.bePatient(s.pace.start)
		wg.Go(func() { s.serve(ctx, r) })
	}
	wg.Wait()
}

// start returns where all endpoints are, as soon as the store says so; false once ctx has ended.
func (s *Sender) start(ctx context.Context) (cursors map[string]audit.Cursor, ok bool) {
	for tries := 1; ; tries++ {
		cursors, err := s.cursors(ctx)
		if err == nil {
			return cursors, true
		}
		if ctx.Err() == nil {
			s.Logger.Error("webhook: nothing is told yet, since the store does not say how far the endpoints are", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, false
		case <-time.After(s.backoff(tries, 0)):
		}
	}
}

// cursors returns where all endpoints are.
func (s *Sender) cursors(ctx context.Context) (map[string]audit.Cursor, error) {
	cursors, err := s.Store.Cursors(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.forget(ctx, cursors); err != nil {
		return nil, err
	}
	end, err := s.Log.End(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range s.receivers {
		c, known := cursors[r.Name]
		switch {
		case !known:
			s.Logger.Info("webhook: a new endpoint, which is told what happens from now on", "endpoint", r.Name)
		case c.No > end.No: // the database was restored
			s.Logger.Warn("webhook: the audit log has fewer records than the endpoint was told of; it goes on with what comes next", "endpoint", r.Name, "upto", c.No, "end", end.No)
		default:
			s.Logger.Info("webhook: the endpoint goes on where it was", "endpoint", r.Name, "upto", c.No, "records", end.No-c.No, "off", c.Off)
			continue
		}
		cursors[r.Name] = audit.Cursor{No: end.No, Off: c.Off}
		if err := s.Store.SetCursor(ctx, s.Now(), r.Name, cursors[r.Name]); err != nil {
			return nil, err
		}
	}
	return cursors, nil
}

// forget forgets where endpoints were that are there no more, if what they have not been told of is not kept any more either. A start
// with another configuration, or with none, so costs no endpoint its place.
func (s *Sender) forget(ctx context.Context, cursors map[string]audit.Cursor) error {
	first, err := s.Log.Start(ctx)
	if err != nil {
		return err
	}
	var keep, over []string
	for name, c := range cursors {
		switch _, err := s.named(name); {
		case err == nil:
		case c.No < first.No:
			over = append(over, name)
			continue
		default:
			s.Logger.Warn("webhook: an endpoint is not in the configuration; its place is kept, under its name", "endpoint", name, "upto", c.No)
		}
		keep = append(keep, name)
	}
	if len(over) == 0 {
		return nil
	}
	s.Logger.Warn("webhook: places are forgotten of endpoints that are not in the configuration; the records after them were deleted", "endpoints", over)
	return s.Store.ForgetCursors(ctx, keep)
}

// serve tells one endpoint what happens.
func (s *Sender) serve(ctx context.Context, r *receiver) {
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		s.save(ctx, r)
	}()
	for ctx.Err() == nil {
		if err := s.pass(ctx, r); ctx.Err() == nil {
			s.noteRead(r, err)
		}
		r.wait(ctx, s.pace.look)
	}
}

// noteRead notes, and logs once, that the log can't be read where the receiver is, or can again if err is nil.
func (s *Sender) noteRead(r *receiver, err error) {
	if err == nil {
		if r.read("") {
			s.Logger.Info("webhook: the audit log can be read again", "endpoint", r.Name)
		}
		return
	}
	why := "the server's log says why"
	if e, ok := errors.AsType[*curfew.Error](err); ok {
		why = e.Message
	}
	no := r.cursor().No + 1
	if r.read(fmt.Sprintf("record %d can't be read, and what follows waits: %s", no, why)) {
		s.Logger.Error("webhook: the audit log can't be read, and what follows waits", "endpoint", r.Name, "record", no, "error", err)
	}
}

// pass tells what the log holds by now.
func (s *Sender) pass(ctx context.Context, r *receiver) error {
	if end, err := s.Log.End(ctx); err != nil || end.No <= r.cursor().No {
		return err
	}
	saved := time.Now()
	for entry, err := range s.Log.Entries(ctx, r.cursor().No+1) {
		if err != nil {
			return err
		}
		s.noteRead(r, nil)
		if missed := entry.Mark.No - r.cursor().No - 1; missed > 0 {
			r.lost(missed)
			s.Logger.Error("webhook: records were deleted before they could be told; see --keep-audit", "endpoint", r.Name, "records", missed)
		}
		if m, ok := messageOf(entry.Record, entry.Mark); ok && slices.Contains(r.Types, m.typ) {
			if err := s.deliver(ctx, r, m); err != nil {
				return err
			}
		}
		r.moveTo(entry.Mark.No)
		if time.Since(saved) >= s.pace.save {
			s.save(ctx, r)
			saved = time.Now()
		}
	}
	s.save(ctx, r)
	return nil
}

// save keeps the cursor, if it has moved.
func (s *Sender) save(ctx context.Context, r *receiver) {
	c, moved := r.unsaved()
	if !moved {
		return
	}
	if err := s.Store.SetCursor(ctx, s.Now(), r.Name, c); err != nil {
		s.Logger.Error("webhook: how far it is can't be kept", "endpoint", r.Name, "error", err)
		return
	}
	r.saved(c)
}

// deliver returns when the endpoint has taken the message, or the message was given up. The error is ctx's.
func (s *Sender) deliver(ctx context.Context, r *receiver, m message) error {
	var n tries
	for {
		for r.cursor().Off {
			if !r.await(ctx, nil) {
				return ctx.Err()
			}
			n = tries{}
		}
		if s.isOld(r, m) && r.failing() {
			s.skip(r, m, "it is too old")
			return nil
		}
		err := r.post(ctx, m)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.sent(err)
		if err == nil {
			if r.delivered() {
				s.Logger.Info("webhook: the endpoint takes messages again", "endpoint", r.Name)
			}
			return nil
		}
		n.count(err)
		if s.gaveUp(ctx, r, m, n, err) {
			return nil
		}
		if !r.wait(ctx, time.Until(r.next())) {
			return ctx.Err()
		}
	}
}

// tries is how often a message was tried in vain.
type tries struct {
	all     int
	refused int // of these the last ones, one after the other: a receiver that was away, and refuses while it starts, is given the time to
}

func (n *tries) count(err error) {
	n.all++
	n.refused++
	if !failureOf(err).refused {
		n.refused = 0
	}
}

// isOld reports whether the message has waited for too long, also since the sender began or somebody last wanted the endpoint to be tried.
func (s *Sender) isOld(r *receiver, m message) bool {
	return time.Since(m.at) > s.pace.age && !r.isPatient()
}

// gaveUp decides what follows from a failure, and returns whether the message is given up.
func (s *Sender) gaveUp(ctx context.Context, r *receiver, m message, n tries, err error) bool {
	f := failureOf(err)
	switch {
	case f.gone:
		r.failed(err, n.all, time.Time{})
		r.switchTo(true)
		s.Logger.Error("webhook: the endpoint wants no more messages, and is switched off", "endpoint", r.Name, "error", err)
	case n.refused >= s.pace.refusal, s.isOld(r, m):
		r.failed(err, n.all, time.Time{})
		s.skip(r, m, err.Error())
		return true
	default:
		if r.failed(err, n.all, time.Now().Add(s.backoff(cmp.Or(n.refused, n.all), f.after))) {
			s.Logger.Warn("webhook: the endpoint does not take messages; they wait", "endpoint", r.Name, "error", err)
		}
	}
	s.save(ctx, r)
	return false
}

func (s *Sender) skip(r *receiver, m message, why string) {
	r.skipped()
	s.Logger.Error("webhook: a message was given up", "endpoint", r.Name, "id", m.id, "type", m.typ, "error", why)
}

// backoff returns how long to wait after so many tries: somewhat more or less, so that not all endpoints of a receiver that comes back are tried at once.
func (s *Sender) backoff(tries int, after time.Duration) time.Duration {
	wait := s.pace.again[min(tries, len(s.pace.again))-1]
	wait += time.Duration(float64(wait) * (rand.Float64() - 0.5) / 2)
	longest := s.pace.again[len(s.pace.again)-1]
	return max(wait, min(after, longest))
}

// Status returns how all endpoints do, in the order of Options.Endpoints.
func (s *Sender) Status(ctx context.Context) ([]Status, error) {
	end, err := s.Log.End(ctx)
	if err != nil {
		return nil, err
	}
	first, err := s.Log.Start(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Status, 0, len(s.receivers))
	for _, r := range s.receivers {
		st := r.state()
		st.Lost += max(first.No-st.Upto, 0)
		if st.Behind = max(end.No-max(st.Upto, first.No), 0); st.Behind > 0 {
			if st.Oldest, err = s.Log.WrittenAt(ctx, st.Upto+1); err != nil {
				return nil, err
			}
		}
		all = append(all, st)
	}
	return all, nil
}

// errNoEndpoint has CodeNotFound.
var errNoEndpoint = &curfew.Error{Code: curfew.CodeNotFound, Message: "there is no webhook of this name"}

func (s *Sender) named(name string) (*receiver, error) {
	i := slices.IndexFunc(s.receivers, func(r *receiver) bool { return r.Name == name })
	if i < 0 {
		return nil, errNoEndpoint
	}
	return s.receivers[i], nil
}

// Retry tries the message that waits now, and switches the endpoint on if it was off. However old the messages are that wait, they have
// as long as new ones from now on. It is recorded as done by whoever wants it. The error has CodeNotFound for a name that no endpoint has.
func (s *Sender) Retry(ctx context.Context, by curfew.Actor, name string) error {
	r, err := s.named(name)
	if err != nil {
		return err
	}
	note := s.record(audit.WebhookRetried, by, name)
	if c := r.cursor(); c.Off {
		err = s.switchOn(ctx, r, c, note)
	} else {
		err = s.Store.AppendAudit(ctx, s.Now(), note)
	}
	if err != nil {
		return err
	}
	r.bePatient(s.pace.age)
	r.wakeUp()
	return nil
}

// switchOn switches on an endpoint that is off at c.
func (s *Sender) switchOn(ctx context.Context, r *receiver, c audit.Cursor, note audit.Record) error {
	note.Changes = []audit.Change{{Field: "state", From: "off", To: "on"}}
	c.Off = false
	if err := s.Store.SetCursor(ctx, s.Now(), r.Name, c, note); err != nil {
		return err
	}
	r.saved(c)
	r.switchTo(false)
	return nil
}

// record is one of what somebody did with an endpoint.
func (s *Sender) record(event audit.Event, by curfew.Actor, name string) audit.Record {
	return audit.Record{At: audit.Time{Time: s.Now()}, Event: event, Outcome: audit.Success, By: audit.ByActor(by), Webhook: name}
}

// Test sends a message of type Test, past those that wait, which is recorded as done by whoever wants it. The error has CodeConflict and
// says how it was answered, unless it was taken.
func (s *Sender) Test(ctx context.Context, by curfew.Actor, name string) error {
	r, err := s.named(name)
	if err != nil {
		return err
	}
	err = s.test(ctx, r)
	note := s.record(audit.WebhookTested, by, name)
	if err != nil {
		note.Outcome, note.Note = audit.Refused, err.Error()
		err = &curfew.Error{Code: curfew.CodeConflict, Message: err.Error()}
	}
	// It was sent, whether or not whoever wanted it has gone.
	if noteErr := s.Store.AppendAudit(context.WithoutCancel(ctx), s.Now(), note); noteErr != nil {
		return noteErr
	}
	return err
}

// test sends a message of type Test.
func (s *Sender) test(ctx context.Context, r *receiver) error {
	now := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.pace.test)
	defer cancel()
	m := message{id: fmt.Sprintf("msg_test_%d", now.UnixNano()), typ: Test, at: now}
	m.body = bodyOf(Test, audit.Time{Time: now}, struct{}{})
	return r.post(ctx, m)
}

// failureOf sorts an error of post.
func failureOf(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	return &failure{}
}
