package httpapi_test

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

const hint = "event: sessions\ndata: {}"

// states returns the states told in "session" events.
func states(messages []string) string {
	var told []string
	for _, m := range messages {
		if strings.HasPrefix(m, "event: session\n") {
			told = append(told, fields(m, "state", "reason"))
		}
	}
	return strings.Join(told, ", ")
}

func TestEventsFollowTheClock(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		s := k.listen(token)
		h := s.Header()
		if s.status != 200 || h.Get("Content-Type") != "text/event-stream" || h.Get("X-Accel-Buffering") != "no" || h.Get("Cache-Control") != "no-store" {
			t.Fatalf("status %d, %v", s.status, h)
		}
		if got := states(s.heard()); got != "active -" {
			t.Fatalf("at the start: %s", got)
		}
		after(300*time.Second - time.Millisecond)
		if got := states(s.heard()); got != "" {
			t.Fatalf("before idle_at: %s", got)
		}
		after(300 * time.Second)
		if got := states(s.heard()); got != "expiring -" {
			t.Fatalf("at idle_at: %s", got)
		}
		after(330*time.Second - time.Millisecond)
		if got := states(s.heard()); got != "" || s.isClosed() {
			t.Fatalf("before ends_at: %s", got)
		}
		after(330 * time.Second)
		if got := states(s.heard()); got != "ended idle" || !s.isClosed() {
			t.Fatalf("at ends_at: %s, closed %v", got, s.isClosed())
		}
	})
}

func TestEventsTellExtension(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		s := k.listen(token)
		defer s.close()
		after(310 * time.Second)
		s.heard()
		k.call("POST", "/api/v1/session/extend", "", token)
		if got := states(s.heard()); got != "active -" {
			t.Errorf("after extending: %s", got)
		}
		after(610 * time.Second)
		if got := states(s.heard()); got != "expiring -" {
			t.Errorf("idle once more: %s", got)
		}
	})
}

func TestEventsTellTermination(t *testing.T) {
	run(t, func(k *kit) {
		k.user("arslan", account.User)
		session, token := k.signIn("arslan")
		s := k.listen(token)
		s.heard()
		end := curfew.Ending{Reason: curfew.ReasonTerminated, By: curfew.Actor{Name: "amara"}}
		if _, err := k.sessions.End(k.t.Context(), session.ID, end); err != nil {
			t.Fatal(err)
		}
		if got := states(s.heard()); got != "ended terminated" || !s.isClosed() {
			t.Errorf("%s, closed %v", got, s.isClosed())
		}
	})
}

func TestEventsOfEndedSession(t *testing.T) {
	run(t, func(k *kit) {
		k.user("arslan", account.User)
		_, token := k.signIn("arslan")
		after(400 * time.Second)
		s := k.listen(token)
		if got := states(s.heard()); got != "ended idle" || !s.isClosed() {
			t.Errorf("%s, closed %v", got, s.isClosed())
		}
	})
}

func TestEventsTellDisabledAccount(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		a := k.user("arslan", account.User)
		_, token := k.signIn("arslan")
		s := k.listen(token)
		s.heard()
		off := false
		if _, err := k.accounts.Update(k.t.Context(), curfew.Actor{}, a.ID, account.Change{Enabled: &off}); err != nil {
			t.Fatal(err)
		}
		if got := states(s.heard()); got != "ended account-disabled" || !s.isClosed() {
			t.Errorf("%s, closed %v", got, s.isClosed())
		}
	})
}

func TestEventsTellLifetime(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		s := k.listen(token)
		defer s.close()
		s.heard()
		k.call("PUT", "/api/v1/account/lifetime", `{"seconds":30}`, token)
		got := s.heard()
		if n := len(got); n == 0 || !slices.ContainsFunc(got, func(m string) bool { return fields(m, "lifetime_seconds") == "30" }) {
			t.Errorf("told %q", got)
		}
		after(30 * time.Second)
		if got := states(s.heard()); got != "expiring -" {
			t.Errorf("at the new idle_at: %s", got)
		}
	})
}

