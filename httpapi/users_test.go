package httpapi_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/httpapi"
)

func TestAccount(t *testing.T) {
	run(t, func(k *kit) {
		a := k.user("arslan", account.User)
		s, token := k.signIn("arslan")
		if u := ask[user](k, token, 200, "GET", "/api/v1/account", ""); u.ID != a.ID || u.Username != "arslan" || u.Role != account.User || u.LifetimeSeconds != 300 || !u.Enabled {
			t.Errorf("the account: %+v", u)
		}
		if u := ask[user](k, token, 200, "PUT", "/api/v1/account", `{"full_name":"Arslan Ali","lifetime_seconds":90}`); u.FullName != "Arslan Ali" || u.LifetimeSeconds != 90 {
			t.Errorf("changed: %+v", u)
		}
		if s, err := k.sessions.Get(t.Context(), s.ID); err != nil || s.User.FullName != "Arslan Ali" || s.Lifetime != 90*time.Second {
			t.Errorf("the session does not follow: %+v, %v", s, err)
		}
		for body, field := range map[string]string{
			`{"full_name":"X"}`:                                                      "lifetime_seconds",
			`{"lifetime_seconds":90}`:                                                "full_name",
			`{"full_name":"X","lifetime_seconds":29}`:                                "lifetime_seconds",
			`{"full_name":7,"lifetime_seconds":90}`:                                  "full_name",
			`{"full_name":"a\nb","lifetime_seconds":90}`:                             "full_name",
			`{"full_name":"` + strings.Repeat("x", 129) + `","lifetime_seconds":90}`: "full_name",
		} {
			p := ask[httpapi.Problem](k, token, 422, "PUT", "/api/v1/account", body)
			if len(p.Errors) != 1 || p.Errors[0].Field != field {
				t.Errorf("%s: %+v", body, p)
			}
		}
		// Nobody makes themselves an admin.
		ask[httpapi.Problem](k, token, 400, "PUT", "/api/v1/account", `{"full_name":"X","lifetime_seconds":90,"role":"admin"}`)
	})
}

// user is httpapi.User as clients read it.
type user struct {
	httpapi.User
}

func TestChangeOwnPassword(t *testing.T) {
	run(t, func(k *kit) {
		k.user("arslan", account.User)
		first, _ := k.signIn("arslan")
		own, token := k.signIn("arslan")
		change := func(status int, body string) httpapi.Problem {
			t.Helper()
			return ask[httpapi.Problem](k, token, status, "PUT", "/api/v1/account/password", body)
		}
		if p := change(403, `{"current_password":"wrong","password":"another long password"}`); len(p.Errors) != 1 || p.Errors[0].Field != "current_password" {
			t.Errorf("%+v", p)
		}
		if p := change(422, `{"current_password":"`+password+`","password":"short"}`); len(p.Errors) != 1 || p.Errors[0].Field != "password" {
			t.Errorf("%+v", p)
		}
		ended := ask[httpapi.Ended](k, token, 200, "PUT", "/api/v1/account/password", `{"current_password":"`+password+`","password":"another long password"}`)
		_, err := k.sessions.Get(t.Context(), first.ID)
		if ended.Count != 1 || curfew.ErrorCode(err) != curfew.CodeEnded {
			t.Errorf("%d ended, %v", ended.Count, err)
		}
		if _, err := k.sessions.Get(t.Context(), own.ID); err != nil {
			t.Errorf("the own session: %v", err)
		}
		change(403, `{"current_password":"`+password+`","password":"another long password"}`)
	})
}

