package webhook

import (
	"context"
	"maps"
	"net/http"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/curfewhq/curfew/audit"
)

// receiver is an endpoint, and how it does.
type receiver struct {
	Endpoint
	client  *http.Client
	signers []*standardwebhooks.Webhook
	wake    chan struct{} // has room for one

	mu      sync.Mutex
	at      audit.Cursor
	kept    audit.Cursor // as the store has it
	patient time.Time    // before that no message is too old
	stuck   string       // why the log can't be read where it is; "" if it can
	stuckAt time.Time    // since when
	status  Status
}

func newReceiver(e Endpoint, client *http.Client) (*receiver, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	if len(e.Types) == 0 {
		e.Types = Types
	}
	r := &receiver{Endpoint: e, client: client, wake: make(chan struct{}, 1), status: Status{Sent: map[Outcome]int{}}}
	for _, secret := range e.Secrets {
		if err := CheckSecret(secret); err != nil {
			return nil, err
		}
		signer, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return nil, err
		}
		r.signers = append(r.signers, signer)
	}
	return r, nil
}

// wait waits for a while, or until somebody calls wakeUp. It returns false once ctx has ended.
func (r *receiver) wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-r.wake:
	case <-t.C:
	}
	return true
}

// awaitOn waits until the endpoint is switched on. It returns false once ctx has ended.
func (r *receiver) awaitOn(ctx context.Context) bool {
	for r.cursor().Off {
		select {
		case <-ctx.Done():
			return false
		case <-r.wake:
		}
	}
	return true
}

func (r *receiver) wakeUp() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *receiver) set(c audit.Cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at, r.kept = c, c
}

func (r *receiver) cursor() audit.Cursor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

func (r *receiver) moveTo(no int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at.No = no
}

func (r *receiver) switchTo(off bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at.Off = off
}

// bePatient has no message be too old for a while.
func (r *receiver) bePatient(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.patient = time.Now().Add(d)
}

func (r *receiver) isPatient() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Before(r.patient)
}

// read notes why the log can't be read where the receiver is, "" if it can, and returns whether that is news.
func (r *receiver) read(stuck string) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if news = r.stuck != stuck; news {
		r.stuck, r.stuckAt = stuck, time.Now()
	}
	return news
}

func (r *receiver) lost(records int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Lost += records
}

func (r *receiver) unsaved() (audit.Cursor, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at, r.at != r.kept
}

func (r *receiver) saved(c audit.Cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = c
}

// sent counts what came of sending a message.
func (r *receiver) sent(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Sent[outcomeOf(err)]++
}

// delivered notes a success, and returns whether the last try was none.
func (r *receiver) delivered() (again bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	again = r.status.Error != ""
	r.status.Delivered, r.status.Failed, r.status.Error, r.status.Tries, r.status.Next = time.Now(), time.Time{}, "", 0, time.Time{}
	return again
}

// failed notes a failure, and returns whether the last try was none.
func (r *receiver) failed(err error, tries int, next time.Time) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first = r.status.Error == ""
	r.status.Failed, r.status.Error, r.status.Tries, r.status.Next = time.Now(), err.Error(), tries, next
	return first
}

// next returns when the message that waits is to be tried again.
func (r *receiver) next() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status.Next
}

func (r *receiver) failing() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status.Error != ""
}

func (r *receiver) skipped() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Skipped++
	r.status.Tries, r.status.Next = 0, time.Time{}
}

func (r *receiver) state() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.status
	st.Name, st.URL, st.Types = r.Name, shownURL(r.URL), r.Types
	st.Off, st.Upto = r.at.Off, r.at.No
	st.Sent = maps.Clone(st.Sent)
	if r.stuck != "" {
		st.Error, st.Failed, st.Tries, st.Next = r.stuck, r.stuckAt, 0, time.Time{}
	}
	return st
}
