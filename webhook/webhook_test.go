package webhook

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/memory"
)

var (
	secret  = "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef01234567"))
	secret2 = "whsec_" + base64.StdEncoding.EncodeToString([]byte("another 24 random bytes!"))
)

// hook is a program that wants to be told, with the log that it is told of.
type hook struct {
	t      *testing.T
	log    *memory.Audit
	logged strings.Builder
	URL    string

	mu     sync.Mutex
	answer func(w http.ResponseWriter, n int) // to the nth request from 1 on; nil: 204
	got    []told
	asked  int
	ids    []string // of all requests
}

// told is a message as it arrived.
type told struct {
	ID        string
	Type      Type      `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      struct {
		Session *SessionRef
		By      *audit.Party
		Reason  string
		All     *All
		Account *audit.Party
		Change  string
		Changes []audit.Change
	} `json:"data"`
}

func newHook(t *testing.T) *hook {
	h := &hook{t: t, log: memory.NewAudit()}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	h.URL = s.URL
	return h
}

// ServeHTTP verifies each request as the library of Standard Webhooks does.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		h.t.Error(err)
	}
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		h.t.Error(err)
	}
	if err := verifier.Verify(body, r.Header); err != nil {
		h.t.Errorf("%s: %v", body, err)
	}
	m := told{ID: r.Header.Get("webhook-id")}
	if err := json.Unmarshal(body, &m); err != nil {
		h.t.Errorf("%s: %v", body, err)
	}
	if kind := r.Header.Get("Content-Type"); r.Method != http.MethodPost || kind != "application/json" {
		h.t.Errorf("%s with %s", r.Method, kind)
	}
	h.asked++
	h.ids = append(h.ids, m.ID)
	if h.answer != nil {
		rec := httptest.NewRecorder()
		if h.answer(rec, h.asked); rec.Code/100 != 2 {
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			w.WriteHeader(rec.Code)
			return
		}
	}
	h.got = append(h.got, m)
	w.WriteHeader(http.StatusNoContent)
}

func (h *hook) endpoint(name string) Endpoint {
	u, err := url.Parse(h.URL + "/hooks?token=hidden")
	if err != nil {
		h.t.Fatal(err)
	}
	return Endpoint{Name: name, URL: u, Secrets: []string{secret}}
}

// sender returns a sender whose waits are short.
func (h *hook) sender(endpoints ...Endpoint) *Sender {
	h.t.Helper()
	s, err := New(Options{Log: audit.NewLog(h.log), Store: h.log, Endpoints: endpoints, Logger: slog.New(slog.NewTextHandler(h, nil))})
	if err != nil {
		h.t.Fatal(err)
	}
	s.pace.look, s.pace.save = time.Millisecond, 0
	s.pace.again = []time.Duration{time.Millisecond, 2 * time.Millisecond}
	return s
}

// Write keeps the log.
func (h *hook) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logged.Write(b)
}

// run runs the sender until the test ends or stop is called.
func (h *hook) run(s *Sender) (stop func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	h.t.Cleanup(stop)
	for _, r := range s.receivers {
		h.until("it is running", func() bool { _, ok := must(h.log.Cursors(h.t.Context()))[r.Name]; return ok })
	}
	return stop
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// until waits for what happens elsewhere.
func (h *hook) until(what string, is func() bool) {
	h.t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// have waits for n messages and returns them.
func (h *hook) have(n int) []told {
	h.t.Helper()
	h.until("the messages are there", func() bool { return len(h.told()) >= n })
	if got := h.told(); len(got) != n {
		h.t.Fatalf("%d messages, want %d: %+v", len(got), n, got)
	}
	return h.told()
}

func (h *hook) told() []told {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.got)
}

func (h *hook) answers(f func(w http.ResponseWriter, n int)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer, h.asked = f, 0
}

func (h *hook) asks() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked
}

func (h *hook) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logged.String()
}

func (h *hook) note(at time.Time, records ...audit.Record) {
	h.t.Helper()
	if err := h.log.AppendAudit(h.t.Context(), at, records...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hook) status(s *Sender) Status {
	h.t.Helper()
	all, err := s.Status(h.t.Context())
	if err != nil || len(all) != 1 {
		h.t.Fatal(all, err)
	}
	return all[0]
}

func (h *hook) wantSent(s *Sender, want map[Outcome]int) {
	h.t.Helper()
	if got := h.status(s).Sent; !maps.Equal(got, want) {
		h.t.Errorf("sent %v, want %v", got, want)
	}
}

// wantNotes looks for what Amara did with webhooks, in order.
func (h *hook) wantNotes(want ...audit.Record) {
	h.t.Helper()
	page := must(audit.NewLog(h.log).List(h.t.Context(), audit.Query{Events: []audit.Event{audit.WebhookTested, audit.WebhookRetried}}))
	slices.Reverse(page.Records)
	for i := range page.Records {
		if r := &page.Records[i]; r.At.IsZero() || r.No == 0 || r.By == nil || *r.By != amara {
			h.t.Errorf("record %+v", r)
		} else {
			r.No, r.At, r.By = 0, audit.Time{}, nil
		}
	}
	if !reflect.DeepEqual(page.Records, want) {
		h.t.Errorf("records %+v\nwant %+v", page.Records, want)
	}
}

// settled waits until the endpoint was told all, and that is noted.
func (h *hook) settled(s *Sender) {
	h.t.Helper()
	h.until("it is up to date", func() bool { return h.status(s).Behind == 0 })
}

var (
	amara   = audit.Party{ID: "a1", Name: "amara", Session: "s8"}
	byAmara = curfew.Actor{User: amara.ID, Name: amara.Name, Session: amara.Session}
	arslan  = audit.Party{ID: "a2", Name: "arslan"}
)

func started(id curfew.SessionID) audit.Record {
	return audit.Record{Event: audit.SignedIn, Outcome: audit.Success, By: &arslan, User: &arslan, Session: id, From: "192.0.2.1", Device: "Firefox", Reason: "password"}
}

func TestMessages(t *testing.T) {
	h := newHook(t)
	h.note(time.Now(), started("before"))
	h.run(h.sender(h.endpoint("all")))
	at := time.Now().UTC().Truncate(time.Millisecond)
	h.note(at,
		started("s1"),
		audit.Record{Event: audit.SignInFailed, Outcome: audit.Refused, User: &arslan},
		audit.Record{Event: audit.SignedOut, Outcome: audit.Success, By: &arslan, User: &arslan, Session: "s1", Reason: "signed-out"},
		audit.Record{Event: audit.SessionExpired, Outcome: audit.Success, User: &arslan, Session: "s2", Reason: "idle"},
		audit.Record{Event: audit.SessionTerminated, Outcome: audit.Success, By: &amara, User: &arslan, Session: "s3", Reason: "terminated"},
		audit.Record{Event: audit.SessionsTerminated, Outcome: audit.Success, By: &amara, Session: "s8", Count: 1204, Reason: "terminated"},
		audit.Record{Event: audit.AccountChanged, Outcome: audit.Success, By: &amara, User: &arslan, Changes: []audit.Change{{Field: "role", From: "user", To: "admin"}}},
		audit.Record{Event: audit.PasswordChanged, Outcome: audit.Success, By: &amara, User: &arslan},
		audit.Record{Event: audit.ServerStopped, Outcome: audit.Success},
	)
	got := h.have(7)
	for i, want := range []Type{SessionStarted, SessionEnded, SessionEnded, SessionEnded, SessionEnded, AccountChanged, AccountChanged} {
		if got[i].Type != want || !got[i].Timestamp.Equal(at) {
			t.Errorf("message %d: %s at %v, want %s at %v", i, got[i].Type, got[i].Timestamp, want, at)
		}
	}
	if d := got[0].Data; *d.Session != (SessionRef{"s1", arslan, "192.0.2.1", "Firefox", "password"}) || d.By != nil || d.Reason != "" {
		t.Errorf("started: %+v of %+v", d, d.Session)
	}
	if d := got[2].Data; d.Session.ID != "s2" || d.Session.User != arslan || d.By != nil || d.Reason != "idle" {
		t.Errorf("ended by itself: %+v of %+v", d, d.Session)
	}
	if d := got[3].Data; d.Session.ID != "s3" || *d.By != amara || d.Reason != "terminated" {
		t.Errorf("terminated: %+v of %+v", d, d.Session)
	}
	if d := got[4].Data; d.Session != nil || *d.All != (All{1204, "s8"}) || *d.By != amara || d.Reason != "terminated" {
		t.Errorf("all terminated: %+v", d)
	}
	if d := got[5].Data; *d.Account != arslan || d.Change != "updated" || len(d.Changes) != 1 || d.Changes[0].To != "admin" || *d.By != amara {
		t.Errorf("account changed: %+v", d)
	}
	if d := got[6].Data; *d.Account != arslan || d.Change != "password" {
		t.Errorf("password changed: %+v", d)
	}
	ids := map[string]bool{}
	for _, m := range got {
		ids[m.ID] = true
	}
	if len(ids) != len(got) {
		t.Errorf("IDs are not unique: %v", ids)
	}
}

func TestTypes(t *testing.T) {
	h := newHook(t)
	e := h.endpoint("some")
	e.Types = []Type{AccountChanged}
	s := h.sender(e)
	h.run(s)
	h.note(time.Now(), started("s1"), audit.Record{Event: audit.AccountDeleted, Outcome: audit.Success, User: &arslan}, started("s2"))
	if got := h.have(1); got[0].Data.Change != "deleted" {
		t.Errorf("%+v", got)
	}
	h.settled(s)
}

// TestRetry has an endpoint that fails at first: the message comes again with the same ID, and those behind it wait for it.
func TestRetry(t *testing.T) {
	h := newHook(t)
	h.answers(func(w http.ResponseWriter, n int) {
		if n <= 4 {
			w.Header().Set("Location", h.URL+"/elsewhere")
			w.WriteHeader([]int{500, 302, 408, 429}[n-1])
		}
	})
	s := h.sender(h.endpoint("weak"))
	h.run(s)
	h.note(time.Now(), started("s1"), started("s2"))
	got := h.have(2)
	if got[0].Data.Session.ID != "s1" || got[1].Data.Session.ID != "s2" || h.asks() != 6 {
		t.Errorf("after %d requests: %+v", h.asks(), got)
	}
	if len(slices.Compact(h.ids)) != 2 {
		t.Errorf("IDs %q", h.ids)
	}
	h.settled(s)
	if st := h.status(s); st.Error != "" || st.Skipped != 0 || st.Tries != 0 || st.Delivered.IsZero() || !st.Oldest.IsZero() {
		t.Errorf("status %+v", st)
	}
	h.wantSent(s, map[Outcome]int{Failed: 4, Taken: 2})
	if text := h.text(); !strings.Contains(text, "they wait") || !strings.Contains(text, "again") || strings.Count(text, "they wait") != 1 || strings.Contains(text, "hidden") {
		t.Errorf("log:\n%s", text)
	}
}

// TestPoison has an endpoint that refuses one message: it is given up after some tries, and the others come.
func TestPoison(t *testing.T) {
	h := newHook(t)
	h.answers(func(w http.ResponseWriter, n int) {
		if n <= usualPace.refusal {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	})
	s := h.sender(h.endpoint("choosy"))
	h.run(s)
	h.note(time.Now(), started("s1"), started("s2"))
	if got := h.have(1); got[0].Data.Session.ID != "s2" || h.asks() != usualPace.refusal+1 {
		t.Errorf("after %d requests: %+v", h.asks(), got)
	}
	h.settled(s)
	if st := h.status(s); st.Skipped != 1 || st.Error != "" {
		t.Errorf("status %+v", st)
	}
	h.wantSent(s, map[Outcome]int{Refused: usualPace.refusal, Taken: 1})
	if !strings.Contains(h.text(), "given up") {
		t.Errorf("log:\n%s", h.text())
	}
}

// TestTooOld has an endpoint that was away for longer than messages wait: what is older is given up after one try, and not one by one.
func TestTooOld(t *testing.T) {
	h := newHook(t)
	s := h.sender(h.endpoint("away"))
	stop := h.run(s)
	stop()
	h.answers(func(w http.ResponseWriter, n int) { w.WriteHeader(http.StatusBadGateway) })
	for i := range 50 {
		h.note(time.Now().Add(-usualPace.age-time.Hour), started(curfew.SessionID('a'+rune(i))))
	}
	h.note(time.Now(), started("new"))
	s = h.sender(h.endpoint("away"))
	s.pace.start = 0
	h.run(s)
	h.until("the new one is tried", func() bool { return h.asks() > 1 })
	if st := h.status(s); st.Skipped != 50 || st.Error != "it answered 502 Bad Gateway" {
		t.Errorf("status %+v", st)
	}
	h.answers(nil)
	if got := h.have(1); got[0].Data.Session.ID != "new" {
		t.Errorf("%+v", got)
	}
}

// TestOldAtStart has a receiver that starts later than the sender, with messages that are old by then: they wait for it.
func TestOldAtStart(t *testing.T) {
	h := newHook(t)
	h.run(h.sender(h.endpoint("slow")))()
	h.note(time.Now().Add(-usualPace.age-time.Hour), started("s1"), started("s2"))
	h.answers(func(w http.ResponseWriter, n int) {
		if n <= 4 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	s := h.sender(h.endpoint("slow"))
	h.run(s)
	h.have(2)
	if st := h.status(s); st.Skipped != 0 {
		t.Errorf("status %+v", st)
	}
}

// TestGone has an endpoint that wants no more: it is asked no more, also after a restart, until somebody switches it on.
func TestGone(t *testing.T) {
	h := newHook(t)
	h.answers(func(w http.ResponseWriter, n int) { w.WriteHeader(http.StatusGone) })
	s := h.sender(h.endpoint("gone"))
	stop := h.run(s)
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	h.note(at, started("s1"))
	h.until("it is off", func() bool { return must(h.log.Cursors(t.Context()))["gone"].Off })
	h.wantSent(s, map[Outcome]int{Gone: 1})
	stop()
	s = h.sender(h.endpoint("gone"))
	h.run(s)
	h.until("it is still off", func() bool { return h.status(s).Off })
	if st := h.status(s); st.Behind != 1 || !st.Oldest.Equal(at) {
		t.Errorf("status %+v", st)
	}
	asked := h.asks()
	h.answers(nil)
	h.note(time.Now(), started("s2"))
	if err := s.Retry(t.Context(), byAmara, "gone"); err != nil {
		t.Fatal(err)
	}
	h.have(2)
	if asked != 1 || h.asks() != 2 {
		t.Errorf("asked %d times, then %d", asked, h.asks())
	}
	if err := s.Retry(t.Context(), byAmara, "nobody"); curfew.ErrorCode(err) != curfew.CodeNotFound {
		t.Errorf("Retry(nobody): %v", err)
	}
	if err := s.Retry(t.Context(), byAmara, "gone"); err != nil { // which is on by now
		t.Fatal(err)
	}
	h.wantNotes(audit.Record{Event: audit.WebhookRetried, Outcome: audit.Success, Webhook: "gone", Changes: []audit.Change{{Field: "state", From: "off", To: "on"}}},
		audit.Record{Event: audit.WebhookRetried, Outcome: audit.Success, Webhook: "gone"})
	h.settled(s)
	if must(h.log.Cursors(t.Context()))["gone"].Off {
		t.Error("the store has it off")
	}
}

// TestRetryNow does not wait for the next try.
func TestRetryNow(t *testing.T) {
	h := newHook(t)
	h.answers(func(w http.ResponseWriter, n int) {
		if n == 1 {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	s := h.sender(h.endpoint("later"))
	s.pace.again = []time.Duration{time.Hour}
	h.run(s)
	h.note(time.Now(), started("s1"))
	h.until("it waits", func() bool { return h.status(s).Tries == 1 })
	if st := h.status(s); time.Until(st.Next) < 45*time.Minute {
		t.Errorf("the next try is at %v", st.Next)
	}
	if err := s.Retry(t.Context(), byAmara, "later"); err != nil {
		t.Fatal(err)
	}
	h.have(1)
}

// TestRestart stops the sender between messages: each comes at least once, and nothing comes that happened before the endpoint was there.
func TestRestart(t *testing.T) {
	h := newHook(t)
	h.note(time.Now(), started("before"))
	s := h.sender(h.endpoint("e"))
	stop := h.run(s)
	h.note(time.Now(), started("s1"))
	h.have(1)
	h.settled(s)
	stop()
	h.note(time.Now(), started("s2"))
	h.run(h.sender(h.endpoint("e"), h.endpoint("second")))
	got := h.have(2)
	if got[1].Data.Session.ID != "s2" {
		t.Errorf("%+v", got)
	}
}

// TestFewerRecords has a log that is shorter than it was, as after a restore.
func TestFewerRecords(t *testing.T) {
	h := newHook(t)
	if err := h.log.SetCursor(t.Context(), time.Now(), "e", audit.Cursor{No: 1000}); err != nil {
		t.Fatal(err)
	}
	h.run(h.sender(h.endpoint("e")))
	h.until("it goes on from the end", func() bool { return must(h.log.Cursors(t.Context()))["e"].No == 0 })
	h.note(time.Now(), started("s1"))
	h.have(1)
}

// TestForgotten has records deleted before they could be told, of an endpoint that is off at first.
func TestForgotten(t *testing.T) {
	h := newHook(t)
	h.run(h.sender(h.endpoint("slow")))()
	if err := h.log.SetCursor(t.Context(), time.Now(), "slow", audit.Cursor{Off: true}); err != nil {
		t.Fatal(err)
	}
	h.note(time.Now().Add(-time.Hour), started("old"), started("old2"))
	if _, err := h.log.ForgetAudit(t.Context(), time.Now(), time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	h.note(time.Now(), started("new"))
	s := h.sender(h.endpoint("slow"))
	if st := h.status(s); st.Lost != 2 || st.Behind != 2 {
		t.Errorf("before they are missed: %+v", st)
	}
	h.run(s)
	h.until("it waits with the new one", func() bool { return h.status(s).Upto == 3 })
	if st := h.status(s); st.Lost != 2 || st.Behind != 1 || !st.Off {
		t.Errorf("while it is off: %+v", st)
	}
	if err := s.Retry(t.Context(), byAmara, "slow"); err != nil {
		t.Fatal(err)
	}
	if got := h.have(1); got[0].Data.Session.ID != "new" || !strings.Contains(h.text(), "deleted before they could be told") {
		t.Errorf("%+v, log:\n%s", got, h.text())
	}
	h.settled(s)
	if st := h.status(s); st.Lost != 2 {
		t.Errorf("status %+v", st)
	}
}

// TestWithoutConfiguration starts a sender that knows of no endpoint: those that come back go on where they were.
func TestWithoutConfiguration(t *testing.T) {
	h := newHook(t)
	h.run(h.sender(h.endpoint("e")))()
	h.note(time.Now().Add(-time.Hour), started("s1"))
	stop := h.run(h.sender())
	h.until("the place is kept", func() bool { return strings.Contains(h.text(), "its place is kept") })
	stop()
	s := h.sender(h.endpoint("e"))
	stop = h.run(s)
	h.have(1)
	if !strings.Contains(h.text(), "goes on where it was") {
		t.Errorf("log:\n%s", h.text())
	}
	h.settled(s)
	stop()
	h.note(time.Now().Add(-time.Hour), started("s2"))
	if _, err := h.log.ForgetAudit(t.Context(), time.Now(), time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	h.run(h.sender(h.endpoint("other")))
	if _, kept := must(h.log.Cursors(t.Context()))["e"]; kept || !strings.Contains(h.text(), "places are forgotten") {
		t.Errorf("a place with nothing to tell after it is kept; log:\n%s", h.text())
	}
}

// damaged is a log with a record that is none.
type damaged struct {
	*memory.Audit
	no   int64
	seen atomic.Int64 // how often that record was looked at
}

func (d *damaged) AuditBlocks(ctx context.Context, no int64, back bool, most int) ([]audit.Block, error) {
	blocks, err := d.Audit.AuditBlocks(ctx, no, back, most)
	for i := range blocks {
		if blocks[i].No == d.no {
			blocks[i].Lines = []byte("{\n")
			d.seen.Add(1)
		}
	}
	return blocks, err
}

// TestDamaged has a record that can't be read: what is before it is told, and it is said once why the rest waits. Under another name the endpoint goes on
// with what happens from then on.
func TestDamaged(t *testing.T) {
	h := newHook(t)
	h.note(time.Now(), started("s0"))
	h.run(h.sender(h.endpoint("e")))()
	h.note(time.Now(), started("s1"))
	h.note(time.Now(), started("s2"))
	s := h.sender(h.endpoint("e"))
	store := &damaged{Audit: h.log, no: 3}
	s.Log = audit.NewLog(store)
	stop := h.run(s)
	h.have(1)
	h.until("it waits", func() bool { return h.status(s).Error != "" })
	st := h.status(s)
	if want := `record 3 can't be read, and what follows waits: the audit log is damaged; run "curfew audit verify"`; st.Error != want || st.Failed.IsZero() || st.Behind != 1 || st.Oldest.IsZero() {
		t.Errorf("status %+v, want %s", st, want)
	}
	h.until("it has looked again and again", func() bool { return store.seen.Load() > 50 })
	if n := strings.Count(h.text(), "can't be read"); n != 1 {
		t.Errorf("said %d times:\n%s", n, h.text())
	}
	stop()
	renamed := h.sender(h.endpoint("e2"))
	renamed.Log = audit.NewLog(store)
	h.run(renamed)
	h.note(time.Now(), started("s3"))
	if got := h.have(2); got[1].Data.Session.ID != "s3" {
		t.Errorf("under another name it is told %+v", got[1])
	}
}

