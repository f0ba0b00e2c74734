package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// RunAccounts runs the suite that every account.Store passes. open returns a new, empty store, and closes it when the
// test ends.
func RunAccounts(t *testing.T, open func(t *testing.T) account.Store) {
	cases := []struct {
		name string
		test func(*testing.T, account.Store)
	}{
		{"InsertAndFind", testAccountFind},
		{"NameTaken", testAccountNameTaken},
		{"OnlyIfEmpty", testAccountOnlyIfEmpty},
		{"OnlyIfEmptyRace", testAccountFirstRace},
		{"Pages", testAccountPages},
		{"Search", testAccountSearch},
		{"Update", testAccountUpdate},
		{"UpdateRace", testAccountUpdateRace},
		{"Delete", testAccountDelete},
		{"LastAdmin", testAccountLastAdmin},
		{"LastAdminRace", testAccountLastAdminRace},
		{"Limit", testLimit},
		{"LimitOver", testLimitOver},
		{"LimitError", testLimitError},
		{"LimitRace", testLimitRace},
		{"DropLimits", testDropLimits},
		{"Cancelled", testAccountCancelled},
		{"KeyFind", testKeyFind},
		{"KeyTaken", testKeyTaken},
		{"KeyMost", testKeyMost},
		{"KeyTouch", testKeyTouch},
		{"KeyDelete", testKeyDelete},
		{"KeysGoWithAccount", testKeysGoWithAccount},
		{"KeyCancelled", testKeyCancelled},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

var accountTime = time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)

func sampleAccount(name string, role account.Role) account.Stored {
	return account.Stored{
		Account: account.Account{
			ID: curfew.UserID("id-" + name), Name: name, FullName: "Full " + name, Role: role,
			Lifetime: 5 * time.Minute, Enabled: true,
			CreatedAt: accountTime, PasswordChangedAt: accountTime.Add(time.Millisecond),
		},
		PasswordHash: "hash of " + name,
	}
}

func addAccounts(t *testing.T, s account.Store, accounts ...account.Stored) {
	t.Helper()
	for _, a := range accounts {
		if err := s.InsertAccount(t.Context(), accountTime, a, false); err != nil {
			t.Fatalf("InsertAccount %s: %v", a.Name, err)
		}
	}
}

func wantAccount(t *testing.T, s account.Store, want account.Stored) {
	t.Helper()
	for _, by := range []struct{ id, name string }{{string(want.ID), ""}, {"", want.Name}, {string(want.ID), "ignored"}} {
		got, err := s.FindAccount(t.Context(), curfew.UserID(by.id), by.name)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("FindAccount(%q, %q) = %+v, %v; want %+v", by.id, by.name, got, err, want)
		}
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func testAccountFind(t *testing.T, s account.Store) {
	_, err := s.FindAccount(t.Context(), "id-amara", "")
	wantError(t, "find by ID in an empty store", err, account.ErrNoAccount)
	_, err = s.FindAccount(t.Context(), "", "amara")
	wantError(t, "find by name in an empty store", err, account.ErrNoAccount)
	_, err = s.FindAccount(t.Context(), "", "")
	wantError(t, "find nobody", err, account.ErrNoAccount)

	amara, arslan := sampleAccount("amara", account.Admin), sampleAccount("arslan", account.User)
	amara.LastSignIn = accountTime.Add(time.Hour)
	amara.FullName = "Amara Ölçer 'Quote\" %_"
	amara.Lifetime = curfew.MaxLifetime
	arslan.Enabled, arslan.FullName = false, ""
	addAccounts(t, s, amara, arslan)
	wantAccount(t, s, amara)
	wantAccount(t, s, arslan)
	_, err = s.FindAccount(t.Context(), "id-nobody", "amara")
	wantError(t, "find by ID, whatever the name", err, account.ErrNoAccount)
}

func testAccountNameTaken(t *testing.T, s account.Store) {
	amara := sampleAccount("amara", account.User)
	addAccounts(t, s, amara)
	other := sampleAccount("amara", account.Admin)
	other.ID = "id-other"
	wantError(t, "insert a name that is taken", s.InsertAccount(t.Context(), accountTime, other, false), account.ErrNameTaken)
	twin := sampleAccount("arslan", account.User)
	twin.ID = amara.ID
	if err := s.InsertAccount(t.Context(), accountTime, twin, false); err == nil {
		t.Error("an ID was taken twice")
	}
	wantAccount(t, s, amara)
	wantTotal(t, s, 1)
}

func wantTotal(t *testing.T, s account.Store, want int) {
	t.Helper()
	page, err := s.ListAccounts(t.Context(), account.Query{})
	if err != nil || page.Total != want {
		t.Errorf("%d accounts, error %v; want %d", page.Total, err, want)
	}
}

func testAccountOnlyIfEmpty(t *testing.T, s account.Store) {
	amara := sampleAccount("amara", account.Admin)
	if err := s.InsertAccount(t.Context(), accountTime, amara, true); err != nil {
		t.Fatal(err)
	}
	err := s.InsertAccount(t.Context(), accountTime, sampleAccount("arslan", account.Admin), true)
	wantError(t, "insert a second first account", err, account.ErrNotEmpty)
	wantTotal(t, s, 1)
}

func testAccountFirstRace(t *testing.T, s account.Store) {
	won := race(8, func(i int) error {
		return s.InsertAccount(t.Context(), accountTime, sampleAccount(fmt.Sprint("a", i), account.Admin), true)
	})
	if won != 1 {
		t.Errorf("%d of 8 first accounts were made, want 1", won)
	}
	wantTotal(t, s, 1)
}

// race calls f n times at once and returns how many calls gave no error.
func race(n int, f func(i int) error) (won int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			if f(i) == nil {
				mu.Lock()
				defer mu.Unlock()
				won++
			}
		})
	}
	close(start)
	wg.Wait()
	return won
}

