package account_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/memory"
)

func (h *house) key(owner account.Account, n account.NewKey) (account.Key, string) {
	h.t.Helper()
	key, secret, err := h.service.CreateKey(h.t.Context(), curfew.Actor{Name: "test"}, owner.ID, n)
	if err != nil {
		h.t.Fatal(err)
	}
	return key, secret.Reveal()
}

// wantRole checks a key, which must be good for the role.
func (h *house) wantRole(secret string, role account.Role) {
	h.t.Helper()
	if _, acc, err := h.service.CheckKey(h.t.Context(), secret, homeAddr); err != nil || acc.Role != role {
		h.t.Errorf("the key is good for %q, error %v; want %q", acc.Role, err, role)
	}
}

// wantNoKey checks a key, which must be refused as every wrong one is.
func (h *house) wantNoKey(secret string) {
	h.t.Helper()
	key, acc, err := h.service.CheckKey(h.t.Context(), secret, homeAddr)
	if err != account.ErrKey || key != (account.Key{}) || acc != (account.Account{}) {
		h.t.Errorf("the key %q of %q: error %v, want ErrKey and nothing else", key.Name, acc.Name, err)
	}
}

func TestKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		mia := h.add("mia", account.Auditor)
		now := h.sessions.Now()
		key, secret := h.key(mia, account.NewKey{Name: " nightly backup ", Role: account.Auditor})
		want := account.Key{ID: key.ID, Owner: mia.ID, Name: "nightly backup", Role: account.Auditor, CreatedAt: now, ExpiresAt: now.Add(90 * 24 * time.Hour)}
		if key != want || len(key.ID) != 16 {
			t.Errorf("made %+v, want %+v", key, want)
		}
		got, acc, err := h.service.CheckKey(t.Context(), secret, homeAddr)
		if err != nil || got != want || acc != mia {
			t.Errorf("%+v of %+v, %v", got, acc, err)
		}
		if by := got.Actor(acc); by != (curfew.Actor{User: mia.ID, Name: "mia (key nightly backup)", Key: string(key.ID)}) {
			t.Errorf("actor %+v", by)
		}
		synctest.Wait() // its use is being written
		want.LastUsed = now
		if keys, err := h.service.Keys(t.Context(), mia.ID); err != nil || len(keys) != 1 || keys[0] != want {
			t.Errorf("keys %+v, %v", keys, err)
		}
		if got, err := h.service.Key(t.Context(), mia.ID, key.ID); err != nil || got != want {
			t.Errorf("key %+v, %v", got, err)
		}
		if n, err := h.sessions.Count(t.Context(), curfew.Query{}); err != nil || n.Sessions != 0 {
			t.Errorf("a key made %d sessions, %v", n.Sessions, err)
		}
		if err := h.service.RevokeKey(t.Context(), curfew.Actor{}, mia.ID, key.ID); err != nil {
			t.Fatal(err)
		}
		h.wantNoKey(secret)
		err = h.service.RevokeKey(t.Context(), curfew.Actor{}, mia.ID, key.ID)
		wantCode(t, "revoke again", err, curfew.CodeNotFound, "")
		_, nobodys := h.key(mia, account.NewKey{Name: "stays", Role: account.User})
		if keys, err := h.service.Keys(t.Context(), mia.ID); err != nil || len(keys) != 1 {
			t.Fatalf("keys %+v, %v", keys, err)
		} else if err := h.service.RevokeKey(t.Context(), curfew.Actor{}, "", keys[0].ID); curfew.ErrorCode(err) != curfew.CodeNotFound {
			t.Errorf("revoke nobody's: %v", err)
		}
		h.wantRole(nobodys, account.User)
		_, err = h.service.Key(t.Context(), mia.ID, key.ID)
		wantCode(t, "look for it", err, curfew.CodeNotFound, "")
	})
}

