package httpapi_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/httpapi"
	"github.com/curfewhq/curfew/memory"
)

// byKey is a request with headers as they are sent, and no session.
func byKey(method, path, body string, authorization ...string) *http.Request {
	r := request(method, path, body, curfew.Token{})
	r.Header["Authorization"] = authorization
	return r
}

// keyStatus is how a plain request with the key is answered.
func (k *kit) keyStatus(secret string) int {
	k.t.Helper()
	return k.do(byKey("GET", "/api/v1/account", "", "Bearer "+secret)).Code
}

// TestKeys makes a key in a session, uses it, and revokes it by itself.
func TestKeys(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Auditor)
		_, token := k.signIn("amara")
		made := ask[httpapi.MadeKey](k, token, 201, "POST", "/api/v1/keys", `{"name":"nightly","role":"user","expires_in_seconds":3600}`)
		k.bodies = nil // which may have the secret, this once
		k.keys = append(k.keys, made.Secret)
		if made.Name != "nightly" || made.Role != account.User || made.Username != "amara" || made.ExpiresAt.Sub(made.CreatedAt.Time) != time.Hour {
			t.Errorf("made %+v", made.Key)
		}
		time.Sleep(time.Minute)
		c := httpapi.NewClient(httpapi.HandlerTransport(k.api))
		c.Authorize = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+made.Secret) }
		u, err := c.Account(k.t.Context())
		if err != nil || u.Username != "amara" || u.Role != account.Auditor {
			t.Errorf("the account: %+v, %v", u, err)
		}
		after(90 * time.Second)
		keys, err := c.Keys(k.t.Context())
		if err != nil || len(keys) != 1 || !keys[0].Current || keys[0].ID != made.ID || keys[0].LastUsedAt.Sub(made.CreatedAt.Time) != time.Minute {
			t.Errorf("keys %+v, %v", keys, err)
		}
		if keys := ask[httpapi.KeyList](k, token, 200, "GET", "/api/v1/keys", ""); len(keys.Keys) != 1 || keys.Keys[0].Current {
			t.Errorf("in the session: %+v", keys)
		}
		if n, err := k.sessions.Count(k.t.Context(), curfew.Query{}); err != nil || n.Sessions != 1 {
			t.Errorf("%d sessions, %v", n.Sessions, err)
		}
		if err := c.RevokeKey(k.t.Context(), made.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Keys(k.t.Context()); curfew.ErrorCode(err) != curfew.CodeDenied || !strings.Contains(err.Error(), "revoked") {
			t.Errorf("after it was revoked: %v", err)
		}
		k.keyStatusIs(made.Secret, http.StatusUnauthorized)
	})
}

func (k *kit) keyStatusIs(secret string, want int) {
	k.t.Helper()
	if got := k.keyStatus(secret); got != want {
		k.t.Errorf("status %d, want %d", got, want)
	}
}

// TestSecretInAddress gives a key's secret where its ID belongs, while the store fails.
func TestSecretInAddress(t *testing.T) {
	run(t, func(k *kit) {
		owner := k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		key, secret := k.key(owner, "nightly", account.Admin)
		k.store.findKey = func() error { return errors.New("disk full") }
		for _, path := range []string{"/api/v1/keys/" + secret, "/api/v1/keys/%63" + secret[1:], "/api/v1/users/" + secret} {
			if status, got := k.call("DELETE", path, "", token); status != http.StatusNotFound || !strings.Contains(got, "by their ID") {
				t.Errorf("%s: %d %s", path, status, got)
			}
		}
		if status, _ := k.call("DELETE", "/api/v1/keys/"+string(key.ID), "", token); status != http.StatusServiceUnavailable {
			t.Errorf("with an ID: %d", status)
		}
	}) // whose end looks for secrets in the log
}