func namesOf(p account.Page) []string {
	var names []string
	for _, a := range p.Accounts {
		names = append(names, a.Name)
	}
	return names
}

func testAccountPages(t *testing.T, s account.Store) {
	for _, name := range []string{"d", "b", "e", "a", "c"} {
		addAccounts(t, s, sampleAccount(name, account.User))
	}
	cases := []struct {
		q          account.Query
		want       []string
		prev, next string
	}{
		{account.Query{}, []string{"a", "b", "c", "d", "e"}, "", ""},
		{account.Query{Limit: 5}, []string{"a", "b", "c", "d", "e"}, "", ""},
		{account.Query{Limit: 2}, []string{"a", "b"}, "", "b"},
		{account.Query{Limit: 2, After: "b"}, []string{"c", "d"}, "c", "d"},
		{account.Query{Limit: 2, After: "d"}, []string{"e"}, "e", ""},
		{account.Query{Limit: 2, After: "bb"}, []string{"c", "d"}, "c", "d"},
		{account.Query{Limit: 2, After: "e"}, nil, "", ""},
		{account.Query{Limit: 2, Before: "e"}, []string{"c", "d"}, "c", "d"},
		{account.Query{Limit: 2, Before: "c"}, []string{"a", "b"}, "", "b"},
		{account.Query{Limit: 2, Before: "b"}, []string{"a"}, "", "a"},
		{account.Query{Limit: 2, Before: "a"}, nil, "", ""},
		{account.Query{Limit: 2, Before: "zz"}, []string{"d", "e"}, "d", ""},
		{account.Query{Limit: 2, Search: "full", After: "b"}, []string{"c", "d"}, "c", "d"},
	}
	for _, c := range cases {
		p, err := s.ListAccounts(t.Context(), c.q)
		if err != nil || !slices.Equal(namesOf(p), c.want) || p.Prev != c.prev || p.Next != c.next || p.Total != 5 {
			t.Errorf("%+v: %v, prev %q, next %q, total %d, error %v; want %v, %q, %q, 5",
				c.q, namesOf(p), p.Prev, p.Next, p.Total, err, c.want, c.prev, c.next)
		}
	}
}

