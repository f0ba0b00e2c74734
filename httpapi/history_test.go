package httpapi_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/httpapi"
	"github.com/curfewhq/curfew/memory"
)

// past makes ended sessions, a second from one end to the next, the last by the owner.
func (k *kit) past(a account.Account, c curfew.Client, n int) {
	k.t.Helper()
	for i := range n {
		s := k.start(a, c)
		ending := curfew.Ending{Reason: curfew.ReasonTerminated, By: curfew.Actor{Name: "amara"}}
		if i == n-1 {
			ending = curfew.Ending{Reason: curfew.ReasonSignedOut, By: curfew.Actor{User: a.ID, Name: a.Name, Session: s.ID}}
		}
		if _, err := k.sessions.End(k.t.Context(), s.ID, ending); err != nil {
			k.t.Fatal(err)
		}
	}
}

func TestHistory(t *testing.T) {
	run(t, func(k *kit) {
		amara, arslan := k.user("amara", account.Admin), k.user("arslan", account.User)
		gone := k.user("gone", account.User)
		_, admin := k.signIn("amara")
		_, user := k.signIn("arslan")
		k.past(arslan, curfew.Client{Origin: "198.51.100.1", Device: "Firefox 140 on Windows"}, 2) // seconds 1 and 2
		k.past(amara, curfew.Client{Origin: "198.51.100.2"}, 1)
		k.past(gone, curfew.Client{Origin: "198.51.100.3"}, 1)
		if err := k.accounts.Delete(t.Context(), curfew.Actor{}, gone.ID); err != nil {
			t.Fatal(err)
		}
		const all = "amara@198.51.100.2 arslan@198.51.100.1 arslan@198.51.100.1 gone@198.51.100.3"
		for query, want := range map[string]string{
			"":                                   all,
			"reason=signed-out":                  "amara@198.51.100.2 arslan@198.51.100.1 gone@198.51.100.3",
			"actor=Amara":                        "amara@198.51.100.2 arslan@198.51.100.1",
			"actor=amara&user=arslan":            "arslan@198.51.100.1",
			"user=gone":                          "gone@198.51.100.3",
			"user=nobody":                        "",
			"origin=198.51.100.2":                "amara@198.51.100.2",
			"device=fire":                        "arslan@198.51.100.1 arslan@198.51.100.1",
			"q=gon":                              "gone@198.51.100.3",
			"from=2000-01-01T00:00:03Z":          "amara@198.51.100.2 gone@198.51.100.3",
			"until=2000-01-01T00:00:03Z":         "arslan@198.51.100.1 arslan@198.51.100.1",
			"started_after=2000-01-01T00:00:03Z": "gone@198.51.100.3",
		} {
			got := ask[httpapi.HistoryPage](k, admin, 200, "GET", "/api/v1/history?"+query, "")
			if namesOf(got.Sessions) != want || got.NextCursor != "" {
				t.Errorf("%q: %s %q, want %s", query, namesOf(got.Sessions), got.NextCursor, want)
			}
			for _, s := range got.Sessions {
				if s.State != curfew.StateEnded || s.EndedAt.IsZero() {
					t.Errorf("%q: %+v", query, s)
				}
			}
		}
		if got := ask[httpapi.HistoryPage](k, user, 200, "GET", "/api/v1/history", ""); namesOf(got.Sessions) != "arslan@198.51.100.1 arslan@198.51.100.1" {
			t.Errorf("a user sees %s", namesOf(got.Sessions))
		}
		ask[httpapi.Problem](k, user, 404, "GET", "/api/v1/history?user=amara", "")
		ask[httpapi.Problem](k, user, 404, "GET", "/api/v1/history?user=gone", "")
	})
}

func TestHistoryPages(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		arslan := k.user("arslan", account.User)
		_, token := k.signIn("amara")
		const many = 30
		k.past(arslan, curfew.Client{Origin: "198.51.100.1"}, many)
		for query, want := range map[string]int{"limit=7": many, "limit=7&actor=amara": many - 1, "limit=7&origin=198.51.100.0/24": many, "limit=7&credential=none": 0} {
			seen, cursor := map[curfew.SessionID]bool{}, ""
			for first := true; first || cursor != ""; first = false {
				page := ask[httpapi.HistoryPage](k, token, 200, "GET", "/api/v1/history?"+query+"&cursor="+cursor, "")
				cursor = page.NextCursor
				if len(page.Sessions) > 7 {
					t.Errorf("%s: a page of %d", query, len(page.Sessions))
				}
				for _, s := range page.Sessions {
					seen[s.ID] = true
				}
			}
			if len(seen) != want {
				t.Errorf("%s: met %d, want %d", query, len(seen), want)
			}
		}
	})
}

