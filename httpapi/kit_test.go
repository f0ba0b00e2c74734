package httpapi_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/httpapi"
	"github.com/curfewhq/curfew/internal/mount"
	"github.com/curfewhq/curfew/memory"
)

// kit is a whole Curfew in memory, in a synctest bubble: its clock begins at midnight of 2000-01-01.
type kit struct {
	t        testing.TB
	sessions *curfew.Manager
	accounts *account.Service
	store    *flaky
	audit    *memory.Audit // of accounts
	api      http.Handler
	stopping chan struct{}
	log      *bytes.Buffer

	mu     sync.Mutex
	tokens []curfew.Token
	keys   []string
	bodies []string // all that was ever answered
}

func run(t *testing.T, f func(*kit)) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		defer k.close()
		f(k)
	})
}

func newKit(t testing.TB) *kit { return newKitOn(t, memory.NewSessions(), &bytes.Buffer{}) }

// newKitOn has its sessions in the store. Close it, or let the test's end do it.
func newKitOn(t testing.TB, sessions curfew.Store, buffer *bytes.Buffer) *kit {
	accounts := memory.NewAccounts()
	k := &kit{t: t, stopping: make(chan struct{}), log: buffer, store: &flaky{Store: accounts}, audit: accounts.Audit}
	log := slog.New(slog.NewTextHandler(k.log, nil))
	var err error
	if k.sessions, err = curfew.New(t.Context(), sessions, curfew.Options{Logger: log}); err != nil {
		t.Fatal(err)
	}
	cheap := account.Cost{Memory: 8, Passes: 1, Threads: 1}
	k.accounts = account.New(k.store, k.sessions, account.Options{Logger: log, PasswordCost: cheap})
	k.api = k.sessions.Authenticate(httpapi.New(httpapi.Options{
		Sessions: k.sessions, Accounts: k.accounts, Audit: audit.NewLog(k.audit), Webhooks: hooks{}, Logger: log, Stopping: k.stopping,
	}))
	return k
}

// close also holds that no token or key was ever told, nor logged.
func (k *kit) close() {
	if err := k.sessions.Close(); err != nil {
		k.t.Error(err)
	}
	said := strings.Join(k.bodies, "\n") + k.log.String()
	for _, token := range k.tokens {
		if strings.Contains(said, token.Reveal()) {
			k.t.Error("a token was told in an answer or the log")
		}
	}
	for _, key := range k.keys {
		if strings.Contains(said, key) {
			k.t.Error("an API key was told in an answer or the log")
		}
	}
}

const password = "correct horse battery"

func (k *kit) user(name string, role account.Role) account.Account {
	k.t.Helper()
	a, err := k.accounts.Create(k.t.Context(), curfew.Actor{}, account.Fields{Name: name, Role: role, Password: password})
	if err != nil {
		k.t.Fatal(err)
	}
	return a
}

func (k *kit) signIn(name string) (curfew.Session, curfew.Token) {
	k.t.Helper()
	s, token, err := k.accounts.SignIn(k.t.Context(), account.Attempt{
		Name: name, Password: password, Client: curfew.Client{Origin: "192.0.2.7", Device: "Chrome 156 on macOS"},
	})
	if err != nil {
		k.t.Fatal(err)
	}
	k.tokens = append(k.tokens, token)
	return s, token
}

// key makes an API key of the account, past the API.
func (k *kit) key(owner account.Account, name string, role account.Role) (account.Key, string) {
	k.t.Helper()
	key, secret, err := k.accounts.CreateKey(k.t.Context(), curfew.Actor{}, owner.ID, account.NewKey{Name: name, Role: role})
	if err != nil {
		k.t.Fatal(err)
	}
	k.keys = append(k.keys, secret.Reveal())
	return key, secret.Reveal()
}

// request is as the guard makes it: a background fetch.
func request(method, path, body string, token curfew.Token) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Sec-Fetch-Mode", "cors")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != (curfew.Token{}) {
		r.AddCookie(&http.Cookie{Name: curfew.PlainCookie, Value: token.Reveal()})
	}
	return r
}