// TestSecretInWrongPlace gives a key's secret as what people are called, as what is looked for, and wherever else text goes. It is
// refused, or does nothing, and is in no answer, log or record.
func TestSecretInWrongPlace(t *testing.T) {
	run(t, func(k *kit) {
		owner := k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		_, secret := k.key(owner, "nightly", account.Admin)
		for call, status := range map[string]int{
			`POST /api/v1/users {"username":"?","role":"user","password":"` + password + `"}`:                   400,
			`POST /api/v1/users {"username":"mia","full_name":"?","role":"user","password":"` + password + `"}`: 400,
			`PUT /api/v1/account {"full_name":"?","lifetime_seconds":300}`:                                      400,
			`POST /api/v1/keys {"name":"a ?","role":"user"}`:                                                    400,
			`POST /api/v1/sessions/end {"filter":{"user":"?"}}`:                                                 400,
			`POST /api/v1/sessions/end {"ids":["?"]}`:                                                           400,
			`GET /api/v1/sessions?user=?`:                                                                       422,
			`GET /api/v1/sessions?q=a+%63?`:                                                                     422,
			`GET /api/v1/history?actor=?`:                                                                       422,
			`GET /api/v1/history?device=?&format=csv`:                                                           422,
			`GET /api/v1/audit?user=?`:                                                                          422,
			`GET /api/v1/users?username=?`:                                                                      422,
			`GET /api/v1/users?cursor=?`:                                                                        422,
			`GET /api/v1/sessions/?`:                                                                            404,
		} {
			method, rest, _ := strings.Cut(call, " ")
			path, body, _ := strings.Cut(rest, " ")
			first, path, _ := strings.Cut(path, "?")
			path = first + "?" + strings.ReplaceAll(strings.ReplaceAll(path, "%63?", "%63"+secret[1:]), "?", secret)
			if path = strings.TrimSuffix(path, "?"); strings.HasSuffix(first, "/") {
				path = first + secret
			}
			if got, answer := k.call(method, path, strings.ReplaceAll(body, "?", secret), token); got != status {
				t.Errorf("%s: %d %s", call, got, answer)
			}
		}
		r := request("GET", "/api/v1/sessions", "", token)
		r.Header.Set("User-Agent", secret)
		r.Header.Set("Referer", "https://app.example.com/"+secret)
		r.Header.Set("Idempotency-Key", secret)
		if w := k.do(r); w.Code != 200 {
			t.Errorf("in other headers: %d", w.Code)
		}
		_, _, err := k.accounts.SignIn(k.t.Context(), account.Attempt{Name: secret, Password: secret, Client: curfew.Client{Origin: "192.0.2.7"}})
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("as a user name at sign-in: %v", err)
		}
		k.call("GET", "/api/v1/audit?limit=500", "", token) // is looked at, too, in the end
	})
}