func testAccountSearch(t *testing.T, s account.Store) {
	amara, arslan := sampleAccount("amara", account.Admin), sampleAccount("arslan", account.User)
	amara.FullName, arslan.FullName = "Amara Ölçer", "100% Arslan_O'Neil"
	addAccounts(t, s, amara, arslan)
	for search, want := range map[string][]string{
		"":            {"amara", "arslan"},
		"  ":          {"amara", "arslan"},
		"AR":          {"amara", "arslan"},
		"amara ölçer": {"amara"},
		"ÖLÇER":       {"amara"},
		"o'neil 100%": {"arslan"},
		"%":           {"arslan"},
		"_":           {"arslan"},
		"amara neil":  nil,
		`\`:           nil,
	} {
		p, err := s.ListAccounts(t.Context(), account.Query{Search: search})
		if err != nil || !slices.Equal(namesOf(p), want) || p.Total != len(want) {
			t.Errorf("search %q: %v, total %d, error %v; want %v", search, namesOf(p), p.Total, err, want)
		}
	}
	rename := func(a *account.Stored) error { a.FullName = "Somebody Else"; return nil }
	if _, err := s.UpdateAccount(t.Context(), accountTime, amara.ID, true, rename); err != nil {
		t.Fatal(err)
	}
	if p, err := s.ListAccounts(t.Context(), account.Query{Search: "ölçer"}); err != nil || p.Total != 0 {
		t.Errorf("the old full name still finds %v, error %v", namesOf(p), err)
	}
	if p, err := s.ListAccounts(t.Context(), account.Query{Search: "ELSE"}); err != nil || p.Total != 1 {
		t.Errorf("the new full name finds %v, error %v", namesOf(p), err)
	}
}

func testAccountUpdate(t *testing.T, s account.Store) {
	amara, arslan := sampleAccount("amara", account.Admin), sampleAccount("arslan", account.User)
	addAccounts(t, s, amara, arslan)

	want := amara
	want.FullName, want.Lifetime, want.PasswordHash = "New", time.Hour, "new hash"
	want.PasswordChangedAt, want.LastSignIn = accountTime.Add(time.Minute), accountTime.Add(time.Hour)
	got, err := s.UpdateAccount(t.Context(), accountTime, amara.ID, true, func(a *account.Stored) error {
		if !reflect.DeepEqual(*a, amara) {
			t.Errorf("f got %+v, want %+v", *a, amara)
		}
		*a = want
		return nil
	})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("UpdateAccount = %+v, %v; want %+v", got, err, want)
	}
	wantAccount(t, s, want)
	wantAccount(t, s, arslan)

	refused := errors.New("refused")
	_, err = s.UpdateAccount(t.Context(), accountTime, amara.ID, false, func(a *account.Stored) error {
		a.FullName = "never"
		return refused
	})
	wantError(t, "update that f refuses", err, refused)
	wantAccount(t, s, want)
	_, err = s.UpdateAccount(t.Context(), accountTime, "id-nobody", false, func(*account.Stored) error {
		t.Error("f was called for an account that isn't there")
		return nil
	})
	wantError(t, "update nobody", err, account.ErrNoAccount)
	wantTotal(t, s, 2)
}

func testAccountUpdateRace(t *testing.T, s account.Store) {
	amara := sampleAccount("amara", account.Admin)
	addAccounts(t, s, amara)
	race(8, func(int) error {
		_, err := s.UpdateAccount(t.Context(), accountTime, amara.ID, true, func(a *account.Stored) error {
			a.Lifetime += time.Second
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return err
	})
	amara.Lifetime += 8 * time.Second
	wantAccount(t, s, amara)
}

func testAccountDelete(t *testing.T, s account.Store) {
	amara, arslan := sampleAccount("amara", account.Admin), sampleAccount("arslan", account.User)
	addAccounts(t, s, amara, arslan)
	if err := s.DeleteAccount(t.Context(), accountTime, arslan.ID); err != nil {
		t.Fatal(err)
	}
	_, err := s.FindAccount(t.Context(), arslan.ID, "")
	wantError(t, "find a deleted account", err, account.ErrNoAccount)
	wantError(t, "delete again", s.DeleteAccount(t.Context(), accountTime, arslan.ID), account.ErrNoAccount)
	wantAccount(t, s, amara)

	again := sampleAccount("arslan", account.Auditor)
	again.ID = "id-another"
	addAccounts(t, s, again)
	wantAccount(t, s, again)
}

func disable(a *account.Stored) error { a.Enabled = false; return nil }
func demote(a *account.Stored) error  { a.Role = account.Auditor; return nil }

func testAccountLastAdmin(t *testing.T, s account.Store) {
	amara, arslan := sampleAccount("amara", account.Admin), sampleAccount("arslan", account.Admin)
	arslan.Enabled = false
	addAccounts(t, s, amara, arslan, sampleAccount("ines", account.User))
	update := func(id curfew.UserID, keep bool, f func(*account.Stored) error) error {
		_, err := s.UpdateAccount(t.Context(), accountTime, id, keep, f)
		return err
	}
	wantError(t, "disable the last admin", update(amara.ID, true, disable), account.ErrLastAdmin)
	wantError(t, "demote the last admin", update(amara.ID, true, demote), account.ErrLastAdmin)
	wantError(t, "delete the last admin", s.DeleteAccount(t.Context(), accountTime, amara.ID), account.ErrLastAdmin)
	wantAccount(t, s, amara)

	wantError(t, "change the last admin in another way", update(amara.ID, true, func(a *account.Stored) error { a.FullName = "A"; return nil }), nil)
	wantError(t, "demote a disabled admin", update(arslan.ID, true, demote), nil)
	wantError(t, "disable the last admin where that is allowed", update(amara.ID, false, disable), nil)
	wantError(t, "change somebody else while there is no admin", update("id-ines", true, disable), nil)
}

func testAccountLastAdminRace(t *testing.T, s account.Store) {
	addAccounts(t, s, sampleAccount("a0", account.Admin), sampleAccount("a1", account.Admin), sampleAccount("a2", account.Admin))
	won := race(3, func(i int) (err error) {
		id := curfew.UserID(fmt.Sprint("id-a", i))
		switch i {
		case 0:
			_, err = s.UpdateAccount(t.Context(), accountTime, id, true, disable)
		case 1:
			_, err = s.UpdateAccount(t.Context(), accountTime, id, true, demote)
		default:
			err = s.DeleteAccount(t.Context(), accountTime, id)
		}
		if err != nil && !errors.Is(err, account.ErrLastAdmin) {
			t.Error(err)
		}
		return err
	})
	if won != 2 {
		t.Errorf("%d of 3 admins were taken away, want 2", won)
	}
}

// limits reads the values of keys as of now, and sets them if set is not nil.
func limits(t *testing.T, s account.Store, now time.Time, keys []string, set []time.Time) []time.Time {
	t.Helper()
	var got []time.Time
	err := s.Limit(t.Context(), now, keys, func(at []time.Time) ([]time.Time, error) {
		got = slices.Clone(at)
		if set != nil {
			return set, nil
		}
		return at, nil
	})
	if err != nil {
		t.Fatalf("Limit: %v", err)
	}
	return got
}

func testLimit(t *testing.T, s account.Store) {
	keys, one, two := []string{"a", "b"}, accountTime.Add(time.Minute), accountTime.Add(2*time.Minute+time.Millisecond)
	steps := []struct{ want, set []time.Time }{
		{[]time.Time{{}, {}}, []time.Time{one, two}},
		{[]time.Time{one, two}, nil},
		{[]time.Time{one, two}, []time.Time{two, {}}},
		{[]time.Time{two, {}}, []time.Time{{}, {}}},
		{[]time.Time{{}, {}}, nil},
	}
	for i, step := range steps {
		if got := limits(t, s, accountTime, keys, step.set); !reflect.DeepEqual(got, step.want) {
			t.Errorf("step %d: got %v, want %v", i, got, step.want)
		}
	}
}

func testLimitOver(t *testing.T, s account.Store) {
	at := accountTime.Add(time.Minute)
	limits(t, s, accountTime, []string{"a", "b"}, []time.Time{at, at.Add(time.Hour)})
	if got := limits(t, s, at.Add(-time.Millisecond), []string{"a"}, nil)[0]; !got.Equal(at) {
		t.Errorf("before its time a value is %v, want %v", got, at)
	}
	if got := limits(t, s, at, []string{"a"}, nil)[0]; !got.IsZero() {
		t.Errorf("at its time a value is %v, want the zero time", got)
	}
	if got := limits(t, s, at, []string{"b"}, nil)[0]; !got.Equal(at.Add(time.Hour)) {
		t.Errorf("another value is %v after one was over", got)
	}
}

func testLimitError(t *testing.T, s account.Store) {
	at, refused := accountTime.Add(time.Minute), errors.New("refused")
	limits(t, s, accountTime, []string{"a"}, []time.Time{at})
	err := s.Limit(t.Context(), accountTime, []string{"a", "b"}, func([]time.Time) ([]time.Time, error) {
		return []time.Time{at.Add(time.Hour), at}, refused
	})
	wantError(t, "f's error", err, refused)
	if got, want := limits(t, s, accountTime, []string{"a", "b"}, nil), []time.Time{at, {}}; !reflect.DeepEqual(got, want) {
		t.Errorf("after an error of f: %v, want %v", got, want)
	}
}

func testLimitRace(t *testing.T, s account.Store) {
	const n = 16
	race(n, func(int) error {
		err := s.Limit(t.Context(), accountTime, []string{"a"}, func(at []time.Time) ([]time.Time, error) {
			if at[0].IsZero() {
				at[0] = accountTime
			}
			return []time.Time{at[0].Add(time.Second)}, nil
		})
		if err != nil {
			t.Error(err)
		}
		return err
	})
	if got, want := limits(t, s, accountTime, []string{"a"}, nil)[0], accountTime.Add(n*time.Second); !got.Equal(want) {
		t.Errorf("%d additions at once made %v, want %v", n, got, want)
	}
}

func testDropLimits(t *testing.T, s account.Store) {
	at := accountTime.Add(time.Minute)
	keys := []string{"a_b/", "a_b/1", "a_b/~", "A_b/1", "axb/1", "a_b", "a_c", "c"}
	limits(t, s, accountTime, keys, slices.Repeat([]time.Time{at}, len(keys)))
	for range 2 {
		if err := s.DropLimits(t.Context(), accountTime, "a_b/"); err != nil {
			t.Fatal(err)
		}
		if got, want := limits(t, s, accountTime, keys, nil), []time.Time{{}, {}, {}, at, at, at, at, at}; !reflect.DeepEqual(got, want) {
			t.Errorf("of %q there is left %v, want %v", keys, got, want)
		}
	}
}

func testAccountCancelled(t *testing.T, s account.Store) {
	amara := sampleAccount("amara", account.Admin)
	addAccounts(t, s, amara)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.InsertAccount(ctx, accountTime, sampleAccount("arslan", account.User), false); err == nil {
		t.Error("InsertAccount went on for a caller who had gone")
	}
	if _, err := s.UpdateAccount(ctx, accountTime, amara.ID, true, func(a *account.Stored) error { a.FullName = "X"; return nil }); err == nil {
		t.Error("UpdateAccount went on for a caller who had gone")
	}
	if _, err := s.FindAccount(ctx, amara.ID, ""); err == nil {
		t.Error("FindAccount went on for a caller who had gone")
	}
	wantAccount(t, s, amara)
	wantTotal(t, s, 1)
}
