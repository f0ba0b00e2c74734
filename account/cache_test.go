package account_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/memory"
)

// watchedStore counts look-ups by ID, and can hold one up after it has read.
type watchedStore struct {
	*memory.Accounts
	lookUps atomic.Int32
	read    chan struct{} // if not nil, gets a value when a look-up has read
	goOn    chan struct{} // and it then waits for one here
	fail    atomic.Bool   // updates are made, and reported as failed
}

func (s *watchedStore) FindAccount(ctx context.Context, id curfew.UserID, name string) (account.Stored, error) {
	acc, err := s.Accounts.FindAccount(ctx, id, name)
	if id != "" {
		s.lookUps.Add(1)
		if s.read != nil {
			s.read <- struct{}{}
			<-s.goOn
		}
	}
	return acc, err
}

// hangingStore finds no account, nor that there is none.
type hangingStore struct{ *memory.Accounts }

func (hangingStore) FindAccount(ctx context.Context, _ curfew.UserID, _ string) (account.Stored, error) {
	<-ctx.Done()
	return account.Stored{}, ctx.Err()
}

// TestGetDoesNotHang has the store give no answer, to a request that would wait for ever.
func TestGetDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.over(hangingStore{h.accounts}, cheap)
		asked := time.Now()
		_, err := h.service.Get(t.Context(), "id-amara")
		if took := time.Since(asked); curfew.ErrorCode(err) != curfew.CodeUnavailable || took != time.Second {
			t.Errorf("after %v: %v; want CodeUnavailable after a second", took, err)
		}
	})
}

func (s *watchedStore) UpdateAccount(ctx context.Context, now time.Time, id curfew.UserID, keepAdmin bool, f func(*account.Stored) error, notes ...audit.Record) (account.Stored, error) {
	acc, err := s.Accounts.UpdateAccount(ctx, now, id, keepAdmin, f, notes...)
	if err == nil && s.fail.Load() {
		return account.Stored{}, context.DeadlineExceeded
	}
	return acc, err
}

func newWatched(t testing.TB) (*house, *watchedStore) {
	t.Helper()
	h := newHouse(t)
	store := &watchedStore{Accounts: h.accounts}
	h.over(store, cheap)
	return h, store
}