// TestKeysOfUsers has an admin make, list and revoke keys of somebody else's.
func TestKeysOfUsers(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		mia, arslan := k.user("mia", account.User), k.user("arslan", account.User)
		_, token := k.signIn("amara")
		c := httpapi.NewClient(httpapi.HandlerTransport(k.api))
		c.Authorize = func(r *http.Request) { r.AddCookie(&http.Cookie{Name: curfew.PlainCookie, Value: token.Reveal()}) }
		made, err := c.MakeUserKey(k.t.Context(), mia.ID, httpapi.NewKey{Name: "deploy", Role: account.User, Never: true})
		if err != nil || made.UserID != mia.ID || !made.ExpiresAt.IsZero() {
			t.Fatalf("made %+v, %v", made.Key, err)
		}
		k.keyStatusIs(made.Secret, 200)
		if keys, err := c.UserKeys(k.t.Context(), mia.ID); err != nil || len(keys) != 1 || keys[0].ID != made.ID || keys[0].Name != "deploy" {
			t.Errorf("keys %+v, %v", keys, err)
		}
		if err := c.RevokeUserKey(k.t.Context(), arslan.ID, made.ID); curfew.ErrorCode(err) != curfew.CodeNotFound {
			t.Errorf("revoked as somebody else's: %v", err)
		}
		k.keyStatusIs(made.Secret, 200)
		if err := c.RevokeUserKey(k.t.Context(), mia.ID, made.ID); err != nil {
			t.Error(err)
		}
		k.keyStatusIs(made.Secret, 401)
		for body, field := range map[string]string{
			`{"name":"a","role":"admin"}`:                                         "role",
			`{"name":" ","role":"user"}`:                                          "name",
			`{"name":"a","role":"user","expires_in_seconds":59}`:                  "expires_in_seconds",
			`{"name":"a","role":"user","expires_in_seconds":31536001}`:            "expires_in_seconds",
			`{"name":"a","role":"user","expires_in_seconds":9223372036854775807}`: "expires_in_seconds",
			`{"name":"a","role":"user","expires_in_seconds":60,"never":true}`:     "expires_in_seconds",
		} {
			status, answer := k.call("POST", "/api/v1/users/"+string(mia.ID)+"/keys", body, token)
			if status != 422 || !strings.Contains(answer, `"field":"`+field+`"`) {
				t.Errorf("%s: %d %s", body, status, answer)
			}
		}
		if _, err := c.MakeUserKey(k.t.Context(), "nobody", httpapi.NewKey{Name: "a", Role: account.User}); curfew.ErrorCode(err) != curfew.CodeNotFound {
			t.Errorf("for nobody: %v", err)
		}
	})
}

// TestBadKeys sends what is no good key, with and without a cookie that would do: the key alone decides, and all are answered alike.
func TestBadKeys(t *testing.T) {
	run(t, func(k *kit) {
		amara := k.user("amara", account.Admin)
		k.user("root", account.Admin)
		_, token := k.signIn("amara")
		_, good := k.key(amara, "good", account.Admin)
		_, stranger, err := k.accounts.CreateKey(k.t.Context(), curfew.Actor{}, amara.ID, account.NewKey{Name: "gone", Role: account.User})
		if err != nil {
			t.Fatal(err)
		}
		unknown := stranger.Reveal()[:11] + strings.TrimPrefix(curfew.NewToken().Reveal(), curfew.TokenPrefix)
		for name, headers := range map[string][]string{
			"unknown":          {"Bearer " + unknown},
			"empty":            {"Bearer curfew_key_"},
			"cut off":          {"Bearer " + good[:len(good)-1]},
			"followed":         {"Bearer " + good + " x"},
			"two in one":       {"Bearer " + good + ", Bearer " + good},
			"twice":            {"Bearer " + good, "Bearer " + good},
			"beside another":   {"Basic YTpi", "Bearer " + good},
			"before another":   {"Bearer " + good, "Basic YTpi"},
			"huge":             {"Bearer curfew_key_" + strings.Repeat("A", 1<<20)},
			"in capitals":      {"Bearer curfew_key_" + strings.ToUpper(good[11:])},
			"control":          {"Bearer " + good + "\x00"},
			"the other prefix": {"Bearer curfew_key_" + curfew.TokenPrefix + good[11:]},
		} {
			for _, cookie := range []curfew.Token{{}, token} {
				r := request("GET", "/api/v1/account", "", cookie)
				r.Header["Authorization"] = headers
				w := k.do(r)
				if w.Code != 401 || w.Header().Get("WWW-Authenticate") != `Bearer realm="Curfew", error="invalid_token"` || !strings.Contains(w.Body.String(), account.ErrKey.Message) {
					t.Errorf("%s: %d %v %s", name, w.Code, w.Header(), w.Body)
				}
			}
		}
		for _, header := range []string{"Bearer " + good, "bearer   " + good, "BEARER " + good} {
			if w := k.do(byKey("GET", "/api/v1/account", "", header)); w.Code != 200 {
				t.Errorf("%.10s: %d", header, w.Code)
			}
		}
	})
}

