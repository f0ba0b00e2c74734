package httpapi_test

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/httpapi"
)

func TestSession(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		s, token := k.signIn("amara")
		after(1500 * time.Millisecond)
		want := `{"id":"` + string(s.ID) + `","current":true,"user_id":"` + string(s.User.ID) + `","username":"amara","full_name":"","role":"admin","credential":"password",` +
			`"origin":"192.0.2.7","device":"Chrome 156 on macOS","created_at":"2000-01-01T00:00:00.000Z",` +
			`"last_active_at":"2000-01-01T00:00:00.000Z","lifetime_seconds":300,"grace_seconds":30,` +
			`"idle_at":"2000-01-01T00:05:00.000Z","ends_at":"2000-01-01T00:05:30.000Z","expires_at":"2000-01-31T00:00:00.000Z",` +
			`"state":"active","server_time":"2000-01-01T00:00:01.500Z"}`
		if status, got := k.call("GET", "/api/v1/session", "", token); status != 200 || got != want {
			t.Errorf("status %d\ngot  %s\nwant %s", status, got, want)
		}
	})
}

// fields picks fields out of a JSON object, in the order asked for.
func fields(doc string, names ...string) string {
	var found []string
	for _, name := range names {
		m := regexp.MustCompile(`"` + name + `":("[^"]*"|[^,}]*)`).FindStringSubmatch(doc)
		if m == nil {
			found = append(found, "-")
			continue
		}
		found = append(found, strings.Trim(m[1], `"`))
	}
	return strings.Join(found, " ")
}

func (k *kit) expect(method, path string, token curfew.Token, want string) {
	k.t.Helper()
	status, doc := k.call(method, path, "", token)
	got := fields(doc, "state", "last_active_at", "reason", "ended_by", "ended_at")
	if want = strings.ReplaceAll(want, "@", "2000-01-01T00:"); status != 200 || got != want {
		k.t.Errorf("%s %s: status %d\ngot  %s\nwant %s", method, path, status, got, want)
	}
}

func TestSessionClock(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		_, token := k.signIn("amara")

		after(200 * time.Second) // looking is no activity
		k.expect("GET", "/api/v1/session", token, "active @00:00.000Z - - -")
		k.expect("POST", "/api/v1/session/activity", token, "active @03:20.000Z - - -")
		after(500 * time.Second)
		k.expect("GET", "/api/v1/session", token, "expiring @03:20.000Z - - -")
		k.expect("POST", "/api/v1/session/extend", token, "active @08:20.000Z - - -")
		after(829*time.Second + 999*time.Millisecond)
		k.expect("GET", "/api/v1/session", token, "expiring @08:20.000Z - - -")
		after(830 * time.Second)
		for _, path := range []string{"GET /api/v1/session", "POST /api/v1/session/activity", "POST /api/v1/session/extend"} {
			method, path, _ := strings.Cut(path, " ")
			k.expect(method, path, token, "ended @08:20.000Z idle - @13:50.000Z")
		}
		if status, _ := k.call("PUT", "/api/v1/account/lifetime", `{"seconds":60}`, token); status != http.StatusUnauthorized {
			t.Errorf("lifetime after the end: status %d", status)
		}
	})
}

func TestSessionEndsWhileItIsAnswered(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		api := httpapi.New(httpapi.Options{Sessions: k.sessions, Accounts: k.accounts})
		k.api = k.sessions.Authenticate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(330 * time.Second) // the session was checked in time
			api.ServeHTTP(w, r)
		}))
		k.expect("GET", "/api/v1/session", token, "ended @00:00.000Z idle - @05:30.000Z")
	})
}

// The guard's word counts, even where the request's looks don't.
func TestActivityIsActivity(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		after(time.Minute)
		r := request("POST", "/api/v1/session/activity", "", token)
		r.Header.Set("Sec-Purpose", "prefetch")
		k.do(r)
		k.expect("GET", "/api/v1/session", token, "active @01:00.000Z - - -")
	})
}

func TestActivityTellsItsAge(t *testing.T) {
	for _, c := range []struct {
		body   string
		status int
		active string
	}{
		{`{"age_ms":0}`, 200, "01:00.000"},
		{`{"age_ms":1500}`, 200, "00:58.500"},
		{`{}`, 200, "01:00.000"},
		{`{"age_ms":60001}`, 200, "00:00.000"}, // before it began
		{`{"age_ms":4294967295}`, 200, "00:00.000"},
		{`{"age_ms":4294967296}`, 422, "00:00.000"},
		{`{"age_ms":-1}`, 422, "00:00.000"},
		{`{"age_ms":1.5}`, 422, "00:00.000"},
		{`{"age_ms":"1"}`, 422, "00:00.000"},
		{`{"age":1}`, 400, "00:00.000"},
		{`age_ms=1`, 400, "00:00.000"},
	} {
		run(t, func(k *kit) {
			k.user("amara", account.Admin)
			_, token := k.signIn("amara")
			after(time.Minute)
			r := request("POST", "/api/v1/session/activity", c.body, token)
			r.Header.Set(curfew.PassiveHeader, "1")
			if w := k.do(r); w.Code != c.status {
				t.Errorf("%s: status %d, want %d: %s", c.body, w.Code, c.status, w.Body)
			}
			k.expect("GET", "/api/v1/session", token, "active @"+c.active+"Z - - -")
		})
	}
}

