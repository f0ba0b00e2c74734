package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/httpapi"
)

// ask makes a call that must have the status, and returns its answer.
func ask[T any](k *kit, token curfew.Token, want int, method, path, body string) (answer T) {
	k.t.Helper()
	status, text := k.call(method, path, body, token)
	if status != want {
		k.t.Fatalf("%s %s %s: status %d, want %d: %s", method, path, body, status, want, text)
	}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			k.t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
	return answer
}

// start starts a session of the account, from somewhere, a second after the one before.
func (k *kit) start(a account.Account, c curfew.Client) curfew.Session {
	k.t.Helper()
	time.Sleep(time.Second)
	s, _, err := k.sessions.Start(k.t.Context(), curfew.Start{
		User: curfew.User{ID: a.ID, Name: a.Name, FullName: a.FullName}, Credential: "password", Client: c, Lifetime: time.Hour,
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return s
}

func namesOf(sessions []httpapi.Session) string {
	var names []string
	for _, s := range sessions {
		names = append(names, s.Username+"@"+s.Origin)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestListSessions(t *testing.T) {
	run(t, func(k *kit) {
		amara, arslan := k.user("amara", account.Admin), k.user("arslan", account.User)
		own, token := k.signIn("amara") // from 192.0.2.7
		k.start(amara, curfew.Client{Origin: "192.0.2.70", Device: "Firefox 140 on Windows"})
		k.start(arslan, curfew.Client{Origin: "198.51.100.1", Device: "Chrome 156 on Android"})
		k.start(arslan, curfew.Client{Origin: "2001:db8::1", Device: "curl"})
		_, users := k.signIn("arslan") // from 192.0.2.7 too
		const all = "amara@192.0.2.7 amara@192.0.2.70 arslan@192.0.2.7 arslan@198.51.100.1 arslan@2001:db8::1"
		const arslans = "arslan@192.0.2.7 arslan@198.51.100.1 arslan@2001:db8::1"
		for query, want := range map[string]string{
			"":                                   all,
			"q=192.0.2.7":                        "amara@192.0.2.7 amara@192.0.2.70 arslan@192.0.2.7",
			"q=arslan":                           arslans,
			"q=arslan+android":                   "arslan@198.51.100.1",
			"user=Arslan":                        arslans,
			"origin=192.0.2.7":                   "amara@192.0.2.7 arslan@192.0.2.7",
			"origin=192.0.2.0/24":                "amara@192.0.2.7 amara@192.0.2.70 arslan@192.0.2.7",
			"origin=2001:db8::/32":               "arslan@2001:db8::1",
			"device=fire":                        "amara@192.0.2.70",
			"device=chrome+mac":                  "amara@192.0.2.7 arslan@192.0.2.7",
			"device=amara":                       "",
			"credential=password":                all,
			"credential=magic":                   "",
			"started_after=2000-01-01T00:00:01Z": arslans,
			"idle_longer_than=0":                 all,
			"idle_longer_than=2":                 "amara@192.0.2.7",
			"user=arslan&origin=192.0.2.7&q=mac": "arslan@192.0.2.7",
		} {
			got := ask[httpapi.SessionPage](k, token, 200, "GET", "/api/v1/sessions?"+query, "")
			if n := len(strings.Fields(want)); namesOf(got.Sessions) != want || got.Count != n || !got.CountExact || got.NextCursor != "" {
				t.Errorf("%q: %s, count %d %v; want %s", query, namesOf(got.Sessions), got.Count, got.CountExact, want)
			}
			for _, s := range got.Sessions {
				if s.Current != (s.ID == own.ID) {
					t.Errorf("%q: session %s is current: %v", query, s.ID, s.Current)
				}
			}
		}
		got := ask[httpapi.SessionPage](k, users, 200, "GET", "/api/v1/sessions", "")
		if namesOf(got.Sessions) != arslans || got.Count != 3 {
			t.Errorf("a user sees %s", namesOf(got.Sessions))
		}
		ask[httpapi.Problem](k, users, 404, "GET", "/api/v1/sessions?user=amara", "")
		ask[httpapi.Problem](k, users, 404, "GET", "/api/v1/sessions?user=nobody", "")
	})
}

func TestListSessionsSorts(t *testing.T) {
	run(t, func(k *kit) {
		amara, zoe := k.user("amara", account.Admin), k.user("zoe", account.User)
		_, token := k.signIn("amara")
		k.start(zoe, curfew.Client{Origin: "192.0.2.9", Device: "a"})
		k.start(amara, curfew.Client{Origin: "192.0.2.1", Device: "b"})
		for sort, want := range map[string]string{
			"":          "2.1 2.9 2.7",
			"-activity": "2.1 2.9 2.7",
			"activity":  "2.7 2.9 2.1",
			"started":   "2.7 2.9 2.1",
			"-started":  "2.1 2.9 2.7",
			"origin":    "2.1 2.7 2.9",
			"-origin":   "2.9 2.7 2.1",
			"device":    "2.9 2.1 2.7",
		} {
			query := ""
			if sort != "" {
				query = "?sort=" + sort
			}
			var got []string
			for _, s := range ask[httpapi.SessionPage](k, token, 200, "GET", "/api/v1/sessions"+query, "").Sessions {
				got = append(got, strings.TrimPrefix(s.Origin, "192.0."))
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%q: %v, want %s", sort, got, want)
			}
		}
	})
}

// Through pages of any size each session is met once, with a filter that the store knows and with one that it doesn't.
func TestPagesOfSessions(t *testing.T) {
	run(t, func(k *kit) {
		amara := k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		const many = 600 // more than a page of the store
		for i := range many {
			origin := "198.51.100.1"
			if i%10 == 0 {
				origin = "203.0.113.9"
			}
			st := curfew.Start{User: curfew.User{ID: amara.ID, Name: "amara"}, Lifetime: time.Hour, Client: curfew.Client{Origin: origin}}
			if _, _, err := k.sessions.Start(t.Context(), st); err != nil {
				t.Fatal(err)
			}
		}
		for query, want := range map[string]int{"limit=500": many + 1, "limit=25&origin=203.0.113.0/24": many / 10, "limit=500&origin=203.0.113.9": many / 10} {
			seen, cursor := map[curfew.SessionID]bool{}, ""
			for first := true; first || cursor != ""; first = false {
				page := ask[httpapi.SessionPage](k, token, 200, "GET", "/api/v1/sessions?sort=started&"+query+"&cursor="+cursor, "")
				cursor = page.NextCursor
				if page.Count != want || !page.CountExact {
					t.Fatalf("%s: count %d %v, want %d", query, page.Count, page.CountExact, want)
				}
				for _, s := range page.Sessions {
					if seen[s.ID] {
						t.Fatalf("%s: met %s twice", query, s.ID)
					}
					seen[s.ID] = true
				}
			}
			if len(seen) != want {
				t.Errorf("%s: met %d sessions, want %d", query, len(seen), want)
			}
		}
	})
}

func TestBadQueries(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		for query, field := range map[string]string{
			"sessions?limit=0":                             "limit",
			"sessions?limit=501":                           "limit",
			"sessions?limit=many":                          "limit",
			"sessions?sort=colour":                         "sort",
			"sessions?cursor=x":                            "cursor",
			"sessions?cursor=" + strings.Repeat("x", 2049): "cursor",
			"sessions?q=" + strings.Repeat("x", 201):       "q",
			"sessions?origin=here":                         "origin",
			"sessions?started_after=yesterday":             "started_after",
			"sessions?idle_longer_than=-1":                 "idle_longer_than",
			"sessions?usr=amara":                           "usr",
			"sessions?user=amara&user=mia":                 "user",
			"sessions?q=%ff":                               "q",
			"audit/verification?mark=1:x&mark=2:x":         "mark",
			"history?reason=why":                           "reason",
			"history?format=xml":                           "format",
			"history?from=2000-01-02T00:00:00Z&until=2000-01-01T00:00:00Z": "until",
			"users?limit=1000": "limit",
		} {
			p := ask[httpapi.Problem](k, token, 422, "GET", "/api/v1/"+query, "")
			if p.Code != curfew.CodeInvalid || len(p.Errors) == 0 || p.Errors[0].Field != field || strings.Contains(fmt.Sprint(p), "xxxxxxxx") {
				t.Errorf("%.60s: %+v", query, p)
			}
		}
		ask[httpapi.AuditPage](k, token, 200, "GET", "/api/v1/audit?event=user_created&event=user_deleted", "")
		// What net/url drops would leave a list of everybody.
		for _, query := range []string{"user=100%", "user=a;b", "user=amara&%zz"} {
			ask[httpapi.Problem](k, token, 422, "GET", "/api/v1/sessions?"+query, "")
		}
	})
}

// Whatever is wrong with a field is said in words that need no knowledge of Go or JSON Schema.
func TestWordsOfWrongFields(t *testing.T) {
	run(t, func(k *kit) {
		amara := k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		own := "/api/v1/users/" + string(amara.ID)
		for _, c := range []struct{ method, path, body, want string }{
			{"GET", "/api/v1/sessions?limit=0", "", "limit must be at least 1"},
			{"GET", "/api/v1/sessions?limit=501", "", "limit must be at most 500"},
			{"GET", "/api/v1/sessions?limit=all", "", "limit must be a whole number"},
			{"GET", "/api/v1/sessions?nope=1", "", "nope is not a parameter of this call"},
			{"GET", "/api/v1/sessions?user=a&user=b", "", "user is there more than once"},
			{"GET", "/api/v1/sessions?user=", "", "user must not be empty"},
			{"GET", "/api/v1/history?limit=1&reason", "", "reason must not be empty"},
			{"GET", "/api/v1/audit?event=user_created&event=", "", "event must not be empty"},
			{"GET", "/api/v1/users?q=+", "", "q must not be empty"},
			{"POST", "/api/v1/sessions/end", `{"filter":{"user":"","device":"Firefox"}}`, "filter.user must not be empty"},
			{"POST", "/api/v1/sessions/end", `{"filter":{"device":" "}}`, "filter.device must not be empty"},
			{"POST", "/api/v1/sessions/end", `{"filter":{"q":"\u00a0"}}`, "filter.q must not be empty"},
			{"GET", "/api/v1/sessions?started_after=2026-03-01", "", "started_after must be a time as in RFC 3339, such as 2026-03-01T12:00:00Z"},
			{"GET", "/api/v1/audit?outcome=perhaps", "", "outcome must be one of success, refused"},
			{"PATCH", own, `{"role":"king"}`, "role must be one of admin, auditor, user"},
			{"POST", "/api/v1/keys", `{"name":"x","role":null}`, "role must be text"},
			{"PATCH", own, `{"full_name":{}}`, "full_name must be text"},
			{"PATCH", own, `{"enabled":"yes"}`, "enabled must be true or false"},
			{"POST", "/api/v1/session/proof", `{"current_password":""}`, "current_password must not be empty"},
			{"POST", "/api/v1/session/activity", `{"age_ms":-1}`, "age_ms must be a whole number from 0 on, and not too large"},
			{"POST", "/api/v1/sessions/end", `{"ids":"a"}`, "ids must be a list"},
			{"POST", "/api/v1/sessions/end", `{"filter":1}`, "filter must be an object"},
			{"POST", "/api/v1/sessions/end", `{"ids":[` + strings.Repeat(`"a",`, 1000) + `"a"]}`, "ids must have at most 1000 entries"},
			{"POST", "/api/v1/keys", `{"name":"` + strings.Repeat("x", 65) + `","role":"user"}`, "name must be at most 64 characters long"},
		} {
			if p := ask[httpapi.Problem](k, token, 422, c.method, c.path, c.body); p.Detail != c.want {
				t.Errorf("%s %.60s %.40s: %s, want %s", c.method, c.path, c.body, p.Detail, c.want)
			}
		}
		if p := ask[httpapi.Problem](k, token, 400, "PATCH", own, "{\"full_name\":\"\xff\"}"); p.Detail != "the body must be UTF-8" {
			t.Errorf("bytes that are no UTF-8: %s", p.Detail)
		}
	})
}

func TestFindAndEndSession(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		k.user("nia", account.Auditor)
		k.user("arslan", account.User)
		k.user("eve", account.User)
		own, admin := k.signIn("amara")
		_, auditor := k.signIn("nia")
		s, user := k.signIn("arslan")
		_, stranger := k.signIn("eve")
		path := "/api/v1/sessions/" + string(s.ID)

		if got := ask[httpapi.Session](k, admin, 200, "GET", path, ""); got.ID != s.ID || got.Current || got.State != curfew.StateActive {
			t.Errorf("found %+v", got)
		}
		if got := ask[httpapi.Session](k, user, 200, "GET", path, ""); !got.Current {
			t.Error("the own session is not current")
		}
		ask[httpapi.Problem](k, stranger, 404, "GET", path, "")
		ask[httpapi.Problem](k, stranger, 404, "DELETE", path, "")
		ask[httpapi.Problem](k, auditor, 403, "DELETE", path, "")
		ask[httpapi.Problem](k, user, 409, "DELETE", path, "")
		ask[httpapi.Problem](k, admin, 409, "DELETE", "/api/v1/sessions/"+string(own.ID), "")
		ask[httpapi.Problem](k, admin, 404, "DELETE", "/api/v1/sessions/unknown", "")
		ask[none](k, admin, 204, "DELETE", path, "")
		ask[none](k, admin, 204, "DELETE", path, "")
		ask[httpapi.Problem](k, stranger, 404, "DELETE", path, "")
		if got := ask[httpapi.Session](k, admin, 200, "GET", path, ""); got.State != curfew.StateEnded || got.Reason != curfew.ReasonTerminated || got.EndedBy != "amara" {
			t.Errorf("ended: %+v", got)
		}
		ask[httpapi.Problem](k, user, 401, "GET", path, "")
	})
}

