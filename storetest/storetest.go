// Package storetest has the suites that every store must pass: ours, and other people's.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

// Run tests a curfew.Store. Each call of open must return an empty one.
func Run(t *testing.T, open func(t *testing.T) curfew.Store) {
	tests := []struct {
		name string
		f    func(t *testing.T, s curfew.Store)
	}{
		{"Find", testFind},
		{"InsertTwice", testInsertTwice},
		{"EndedNeverReturns", testEndedNeverReturns},
		{"Cap", testCap},
		{"Touch", testTouch},
		{"TouchEnded", testTouchEnded},
		{"Update", testUpdate},
		{"End", testEnd},
		{"EndSelections", testEndSelections},
		{"EndEverybody", testEndEverybody},
		{"EndEverybodyTwice", testEndEverybodyTwice},
		{"EndOverdue", testEndOverdue},
		{"EndDue", testEndDue},
		{"EndMany", testEndMany},
		{"List", testList},
		{"ListPages", testListPages},
		{"ListStrangeCursor", testListStrangeCursor},
		{"Search", testSearch},
		{"History", testHistory},
		{"HistoryPages", testHistoryPages},
		{"Forget", testForget},
		{"Clock", testClock},
		{"Cancelled", testCancelled},
		{"TouchRacesEnd", testTouchRacesEnd},
		{"CapRace", testCapRace},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.f(t, open(t)) })
	}
}

// T0 is when the tests of the suites begin.
var T0 = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// Record returns a live session that was started at T0+at by the user, with the lifetime of 300 s, a grace of 30 s and
// a limit of a day.
func Record(id string, user string, at time.Duration) curfew.Record {
	return curfew.Record{
		Hash: curfew.NewToken().Hash(),
		Session: curfew.Session{
			ID:         curfew.SessionID(id),
			User:       curfew.User{ID: curfew.UserID("id-" + user), Name: user, FullName: "Full " + user},
			Credential: curfew.CredentialPassword,
			Client:     curfew.Client{Origin: "192.0.2.7", Device: "Chrome 156 on macOS"},
			CreatedAt:  T0.Add(at), AuthenticatedAt: T0.Add(at), LastActive: T0.Add(at),
			Lifetime: 300 * time.Second, Grace: 30 * time.Second, ExpiresAt: T0.Add(at + 24*time.Hour),
		},
	}
}