func TestEventsHintAtMostOnceASecond(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		arslan := k.user("arslan", account.User)
		_, token := k.signIn("amara")
		s := k.listen(token)
		defer s.close()
		after(10 * time.Second)
		s.heard()

		start := func() {
			st := curfew.Start{User: curfew.User{ID: arslan.ID, Name: "arslan"}, Lifetime: time.Hour}
			if _, _, err := k.sessions.Start(k.t.Context(), st); err != nil {
				t.Fatal(err)
			}
		}
		start()
		if n := count(s.heard(), hint); n != 1 {
			t.Errorf("the first change: %d hints at once, want 1", n)
		}
		for range 20 {
			start()
		}
		if n := count(s.heard(), hint); n != 0 {
			t.Errorf("within the second: %d hints, want 0", n)
		}
		after(11*time.Second - time.Millisecond)
		if n := count(s.heard(), hint); n != 0 {
			t.Errorf("just before the second is over: %d hints, want 0", n)
		}
		after(11 * time.Second)
		if n := count(s.heard(), hint); n != 1 {
			t.Errorf("after the second: %d hints, want 1", n)
		}
		after(14 * time.Second)
		if n := count(s.heard(), hint); n != 0 {
			t.Errorf("in silence: %d hints, want 0", n)
		}
	})
}

func TestEventsHintOnlyWhatOneMaySee(t *testing.T) {
	for _, c := range []struct {
		role account.Role
		want int
	}{{account.Admin, 1}, {account.Auditor, 1}, {account.User, 0}} {
		run(t, func(k *kit) {
			k.user("amara", c.role)
			k.user("arslan", account.User)
			_, token := k.signIn("amara")
			s := k.listen(token)
			defer s.close()
			s.heard()
			k.signIn("arslan")
			if n := count(s.heard(), hint); n != c.want {
				t.Errorf("%s hears %d hints of another's sign-in, want %d", c.role, n, c.want)
			}
			after(5 * time.Second)
			k.signIn("amara")
			if n := count(s.heard(), hint); n != 1 {
				t.Errorf("%s hears %d hints of their own sign-in, want 1", c.role, n)
			}
		})
	}
}

func TestEventsKeepAlive(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		s := k.listen(token)
		defer s.close()
		after(61 * time.Second)
		if n := count(s.heard(), ": "); n != 4 {
			t.Errorf("%d comments in a minute, want 4", n)
		}
		k.expect("GET", "/api/v1/session", token, "active @00:00.000Z - - -") // listening is no activity
	})
}

func TestEventsStop(t *testing.T) {
	for name, stop := range map[string]func(*kit, context.CancelFunc){
		"client gone":    func(_ *kit, cancel context.CancelFunc) { cancel() },
		"server stops":   func(k *kit, _ context.CancelFunc) { close(k.stopping) },
		"manager closed": func(k *kit, _ context.CancelFunc) { k.sessions.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(k *kit) {
				k.user("amara", account.Admin)
				_, token := k.signIn("amara")
				s := k.listen(token)
				if stop(k, s.cancel); !s.isClosed() {
					t.Error("the stream goes on")
					s.close()
				}
			})
		})
	}
}

// TestStreamsOfAccountsAreLimited has an account listen by more API keys than it may have streams for.
func TestStreamsOfAccountsAreLimited(t *testing.T) {
	run(t, func(k *kit) {
		amara := k.user("amara", account.User)
		k.user("arslan", account.User)
		_, mine := k.signIn("amara")
		_, other := k.signIn("arslan")
		var open []*stream
		for i := range 17 {
			_, secret := k.key(amara, "key "+strconv.Itoa(i), account.User)
			for range 31 {
				if s := k.listenTo(byKey("GET", "/api/v1/sessions/events", "", "Bearer "+secret)); s.status == http.StatusOK {
					open = append(open, s)
					defer s.close()
				}
			}
		}
		if len(open) != 512 {
			t.Errorf("by 17 keys %d streams at once", len(open))
		}
		if s := k.listen(mine); s.status != http.StatusTooManyRequests || s.Header().Get("Retry-After") != "15" {
			t.Errorf("one too many: status %d, %v", s.status, s.Header())
		}
		if s := k.listen(other); s.status != http.StatusOK {
			t.Errorf("another account's: status %d", s.status)
		} else {
			s.close()
		}
		open[0].close()
		if s := k.listen(mine); s.status != http.StatusOK {
			t.Errorf("after one has gone: status %d", s.status)
		} else {
			s.close()
		}
	})
}

func TestEventStreamsAreLimited(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		_, other := k.signIn("amara")
		var first *stream
		for range 32 {
			s := k.listen(token)
			defer s.close()
			if first = cmp.Or(first, s); s.status != http.StatusOK {
				t.Fatalf("status %d", s.status)
			}
		}
		if s := k.listen(token); s.status != http.StatusTooManyRequests || s.Header().Get("Retry-After") != "15" {
			t.Errorf("one too many: status %d, %v", s.status, s.Header())
		}
		if s := k.listen(other); s.status != http.StatusOK {
			t.Errorf("another session's: status %d", s.status)
			s.close()
		}
		first.close()
		if s := k.listen(token); s.status != http.StatusOK {
			t.Errorf("after one has gone: status %d", s.status)
		}
	})
}