func TestUsers(t *testing.T) {
	run(t, func(k *kit) {
		amara := k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		made := ask[user](k, token, 201, "POST", "/api/v1/users", `{"username":"Arslan","full_name":"Arslan Ali","role":"user","lifetime_seconds":60,"password":"`+password+`"}`)
		if made.Username != "arslan" || made.LifetimeSeconds != 60 || made.ID == "" {
			t.Fatalf("made %+v", made)
		}
		p := ask[httpapi.Problem](k, token, 409, "POST", "/api/v1/users", `{"username":"arslan","role":"user","password":"`+password+`"}`)
		if len(p.Errors) != 1 || p.Errors[0].Field != "username" {
			t.Errorf("a taken name: %+v", p)
		}
		for body, field := range map[string]string{
			`{"role":"user","password":"` + password + `"}`:                                      "username",
			`{"username":"x","role":"root","password":"` + password + `"}`:                       "role",
			`{"username":"x","role":"user","password":"` + password + `","lifetime_seconds":1}`:  "lifetime_seconds",
			`{"username":"x","role":"user","password":"` + password + `","lifetime_seconds":0}`:  "lifetime_seconds",
			`{"username":"x","role":"user","password":"secret7"}`:                                "password",
			`{"username":"x y","role":"user","password":"` + password + `"}`:                     "username",
			`{"username":"x","role":"user","password":"` + strings.Repeat("secret", 1000) + `"}`: "password",
		} {
			p := ask[httpapi.Problem](k, token, 422, "POST", "/api/v1/users", body)
			if len(p.Errors) != 1 || p.Errors[0].Field != field {
				t.Errorf("%.80s: %+v", body, p)
			}
		}
		page := ask[httpapi.UserPage](k, token, 200, "GET", "/api/v1/users?limit=1", "")
		if len(page.Users) != 1 || page.Users[0].Username != "amara" || page.NextCursor == "" || page.Count != 2 {
			t.Errorf("first page: %+v", page)
		}
		page = ask[httpapi.UserPage](k, token, 200, "GET", "/api/v1/users?limit=1&cursor="+page.NextCursor, "")
		if len(page.Users) != 1 || page.Users[0].ID != made.ID || page.NextCursor != "" {
			t.Errorf("second page: %+v", page)
		}
		if page = ask[httpapi.UserPage](k, token, 200, "GET", "/api/v1/users?username=ARSLAN", ""); len(page.Users) != 1 || page.Count != 1 {
			t.Errorf("by name: %+v", page)
		}
		if page = ask[httpapi.UserPage](k, token, 200, "GET", "/api/v1/users?username=nobody", ""); len(page.Users) != 0 || page.Users == nil {
			t.Errorf("nobody: %+v", page)
		}

		path := "/api/v1/users/" + string(made.ID)
		s, _ := k.signIn("arslan")
		if u := ask[user](k, token, 200, "PATCH", path, `{"role":"auditor","lifetime_seconds":90}`); u.Role != account.Auditor || u.LifetimeSeconds != 90 || u.FullName != "Arslan Ali" {
			t.Errorf("changed: %+v", u)
		}
		if s, err := k.sessions.Get(t.Context(), s.ID); err != nil || s.Lifetime != 90*time.Second {
			t.Errorf("the session does not follow: %v, %v", s.Lifetime, err)
		}
		if e := ask[httpapi.Ended](k, token, 200, "DELETE", path+"/sessions", ""); e.Count != 1 {
			t.Errorf("%d sessions ended", e.Count)
		}
		if e := ask[httpapi.Ended](k, token, 200, "DELETE", "/api/v1/users/"+string(amara.ID)+"/sessions", ""); e.Count != 0 {
			t.Errorf("%d sessions of one's own ended", e.Count)
		}
		s, _ = k.signIn("arslan")
		ask[none](k, token, 204, "PUT", path+"/password", `{"password":"another long password"}`)
		_, err := k.sessions.Get(t.Context(), s.ID)
		wantCode(t, err, curfew.CodeEnded, "password-changed")
		ask[httpapi.Problem](k, token, 409, "PUT", "/api/v1/users/"+string(amara.ID)+"/password", `{"password":"another long password"}`)
		ask[httpapi.Problem](k, token, 409, "DELETE", "/api/v1/users/"+string(amara.ID), "")
		ask[httpapi.Problem](k, token, 409, "PATCH", "/api/v1/users/"+string(amara.ID), `{"enabled":false}`)
		ask[user](k, token, 200, "PATCH", path, `{"enabled":false}`)
		ask[httpapi.Problem](k, token, 409, "POST", path+"/unlock", "")
		ask[none](k, token, 204, "DELETE", path, "")
		for _, call := range []string{"GET ", "DELETE ", "DELETE /sessions", "POST /unlock"} {
			method, rest, _ := strings.Cut(call, " ")
			ask[httpapi.Problem](k, token, 404, method, path+rest, "")
		}
	})
}