func TestNewKeyIsChecked(t *testing.T) {
	h := newHouse(t)
	mia := h.add("mia", account.Auditor)
	for name, tt := range map[string]struct {
		key   account.NewKey
		field string
	}{
		"no name":           {account.NewKey{Role: account.User}, "name"},
		"a blank name":      {account.NewKey{Name: " \u2800", Role: account.User}, "name"},
		"a long name":       {account.NewKey{Name: strings.Repeat("ö", 65), Role: account.User}, "name"},
		"a line break":      {account.NewKey{Name: "a\nb", Role: account.User}, "name"},
		"bytes":             {account.NewKey{Name: "a\xff", Role: account.User}, "name"},
		"a key for a name":  {account.NewKey{Name: "curfew_key_abc", Role: account.User}, "name"},
		"no role":           {account.NewKey{Name: "a"}, "role"},
		"an unknown role":   {account.NewKey{Name: "a", Role: "root"}, "role"},
		"more than one has": {account.NewKey{Name: "a", Role: account.Admin}, "role"},
		"too short":         {account.NewKey{Name: "a", Role: account.User, Life: time.Minute - 1}, "expires"},
		"in the past":       {account.NewKey{Name: "a", Role: account.User, Life: -time.Hour}, "expires"},
		"too long":          {account.NewKey{Name: "a", Role: account.User, Life: account.MaxKeyLife + 1}, "expires"},
		"both":              {account.NewKey{Name: "a", Role: account.User, Life: time.Hour, Forever: true}, "expires"},
	} {
		_, _, err := h.service.CreateKey(t.Context(), curfew.Actor{}, mia.ID, tt.key)
		wantCode(t, name, err, curfew.CodeInvalid, tt.field)
	}
	_, _, err := h.service.CreateKey(t.Context(), curfew.Actor{}, "nobody", account.NewKey{Name: "a", Role: account.User})
	wantCode(t, "nobody's", err, curfew.CodeNotFound, "")

	long := strings.Repeat("ö", 64)
	if key, _ := h.key(mia, account.NewKey{Name: long, Role: account.User, Forever: true}); key.Name != long || !key.ExpiresAt.IsZero() {
		t.Errorf("made %+v", key)
	}
	_, _, err = h.service.CreateKey(t.Context(), curfew.Actor{}, mia.ID, account.NewKey{Name: long, Role: account.User})
	wantCode(t, "the same name", err, curfew.CodeConflict, "name")
	for i := 1; i < account.MaxKeys; i++ {
		h.key(mia, account.NewKey{Name: numbered("k", i), Role: account.User})
	}
	_, _, err = h.service.CreateKey(t.Context(), curfew.Actor{}, mia.ID, account.NewKey{Name: "one more", Role: account.User})
	if !errors.Is(err, account.ErrTooManyKeys) {
		t.Errorf("key %d: %v", account.MaxKeys+1, err)
	}
}

// TestKeyFollowsOwner changes the owner of a key; what the key may do follows at the next request.
func TestKeyFollowsOwner(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	mia := h.add("mia", account.Admin)
	_, secret := h.key(mia, account.NewKey{Name: "all", Role: account.Admin})
	_, little := h.key(mia, account.NewKey{Name: "little", Role: account.User})
	update := func(c account.Change) {
		t.Helper()
		if _, err := h.service.Update(t.Context(), curfew.Actor{Name: "test"}, mia.ID, c); err != nil {
			t.Fatal(err)
		}
	}
	h.wantRole(secret, account.Admin)
	h.wantRole(little, account.User)
	for _, role := range []account.Role{account.Auditor, account.User, account.Admin} {
		update(account.Change{Role: &role})
		h.wantRole(secret, role)
		h.wantRole(little, account.User)
	}
	update(account.Change{Enabled: new(false)})
	h.wantNoKey(secret)
	update(account.Change{Enabled: new(true)})
	h.wantRole(secret, account.Admin)
	if err := h.service.SetPassword(t.Context(), curfew.Actor{}, mia.ID, "another horse"); err != nil {
		t.Fatal(err)
	}
	h.wantRole(secret, account.Admin)
	if err := h.service.Delete(t.Context(), curfew.Actor{}, mia.ID); err != nil {
		t.Fatal(err)
	}
	h.wantNoKey(secret)
	h.wantNoKey(little)
}

func TestKeyExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		mia := h.add("mia", account.User)
		_, secret := h.key(mia, account.NewKey{Name: "short", Role: account.User, Life: time.Hour})
		_, forever := h.key(mia, account.NewKey{Name: "long", Role: account.User, Forever: true})
		h.wantRole(secret, account.User)
		time.Sleep(time.Hour - time.Millisecond)
		h.wantRole(secret, account.User)
		time.Sleep(time.Millisecond)
		h.wantNoKey(secret)
		h.restart(cheap)
		h.wantNoKey(secret)
		if keys, err := h.service.Keys(t.Context(), mia.ID); err != nil || len(keys) != 2 {
			t.Errorf("an expired key is listed until it is revoked: %+v, %v", keys, err)
		}
		h.shutFor(10 * 365 * 24 * time.Hour)
		h.wantRole(forever, account.User)
		synctest.Wait()
	})
}

// watchedKeys counts what is asked for keys, can hold a look-up up after it has read, and can fail.
type watchedKeys struct {
	*memory.Accounts
	lookUps, touches atomic.Int32
	read             chan struct{} // if not nil, gets a value when a look-up has read
	goOn             chan struct{} // and it then waits for one here
	fail             error
	hang             bool
	half             bool // deletions are made, and reported as failed
}

func (s *watchedKeys) FindKey(ctx context.Context, hash curfew.TokenHash) (account.Key, error) {
	s.lookUps.Add(1)
	if s.hang {
		<-ctx.Done()
		return account.Key{}, ctx.Err()
	}
	if s.fail != nil {
		return account.Key{}, s.fail
	}
	key, err := s.Accounts.FindKey(ctx, hash)
	if s.read != nil {
		s.read <- struct{}{}
		<-s.goOn
	}
	return key, err
}

func (s *watchedKeys) TouchKey(ctx context.Context, now time.Time, id account.KeyID) error {
	s.touches.Add(1)
	if s.fail != nil {
		return s.fail
	}
	return s.Accounts.TouchKey(ctx, now, id)
}

func (s *watchedKeys) DeleteKey(ctx context.Context, now time.Time, owner curfew.UserID, id account.KeyID, notes ...audit.Record) error {
	err := s.Accounts.DeleteKey(ctx, now, owner, id, notes...)
	if err == nil && s.half {
		err = context.DeadlineExceeded
	}
	return err
}

func newWatchedKeys(t testing.TB) (*house, *watchedKeys) {
	t.Helper()
	h := newHouse(t)
	store := &watchedKeys{Accounts: h.accounts}
	h.over(store, cheap)
	return h, store
}

// TestKeyInUse uses a key all the time: the store is asked once, and learns of it once a minute.
func TestKeyInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, store := newWatchedKeys(t)
		mia := h.add("mia", account.User)
		_, secret := h.key(mia, account.NewKey{Name: "busy", Role: account.User})
		for range 10 * 60 {
			h.wantRole(secret, account.User)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if n := store.lookUps.Load(); n != 1 {
			t.Errorf("the store was asked %d times, want once", n)
		}
		if n := store.touches.Load(); n != 10 {
			t.Errorf("the use was written %d times in ten minutes, want 10", n)
		}
		keys, err := h.service.Keys(t.Context(), mia.ID)
		if late := h.sessions.Now().Sub(keys[0].LastUsed); err != nil || late > time.Minute {
			t.Errorf("last used %v ago, %v", late, err)
		}
		h.over(store, cheap) // a new service knows from the store when that was
		h.wantRole(secret, account.User)
		synctest.Wait()
		store.fail = errors.New("disk full")
		h.wantRole(secret, account.User) // a use that can't be written is a use all the same
		time.Sleep(time.Hour)
		h.wantRole(secret, account.User)
		synctest.Wait()
	})
}