func (k *kit) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	k.api.ServeHTTP(w, r)
	k.keep(w.Body.String())
	k.isListed(r, w)
	for _, name := range []string{"Cache-Control", "X-Content-Type-Options", "Content-Security-Policy"} {
		if w.Header().Get(name) == "" {
			k.t.Errorf("%s %s: no %s", r.Method, r.URL.Path, name)
		}
	}
	return w
}

// isListed holds that the document lists each answer, but those of addresses that this server has not got.
func (k *kit) isListed(r *http.Request, w *httptest.ResponseRecorder) {
	method, path := strings.Replace(r.Method, "HEAD", "GET", 1), strings.TrimPrefix(r.URL.Path, mount.Base)
	listed := readDocument(k.t).statusesOf(method, path)
	if listed == nil || slices.Contains(listed, strconv.Itoa(w.Code)) ||
		w.Code == http.StatusMethodNotAllowed || strings.Contains(w.Body.String(), "nothing at this address") {
		return
	}
	k.t.Errorf("%s %s answers %d; the document says %v", r.Method, r.URL.Path, w.Code, listed)
}

func (k *kit) call(method, path, body string, token curfew.Token) (status int, answer string) {
	w := k.do(request(method, path, body, token))
	return w.Code, strings.TrimSpace(w.Body.String())
}

func (k *kit) keep(body string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bodies = append(k.bodies, body)
}

// stream listens to the events of a session.
type stream struct {
	k      *kit
	header http.Header
	status int
	cancel context.CancelFunc
	closed chan struct{}

	mu   sync.Mutex
	text strings.Builder
}

// listen listens to the session's own events.
func (k *kit) listen(token curfew.Token) *stream {
	return k.listenTo(request("GET", "/api/v1/session/events", "", token))
}

func (k *kit) listenTo(r *http.Request) *stream {
	ctx, cancel := context.WithCancel(k.t.Context())
	s := &stream{k: k, header: http.Header{}, cancel: cancel, closed: make(chan struct{})}
	go func() {
		defer close(s.closed)
		k.api.ServeHTTP(s, r.WithContext(ctx))
	}()
	synctest.Wait()
	return s
}

func (s *stream) Header() http.Header    { return s.header }
func (s *stream) WriteHeader(status int) { s.status = status }
func (s *stream) Flush()                 {}

func (s *stream) Write(b []byte) (int, error) {
	s.k.keep(string(b))
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

// heard returns the messages since the last call.
func (s *stream) heard() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	messages := strings.Split(strings.TrimSuffix(s.text.String(), "\n\n"), "\n\n")
	s.text.Reset()
	return slices.DeleteFunc(messages, func(m string) bool { return m == "" })
}

// count returns how many of the messages begin with the text.
func count(messages []string, text string) (n int) {
	for _, m := range messages {
		if strings.HasPrefix(m, text) {
			n++
		}
	}
	return n
}

func (s *stream) isClosed() bool {
	synctest.Wait()
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

func (s *stream) close() {
	s.cancel()
	<-s.closed
}

// flaky is a store of accounts that fails when told to.
type flaky struct {
	account.Store
	find, findKey func() error
}

func (f *flaky) KeyByID(ctx context.Context, id account.KeyID) (account.Key, error) {
	if f.findKey != nil {
		if err := f.findKey(); err != nil {
			return account.Key{}, err
		}
	}
	return f.Store.KeyByID(ctx, id)
}

func (f *flaky) FindAccount(ctx context.Context, id curfew.UserID, name string) (account.Stored, error) {
	if f.find != nil {
		if err := f.find(); err != nil {
			return account.Stored{}, err
		}
	}
	return f.Store.FindAccount(ctx, id, name)
}

// after sleeps in the bubble until d past its beginning.
func after(d time.Duration) {
	begin := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	time.Sleep(time.Until(begin.Add(d)))
	synctest.Wait()
}