// repeat makes a call under a key.
func (k *kit) repeat(token curfew.Token, path, body, key string) (int, string) {
	r := request("POST", path, body, token)
	r.Header.Set("Idempotency-Key", key)
	w := k.do(r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestRepeatedCallsHaveOneEffect(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		k.user("mia", account.Admin)
		arslan := k.user("arslan", account.User)
		_, token := k.signIn("amara")
		_, other := k.signIn("mia")
		const body = `{"username":"eve","role":"user","password":"` + password + `"}`
		status, first := k.repeat(token, "/api/v1/users", body, "1")
		if status != 201 {
			t.Fatalf("%d %s", status, first)
		}
		if status, again := k.repeat(token, "/api/v1/users", body, "1"); status != 201 || again != first {
			t.Errorf("again: %d %s", status, again)
		}
		for what, call := range map[string]func() (int, string){
			"another body": func() (int, string) {
				return k.repeat(token, "/api/v1/users", strings.Replace(body, "eve", "x", 1), "1")
			},
			"another key":   func() (int, string) { return k.repeat(token, "/api/v1/users", body, "2") },
			"no key":        func() (int, string) { return k.repeat(token, "/api/v1/users", body, "") },
			"somebody else": func() (int, string) { return k.repeat(other, "/api/v1/users", body, "1") },
		} {
			if status, answer := call(); status != http.StatusConflict {
				t.Errorf("%s: %d %s", what, status, answer)
			}
		}

		end := func() string {
			_, answer := k.repeat(token, "/api/v1/sessions/end", `{"filter":{"user":"arslan"}}`, "1")
			return answer
		}
		k.start(arslan, curfew.Client{})
		if got := end(); got != `{"count":1}` {
			t.Errorf("ended %s", got)
		}
		later := k.start(arslan, curfew.Client{})
		if got := end(); got != `{"count":1}` {
			t.Errorf("ended again %s", got)
		}
		if _, err := k.sessions.Get(t.Context(), later.ID); err != nil {
			t.Errorf("a repeated call ended a later session: %v", err)
		}
		path := "/api/v1/users/" + string(arslan.ID) + "/unlock"
		_, code := k.repeat(token, path, "", "1")
		if _, again := k.repeat(token, path, "", "1"); again != code {
			t.Error("a repeated unlock made another code")
		}
		if _, other := k.repeat(token, path, "", "2"); other == code {
			t.Error("another unlock made the same code")
		}
		time.Sleep(250 * time.Second)
		ask[httpapi.Session](k, token, 200, "POST", "/api/v1/session/activity", "")
	})
}

// A call that failed is made again, and of several at once one is made.
func TestRepeatsAtOnce(t *testing.T) {
	k := newKit(t)
	defer k.close()
	k.user("amara", account.Admin)
	_, token := k.signIn("amara")
	if status, _ := k.repeat(token, "/api/v1/users", `{"username":"eve","role":"user","password":"short"}`, "1"); status != 422 {
		t.Errorf("status %d", status)
	}
	const body = `{"username":"eve","role":"user","password":"` + password + `"}`
	answers := make([]string, 8)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			status, answer := k.repeat(token, "/api/v1/users", body, "1")
			if answers[i] = answer; status != 201 {
				t.Errorf("%d %s", status, answer)
			}
		})
	}
	all.Wait()
	for _, a := range answers {
		if a != answers[0] {
			t.Errorf("two answers: %s and %s", a, answers[0])
		}
	}
}

func TestRepeatsAreBounded(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		if err := k.sessions.SetLifetime(t.Context(), ask[user](k, token, 200, "GET", "/api/v1/account", "").ID, 3*time.Hour); err != nil {
			t.Fatal(err)
		}
		end := func(key string) int {
			status, _ := k.repeat(token, "/api/v1/sessions/end", `{"others":true}`, key)
			return status
		}
		for i := range 1000 {
			if time.Sleep(10 * time.Millisecond); end(strings.Repeat("x", i%100)+string(rune('a'+i/100))) != 200 {
				t.Fatal("refused too early")
			}
		}
		if status := end("one more"); status != http.StatusTooManyRequests {
			t.Errorf("status %d", status)
		}
		if status := end(""); status != 200 {
			t.Errorf("without a key: status %d", status)
		}
		time.Sleep(time.Hour)
		ask[none](k, token, 200, "POST", "/api/v1/session/proof", `{"current_password":"`+password+`"}`)
		if status := end("one more"); status != 200 {
			t.Errorf("an hour later: status %d", status)
		}
	})
}