// TestRevokeOvertakesCheck holds up a check that has read the key already, while it is revoked: what it read must not be kept.
func TestRevokeOvertakesCheck(t *testing.T) {
	h, store := newWatchedKeys(t)
	mia := h.add("mia", account.User)
	key, secret := h.key(mia, account.NewKey{Name: "old", Role: account.User})
	store.read, store.goOn = make(chan struct{}), make(chan struct{})
	early := make(chan error)
	go func() {
		_, _, err := h.service.CheckKey(context.Background(), secret, homeAddr)
		early <- err
	}()
	<-store.read
	if err := h.service.RevokeAnyKey(t.Context(), curfew.Actor{}, key.ID); err != nil {
		t.Fatal(err)
	}
	store.goOn <- struct{}{}
	if err := <-early; err != nil {
		t.Errorf("the check that began before: %v", err)
	}
	store.read = nil
	h.wantNoKey(secret)
}

// TestRevokeInDoubt has a revocation reported as failed that was made: then nobody knows, so the store is asked.
func TestRevokeInDoubt(t *testing.T) {
	h, store := newWatchedKeys(t)
	key, secret := h.key(h.add("mia", account.User), account.NewKey{Name: "old", Role: account.User})
	h.wantRole(secret, account.User)
	store.half = true
	if err := h.service.RevokeAnyKey(t.Context(), curfew.Actor{}, key.ID); err == nil {
		t.Fatal("no error")
	}
	h.wantNoKey(secret)
}

// TestKeyWithoutStore has the store give an error, or no answer: nobody knows, so nobody gets in, and it counts against nobody.
func TestKeyWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, store := newWatchedKeys(t)
		_, secret := h.key(h.add("mia", account.User), account.NewKey{Name: "a", Role: account.User})
		store.fail = errors.New("disk full")
		for range 100 {
			_, _, err := h.service.CheckKey(t.Context(), secret, homeAddr)
			wantCode(t, "with a broken store", err, curfew.CodeUnavailable, "")
		}
		store.fail, store.hang = nil, true
		asked := time.Now()
		_, _, err := h.service.CheckKey(t.Context(), secret, homeAddr)
		if took := time.Since(asked); curfew.ErrorCode(err) != curfew.CodeUnavailable || took != time.Second {
			t.Errorf("after %v: %v; want CodeUnavailable after a second", took, err)
		}
		store.hang = false
		h.wantRole(secret, account.User)
		h.wantNoKey(newSecret().Reveal())
		synctest.Wait()
	})
}

// TestWrongKeys tries keys until the source is limited, which concerns neither the good key there, nor sign-ins, nor others.
func TestWrongKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, store := newWatchedKeys(t)
		mia := h.add("mia", account.User)
		_, secret := h.key(mia, account.NewKey{Name: "good", Role: account.User})
		_, expired := h.key(mia, account.NewKey{Name: "expired", Role: account.User, Life: time.Minute})
		time.Sleep(time.Minute)
		for range 1000 { // can't be keys, which costs no look-up and no count
			h.wantNoKey("curfew_key_" + strings.Repeat("A", 48))
		}
		if n := store.lookUps.Load(); n != 0 {
			t.Errorf("%d look-ups for what can't be a key", n)
		}
		for range 25 {
			h.wantNoKey(newSecret().Reveal())
			h.wantNoKey(expired)
		}
		for _, wrong := range []string{newSecret().Reveal(), expired} {
			_, _, err := h.service.CheckKey(t.Context(), wrong, homeAddr)
			var limit *curfew.Error
			if !errors.As(err, &limit) || limit.Code != curfew.CodeLimited || limit.RetryAfter != 5*time.Second {
				t.Errorf("after 50 wrong keys: %v", err)
			}
		}
		h.wantRole(secret, account.User)
		h.mustSignIn("mia", homeAddr)
		if _, _, err := h.service.CheckKey(t.Context(), newSecret().Reveal(), awayAddr); err != account.ErrKey {
			t.Errorf("a wrong key from elsewhere: %v", err)
		}
		h.restart(cheap)
		if _, _, err := h.service.CheckKey(t.Context(), expired, homeAddr); curfew.ErrorCode(err) != curfew.CodeLimited {
			t.Errorf("after a restart: %v", err)
		}
		time.Sleep(5 * time.Second)
		h.wantNoKey(expired)
		synctest.Wait()
	})
}