// TestNoKey sends what is none of ours, or not where a key belongs: it gives no access and takes none (ASVS 7.2.2).
func TestNoKey(t *testing.T) {
	run(t, func(k *kit) {
		amara := k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		_, key := k.key(amara, "good", account.Admin)
		const unknown = `Bearer realm="Curfew", error="invalid_token"`
		for header, challenge := range map[string]string{
			"Bearer " + token.Reveal(): unknown, "Bearer eyJ": unknown, "bearer": unknown, "Basic " + key: "Cookie", key: "Cookie", "": "Cookie",
		} {
			w := k.do(byKey("GET", "/api/v1/sessions", "", header))
			if w.Code != 401 || w.Header().Get("WWW-Authenticate") != challenge || strings.Contains(w.Body.String(), account.ErrKey.Message) != (challenge == unknown) {
				t.Errorf("%.10s: %d %v %s", header, w.Code, w.Header(), w.Body)
			}
			r := request("GET", "/api/v1/sessions", "", token)
			r.Header.Set("Authorization", header)
			if w := k.do(r); w.Code != 200 {
				t.Errorf("%.10s in a session: %d", header, w.Code)
			}
		}
		for _, value := range []string{key, curfew.TokenPrefix + key[11:]} {
			for _, name := range []string{curfew.PlainCookie, curfew.SecureCookie} {
				r := request("GET", "/api/v1/sessions", "", curfew.Token{})
				r.AddCookie(&http.Cookie{Name: name, Value: value})
				if w := k.do(r); w.Code != 401 {
					t.Errorf("a key as cookie: %d", w.Code)
				}
			}
		}
		for _, query := range []string{"access_token=", "key=", "Authorization=Bearer%20", ""} {
			if status, _ := k.call("GET", "/api/v1/sessions?"+query+key, "", curfew.Token{}); status != 422 {
				t.Errorf("a key in the address: %d", status)
			}
			if status, _ := k.call("GET", "/api/v1/sessions?"+query+key[:20], "", token); status != 422 {
				t.Errorf("an unknown parameter in a session: %d", status)
			}
		}
		r := request("POST", "/api/v1/sessions/end", `{"access_token":"`+key+`"}`, curfew.Token{})
		if w := k.do(r); w.Code != 401 {
			t.Errorf("a key in the body: %d", w.Code)
		}
	})
}

// TestKeyFollowsItsOwner changes the owner: the key may do no more from the next request on, and not what asks for the role.
func TestKeyFollowsItsOwner(t *testing.T) {
	run(t, func(k *kit) {
		amara := k.user("amara", account.Admin)
		k.user("root", account.Admin)
		_, key := k.key(amara, "all", account.Admin)
		users := func() int { return k.do(byKey("GET", "/api/v1/users", "", "Bearer "+key)).Code }
		add := func(name string) int {
			body := `{"username":"` + name + `","role":"user","password":"` + password + `"}`
			return k.do(byKey("POST", "/api/v1/users", body, "Bearer "+key)).Code
		}
		set := func(c account.Change) {
			t.Helper()
			if _, err := k.accounts.Update(k.t.Context(), curfew.Actor{}, amara.ID, c); err != nil {
				t.Fatal(err)
			}
		}
		want := func(what string, got, want int) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %d, want %d", what, got, want)
			}
		}
		want("admin lists", users(), 200)
		want("admin adds", add("a"), 201)
		set(account.Change{Role: new(account.Auditor)})
		want("auditor lists", users(), 200)
		want("auditor adds", add("b"), 403)
		set(account.Change{Role: new(account.User)})
		want("user lists", users(), 403)
		set(account.Change{Enabled: new(false)})
		want("disabled", users(), 401)
		set(account.Change{Enabled: new(true), Role: new(account.Admin)})
		want("admin again", users(), 200)
		if err := k.accounts.Delete(k.t.Context(), curfew.Actor{}, amara.ID); err != nil {
			t.Fatal(err)
		}
		want("deleted", users(), 401)
	})
}