func (h *house) get(id curfew.UserID) account.Account {
	h.t.Helper()
	acc, err := h.service.Get(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return acc
}

// TestGetAfterEachChange makes every kind of change there is; the next Get must see it, and only that one asks the store.
func TestGetAfterEachChange(t *testing.T) {
	h, store := newWatched(t)
	h.add("amara", account.Admin)
	mia := h.add("mia", account.User)
	by := curfew.Actor{Name: "test"}
	update := func(c account.Change) func() error {
		return func() error { _, err := h.service.Update(t.Context(), by, mia.ID, c); return err }
	}
	for _, tt := range []struct {
		name   string
		change func() error
		seen   func(account.Account) bool
	}{
		{"role", update(account.Change{Role: new(account.Auditor)}), func(a account.Account) bool { return a.Role == account.Auditor }},
		{"full name", update(account.Change{FullName: new("Mia Chen")}), func(a account.Account) bool { return a.FullName == "Mia Chen" }},
		{"lifetime", update(account.Change{Lifetime: new(time.Hour)}), func(a account.Account) bool { return a.Lifetime == time.Hour }},
		{"disabled", update(account.Change{Enabled: new(false)}), func(a account.Account) bool { return !a.Enabled }},
		{"enabled", update(account.Change{Enabled: new(true)}), func(a account.Account) bool { return a.Enabled }},
		{"password", func() error { return h.service.SetPassword(t.Context(), by, mia.ID, rightPassword+"!") },
			func(a account.Account) bool { return a.PasswordChangedAt.After(mia.PasswordChangedAt) }},
		{"sign-in", func() error { _, _, err := h.signIn("mia", rightPassword+"!", homeAddr); return err },
			func(a account.Account) bool { return !a.LastSignIn.IsZero() }},
	} {
		if tt.seen(h.get(mia.ID)) {
			t.Errorf("%s: seen before it was made", tt.name)
		}
		if err := tt.change(); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		before := store.lookUps.Load()
		for range 3 {
			if got := h.get(mia.ID); !tt.seen(got) {
				t.Errorf("%s: not seen: %+v", tt.name, got)
			}
		}
		if n := store.lookUps.Load() - before; n != 1 {
			t.Errorf("%s: the store was asked %d times, want once", tt.name, n)
		}
	}
	if err := h.service.Delete(t.Context(), by, mia.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := h.service.Get(t.Context(), mia.ID); curfew.ErrorCode(err) != curfew.CodeNotFound {
		t.Errorf("after its deletion: error %v", err)
	}
}

// TestGetOvertaken holds up a Get that has read the account already, while it is changed: what it read must not be
// kept.
func TestGetOvertaken(t *testing.T) {
	h, store := newWatched(t)
	mia := h.add("mia", account.User)
	store.read, store.goOn = make(chan struct{}), make(chan struct{})
	early := make(chan account.Account)
	go func() {
		acc, err := h.service.Get(context.Background(), mia.ID)
		if err != nil {
			t.Error(err)
		}
		early <- acc
	}()
	<-store.read
	_, err := h.service.Update(t.Context(), curfew.Actor{}, mia.ID, account.Change{Role: new(account.Auditor)})
	if err != nil {
		t.Fatal(err)
	}
	store.goOn <- struct{}{}
	if got := (<-early).Role; got != account.User {
		t.Errorf("the Get that was overtaken says %q", got)
	}
	store.read = nil
	if got := h.get(mia.ID).Role; got != account.Auditor {
		t.Errorf("role %q after the change, want %q", got, account.Auditor)
	}
}

// TestGetRacesUpdate has many ask while one changes: none who asks after a change may see the role before.
func TestGetRacesUpdate(t *testing.T) {
	h := newHouse(t)
	mia := h.add("mia", account.User)
	var done atomic.Int64 // lifetimes whose change has returned, in seconds
	done.Store(int64(mia.Lifetime / time.Second))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				least := done.Load()
				acc, err := h.service.Get(context.Background(), mia.ID)
				if got := int64(acc.Lifetime / time.Second); err != nil || got < least {
					t.Errorf("lifetime %d, error %v, after one of %d was set", got, err, least)
					return
				}
			}
		})
	}
	for i := range int64(300) {
		next := 1000 + i
		if _, err := h.service.Update(t.Context(), curfew.Actor{}, mia.ID, account.Change{Lifetime: new(time.Duration(next) * time.Second)}); err != nil {
			t.Fatal(err)
		}
		done.Store(next)
	}
	close(stop)
	readers.Wait()
}

// TestGetAfterDoubtfulChange has a change reported as failed that was made: then nobody knows, so the store is asked.
func TestGetAfterDoubtfulChange(t *testing.T) {
	h, store := newWatched(t)
	mia := h.add("mia", account.User)
	h.get(mia.ID)
	store.fail.Store(true)
	if _, err := h.service.Update(t.Context(), curfew.Actor{}, mia.ID, account.Change{Role: new(account.Auditor)}); err == nil {
		t.Fatal("no error")
	}
	if got := h.get(mia.ID).Role; got != account.Auditor {
		t.Errorf("role %q, want what the store has", got)
	}
}

func TestGetKeepsNoAbsence(t *testing.T) {
	h, store := newWatched(t)
	for range 3 {
		if _, err := h.service.Get(t.Context(), "nobody"); curfew.ErrorCode(err) != curfew.CodeNotFound {
			t.Errorf("error %v", err)
		}
	}
	if n := store.lookUps.Load(); n != 3 {
		t.Errorf("the store was asked %d times, want 3", n)
	}
}

// TestCacheIsBounded asks for more accounts than are kept.
func TestCacheIsBounded(t *testing.T) {
	h := newHouse(t)
	cached := account.NewCached(h.accounts, 8)
	for i := range 20 {
		acc := h.add(fmt.Sprintf("user%d", i), account.User)
		for range 2 {
			if got, err := cached.Get(t.Context(), acc.ID); err != nil || got.Name != acc.Name {
				t.Fatalf("got %+v, %v", got, err)
			}
		}
	}
	if n := cached.Len(); n != 8 {
		t.Errorf("%d accounts are kept, want 8", n)
	}
}

func TestGetAllocatesNothing(t *testing.T) {
	h := newHouse(t)
	mia := h.add("mia", account.User)
	h.get(mia.ID)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { h.service.Get(ctx, mia.ID) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkGet(b *testing.B) {
	h := newHouse(b)
	mia := h.add("mia", account.User)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		for pb.Next() {
			if _, err := h.service.Get(ctx, mia.ID); err != nil {
				b.Fatal(err)
			}
		}
	})
}
