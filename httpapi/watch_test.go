package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// watch listens to what happens to sessions, from after the event on.
func (k *kit) watch(token curfew.Token, after string) *stream {
	r := request("GET", "/api/v1/sessions/events", "", token)
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	return k.listenTo(r)
}

// told are events in short, such as "ended 4k2v terminated", and the ID of the last.
func told(messages []string) (events []string, last string) {
	for _, m := range messages {
		lines := map[string]string{}
		for line := range strings.SplitSeq(m, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			lines[name] = value
		}
		if lines["id"] != "" {
			last = lines["id"]
		}
		if lines["event"] == "reset" {
			events = append(events, "reset")
		} else if lines["event"] != "" {
			events = append(events, strings.TrimSuffix(lines["event"]+" "+fields(lines["data"], "id", "reason"), " -"))
		}
	}
	return events, last
}

func (s *stream) expect(want ...string) (last string) {
	s.k.t.Helper()
	got, last := told(s.heard())
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		s.k.t.Errorf("told %q, want %q", got, want)
	}
	return last
}

func TestWatchSessions(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		k.user("arslan", account.User)
		k.user("eve", account.User)
		_, admin := k.signIn("amara")
		_, user := k.signIn("eve")
		all, own := k.watch(admin, ""), k.watch(user, "")
		defer all.close()
		if h := all.header; all.status != 200 || h.Get("Content-Type") != "text/event-stream" || h.Get("X-Accel-Buffering") != "no" {
			t.Errorf("status %d, %v", all.status, h)
		}
		all.expect("reset")
		own.expect("reset")

		s, _ := k.signIn("arslan")
		all.expect("started " + string(s.ID))
		if _, err := k.sessions.Extend(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
		all.expect("changed " + string(s.ID))
		e, _ := k.signIn("eve")
		all.expect("started " + string(e.ID))
		own.expect("started " + string(e.ID)) // and nothing of others
		by := curfew.Ending{Reason: curfew.ReasonTerminated, By: curfew.Actor{Name: "amara"}}
		if _, err := k.sessions.EndAll(t.Context(), curfew.Selection{IDs: []curfew.SessionID{s.ID, e.ID}}, by); err != nil {
			t.Fatal(err)
		}
		got, _ := told(all.heard())
		if len(got) != 2 || !strings.Contains(fmt.Sprint(got), "ended "+string(s.ID)+" terminated") || !strings.Contains(fmt.Sprint(got), "ended "+string(e.ID)+" terminated") {
			t.Errorf("told %q", got)
		}
		own.expect("ended " + string(e.ID) + " terminated")

		// More than is told one by one.
		if _, err := k.sessions.EndAll(t.Context(), curfew.Selection{All: true}, by); err != nil {
			t.Fatal(err)
		}
		if !own.isClosed() || !all.isClosed() {
			t.Error("a stream goes on after its session has ended")
		}
	})
}

func TestWatchGoesOn(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		k.user("arslan", account.User)
		_, token := k.signIn("amara")
		s := k.watch(token, "")
		last := s.expect("reset")
		first, _ := k.signIn("arslan")
		if got := s.expect("started " + string(first.ID)); got == last {
			t.Error("two events have the same ID")
		} else {
			last = got
		}
		s.close()

		second, _ := k.signIn("arslan") // while nobody listens
		third, _ := k.signIn("arslan")
		s = k.watch(token, last)
		last = s.expect("started "+string(second.ID), "started "+string(third.ID))
		s.close()
		s = k.watch(token, last) // nothing is told twice
		s.expect()
		fourth, _ := k.signIn("arslan")
		s.expect("started " + string(fourth.ID))
		s.close()

		for _, unknown := range []string{"x", "other-1", last + "000", "-1", strings.Replace(last, "-", "-x", 1)} {
			s = k.watch(token, unknown)
			s.expect("reset")
			s.close()
		}
	})
}

// What others do moves the place in the stream too, so that who goes on after a quiet time need not list anew.
func TestWatchKeepsItsPlace(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.User)
		k.user("arslan", account.User)
		_, token := k.signIn("amara")
		s := k.watch(token, "")
		begin := s.expect("reset")
		k.signIn("arslan")
		time.Sleep(16 * time.Second)
		if place := s.expect(); place == begin || place == "" {
			t.Errorf("the place is still %q", place)
		}
		s.close()
	})
}

func TestWatchForgets(t *testing.T) {
	run(t, func(k *kit) {
		arslan := k.user("arslan", account.User)
		k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		s := k.watch(token, "")
		last := s.expect("reset")
		s.close()
		for range 4100 {
			if err := k.sessions.SetFullName(t.Context(), arslan.ID, "Arslan"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		s = k.watch(token, last)
		s.expect("reset")
		s.close()
	})
}

// An admin who is none any more sees no more than others, though the session goes on.
func TestWatchFollowsTheRole(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		mia := k.user("mia", account.Admin)
		k.user("arslan", account.User)
		own, token := k.signIn("mia")
		s := k.watch(token, "")
		defer s.close()
		s.expect("reset")
		role := account.User
		by := curfew.Actor{User: mia.ID, Name: "mia", Session: own.ID}
		if _, err := k.accounts.Update(t.Context(), by, mia.ID, account.Change{Role: &role}); err != nil {
			t.Fatal(err)
		}
		s.heard()
		k.signIn("arslan")
		s.expect()
	})
}

// While sessions start and end on all sides, a client whose stream breaks again and again is told of each once.
func TestWatchLosesNothing(t *testing.T) {
	run(t, func(k *kit) {
		arslan := k.user("arslan", account.User)
		k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		s := k.watch(token, "")
		last := s.expect("reset")
		s.close()
		const sides, each = 4, 100
		for side := range sides {
			go func() {
				for range each {
					time.Sleep(time.Duration(side+1) * time.Millisecond)
					started, _, err := k.sessions.Start(k.t.Context(), curfew.Start{User: curfew.User{ID: arslan.ID, Name: "arslan"}, Lifetime: time.Hour})
					if err == nil {
						_, err = k.sessions.End(k.t.Context(), started.ID, curfew.Ending{Reason: curfew.ReasonTerminated})
					}
					if err != nil {
						t.Error(err)
					}
				}
			}()
		}
		times := map[string]int{}
		for round := range 150 {
			s := k.watch(token, last)
			time.Sleep(time.Duration(round%7) * time.Millisecond)
			events, place := told(s.heard())
			for _, e := range events {
				times[e]++
			}
			if s.close(); place != "" {
				last = place
			}
			time.Sleep(time.Duration(round%3) * time.Millisecond)
		}
		kinds := map[string]int{}
		for event, n := range times {
			kind, _, _ := strings.Cut(event, " ")
			if kinds[kind]++; n != 1 {
				t.Errorf("%s was told %d times", event, n)
			}
		}
		if kinds["started"] != sides*each || kinds["ended"] != sides*each || kinds["reset"] != 0 {
			t.Errorf("told %v, want %d of each", kinds, sides*each)
		}
	})
}