// TestKeyIsNamed ends a session by a key, which the history names; and no key changes its owner's password.
func TestKeyIsNamed(t *testing.T) {
	run(t, func(k *kit) {
		amara := k.user("amara", account.Admin)
		k.user("arslan", account.User)
		s, _ := k.signIn("arslan")
		_, key := k.key(amara, "night shift", account.Admin)
		if w := k.do(byKey("DELETE", "/api/v1/sessions/"+string(s.ID), "", "Bearer "+key)); w.Code != 204 {
			t.Fatalf("status %d", w.Code)
		}
		_, err := k.sessions.Get(k.t.Context(), s.ID)
		if ended, ok := errors.AsType[*curfew.EndedError](err); !ok || ended.Ended.Ending.By.Name != "amara (key night shift)" || ended.Ended.Ending.By.User != amara.ID {
			t.Errorf("%+v", err)
		}
		for _, r := range []*http.Request{
			byKey("PUT", "/api/v1/users/"+string(amara.ID)+"/password", `{"password":"another long password"}`, "Bearer "+key),
			byKey("PUT", "/api/v1/account/password", `{"current_password":"`+password+`","password":"another long password"}`, "Bearer "+key),
			byKey("POST", "/api/v1/session/proof", `{"current_password":"`+password+`"}`, "Bearer "+key),
		} {
			if w := k.do(r); w.Code != 409 && w.Code != 403 {
				t.Errorf("%s: %d %s", r.URL, w.Code, w.Body)
			}
		}
		k.signIn("amara") // with the old password
	})
}

// TestWatchEndsWithTheKey revokes the key of an open stream, lets it expire, and takes its role: within a second the stream knows.
func TestWatchEndsWithTheKey(t *testing.T) {
	run(t, func(k *kit) {
		amara, arslan := k.user("amara", account.Admin), k.user("arslan", account.User)
		k.user("root", account.Admin)
		key, secret := k.key(amara, "stays", account.Admin)
		_, short, err := k.accounts.CreateKey(k.t.Context(), curfew.Actor{}, amara.ID, account.NewKey{Name: "short", Role: account.User, Life: time.Hour + 5*time.Second})
		if err != nil {
			t.Fatal(err)
		}
		streams := map[string]*stream{}
		for _, secret := range []string{secret, short.Reveal()} {
			streams[secret] = k.listenTo(byKey("GET", "/api/v1/sessions/events", "", "Bearer "+secret))
			if got := count(streams[secret].heard(), "id: "); got != 1 {
				t.Fatalf("%d events", got)
			}
		}
		time.Sleep(time.Hour + 5*time.Second - time.Millisecond) // between the messages that keep a stream alive
		if streams[short.Reveal()].isClosed() {
			t.Error("closed too early")
		}
		time.Sleep(time.Second)
		if !streams[short.Reveal()].isClosed() || streams[secret].isClosed() {
			t.Error("the stream of the key that expired goes on, or the other one does not")
		}
		streams[secret].heard()
		if _, err := k.accounts.Update(k.t.Context(), curfew.Actor{}, amara.ID, account.Change{Role: new(account.User)}); err != nil {
			t.Fatal(err)
		}
		k.start(arslan, curfew.Client{})
		if heard := streams[secret].heard(); count(heard, "id: ") != 0 {
			t.Errorf("a key without the role hears %q", heard)
		}
		if err := k.accounts.RevokeKey(k.t.Context(), curfew.Actor{}, amara.ID, key.ID); err != nil {
			t.Fatal(err)
		}
		k.start(amara, curfew.Client{})
		if heard := streams[secret].heard(); count(heard, "id: ") != 0 {
			t.Errorf("a revoked key hears %q", heard)
		}
		if !streams[secret].isClosed() {
			t.Error("the stream of a revoked key goes on")
		}
	})
}