// TestRotation signs with both secrets.
func TestRotation(t *testing.T) {
	h := newHook(t)
	e := h.endpoint("e")
	e.Secrets = []string{secret2, secret}
	h.run(h.sender(e))
	h.note(time.Now(), started("s1"))
	h.have(1) // which verifies with the second
}

func TestTest(t *testing.T) {
	h := newHook(t)
	s := h.sender(h.endpoint("e"))
	if err := s.Test(t.Context(), byAmara, "e"); err != nil {
		t.Fatal(err)
	}
	if got := h.have(1); got[0].Type != Test {
		t.Errorf("%+v", got)
	}
	h.answers(func(w http.ResponseWriter, n int) { w.WriteHeader(http.StatusForbidden) })
	if err := s.Test(t.Context(), byAmara, "e"); curfew.ErrorCode(err) != curfew.CodeConflict || !strings.Contains(err.Error(), "it answered 403 Forbidden") {
		t.Errorf("refused: %v", err)
	}
	if err := s.Test(t.Context(), byAmara, "nobody"); curfew.ErrorCode(err) != curfew.CodeNotFound {
		t.Errorf("nobody: %v", err)
	}
	h.wantSent(s, map[Outcome]int{}) // tests are not counted
	h.wantNotes(audit.Record{Event: audit.WebhookTested, Outcome: audit.Success, Webhook: "e"},
		audit.Record{Event: audit.WebhookTested, Outcome: audit.Refused, Webhook: "e", Note: "it answered 403 Forbidden"})
	closed := httptest.NewServer(nil)
	closed.Close()
	h.URL = closed.URL
	if err := h.sender(h.endpoint("e")).Test(t.Context(), byAmara, "e"); curfew.ErrorCode(err) != curfew.CodeConflict || strings.Contains(err.Error(), "hidden") {
		t.Errorf("nobody answers: %v", err)
	}
}

func TestCheck(t *testing.T) {
	for text, ok := range map[string]bool{
		"https://example.com/hook": true, "http://127.0.0.1:8080/": true, "http://[::1]/": true, "http://localhost/": true,
		"http://example.com/": false, "https://user:pw@example.com/": false, "ftp://example.com/": false, "/hook": false, "https:///x": false,
	} {
		u := must(url.Parse(text))
		if err := (Endpoint{Name: "e", URL: u, Secrets: []string{secret}}).Check(); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := (Endpoint{Name: "e", URL: must(url.Parse("https://example.com/"))}).Check(); err == nil {
		t.Error("no error without a secret")
	}
	for text, ok := range map[string]bool{
		secret: true, strings.TrimPrefix(secret, "whsec_"): false, "whsec_": false, "whsec_c2hvcnQ=": false, "whsec_" + strings.Repeat("A", 64): true,
		"whsec_" + strings.Repeat("A", 88): false, "whsec_not base64": false,
	} {
		if err := CheckSecret(text); (err == nil) != ok || err != nil && strings.Contains(err.Error(), "short") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