type none struct{}

func TestSignOut(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		s, token := k.signIn("amara")
		for range 2 { // as by who did not get the first answer
			w := k.do(request("DELETE", "/api/v1/session", "", token))
			if c := w.Header().Get("Set-Cookie"); w.Code != 204 || !strings.Contains(c, "Max-Age=0") || w.Header().Get("Clear-Site-Data") != `"cache"` {
				t.Errorf("status %d, %v", w.Code, w.Header())
			}
		}
		_, err := k.sessions.Get(t.Context(), s.ID)
		wantCode(t, err, curfew.CodeEnded, "signed-out")
	})
}

func TestEndMany(t *testing.T) {
	run(t, func(k *kit) {
		amara, arslan, nia := k.user("amara", account.Admin), k.user("arslan", account.User), k.user("nia", account.Auditor)
		own, admin := k.signIn("amara")
		_, user := k.signIn("arslan")
		_, auditor := k.signIn("nia")
		far := curfew.Client{Origin: "198.51.100.1"}
		end := func(token curfew.Token, status int, body string) httpapi.EndResult {
			t.Helper()
			return ask[httpapi.EndResult](k, token, status, "POST", "/api/v1/sessions/end", body)
		}
		live := func() int {
			n, err := k.sessions.Count(t.Context(), curfew.Query{})
			if err != nil {
				t.Fatal(err)
			}
			return n.Sessions
		}
		for range 3 {
			k.start(arslan, far)
			k.start(nia, far)
			k.start(amara, far)
		}
		if n := live(); n != 12 {
			t.Fatalf("%d sessions", n)
		}

		// Whoever may not end them does not.
		if r := end(auditor, 200, `{"filter":{"origin":"198.51.100.1"},"dry_run":true}`); r.Count != 3 || len(r.Sessions) != 3 || r.Sessions[0].Username != "nia" {
			t.Errorf("an auditor's filter: %+v", r)
		}
		end(auditor, 403, `{"filter":{"user":"arslan"}}`)
		end(user, 404, `{"filter":{"user":"nia"}}`)
		end(user, 404, `{"ids":["`+string(own.ID)+`"]}`)
		end(auditor, 403, `{"ids":["`+string(own.ID)+`"]}`)
		end(admin, 409, `{"ids":["`+string(own.ID)+`"]}`)
		if r := end(user, 200, `{"others":true,"dry_run":true}`); r.Count != 3 {
			t.Errorf("a user's others: %+v", r)
		}

		// A dry run, and another number than expected, end nothing.
		if r := end(admin, 200, `{"others":true,"dry_run":true}`); r.Count != 11 || len(r.Sessions) != 11 {
			t.Errorf("an admin's others: %d %d", r.Count, len(r.Sessions))
		}
		end(admin, 409, `{"others":true,"expect":10}`)
		end(admin, 409, `{"filter":{"user":"arslan"},"expect":0}`)
		for _, body := range []string{`{}`, `{"filter":{}}`, `{"others":true,"filter":{"q":"x"}}`, `{"others":false}`} {
			end(admin, 422, body)
		}
		if n := live(); n != 12 {
			t.Fatalf("%d sessions are left", n)
		}

		if r := end(admin, 200, `{"filter":{"user":"arslan","origin":"198.51.100.0/24"},"expect":3}`); r.Count != 3 || r.Sessions != nil || live() != 9 {
			t.Errorf("by filter: %+v, %d are left", r, live())
		}
		if r := end(user, 200, `{"others":true}`); r.Count != 0 || live() != 9 {
			t.Errorf("no others: %+v, %d are left", r, live())
		}
		if r := end(admin, 200, `{"filter":{"user":"nia"}}`); r.Count != 4 || live() != 5 {
			t.Errorf("all of a user: %+v, %d are left", r, live())
		}
		if r := end(admin, 200, `{"filter":{"user":"amara"}}`); r.Count != 3 || live() != 2 {
			t.Errorf("all of one's own: %+v, %d are left", r, live())
		}
		if r := end(admin, 200, `{"others":true,"expect":1}`); r.Count != 1 || live() != 1 {
			t.Errorf("all: %+v, %d are left", r, live())
		}
		if _, err := k.sessions.Get(t.Context(), own.ID); err != nil {
			t.Errorf("the own session: %v", err)
		}
	})
}