// TestWrongKeysOfNetwork tries keys from many sources of an IPv6 network of 48 bits.
func TestWrongKeysOfNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		limited := 0
		for i := range 501 {
			origin := strings.Replace("2001:db8:1:N::1", "N", numbered("", i), 1)
			if _, _, err := h.service.CheckKey(t.Context(), newSecret().Reveal(), origin); curfew.ErrorCode(err) == curfew.CodeLimited {
				limited++
			}
		}
		if limited != 1 {
			t.Errorf("%d of 501 tries were limited, want the last", limited)
		}
	})
}

func TestLogHoldsNoKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		mia := h.add("mia", account.User)
		key, secret := h.key(mia, account.NewKey{Name: "nightly", Role: account.User})
		wrong := newSecret().Reveal()
		h.wantRole(secret, account.User)
		h.wantNoKey(wrong)
		h.wantNoKey(secret[:len(secret)-1])
		if err := h.service.RevokeAnyKey(t.Context(), curfew.Actor{Name: "amara"}, key.ID); err != nil {
			t.Fatal(err)
		}
		h.wantNoKey(secret)
		synctest.Wait()
		log := h.log.String()
		for _, s := range []string{secret[11:40], wrong[11:40]} {
			if strings.Contains(log, s) {
				t.Error("the log holds a key")
			}
		}
		for _, want := range []string{"API key created", "API key refused", "API key revoked", "key=" + string(key.ID), "by=amara", "origin=" + homeAddr} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %q:\n%s", want, log)
			}
		}
	})
}

// TestKeysAreAudited makes, misuses and revokes a key: each is one record, which names the key and not its secret.
func TestKeysAreAudited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		mia := h.add("mia", account.User)
		start := audited(t, h.accounts)
		key, secret := h.key(mia, account.NewKey{Name: "nightly", Role: account.User, Life: time.Hour})
		time.Sleep(time.Hour)
		h.wantNoKey(secret)
		h.wantNoKey(newSecret().Reveal())
		if err := h.service.RevokeKey(t.Context(), curfew.Actor{User: "1", Name: "amara"}, mia.ID, key.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		var got []string
		for _, r := range audited(t, h.accounts)[len(start):] {
			by, user := "", ""
			if r.By != nil {
				by = r.By.Name
			}
			if r.User != nil {
				user = r.User.Name
			}
			got = append(got, strings.TrimSpace(strings.Join([]string{string(r.Event), string(r.Outcome), by, user, r.Key, r.From, r.Note}, " ")))
			if r.Event == audit.KeyCreated && !slices.Equal(r.Changes, []audit.Change{{Field: "role", To: "user"}, {Field: "expires_at", To: key.ExpiresAt.Format(time.RFC3339)}}) {
				t.Errorf("created: %+v", r.Changes)
			}
		}
		want := []string{
			"authn_token_created success test mia " + string(key.ID) + "  nightly",
			"authn_login_fail refused  mia " + string(key.ID) + " " + homeAddr + " API key",
			"authn_login_fail refused    " + homeAddr + " API key",
			"authn_token_revoked success amara mia " + string(key.ID) + "  nightly",
		}
		if !slices.Equal(got, want) {
			t.Errorf("noted are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// audited returns the records of the store, the earliest first.
func audited(t *testing.T, store audit.Store) []audit.Record {
	t.Helper()
	page, err := audit.NewLog(store).List(t.Context(), audit.Query{})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(page.Records)
	return page.Records
}

func BenchmarkCheckKey(b *testing.B) {
	h := newHouse(b)
	_, secret := h.key(h.add("mia", account.User), account.NewKey{Name: "busy", Role: account.User})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		for pb.Next() {
			if _, _, err := h.service.CheckKey(ctx, secret, homeAddr); err != nil {
				b.Fatal(err)
			}
		}
	})
}
