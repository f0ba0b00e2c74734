package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
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

// The bounds of what a receiver may take of us.
const (
	answerTime = 15 * time.Second
	maxAnswer  = 64 << 10 // bytes
	idleTime   = 90 * time.Second
)

// newClient returns a client that follows no redirect: the endpoint is the one that was configured.
func newClient() *http.Client {
	return &http.Client{
		Timeout:       answerTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 2, IdleConnTimeout: idleTime, MaxResponseHeaderBytes: maxAnswer, ForceAttemptHTTP2: true,
		},
	}
}

// failure is an answer that is none of success.
type failure struct {
	status  int
	gone    bool          // no messages are wanted any more
	refused bool          // this message is not, whenever it comes
	after   time.Duration // when to try again
}

func (f *failure) Error() string {
	text := fmt.Sprintf("it answered %d %s", f.status, http.StatusText(f.status))
	if f.status/100 == 3 {
		text += "; a redirect is not followed"
	}
	return text
}

// post sends a message once. The error tells nothing that the receiver wrote.
func (r *receiver) post(ctx context.Context, m message) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL.String(), bytes.NewReader(m.body))
	if err != nil {
		return err
	}
	now := time.Now()
	signatures := make([]string, 0, len(r.signers))
	for _, signer := range r.signers {
		s, err := signer.Sign(m.id, now, m.body)
		if err != nil {
			return err
		}
		signatures = append(signatures, s)
	}
	h := req.Header
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "Curfew")
	h.Set(standardwebhooks.HeaderWebhookID, m.id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	resp, err := r.client.Do(req)
	if err != nil {
		return unanswered(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that the connection can be used again
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return answered(resp)
}

// unanswered says why there is no answer, without the URL, whose query may hold a secret. What a receiver sends instead of HTTP stands in the
// errors of package http, be it that secret or a megabyte; so only those are told that don't quote it.
func unanswered(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		if u.Timeout() {
			return errors.New("it did not answer in time")
		}
		err = u.Err
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%.200s", certificate.Error()) // which may quote many names
	}
	if network, ok := errors.AsType[*net.OpError](err); ok {
		return network
	}
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("it closed the connection without an answer")
	case errors.Is(err, http.ErrSchemeMismatch):
		return http.ErrSchemeMismatch
	default:
		return errors.New("its answer is not HTTP")
	}
}

// outcomeOf sorts what post returned.
func outcomeOf(err error) Outcome {
	f, answered := errors.AsType[*failure](err)
	switch {
	case err == nil:
		return Taken
	case !answered:
		return Unanswered
	case f.gone:
		return Gone
	case f.refused:
		return Refused
	default:
		return Failed
	}
}

// answered sorts an answer, as Standard Webhooks have it: 410 means no more. What may be otherwise the next time is tried again.
func answered(resp *http.Response) *failure {
	f := &failure{status: resp.StatusCode, gone: resp.StatusCode == http.StatusGone}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
	default:
		f.refused = resp.StatusCode/100 == 4 && !f.gone
	}
	f.after = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	return f
}

// retryAfter reads how long to wait, which is in seconds or a date (RFC 9110, section 10.2.3); 0 if it is neither, or over.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(n, 0), 1<<20)) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(at.Sub(now), 0)
}

// wait waits for a while, or until somebody calls wakeUp. It returns false once ctx has ended.
func (r *receiver) wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	return r.await(ctx, t.C)
}

// await is wait for what may never come.
func (r *receiver) await(ctx context.Context, after <-chan time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-r.wake:
	case <-after:
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