func TestExportEndsWithTheKey(t *testing.T) {
	k := newKitOn(t, &endless{memory.NewSessions(), 1 << 30, nil}, &bytes.Buffer{})
	amara := k.user("amara", account.Admin)
	key, secret := k.key(amara, "export", account.Auditor)
	w := &ending{ResponseRecorder: httptest.NewRecorder(), end: func() {
		if err := k.accounts.RevokeKey(k.t.Context(), curfew.Actor{}, amara.ID, key.ID); err != nil {
			t.Error(err)
		}
	}}
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("recovered %v", v)
		}
	}()
	k.api.ServeHTTP(w, byKey("GET", "/api/v1/history?format=ndjson", "", "Bearer "+secret))
	t.Error("the answer is whole")
}

// TestKeyLimits counts the calls of each key, and wrong ones by where they come from.
func TestKeyLimits(t *testing.T) {
	run(t, func(k *kit) {
		amara := k.user("amara", account.Admin)
		_, busy := k.key(amara, "busy", account.User)
		_, other := k.key(amara, "other", account.User)
		for range 500 {
			k.keyStatusIs(busy, 200)
		}
		w := k.do(byKey("GET", "/api/v1/account", "", "Bearer "+busy))
		if w.Code != 429 || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
		k.keyStatusIs(other, 200)
		wrong := func() string {
			return "curfew_key_" + strings.TrimPrefix(curfew.NewToken().Reveal(), curfew.TokenPrefix)
		}
		for range 50 {
			k.keyStatusIs(wrong(), 401)
		}
		k.keyStatusIs(wrong(), 429)
		k.keyStatusIs(other, 200)
		k.store.find = func() error { return errors.New("disk full") }
		if _, err := k.accounts.Update(k.t.Context(), curfew.Actor{}, amara.ID, account.Change{FullName: new("X")}); err == nil {
			t.Fatal("the store works") // and now the owner is not in memory any more
		}
		w = k.do(byKey("GET", "/api/v1/account", "", "Bearer "+other))
		if w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("without a store: %d %s", w.Code, w.Body)
		}
	})
}

// TestOneRepeatPerKey uses one Idempotency-Key by two API keys: each call is its own.
func TestOneRepeatPerKey(t *testing.T) {
	run(t, func(k *kit) {
		amara := k.user("amara", account.Admin)
		arslan := k.user("arslan", account.User)
		for i, name := range []string{"one", "two"} {
			_, secret := k.key(amara, name, account.Admin)
			for range i + 1 {
				k.start(arslan, curfew.Client{})
			}
			for range 2 {
				r := byKey("POST", "/api/v1/sessions/end", `{"others":true}`, "Bearer "+secret)
				r.Header.Set("Idempotency-Key", "the same")
				if w := k.do(r); w.Code != 200 || fields(w.Body.String(), "count") != strconv.Itoa(i+1) {
					t.Errorf("%d: %d %s", i, w.Code, w.Body)
				}
			}
		}
	})
}

// TestEndedByKey ends one session by an API key, and another in a session: history tells them apart.
func TestEndedByKey(t *testing.T) {
	run(t, func(k *kit) {
		amara, arslan := k.user("amara", account.Admin), k.user("arslan", account.User)
		_, token := k.signIn("amara")
		key, secret := k.key(amara, "nightly", account.Admin)
		byHand, byScript := k.start(arslan, curfew.Client{}), k.start(arslan, curfew.Client{})
		k.call("DELETE", "/api/v1/sessions/"+string(byHand.ID), "", token)
		k.do(byKey("DELETE", "/api/v1/sessions/"+string(byScript.ID), "", "Bearer "+secret))
		for id, want := range map[curfew.SessionID]string{byHand.ID: "amara -", byScript.ID: "amara (key nightly) " + string(key.ID)} {
			if _, got := k.call("GET", "/api/v1/sessions/"+string(id), "", token); fields(got, "ended_by", "ended_by_key") != want {
				t.Errorf("%s; want %s", got, want)
			}
		}
		rows, err := csv.NewReader(k.do(request("GET", "/api/v1/history?format=csv", "", token)).Body).ReadAll()
		if err != nil || len(rows) != 3 {
			t.Fatalf("%v, %v", rows, err)
		}
		if last := len(rows[0]) - 1; rows[0][last] != "ended_by_key" || rows[1][last]+rows[2][last] != string(key.ID) {
			t.Errorf("%v", rows)
		}
	})
}

