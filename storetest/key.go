package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// manyKeys is more than any account has here.
const manyKeys = 100

// sampleKey is a key of the account with the name.
func sampleKey(owner, name string) account.StoredKey {
	id := owner + "-" + name
	return account.StoredKey{
		Key:  account.Key{ID: account.KeyID(id), Owner: sampleAccount(owner, account.User).ID, Name: name, Role: account.User, CreatedAt: accountTime},
		Hash: sha256.Sum256([]byte(id)),
	}
}

func addKeys(t *testing.T, s account.Store, keys ...account.StoredKey) {
	t.Helper()
	for _, k := range keys {
		if err := s.InsertKey(t.Context(), accountTime, k, manyKeys); err != nil {
			t.Fatalf("InsertKey %s: %v", k.ID, err)
		}
	}
}

func wantKey(t *testing.T, s account.Store, want account.StoredKey) {
	t.Helper()
	if got, err := s.FindKey(t.Context(), want.Hash); err != nil || !reflect.DeepEqual(got, want.Key) {
		t.Errorf("FindKey = %+v, %v; want %+v", got, err, want.Key)
	}
}

func wantNoKey(t *testing.T, s account.Store, k account.StoredKey) {
	t.Helper()
	_, err := s.FindKey(t.Context(), k.Hash)
	wantError(t, "find "+string(k.ID), err, account.ErrNoKey)
}

func wantKeyList(t *testing.T, s account.Store, owner string, want ...account.StoredKey) {
	t.Helper()
	got, err := s.ListKeys(t.Context(), sampleAccount(owner, account.User).ID)
	if err != nil || len(got) != len(want) {
		t.Errorf("ListKeys of %s: %d keys, %v; want %d", owner, len(got), err, len(want))
		return
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], want[i].Key) {
			t.Errorf("key %d of %s is %+v, want %+v", i, owner, got[i], want[i].Key)
		}
	}
}

func testKeyFind(t *testing.T, s account.Store) {
	backup, deploy, other := sampleKey("amara", "backup"), sampleKey("amara", "Deploy 'x\" %_ ö"), sampleKey("arslan", "backup")
	wantNoKey(t, s, backup)
	wantKeyList(t, s, "amara")
	addAccounts(t, s, sampleAccount("amara", account.Admin), sampleAccount("arslan", account.User))
	deploy.Role, deploy.ExpiresAt, deploy.LastUsed = account.Admin, accountTime.Add(time.Hour), accountTime.Add(time.Minute)
	addKeys(t, s, backup, deploy, other)
	for _, k := range []account.StoredKey{backup, deploy, other} {
		wantKey(t, s, k)
	}
	wantKeyList(t, s, "amara", deploy, backup) // byte for byte: capitals first
	wantKeyList(t, s, "arslan", other)
	wantNoKey(t, s, sampleKey("arslan", "another"))
}

func testKeyTaken(t *testing.T, s account.Store) {
	addAccounts(t, s, sampleAccount("amara", account.Admin), sampleAccount("arslan", account.User))
	k := sampleKey("amara", "backup")
	addKeys(t, s, k)
	insert := func(change func(*account.StoredKey)) error {
		other := sampleKey("amara", "other")
		change(&other)
		return s.InsertKey(t.Context(), accountTime, other, manyKeys)
	}
	wantError(t, "a name that is taken", insert(func(o *account.StoredKey) { o.Name = k.Name }), account.ErrKeyNameTaken)
	wantError(t, "no owner", insert(func(o *account.StoredKey) { o.Owner = "id-nobody" }), account.ErrNoAccount)
	if err := insert(func(o *account.StoredKey) { o.ID = k.ID }); err == nil {
		t.Error("an ID was taken twice")
	}
	if err := insert(func(o *account.StoredKey) { o.Hash, o.Owner = k.Hash, "id-arslan" }); err == nil {
		t.Error("a hash was taken twice")
	}
	wantKeyList(t, s, "amara", k)
	wantKeyList(t, s, "arslan")
}

func testKeyMost(t *testing.T, s account.Store) {
	addAccounts(t, s, sampleAccount("amara", account.Admin), sampleAccount("arslan", account.User))
	const most = 3
	insert := func(owner string, i int) error {
		return s.InsertKey(t.Context(), accountTime, sampleKey(owner, fmt.Sprint("k", i)), most)
	}
	won := race(8, func(i int) error {
		err := insert("amara", i)
		if err != nil && !errors.Is(err, account.ErrTooManyKeys) {
			t.Error(err)
		}
		return err
	})
	if won != most {
		t.Errorf("%d of 8 keys were made, want %d", won, most)
	}
	wantError(t, "a key of another account", insert("arslan", 0), nil)
}