func TestProof(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		arslan := k.user("arslan", account.User)
		_, token := k.signIn("amara")
		alive := func() { ask[httpapi.Session](k, token, 200, "POST", "/api/v1/session/activity", "") }
		for range 3 {
			time.Sleep(200 * time.Second)
			alive()
		}
		for _, call := range []string{
			"DELETE /api/v1/sessions/unknown", `POST /api/v1/sessions/end {"others":true}`, "DELETE /api/v1/users/" + string(arslan.ID),
			"PATCH /api/v1/users/" + string(arslan.ID) + ` {"role":"admin"}`, "DELETE /api/v1/users/" + string(arslan.ID) + "/sessions",
		} {
			method, rest, _ := strings.Cut(call, " ")
			path, body, _ := strings.Cut(rest, " ")
			if p := ask[httpapi.Problem](k, token, 403, method, path, body); p.Type != httpapi.TypeProofNeeded || p.Code != curfew.CodeDenied {
				t.Errorf("%s: %+v", call, p)
			}
		}
		p := ask[httpapi.Problem](k, token, 403, "POST", "/api/v1/session/proof", `{"current_password":"wrong"}`)
		if len(p.Errors) != 1 || p.Errors[0].Field != "current_password" || p.Type == httpapi.TypeProofNeeded {
			t.Errorf("a wrong password: %+v", p)
		}
		ask[httpapi.Problem](k, token, 422, "POST", "/api/v1/session/proof", `{"current_password":""}`)
		ask[httpapi.Problem](k, token, 403, "DELETE", "/api/v1/users/"+string(arslan.ID), "")
		proven := ask[struct{ Until time.Time }](k, token, 200, "POST", "/api/v1/session/proof", `{"current_password":"`+password+`"}`)
		if got := time.Until(proven.Until); got != account.RecentFor {
			t.Errorf("counts for %v", got)
		}
		ask[none](k, token, 204, "DELETE", "/api/v1/users/"+string(arslan.ID), "")
	})
}