func TestEndedSessionSaysByWhom(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		k.user("arslan", account.User)
		_, own := k.signIn("amara")
		s, token := k.signIn("arslan")
		after(time.Minute)
		end := curfew.Ending{Reason: curfew.ReasonTerminated, By: curfew.Actor{Name: "amara"}}
		if _, err := k.sessions.End(k.t.Context(), s.ID, end); err != nil {
			t.Fatal(err)
		}
		k.expect("GET", "/api/v1/session", token, "ended @00:00.000Z terminated amara @01:00.000Z")
		k.expect("GET", "/api/v1/session", own, "active @00:00.000Z - - -")
	})
}

// A session outlives its account only when the two get out of step; here the store is changed behind the service's back.
func TestSessionEndsWithItsAccount(t *testing.T) {
	for name, c := range map[string]struct {
		change func(k *kit, a account.Account) error
		reason string
	}{
		"disabled": {func(k *kit, a account.Account) error {
			_, err := k.store.UpdateAccount(k.t.Context(), time.Now(), a.ID, false, func(s *account.Stored) error { s.Enabled = false; return nil })
			return err
		}, "account-disabled"},
		"deleted": {func(k *kit, a account.Account) error { return k.store.DeleteAccount(k.t.Context(), time.Now(), a.ID) }, "account-deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(k *kit) {
				k.user("amara", account.Admin)
				a := k.user("arslan", account.User)
				_, token := k.signIn("arslan")
				if err := c.change(k, a); err != nil {
					t.Fatal(err)
				}
				k.expect("GET", "/api/v1/session", token, "ended @00:00.000Z "+c.reason+" - @00:00.000Z")
				if _, err := k.sessions.Check(k.t.Context(), token, curfew.Passive); curfew.ErrorCode(err) != curfew.CodeEnded {
					t.Errorf("the session goes on: %v", err)
				}
			})
		})
	}
}

func TestWithoutSession(t *testing.T) {
	want := `{"type":"about:blank","title":"Unauthorized","status":401,"detail":"sign in first"}`
	run(t, func(k *kit) {
		for _, call := range []string{
			"GET /api/v1/session", "POST /api/v1/session/extend", "POST /api/v1/session/activity",
			"GET /api/v1/session/events", "PUT /api/v1/account/lifetime",
		} {
			method, path, _ := strings.Cut(call, " ")
			for _, token := range []curfew.Token{{}, curfew.NewToken()} {
				w := k.do(request(method, path, "", token))
				got := strings.TrimSpace(w.Body.String())
				if w.Code != 401 || got != want || w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("WWW-Authenticate") == "" {
					t.Errorf("%s: status %d %s %v", call, w.Code, got, w.Header())
				}
			}
		}
	})
}

func TestAddressesAndMethods(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/api/v1/", 404, ""},
		{"GET", "/api/v1/sessionx", 404, ""},
		{"GET", "/api/v1/session/", 404, ""},
		{"POST", "/api/v1/session", 405, "DELETE, GET"},
		{"DELETE", "/api/v1/account/lifetime", 405, "PUT"},
		{"GET", "/api/v1/session/extend", 405, "POST"},
		{"HEAD", "/api/v1/session/extend", 405, "POST"},
		{"HEAD", "/api/v1/session", 200, ""},
		{"HEAD", "/api/v1/session/events", 200, ""},
	} {
		run(t, func(k *kit) {
			k.user("amara", account.Admin)
			_, token := k.signIn("amara")
			w := k.do(request(c.method, c.path, "", token))
			if w.Code != c.status || w.Header().Get("Allow") != c.allow {
				t.Errorf("%s %s: status %d, Allow %q; want %d, %q", c.method, c.path, w.Code, w.Header().Get("Allow"), c.status, c.allow)
			}
			if got := w.Header().Get("Content-Type"); c.status >= 400 && got != "application/problem+json" {
				t.Errorf("%s %s: %s", c.method, c.path, got)
			}
		})
	}
}

func TestStoreUnreachable(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		k.store.find = func() error { return errors.New("disk on fire") }
		status, body := k.call("GET", "/api/v1/session", "", token)
		if status != 503 || fields(body, "code") != "unavailable" || !strings.Contains(body, "nobody is let in") || strings.Contains(body, "fire") {
			t.Errorf("status %d: %s", status, body)
		}
		if !strings.Contains(k.log.String(), "disk on fire") || !strings.Contains(k.log.String(), fields(body, "id")) {
			t.Errorf("the log doesn't know: %s", k.log)
		}
		k.store.find = nil
		if status, _ := k.call("GET", "/api/v1/session", "", token); status != 200 {
			t.Errorf("after the store came back: status %d", status)
		}
	})
}

func TestPanicCostsOneRequest(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		k.store.find = func() error { panic("oh dear") }
		status, body := k.call("GET", "/api/v1/session", "", token)
		if status != 500 || fields(body, "code") != "internal" || strings.Contains(body, "dear") || strings.Contains(body, ".go") {
			t.Errorf("status %d: %s", status, body)
		}
		if log := k.log.String(); !strings.Contains(log, "oh dear") || !strings.Contains(log, "session_test.go") || !strings.Contains(log, fields(body, "id")) {
			t.Errorf("the log doesn't know: %s", log)
		}
	})
}

func TestPanicBreaksOffStream(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		var broken atomic.Bool
		k.store.find = func() error {
			if broken.Load() {
				panic("oh dear")
			}
			return nil
		}
		aborted := make(chan any, 1)
		go func() {
			defer func() { aborted <- recover() }()
			k.api.ServeHTTP(&stream{k: k, header: http.Header{}}, request("GET", "/api/v1/session/events", "", token))
		}()
		synctest.Wait()
		k.signIn("amara") // changes the account, so that it is read again
		broken.Store(true)
		after(301 * time.Second)
		if v := <-aborted; v != http.ErrAbortHandler {
			t.Errorf("recovered %v", v)
		}
	})
}
