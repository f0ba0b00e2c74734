package webhook

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

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

// record is one of what somebody did with an endpoint.
func (s *Sender) record(event audit.Event, by curfew.Actor, name string) audit.Record {
	return audit.Record{At: audit.Time{Time: s.Now()}, Event: event, Outcome: audit.Success, By: audit.ByActor(by), Webhook: name}
}
