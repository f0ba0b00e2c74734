package sqlite_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

func TestAccounts(t *testing.T) {
	storetest.RunAccounts(t, func(t *testing.T) account.Store { return openAccounts(t, t.TempDir()) })
}

func openAccounts(t *testing.T, dir string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestAccountsSurviveReopening(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)
	amara := account.Stored{PasswordHash: "hash", Account: account.Account{
		ID: "id", Name: "amara", FullName: "Amara", Role: account.Auditor, Lifetime: time.Minute, CreatedAt: now, PasswordChangedAt: now,
	}}
	db := openAccounts(t, dir)
	if err := db.InsertAccount(t.Context(), now, amara, true); err != nil {
		t.Fatal(err)
	}
	key, until := []string{"name/amara"}, now.Add(time.Minute)
	if err := db.Limit(t.Context(), now, key, func([]time.Time) ([]time.Time, error) { return []time.Time{until}, nil }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	db = openAccounts(t, dir)
	if got, err := db.FindAccount(t.Context(), "id", ""); err != nil || !reflect.DeepEqual(got, amara) {
		t.Errorf("after reopening: %+v, %v; want %+v", got, err, amara)
	}
	err := db.Limit(t.Context(), now, key, func(at []time.Time) ([]time.Time, error) {
		if !at[0].Equal(until) {
			t.Errorf("after reopening the counter is %v, want %v", at[0], until)
		}
		return at, nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Counters that are over must not pile up.
func TestLimitsAreDeleted(t *testing.T) {
	db := openAccounts(t, t.TempDir())
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range 300 {
		now = now.Add(time.Second)
		err := db.Limit(t.Context(), now, []string{fmt.Sprint("name/", i)}, func([]time.Time) ([]time.Time, error) {
			return []time.Time{now.Add(10 * time.Second)}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := sqlite.LimitCount(t, db); n > 11 {
		t.Errorf("%d counters are kept of 10 that are not over", n)
	}
}
