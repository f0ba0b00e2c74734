package account_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/memory"
)

const (
	rightPassword = "correct horse"
	wrongPassword = "wrong horse"
	homeAddr      = "192.0.2.7"
	awayAddr      = "198.51.100.9"
)

// house is a service with all it stands on, in memory.
type house struct {
	t        testing.TB
	accounts *memory.Accounts
	kept     *memory.Sessions
	sessions *curfew.Manager
	service  *account.Service
	log      *logText
}

var cheap = account.Cost{Memory: 8, Passes: 1, Threads: 1}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, accounts: memory.NewAccounts(), kept: memory.NewSessions(), log: &logText{}}
	h.openSessions()
	h.restart(cheap)
	t.Cleanup(func() { h.sessions.Close() })
	return h
}

func (h *house) openSessions() {
	h.t.Helper()
	var err error
	h.sessions, err = curfew.New(h.t.Context(), h.kept, curfew.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		h.t.Fatal(err)
	}
}

// shutFor closes everything for so long that a running manager would take its time.
func (h *house) shutFor(d time.Duration) {
	h.t.Helper()
	if err := h.sessions.Close(); err != nil {
		h.t.Fatal(err)
	}
	time.Sleep(d)
	h.openSessions()
	h.restart(cheap)
}

// restart puts a new service in front of the same stores.
func (h *house) restart(c account.Cost) { h.over(h.accounts, c) }

// over puts a new service in front of another account store.
func (h *house) over(store account.Store, c account.Cost) {
	h.service = account.New(store, h.sessions, account.Options{Logger: slog.New(slog.NewTextHandler(h.log, nil)), PasswordCost: c})
}

// logText is what was logged.
type logText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (h *house) add(name string, role account.Role) account.Account {
	h.t.Helper()
	f := account.Fields{Name: name, FullName: "Full " + name, Role: role, Password: rightPassword}
	acc, err := h.service.Create(h.t.Context(), curfew.Actor{Name: "test"}, f)
	if err != nil {
		h.t.Fatal(err)
	}
	return acc
}

func (h *house) signIn(name, password, addr string) (curfew.Session, curfew.Token, error) {
	return h.service.SignIn(h.t.Context(), account.Attempt{
		Name: name, Password: password, Client: curfew.Client{Origin: addr, Device: "curl"},
	})
}

func (h *house) mustSignIn(name, addr string) (curfew.Session, curfew.Token) {
	h.t.Helper()
	s, token, err := h.signIn(name, rightPassword, addr)
	if err != nil {
		h.t.Fatalf("sign in as %s: %v", name, err)
	}
	return s, token
}

// fail makes n failed sign-ins, none of which may be limited.
func (h *house) fail(n int, name, addr string) {
	h.t.Helper()
	for i := range n {
		if _, _, err := h.signIn(name, wrongPassword, addr); err != account.ErrSignIn {
			h.t.Fatalf("failure %d of %s from %s: error %v, want ErrSignIn", i+1, name, addr, err)
		}
	}
}

// wantLimited makes a sign-in with the right password, which must be limited, and returns the error.
func (h *house) wantLimited(name, addr string) *curfew.Error {
	h.t.Helper()
	_, _, err := h.signIn(name, rightPassword, addr)
	var e *curfew.Error
	if !errors.As(err, &e) || e.Code != curfew.CodeLimited || e.RetryAfter <= 0 {
		h.t.Fatalf("sign in as %s from %s: error %v, want a limit", name, addr, err)
	}
	return e
}

// wantEnded checks how the sessions of the tokens have ended.
func (h *house) wantEnded(reason curfew.Reason, by string, tokens ...curfew.Token) {
	h.t.Helper()
	for i, token := range tokens {
		_, err := h.sessions.Check(h.t.Context(), token, curfew.Passive)
		var ended *curfew.EndedError
		if !errors.As(err, &ended) {
			h.t.Errorf("session %d: error %v, want ended", i, err)
			continue
		}
		if e := ended.Ended.Ending; e.Reason != reason || e.By.Name != by {
			h.t.Errorf("session %d ended as %s by %q, want %s by %q", i, e.Reason, e.By.Name, reason, by)
		}
	}
}

func (h *house) wantLive(tokens ...curfew.Token) {
	h.t.Helper()
	for i, token := range tokens {
		if _, err := h.sessions.Check(h.t.Context(), token, curfew.Passive); err != nil {
			h.t.Errorf("session %d: %v, want it live", i, err)
		}
	}
}

func wantCode(t testing.TB, what string, err error, code curfew.Code, field string) {
	t.Helper()
	var e *curfew.Error
	if errors.As(err, &e); e == nil || e.Code != code || e.Field != field {
		t.Errorf("%s: error %v, want code %s, field %q", what, err, code, field)
	}
}

func actor(a account.Account, s curfew.Session) curfew.Actor {
	return curfew.Actor{User: a.ID, Name: a.Name, Session: s.ID}
}

func numbered(prefix string, i int) string { return fmt.Sprintf("%s%d", prefix, i) }