// insertMany inserts sessions of amara, s0000 and so on, many at a time.
func insertMany(t *testing.T, s curfew.Store, n int) []curfew.SessionID {
	t.Helper()
	all := make([]curfew.SessionID, n)
	var wg sync.WaitGroup
	for first := range 50 {
		wg.Go(func() {
			for i := first; i < n; i += 50 {
				all[i] = curfew.SessionID(fmt.Sprintf("s%04d", i))
				if _, err := s.Insert(t.Context(), T0, Record(string(all[i]), "amara", 0), 0, false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return all
}

// terminated is an ending with all that an actor may have, to see that all of it is kept.
var terminated = curfew.Ending{Reason: curfew.ReasonTerminated, By: curfew.Actor{User: "id-amara", Name: "amara", Session: "s-amara", Key: "k1"}}

func insert(t *testing.T, s curfew.Store, records ...curfew.Record) {
	t.Helper()
	for _, r := range records {
		if _, err := s.Insert(t.Context(), r.Session.CreatedAt, r, 0, false); err != nil {
			t.Fatalf("Insert(%s): %v", r.Session.ID, err)
		}
	}
}

func find(t *testing.T, s curfew.Store, id curfew.SessionID) curfew.Record {
	t.Helper()
	r, err := s.Find(t.Context(), nil, id)
	if err != nil {
		t.Fatalf("Find(%s): %v", id, err)
	}
	return r
}

func end(t *testing.T, s curfew.Store, at time.Duration, sel curfew.Selection, e curfew.Ending, want int) {
	t.Helper()
	n, _, err := s.End(t.Context(), T0.Add(at), sel, e)
	if err != nil || n != want {
		t.Fatalf("End(%+v) = %d, %v; want %d", sel, n, err, want)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func ids(records []curfew.Record) []curfew.SessionID {
	var ids []curfew.SessionID
	for _, r := range records {
		ids = append(ids, r.Session.ID)
	}
	return ids
}

func endedIDs(ended []curfew.Ended) []curfew.SessionID {
	var ids []curfew.SessionID
	for _, e := range ended {
		ids = append(ids, e.Session.ID)
	}
	return ids
}

func wantIDs(t *testing.T, what string, got []curfew.SessionID, want ...curfew.SessionID) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// wantKeys compares keys, in any order, with those of sessions.
func wantKeys(t *testing.T, s curfew.Store, what string, got []curfew.Key, want ...curfew.SessionID) {
	t.Helper()
	var keys []curfew.SessionID
	for _, k := range got {
		keys = append(keys, k.ID)
		equal(t, what, k, find(t, s, k.ID).Key())
	}
	slices.Sort(keys)
	wantIDs(t, what, keys, want...)
}

func testFind(t *testing.T, s curfew.Store) {
	want := Record("s1", "amara", 0)
	insert(t, s, want, Record("s2", "arslan", 0))
	equal(t, "by ID", find(t, s, "s1"), want)
	got, err := s.Find(t.Context(), &want.Hash, "")
	if err != nil || got != want {
		t.Errorf("by hash = %+v, %v; want %+v", got, err, want)
	}
	stranger := curfew.NewToken().Hash()
	if _, err := s.Find(t.Context(), &stranger, "s1"); !errors.Is(err, curfew.ErrNoSession) {
		t.Errorf("unknown hash: %v, want ErrNoSession", err)
	}
	if _, err := s.Find(t.Context(), nil, "nobody"); !errors.Is(err, curfew.ErrNoSession) {
		t.Errorf("unknown ID: %v, want ErrNoSession", err)
	}
}

func testInsertTwice(t *testing.T, s curfew.Store) {
	r := Record("s1", "amara", 0)
	insert(t, s, r)
	sameID, sameHash := Record("s1", "arslan", 0), Record("s2", "arslan", 0)
	sameHash.Hash = r.Hash
	for _, twin := range []curfew.Record{r, sameID, sameHash} {
		if _, err := s.Insert(t.Context(), T0, twin, 0, false); err == nil {
			t.Errorf("Insert(%s, %s) twice: no error", twin.Session.ID, twin.Session.User.Name)
		}
	}
	equal(t, "the first", find(t, s, "s1"), r)
}

func testEndedNeverReturns(t *testing.T, s curfew.Store) {
	r := Record("s1", "amara", 0)
	insert(t, s, r)
	end(t, s, time.Second, curfew.Selection{IDs: []curfew.SessionID{"s1"}}, terminated, 1)
	sameID, sameHash := Record("s1", "arslan", 0), Record("s2", "arslan", 0)
	sameHash.Hash = r.Hash
	for _, twin := range []curfew.Record{r, sameID, sameHash} {
		if _, err := s.Insert(t.Context(), T0.Add(time.Minute), twin, 0, false); err == nil {
			t.Errorf("an ended session was inserted again")
		}
	}
	if find(t, s, "s1").Ending == nil {
		t.Error("the session is live again")
	}
}

func testCap(t *testing.T, s curfew.Store) {
	insert(t, s, Record("a", "amara", 0), Record("b", "amara", time.Second), Record("c", "amara", 2*time.Second), Record("x", "arslan", 0))
	now := T0.Add(time.Minute)
	fourth := Record("d", "amara", time.Minute)
	if _, err := s.Insert(t.Context(), now, fourth, 3, true); curfew.ErrorCode(err) != curfew.CodeConflict {
		t.Fatalf("refusing at the cap: %v, want CodeConflict", err)
	}
	if _, err := s.Find(t.Context(), nil, "d"); !errors.Is(err, curfew.ErrNoSession) {
		t.Fatalf("the refused session is there: %v", err)
	}
	replaced, err := s.Insert(t.Context(), now, fourth, 2, false)
	if err != nil {
		t.Fatal(err)
	}
	wantKeys(t, s, "replaced", replaced, "a", "b")
	equal(t, "ending of a", *find(t, s, "a").Ending, curfew.Ending{Reason: curfew.ReasonReplaced, At: now})
	for _, id := range []curfew.SessionID{"c", "d", "x"} {
		if find(t, s, id).Ending != nil {
			t.Errorf("%s has ended", id)
		}
	}
	// What is due has made room already.
	late := Record("e", "amara", time.Hour)
	if replaced, err := s.Insert(t.Context(), T0.Add(time.Hour), late, 1, true); err != nil || len(replaced) != 0 {
		t.Errorf("due sessions count at the cap: %v, %v", replaced, err)
	}
}

func testTouch(t *testing.T, s curfew.Store) {
	insert(t, s, Record("a", "amara", 0), Record("b", "amara", 0))
	touch := func(now time.Duration, touches ...curfew.Touch) []bool {
		live, err := s.Touch(t.Context(), T0.Add(now), touches)
		if err != nil {
			t.Fatal(err)
		}
		return live
	}
	live := touch(20*time.Second, curfew.Touch{ID: "a", At: T0.Add(10 * time.Second)}, curfew.Touch{ID: "none", At: T0}, curfew.Touch{ID: "b", At: T0.Add(20 * time.Second)})
	if !slices.Equal(live, []bool{true, false, true}) {
		t.Errorf("live = %v", live)
	}
	equal(t, "a", find(t, s, "a").Session.LastActive, T0.Add(10*time.Second))
	equal(t, "b", find(t, s, "b").Session.LastActive, T0.Add(20*time.Second))
	touch(30*time.Second, curfew.Touch{ID: "b", At: T0.Add(5 * time.Second)})
	equal(t, "b after an earlier touch", find(t, s, "b").Session.LastActive, T0.Add(20*time.Second))
	if _, err := s.Find(t.Context(), nil, "none"); !errors.Is(err, curfew.ErrNoSession) {
		t.Error("touching inserted a session")
	}
	equal(t, "AuthenticatedAt after activity", find(t, s, "b").Session.AuthenticatedAt, T0)
	touch(30*time.Second, curfew.Touch{ID: "b", At: T0.Add(30 * time.Second), Authenticated: true})
	touch(30*time.Second, curfew.Touch{ID: "b", At: T0.Add(5 * time.Second), Authenticated: true})
	equal(t, "b after authenticating", find(t, s, "b").Session.LastActive, T0.Add(30*time.Second))
	equal(t, "AuthenticatedAt", find(t, s, "b").Session.AuthenticatedAt, T0.Add(30*time.Second))
	// To the millisecond: a ends at T0+10+330 s.
	if live := touch(339_999*time.Millisecond, curfew.Touch{ID: "a", At: T0.Add(339_999 * time.Millisecond)}); !live[0] {
		t.Error("a touch 1 ms before the end was refused")
	}
	if live := touch(360*time.Second, curfew.Touch{ID: "b", At: T0.Add(360 * time.Second)}); live[0] {
		t.Error("a touch at the end was taken")
	}
}

func testTouchEnded(t *testing.T, s curfew.Store) {
	insert(t, s, Record("a", "amara", 0))
	end(t, s, time.Second, curfew.Selection{All: true}, terminated, 1)
	before := find(t, s, "a")
	live, err := s.Touch(t.Context(), T0.Add(2*time.Second), []curfew.Touch{{ID: "a", At: T0.Add(2 * time.Second)}})
	if err != nil || live[0] {
		t.Errorf("Touch = %v, %v; want not live", live, err)
	}
	if got := find(t, s, "a"); got.Session != before.Session || *got.Ending != *before.Ending {
		t.Errorf("the ended session changed: %+v", got)
	}
}

func testUpdate(t *testing.T, s curfew.Store) {
	insert(t, s, Record("a", "amara", 0), Record("b", "amara", 400*time.Second), Record("x", "arslan", 400*time.Second))
	long, name := time.Hour, "Amara Okafor"
	now := T0.Add(410 * time.Second) // a is due
	if err := s.Update(t.Context(), now, "id-amara", curfew.Change{Lifetime: &long, FullName: &name}); err != nil {
		t.Fatal(err)
	}
	equal(t, "b's lifetime", find(t, s, "b").Session.Lifetime, long)
	equal(t, "b's name", find(t, s, "b").Session.User.FullName, name)
	equal(t, "lifetime of a due session", find(t, s, "a").Session.Lifetime, 300*time.Second)
	equal(t, "another user's lifetime", find(t, s, "x").Session.Lifetime, 300*time.Second)
	equal(t, "another user's name", find(t, s, "x").Session.User.FullName, "Full arslan")
	// A lifetime shorter than the idle time so far ends at once.
	short := 30 * time.Second
	if err := s.Update(t.Context(), T0.Add(500*time.Second), "id-amara", curfew.Change{Lifetime: &short}); err != nil {
		t.Fatal(err)
	}
	page, err := s.List(t.Context(), curfew.Query{Now: T0.Add(500 * time.Second), Search: "okafor"})
	if err != nil || len(page.Records) != 0 {
		t.Errorf("listed %v, %v; want none", ids(page.Records), err)
	}
	page, err = s.List(t.Context(), curfew.Query{Now: T0.Add(450 * time.Second), Search: "okafor"})
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, "found by the new name", ids(page.Records), "b")
}

func testEnd(t *testing.T, s curfew.Store) {
	r := Record("a", "amara", 0)
	insert(t, s, r, Record("b", "amara", 0))
	one := curfew.Selection{IDs: []curfew.SessionID{"a"}}
	n, ended, err := s.End(t.Context(), T0.Add(time.Second), one, terminated)
	if err != nil || n != 1 {
		t.Fatalf("End = %d, %v; want 1", n, err)
	}
	wantKeys(t, s, "ended", ended, "a")
	end(t, s, 2*time.Second, one, curfew.Ending{Reason: curfew.ReasonSignedOut}, 0)
	want := terminated
	want.At = T0.Add(time.Second)
	got, err := s.Find(t.Context(), &r.Hash, "")
	if err != nil || got.Ending == nil {
		t.Fatalf("Find = %+v, %v; want an ended session", got, err)
	}
	equal(t, "ending", *got.Ending, want)
	equal(t, "session", got.Session, r.Session)
	if find(t, s, "b").Ending != nil {
		t.Error("another session ended")
	}
}

func testEndSelections(t *testing.T, s curfew.Store) {
	insert(t, s, Record("a1", "amara", 0), Record("a2", "amara", 0), Record("b1", "arslan", 0), Record("b2", "arslan", 0))
	end(t, s, 1, curfew.Selection{}, terminated, 0)
	end(t, s, 1, curfew.Selection{Except: "a1"}, terminated, 0)
	end(t, s, 1, curfew.Selection{IDs: []curfew.SessionID{"a1"}, User: "id-arslan"}, terminated, 0)
	end(t, s, 1, curfew.Selection{IDs: []curfew.SessionID{"a1", "none"}, Except: "a1"}, terminated, 0)
	n, ended, err := s.End(t.Context(), T0.Add(1), curfew.Selection{User: "id-amara", Except: "a1"}, terminated)
	if err != nil || n != 1 {
		t.Fatalf("End = %d, %v; want 1", n, err)
	}
	wantKeys(t, s, "ended of the user", ended, "a2")
	end(t, s, 1, curfew.Selection{All: true, Except: "b2"}, terminated, 2)
	end(t, s, 1, curfew.Selection{All: true}, terminated, 1)
	end(t, s, 1, curfew.Selection{All: true}, terminated, 0)
}

// testEndEverybody ends so many that a store may move them later: nothing but the history may show that.
func testEndEverybody(t *testing.T, s curfew.Store) {
	insert(t, s, Record("own", "amara", 0), Record("due", "amara", -330*time.Second))
	insertMany(t, s, 1200)
	now := T0.Add(time.Minute)
	end(t, s, time.Minute, curfew.Selection{All: true, Except: "own"}, terminated, 1200)
	insert(t, s, Record("new", "arslan", time.Minute))

	long := time.Hour
	if err := s.Update(t.Context(), now, "id-amara", curfew.Change{Lifetime: &long}); err != nil {
		t.Fatal(err)
	}
	want := terminated
	want.At = now
	for _, id := range []curfew.SessionID{"s0000", "s0999", "s1199"} {
		r := find(t, s, id)
		if r.Ending == nil || *r.Ending != want || r.Session.Lifetime != 300*time.Second {
			t.Errorf("%s = %+v", id, r)
		}
		byHash, err := s.Find(t.Context(), &r.Hash, "")
		if err != nil || byHash.Ending == nil || *byHash.Ending != want {
			t.Errorf("%s by its hash = %+v, %v", id, byHash, err)
		}
		if live, err := s.Touch(t.Context(), now, []curfew.Touch{{ID: id, At: now}}); err != nil || live[0] {
			t.Errorf("a touch of %s: %v, %v; want not live", id, live, err)
		}
		if _, err := s.Insert(t.Context(), now, Record(string(id), "amara", time.Minute), 0, false); err == nil {
			t.Errorf("%s is live again", id)
		}
	}
	equal(t, "due", *find(t, s, "due").Ending, curfew.Ending{Reason: curfew.ReasonIdle, At: T0})
	end(t, s, time.Minute, curfew.Selection{IDs: []curfew.SessionID{"s0000", "s1199"}}, terminated, 0)
	equal(t, "own lifetime", find(t, s, "own").Session.Lifetime, long)
	if live, err := s.Touch(t.Context(), now, []curfew.Touch{{ID: "own", At: now}, {ID: "new", At: now}}); err != nil || !live[0] || !live[1] {
		t.Errorf("a touch of the spared and of the new: %v, %v; want live", live, err)
	}
	for _, sort := range curfew.Sorts {
		page, err := s.List(t.Context(), curfew.Query{Now: now, Sort: sort})
		if err != nil {
			t.Fatal(err)
		}
		found := ids(page.Records)
		slices.Sort(found)
		wantIDs(t, "listed", found, "new", "own")
	}
	n, err := s.Count(t.Context(), curfew.Query{Now: now})
	if err != nil || n != (curfew.Count{Sessions: 2, Users: 2}) {
		t.Errorf("Count = %+v, %v", n, err)
	}
	replaced, err := s.Insert(t.Context(), now, Record("newest", "amara", time.Minute), 1, false)
	if err != nil {
		t.Fatal(err)
	}
	wantKeys(t, s, "replaced", replaced, "own")
	end(t, s, time.Minute, curfew.Selection{User: "id-amara"}, terminated, 1)
}

// testEndEverybodyTwice spares another session the second time, and then one that ended the first time.
func testEndEverybodyTwice(t *testing.T, s curfew.Store) {
	insertMany(t, s, 1200)
	end(t, s, time.Second, curfew.Selection{All: true, Except: "s1150"}, terminated, 1199)
	insert(t, s, Record("t1", "amara", 2*time.Second), Record("t2", "amara", 2*time.Second))
	end(t, s, 3*time.Second, curfew.Selection{All: true, Except: "t1"}, terminated, 2)
	end(t, s, 4*time.Second, curfew.Selection{All: true, Except: "s1199"}, terminated, 1)
	for id, at := range map[curfew.SessionID]time.Duration{"s0000": 1, "s1199": 1, "s1150": 3, "t2": 3, "t1": 4} {
		if e := find(t, s, id).Ending; e == nil || !e.At.Equal(T0.Add(at*time.Second)) {
			t.Errorf("%s ended as %+v, want at %d s", id, e, at)
		}
	}
	n, err := s.Count(t.Context(), curfew.Query{Now: T0.Add(4 * time.Second)})
	if err != nil || n.Sessions != 0 {
		t.Errorf("Count = %+v, %v; want none", n, err)
	}
}

func testEndOverdue(t *testing.T, s curfew.Store) {
	idle, old := Record("idle", "amara", 0), Record("old", "amara", 0)
	old.Session.ExpiresAt = T0.Add(100 * time.Second)
	insert(t, s, idle, old, Record("live", "amara", 330*time.Second))
	n, ended, err := s.End(t.Context(), T0.Add(330*time.Second), curfew.Selection{User: "id-amara"}, terminated)
	if err != nil || n != 1 {
		t.Fatalf("End = %d, %v; want 1", n, err)
	}
	wantKeys(t, s, "ended", ended, "idle", "live", "old")
	equal(t, "idle", *find(t, s, "idle").Ending, curfew.Ending{Reason: curfew.ReasonIdle, At: T0.Add(330 * time.Second)})
	equal(t, "old", *find(t, s, "old").Ending, curfew.Ending{Reason: curfew.ReasonExpired, At: T0.Add(100 * time.Second)})
	equal(t, "live", find(t, s, "live").Ending.Reason, curfew.ReasonTerminated)
}

func testEndDue(t *testing.T, s curfew.Store) {
	insert(t, s, Record("a", "amara", 0), Record("b", "amara", time.Second), Record("c", "amara", time.Minute))
	due := func(at time.Duration, want ...curfew.SessionID) {
		t.Helper()
		n, ended, err := s.End(t.Context(), T0.Add(at), curfew.Selection{Due: true}, curfew.Ending{})
		if err != nil || n != 0 {
			t.Fatalf("End = %d, %v; want none but those that are due", n, err)
		}
		wantKeys(t, s, "due", ended, want...)
	}
	due(329_999 * time.Millisecond)
	due(331*time.Second, "a", "b")
	due(331 * time.Second)
	equal(t, "b", *find(t, s, "b").Ending, curfew.Ending{Reason: curfew.ReasonIdle, At: T0.Add(331 * time.Second)})
	if find(t, s, "c").Ending != nil {
		t.Error("c has ended")
	}
}

func testEndMany(t *testing.T, s curfew.Store) {
	many := insertMany(t, s, 1200)
	end(t, s, 1, curfew.Selection{IDs: many[:1100], Except: many[7]}, terminated, 1099)
	n, err := s.Count(t.Context(), curfew.Query{Now: T0.Add(1)})
	if err != nil || n != (curfew.Count{Sessions: 101, Users: 1}) {
		t.Errorf("Count = %+v, %v", n, err)
	}
}

func testForget(t *testing.T, s curfew.Store) {
	insert(t, s, Record("a", "amara", 0), Record("b", "amara", 0), Record("c", "amara", 0))
	end(t, s, time.Second, curfew.Selection{IDs: []curfew.SessionID{"a"}}, terminated, 1)
	end(t, s, 2*time.Second, curfew.Selection{IDs: []curfew.SessionID{"b"}}, terminated, 1)
	n, err := s.Forget(t.Context(), T0.Add(time.Minute), T0.Add(2*time.Second))
	if err != nil || n != 1 {
		t.Fatalf("Forget = %d, %v; want 1", n, err)
	}
	if _, err := s.Find(t.Context(), nil, "a"); !errors.Is(err, curfew.ErrNoSession) {
		t.Errorf("a is still there: %v", err)
	}
	find(t, s, "b")
	if find(t, s, "c").Ending != nil {
		t.Error("a live session was forgotten")
	}
}

func testClock(t *testing.T, s curfew.Store) {
	at := func(want time.Time) {
		t.Helper()
		if got, err := s.Clock(t.Context()); err != nil || !got.Equal(want) {
			t.Errorf("Clock = %v, %v; want %v", got, err, want)
		}
	}
	at(time.Time{})
	insert(t, s, Record("a", "amara", time.Minute))
	at(T0.Add(time.Minute))
	end(t, s, 0, curfew.Selection{All: true}, terminated, 1) // the clock was set back
	at(T0.Add(time.Minute))
	if _, err := s.Touch(t.Context(), T0.Add(time.Hour), nil); err != nil {
		t.Fatal(err)
	}
	at(T0.Add(time.Hour))
}

func testCancelled(t *testing.T, s curfew.Store) {
	insert(t, s, Record("a", "amara", 0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Insert(ctx, T0, Record("b", "amara", 0), 0, false); !errors.Is(err, context.Canceled) {
		t.Errorf("Insert: %v", err)
	}
	if _, _, err := s.End(ctx, T0, curfew.Selection{All: true}, terminated); !errors.Is(err, context.Canceled) {
		t.Errorf("End: %v", err)
	}
	if _, err := s.Find(ctx, nil, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Find: %v", err)
	}
	if find(t, s, "a").Ending != nil {
		t.Error("a cancelled call changed something")
	}
}

// testTouchRacesEnd ends sessions while they are touched: whatever comes first, none is live or touched afterwards.
func testTouchRacesEnd(t *testing.T, s curfew.Store) {
	for round := range 50 {
		id := curfew.SessionID(fmt.Sprintf("s%d", round))
		insert(t, s, Record(string(id), "amara", 0))
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.Touch(context.Background(), T0.Add(time.Second), []curfew.Touch{{ID: id, At: T0.Add(time.Second)}}); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if n, _, err := s.End(context.Background(), T0.Add(time.Second), curfew.Selection{IDs: []curfew.SessionID{id}}, terminated); err != nil || n != 1 {
				t.Errorf("End = %d, %v", n, err)
			}
		})
		wg.Wait()
		if find(t, s, id).Ending == nil {
			t.Fatalf("round %d: the session is live", round)
		}
	}
}

// testCapRace signs in 20 times at once with a cap of 3.
func testCapRace(t *testing.T, s curfew.Store) {
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			r := Record(fmt.Sprintf("s%02d", i), "amara", time.Duration(i)*time.Millisecond)
			if _, err := s.Insert(context.Background(), T0.Add(time.Second), r, 3, false); err != nil {
				t.Error(err)
			}
			if n, err := s.Count(context.Background(), curfew.Query{Now: T0.Add(time.Second)}); err != nil || n.Sessions > 3 {
				t.Errorf("Count = %+v, %v; want at most 3", n, err)
			}
		})
	}
	wg.Wait()
	if n, err := s.Count(t.Context(), curfew.Query{Now: T0.Add(time.Second)}); err != nil || n.Sessions != 3 {
		t.Errorf("Count = %+v, %v; want 3", n, err)
	}
}