func testKeyTouch(t *testing.T, s account.Store) {
	addAccounts(t, s, sampleAccount("amara", account.Admin))
	k, other := sampleKey("amara", "backup"), sampleKey("amara", "other")
	addKeys(t, s, k, other)
	touch := func(id account.KeyID, now time.Time) {
		t.Helper()
		if err := s.TouchKey(t.Context(), now, id); err != nil {
			t.Error(err)
		}
	}
	used := accountTime.Add(time.Hour)
	touch(k.ID, used)
	touch(k.ID, used.Add(-time.Minute)) // late
	touch("nobody's", used)
	k.LastUsed = used
	wantKeyList(t, s, "amara", k, other)
	touch(k.ID, used.Add(time.Millisecond))
	k.LastUsed = used.Add(time.Millisecond)
	wantKey(t, s, k)

	if err := s.DeleteKey(t.Context(), accountTime, k.Owner, k.ID); err != nil {
		t.Fatal(err)
	}
	touch(k.ID, used.Add(time.Hour))
	wantNoKey(t, s, k)
}

func testKeyDelete(t *testing.T, s account.Store) {
	addAccounts(t, s, sampleAccount("amara", account.Admin), sampleAccount("arslan", account.User))
	mine, other, his := sampleKey("amara", "backup"), sampleKey("amara", "other"), sampleKey("arslan", "backup")
	addKeys(t, s, mine, other, his)
	for _, owner := range []curfew.UserID{mine.Owner, "", "nobody"} {
		wantError(t, "delete somebody else's", s.DeleteKey(t.Context(), accountTime, owner, his.ID), account.ErrNoKey)
	}
	wantKey(t, s, his)
	for _, del := range []account.StoredKey{mine, his} {
		if got, err := s.KeyByID(t.Context(), del.ID); err != nil || !reflect.DeepEqual(got, del.Key) {
			t.Errorf("KeyByID = %+v, %v; want %+v", got, err, del.Key)
		}
		if err := s.DeleteKey(t.Context(), accountTime, del.Owner, del.ID); err != nil {
			t.Errorf("DeleteKey %s: %v", del.ID, err)
		}
		wantNoKey(t, s, del)
		_, err := s.KeyByID(t.Context(), del.ID)
		wantError(t, "find again", err, account.ErrNoKey)
		wantError(t, "delete again", s.DeleteKey(t.Context(), accountTime, del.Owner, del.ID), account.ErrNoKey)
	}
	wantKeyList(t, s, "amara", other)
	wantKeyList(t, s, "arslan")
	addKeys(t, s, mine) // the name is free again
}

func testKeysGoWithAccount(t *testing.T, s account.Store) {
	addAccounts(t, s, sampleAccount("amara", account.Admin), sampleAccount("arslan", account.User))
	mine, his := sampleKey("amara", "backup"), sampleKey("arslan", "backup")
	addKeys(t, s, mine, his)
	if _, err := s.UpdateAccount(t.Context(), accountTime, his.Owner, true, disable); err != nil {
		t.Fatal(err)
	}
	wantKey(t, s, his)
	if err := s.DeleteAccount(t.Context(), accountTime, his.Owner); err != nil {
		t.Fatal(err)
	}
	wantNoKey(t, s, his)
	wantKeyList(t, s, "arslan")
	wantKey(t, s, mine)
}

func testKeyCancelled(t *testing.T, s account.Store) {
	addAccounts(t, s, sampleAccount("amara", account.Admin))
	k := sampleKey("amara", "backup")
	addKeys(t, s, k)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, findErr := s.FindKey(ctx, k.Hash)
	_, listErr := s.ListKeys(ctx, k.Owner)
	_, byIDErr := s.KeyByID(ctx, k.ID)
	for name, err := range map[string]error{
		"InsertKey": s.InsertKey(ctx, accountTime, sampleKey("amara", "other"), manyKeys),
		"TouchKey":  s.TouchKey(ctx, accountTime.Add(time.Hour), k.ID),
		"DeleteKey": s.DeleteKey(ctx, accountTime, k.Owner, k.ID),
		"FindKey":   findErr, "ListKeys": listErr, "KeyByID": byIDErr,
	} {
		if err == nil {
			t.Errorf("%s went on for a caller who had gone", name)
		}
	}
	wantKeyList(t, s, "amara", k)
}