// TestRateLimitOfAccounts has an account ask by more API keys than it may ask by at once.
func TestRateLimitOfAccounts(t *testing.T) {
	run(t, func(k *kit) {
		amara := k.user("amara", account.User)
		k.user("arslan", account.User)
		_, mine := k.signIn("amara")
		_, other := k.signIn("arslan")
		done := 0
		for i := range 5 {
			_, secret := k.key(amara, "key "+strconv.Itoa(i), account.User)
			for range 450 {
				if k.do(byKey("GET", "/api/v1/account", "", "Bearer "+secret)).Code == 200 {
					done++
				}
			}
		}
		if done != 2000 {
			t.Errorf("by five keys %d requests at once", done)
		}
		ask[httpapi.Problem](k, mine, 429, "GET", "/api/v1/account", "")
		ask[httpapi.User](k, other, 200, "GET", "/api/v1/account", "")
		time.Sleep(time.Second)
		ask[httpapi.User](k, mine, 200, "GET", "/api/v1/account", "")
	})
}

func TestRateLimit(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		k.user("arslan", account.User)
		_, token := k.signIn("amara")
		_, other := k.signIn("arslan")
		limited := 0
		for range 1000 {
			w := k.do(request("GET", "/api/v1/session", "", token))
			if w.Code == http.StatusTooManyRequests {
				limited++
				if w.Header().Get("Retry-After") != "1" {
					t.Fatalf("Retry-After %q", w.Header().Get("Retry-After"))
				}
			}
		}
		if limited != 500 {
			t.Errorf("%d of 1000 requests at once were refused", limited)
		}
		ask[httpapi.Session](k, other, 200, "GET", "/api/v1/session", "")
		time.Sleep(time.Second)
		ask[httpapi.Session](k, token, 200, "GET", "/api/v1/session", "")
		for range 1000 {
			if w := k.do(request("GET", "/api/v1/session", "", curfew.Token{})); w.Code == http.StatusTooManyRequests {
				return
			}
		}
		t.Error("who has no session is not limited")
	})
}
