package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

// mixed inserts sessions whose orders all differ, and returns the time at which all are live.
func mixed(t *testing.T, s curfew.Store) time.Time {
	for i, row := range []struct{ id, user, origin, device string }{
		{"a", "zoe", "192.0.2.4", "Firefox 151 on Linux"},
		{"b", "amara", "192.0.2.3", "curl 8.5"},
		{"c", "mia", "192.0.2.1", "Safari 19 on iPhone"},
		{"d", "bo", "192.0.2.2", "Chrome 156 on macOS"},
		{"e", "amara", "192.0.2.5", "Edge 156 on Windows"},
	} {
		r := Record(row.id, row.user, time.Duration(i)*time.Second)
		r.Session.Client = curfew.Client{Origin: row.origin, Device: row.device}
		r.Session.LastActive = T0.Add(time.Duration((i*3)%5)*time.Minute + time.Minute)
		insert(t, s, r)
	}
	return T0.Add(5 * time.Minute)
}

func testList(t *testing.T, s curfew.Store) {
	now := mixed(t, s)
	tests := []struct {
		name string
		q    curfew.Query
		want []curfew.SessionID
	}{
		{"default", curfew.Query{}, []curfew.SessionID{"a", "c", "e", "b", "d"}},
		{"activity, latest first", curfew.Query{Sort: curfew.SortActivity, Desc: true}, []curfew.SessionID{"d", "b", "e", "c", "a"}},
		{"started", curfew.Query{Sort: curfew.SortStarted}, []curfew.SessionID{"a", "b", "c", "d", "e"}},
		{"user", curfew.Query{Sort: curfew.SortUser}, []curfew.SessionID{"b", "e", "d", "c", "a"}},
		{"user, Z first", curfew.Query{Sort: curfew.SortUser, Desc: true}, []curfew.SessionID{"a", "c", "d", "e", "b"}},
		{"origin", curfew.Query{Sort: curfew.SortOrigin}, []curfew.SessionID{"c", "d", "b", "a", "e"}},
		{"device", curfew.Query{Sort: curfew.SortDevice}, []curfew.SessionID{"d", "b", "e", "a", "c"}},
		{"one user", curfew.Query{Sort: curfew.SortStarted, User: "id-amara"}, []curfew.SessionID{"b", "e"}},
		{"all but one", curfew.Query{Sort: curfew.SortStarted, Except: "c"}, []curfew.SessionID{"a", "b", "d", "e"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.q.Now = now
			page, err := s.List(t.Context(), tt.q)
			if err != nil {
				t.Fatal(err)
			}
			wantIDs(t, "List", ids(page.Records), tt.want...)
			if page.Prev != nil || page.Next != nil {
				t.Error("the only page has neighbours")
			}
			n, err := s.Count(t.Context(), tt.q)
			if err != nil || n.Sessions != len(tt.want) {
				t.Errorf("Count = %+v, %v; want %d", n, err, len(tt.want))
			}
		})
	}
	// What is due is not listed, whether or not a sweeper came by.
	page, err := s.List(t.Context(), curfew.Query{Now: T0.Add(time.Minute + 330*time.Second), Sort: curfew.SortStarted})
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, "without the due", ids(page.Records), "b", "c", "d", "e")
}

// testListPages walks there and back in pages of each size, in each order.
func testListPages(t *testing.T, s curfew.Store) {
	now := mixed(t, s)
	for _, sort := range curfew.Sorts {
		for _, desc := range []bool{false, true} {
			for limit := 1; limit <= 6; limit++ {
				t.Run(fmt.Sprintf("%s/%v/%d", sort, desc, limit), func(t *testing.T) {
					walk(t, func(c curfew.Cursor, limit int) ([]curfew.SessionID, *curfew.Cursor, *curfew.Cursor) {
						page, err := s.List(t.Context(), curfew.Query{Now: now, Sort: sort, Desc: desc, Limit: limit, Cursor: c})
						if err != nil {
							t.Fatal(err)
						}
						return ids(page.Records), page.Prev, page.Next
					}, limit)
				})
			}
		}
	}
}

// walk goes through a list forwards and back, and compares with the list in one piece.
func walk(t *testing.T, list func(curfew.Cursor, int) (page []curfew.SessionID, prev, next *curfew.Cursor), limit int) {
	all, _, _ := list(curfew.Cursor{}, 100)
	var there, back []curfew.SessionID
	page, prev, next := list(curfew.Cursor{}, limit)
	if prev != nil {
		t.Error("the first page has one before it")
	}
	for {
		there = append(there, page...)
		if next == nil {
			break
		}
		page, prev, next = list(*next, limit)
	}
	wantIDs(t, "forwards", there, all...)
	for {
		back = append(slices.Clone(page), back...)
		if prev == nil {
			break
		}
		page, prev, next = list(*prev, limit)
		if next == nil {
			t.Fatal("a page on the way back has none after it")
		}
	}
	wantIDs(t, "back", back, all...)
}

func testListStrangeCursor(t *testing.T, s curfew.Store) {
	now := mixed(t, s)
	for _, c := range []curfew.Cursor{{Key: "x", ID: "y"}, {Key: "'; DROP TABLE session", ID: "\x00"}, {Key: "99999999999999999999999", ID: "a", Back: true}} {
		for _, sort := range curfew.Sorts {
			if _, err := s.List(t.Context(), curfew.Query{Now: now, Sort: sort, Cursor: c}); err != nil {
				t.Errorf("cursor %+v by %s: %v", c, sort, err)
			}
		}
		if _, err := s.History(t.Context(), curfew.HistoryQuery{Cursor: c}); err != nil {
			t.Errorf("cursor %+v: %v", c, err)
		}
	}
}

