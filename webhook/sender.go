package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