func TestHistoryAsCSV(t *testing.T) {
	run(t, func(k *kit) {
		amara := k.user("amara", account.Admin)
		arslan := k.user("arslan", account.User)
		arslan.FullName = `=HYPERLINK("http://example.com")`
		_, token := k.signIn("amara")
		if err := k.sessions.SetLifetime(t.Context(), amara.ID, time.Hour); err != nil {
			t.Fatal(err)
		}
		k.past(arslan, curfew.Client{Origin: "198.51.100.1", Device: "@SUM(1), \"quoted\"\r\nand more"}, 1)
		arslan.FullName = "Arslan"
		k.past(arslan, curfew.Client{Origin: "198.51.100.1", Device: "curl"}, 600) // more than a page of the store
		w := k.do(request("GET", "/api/v1/history?format=csv", "", token))
		if got := w.Header().Get("Content-Type"); got != "text/csv; charset=utf-8; header=present" || !strings.Contains(w.Header().Get("Content-Disposition"), "history.csv") {
			t.Errorf("%v", w.Header())
		}
		text := w.Body.String()
		if strings.Count(text, "\r\n") != 603 || strings.Count(strings.ReplaceAll(text, "\r\n", ""), "\n") != 0 { // one is in a device
			t.Errorf("lines end otherwise: %d", strings.Count(text, "\r\n"))
		}
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(rows) != 602 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		last := strings.Join(rows[601], "|")
		for _, want := range []string{`|'=HYPERLINK("http://example.com")|`, `|'@SUM(1), "quoted"`, "signed-out|arslan|"} {
			if !strings.Contains(last, want) {
				t.Errorf("%q is not in %s", want, last)
			}
		}
		if rows[0][0] != "ended_at" || rows[1][0] <= rows[600][0] {
			t.Errorf("first %s, last %s", rows[1][0], rows[600][0])
		}
	})
}

func TestHistoryAsLines(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		arslan := k.user("arslan", account.User)
		_, token := k.signIn("amara")
		k.past(arslan, curfew.Client{Origin: "198.51.100.1"}, 3)
		w := k.do(request("GET", "/api/v1/history?format=ndjson&reason=terminated", "", token))
		n := 0
		for d := json.NewDecoder(w.Body); ; n++ {
			var s httpapi.Session
			if err := d.Decode(&s); errors.Is(err, io.EOF) {
				break
			} else if err != nil || s.Reason != curfew.ReasonTerminated {
				t.Fatalf("%+v, %v", s, err)
			}
		}
		if n != 2 || w.Header().Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("%d lines, %v", n, w.Header())
		}
	})
}

// endless is a store whose history is long, and fails in the end.
type endless struct {
	*memory.Sessions
	pages int
	err   error
}

func (e *endless) History(_ context.Context, q curfew.HistoryQuery) (curfew.HistoryPage, error) {
	if e.pages == 0 {
		return curfew.HistoryPage{}, e.err
	}
	e.pages--
	page := curfew.HistoryPage{Next: &curfew.Cursor{Key: fmt.Sprint(e.pages), ID: "x"}}
	for range q.Limit {
		page.Ended = append(page.Ended, curfew.Ended{Session: curfew.Session{ID: "4k2v9x0c1d8e7f6g"}})
	}
	return page, nil
}

// What can't be finished is broken off: it must not look whole.
func TestExportBreaksOff(t *testing.T) {
	store := &endless{memory.NewSessions(), 3, errors.New("disk on fire")}
	var log bytes.Buffer
	k := newKitOn(t, store, &log)
	k.user("amara", account.Admin)
	_, token := k.signIn("amara")
	server := httptest.NewServer(k.api)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/api/v1/history?format=ndjson", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: curfew.PlainCookie, Value: token.Reveal()})
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || err == nil || bytes.Count(text, []byte("\n")) != 3*curfew.MaxPage || bytes.Contains(text, []byte("problem")) {
		t.Errorf("status %d, %d lines, %v", resp.StatusCode, bytes.Count(text, []byte("\n")), err)
	}
	server.Close()
	if !strings.Contains(log.String(), "disk on fire") {
		t.Errorf("the log: %s", &log)
	}
}

// Who is signed out meanwhile gets no more.
func TestExportEndsWithTheSession(t *testing.T) {
	store := &endless{memory.NewSessions(), 1 << 30, nil}
	k := newKitOn(t, store, &bytes.Buffer{})
	k.user("amara", account.Admin)
	s, token := k.signIn("amara")
	w := &ending{ResponseRecorder: httptest.NewRecorder(), end: func() {
		if _, err := k.sessions.End(t.Context(), s.ID, curfew.Ending{Reason: curfew.ReasonTerminated}); err != nil {
			t.Error(err)
		}
	}}
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("recovered %v", v)
		}
	}()
	k.api.ServeHTTP(w, request("GET", "/api/v1/history?format=csv", "", token))
	t.Error("the answer is whole")
}

// ending runs end at the third flush.
type ending struct {
	*httptest.ResponseRecorder
	flushes int
	end     func()
}

func (e *ending) Flush() {
	if e.flushes++; e.flushes == 3 {
		e.end()
	}
}