// TestRepeatsAcrossARestart repeats calls whose answers a server that stopped took with it. What names what it is about has no second
// effect by what it is.
func TestRepeatsAcrossARestart(t *testing.T) {
	run(t, func(k *kit) {
		amara, arslan := k.user("amara", account.Admin), k.user("arslan", account.User)
		_, secret := k.key(amara, "script", account.Admin)
		one, two := k.start(arslan, curfew.Client{}), k.start(arslan, curfew.Client{})
		post := func(path, body string) (int, string) {
			r := byKey("POST", path, body, "Bearer "+secret)
			r.Header.Set("Idempotency-Key", body)
			w := k.do(r)
			return w.Code, w.Body.String()
		}
		calls := []struct {
			path, body  string
			first, then int
		}{
			{"/api/v1/users", `{"username":"eve","role":"user","password":"` + password + `"}`, 201, 409},
			{"/api/v1/sessions/end", `{"ids":["` + string(one.ID) + `"]}`, 200, 200},
			{"/api/v1/sessions/end", `{"ids":["` + string(two.ID) + `"],"expect":1}`, 200, 409},
			{"/api/v1/sessions/end", `{"filter":{"user":"mia"},"expect":1}`, 200, 409},
		}
		mia := k.user("mia", account.User)
		k.start(mia, curfew.Client{})
		for _, c := range calls {
			if status, answer := post(c.path, c.body); status != c.first {
				t.Fatalf("%s: %d %s", c.body, status, answer)
			}
		}
		since := []curfew.Session{k.start(arslan, curfew.Client{}), k.start(mia, curfew.Client{}), k.start(mia, curfew.Client{})}
		k.api = httpapi.New(httpapi.Options{Sessions: k.sessions, Accounts: k.accounts})
		for _, c := range calls {
			status, answer := post(c.path, c.body)
			if status != c.then || c.then == 200 && fields(answer, "count") != "0" {
				t.Errorf("%s again: %d %s", c.body, status, answer)
			}
		}
		for _, s := range since {
			if _, err := k.sessions.Get(k.t.Context(), s.ID); err != nil {
				t.Errorf("a session that was started since: %v", err)
			}
		}
	})
}

// TestKeysMakeNoKeys holds that a leaked key makes no other, whatever its role.
func TestKeysMakeNoKeys(t *testing.T) {
	run(t, func(k *kit) {
		amara := k.user("amara", account.Admin)
		mia := k.user("mia", account.User)
		_, secret := k.key(amara, "all", account.Admin)
		for _, path := range []string{"/api/v1/keys", "/api/v1/users/" + string(amara.ID) + "/keys", "/api/v1/users/" + string(mia.ID) + "/keys"} {
			w := k.do(byKey("POST", path, newKey, "Bearer "+secret))
			if w.Code != 403 || !strings.Contains(w.Body.String(), "an API key does not do") || strings.Contains(w.Body.String(), httpapi.TypeProofNeeded) {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
		keys, err := k.accounts.Keys(k.t.Context(), amara.ID)
		others, err2 := k.accounts.Keys(k.t.Context(), mia.ID)
		if errors.Join(err, err2) != nil || len(keys) != 1 || len(others) != 0 {
			t.Errorf("%d and %d keys", len(keys), len(others))
		}
	})
}