func testSearch(t *testing.T, s curfew.Store) {
	r := Record("k", "kü_ne", 0)
	r.Session.User.FullName = "ÄNNE 100% Küne"
	insert(t, s, r)
	now := mixed(t, s)
	tests := []struct {
		search string
		want   []curfew.SessionID
	}{
		{"", []curfew.SessionID{"k", "a", "b", "c", "d", "e"}},
		{"AMARA", []curfew.SessionID{"b", "e"}},
		{"amara edge", []curfew.SessionID{"e"}},
		{"192.0.2.5", []curfew.SessionID{"e"}},
		{"on mac", []curfew.SessionID{"k", "d"}},
		{"änne", []curfew.SessionID{"k"}},
		{"100%", []curfew.SessionID{"k"}},
		{"ne", []curfew.SessionID{"k"}}, // of kü_ne
		{"mara", nil},
		{"192.0.2", []curfew.SessionID{"a", "b", "c", "d", "e", "k"}},
		{"0.2.5", nil},
		{"safari windows", nil},
		{"amara firefox", nil},
		{"amara full amara", []curfew.SessionID{"b", "e"}},
		{"%", nil},
		{"_", nil},
		{"zzz", nil},
		{"' OR 1=1 --", nil},
	}
	for _, tt := range tests {
		page, err := s.List(t.Context(), curfew.Query{Now: now.Add(-time.Minute), Sort: curfew.SortStarted, Search: tt.search})
		if err != nil {
			t.Fatal(err)
		}
		got := ids(page.Records)
		slices.Sort(got)
		slices.Sort(tt.want)
		wantIDs(t, fmt.Sprintf("search %q", tt.search), got, tt.want...)
		n, err := s.Count(t.Context(), curfew.Query{Now: now.Add(-time.Minute), Search: tt.search})
		if err != nil || n.Sessions != len(tt.want) || n.MoreSessions {
			t.Errorf("search %q: Count = %+v, %v; want %d", tt.search, n, err, len(tt.want))
		}
	}
}

// past makes a history of six: s0 ended first.
func past(t *testing.T, s curfew.Store) {
	for i := range 6 {
		user := []string{"amara", "arslan", "mia"}[i%3]
		id := curfew.SessionID(fmt.Sprintf("s%d", i))
		insert(t, s, Record(string(id), user, 0))
		e := terminated
		switch {
		case i%2 == 1:
			e = curfew.Ending{Reason: curfew.ReasonSignedOut}
		case i == 2:
			e.By = curfew.Actor{User: "id-admin", Name: "site.admin"}
		}
		end(t, s, time.Duration(i)*time.Minute/2, curfew.Selection{IDs: []curfew.SessionID{id}}, e, 1)
	}
}

func testHistory(t *testing.T, s curfew.Store) {
	past(t, s)
	insert(t, s, Record("live", "amara", 0))
	tests := []struct {
		name string
		q    curfew.HistoryQuery
		want []curfew.SessionID
	}{
		{"all", curfew.HistoryQuery{}, []curfew.SessionID{"s5", "s4", "s3", "s2", "s1", "s0"}},
		{"user", curfew.HistoryQuery{User: "id-amara"}, []curfew.SessionID{"s3", "s0"}},
		{"reason", curfew.HistoryQuery{Reason: curfew.ReasonSignedOut}, []curfew.SessionID{"s5", "s3", "s1"}},
		{"search", curfew.HistoryQuery{Search: "MIA"}, []curfew.SessionID{"s5", "s2"}},
		{"search by whom", curfew.HistoryQuery{Search: "admin"}, []curfew.SessionID{"s2"}},
		{"from", curfew.HistoryQuery{From: T0.Add(2 * time.Minute)}, []curfew.SessionID{"s5", "s4"}},
		{"until", curfew.HistoryQuery{Until: T0.Add(time.Minute)}, []curfew.SessionID{"s1", "s0"}},
		{"all of it", curfew.HistoryQuery{User: "id-amara", Reason: curfew.ReasonSignedOut, Search: "chrome", From: T0, Until: T0.Add(time.Hour)}, []curfew.SessionID{"s3"}},
	}
	for _, tt := range tests {
		page, err := s.History(t.Context(), tt.q)
		if err != nil {
			t.Fatal(err)
		}
		wantIDs(t, tt.name, endedIDs(page.Ended), tt.want...)
	}
	page, err := s.History(t.Context(), curfew.HistoryQuery{Limit: 1})
	if err != nil || page.Next == nil {
		t.Fatalf("History = %+v, %v; want a next page", page, err)
	}
	got := page.Ended[0]
	equal(t, "session", got.Session.User.Name, "mia")
	equal(t, "ending", got.Ending, curfew.Ending{Reason: curfew.ReasonSignedOut, At: T0.Add(150 * time.Second)})
}

func testHistoryPages(t *testing.T, s curfew.Store) {
	past(t, s)
	for limit := 1; limit <= 7; limit++ {
		walk(t, func(c curfew.Cursor, limit int) ([]curfew.SessionID, *curfew.Cursor, *curfew.Cursor) {
			page, err := s.History(t.Context(), curfew.HistoryQuery{Limit: limit, Cursor: c})
			if err != nil {
				t.Fatal(err)
			}
			return endedIDs(page.Ended), page.Prev, page.Next
		}, limit)
	}
}
