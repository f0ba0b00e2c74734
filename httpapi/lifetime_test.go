package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/account"
)

func TestLifetime(t *testing.T) {
	const invalid = `{"type":"about:blank","title":"Unprocessable Entity","status":422,` +
		`"detail":"seconds must be a whole number of seconds from 30 to 2147482","code":"invalid",` +
		`"errors":[{"field":"seconds","detail":"must be a whole number of seconds from 30 to 2147482"}]}`
	for _, c := range []struct {
		body   string
		status int
		answer string // empty: any
	}{
		{`{"seconds":30}`, 200, `{"seconds":30}`},
		{` { "seconds" : 2147482 } `, 200, `{"seconds":2147482}`},
		{`{"seconds":29}`, 422, invalid},
		{`{"seconds":2147483}`, 422, invalid},
		{`{"seconds":0}`, 422, invalid},
		{`{"seconds":-30}`, 422, invalid},
		{`{"seconds":30.5}`, 422, invalid},
		{`{"seconds":1e3}`, 422, invalid},
		{`{"seconds":"60"}`, 422, invalid},
		{`{"seconds":null}`, 422, invalid},
		{`{"seconds":[60]}`, 422, invalid},
		{`{}`, 422, invalid},
		{`{"seconds":9223372036854775807}`, 422, invalid},
		{`{"seconds":99999999999999999999}`, 422, invalid},
		{`{"seconds":36028797018963998}`, 422, invalid}, // in nanoseconds this wraps around to 30 s
		{`{"seconds":60,"minutes":1}`, 400, ""},
		{`{"seconds":60}{"seconds":90}`, 400, ""},
		{`{"seconds":60,"seconds":90}`, 400, ""},
		{`{"seconds":60,"\u0073econds":90}`, 400, ""},
		{`{"Seconds":60}`, 400, ""},
		{`{"ſeconds":60}`, 400, ""}, // the long s, whose upper case is S
		{`null`, 400, ""},
		{`{"seconds":60`, 400, ""},
		{`[]`, 400, ""},
		{`seconds=60`, 400, ""},
		{`{"seconds":60,"x":"` + strings.Repeat("x", 64<<10) + `"}`, 413, ""},
	} {
		run(t, func(k *kit) {
			a := k.user("amara", account.Admin)
			s, token := k.signIn("amara")
			status, answer := k.call("PUT", "/api/v1/account/lifetime", c.body, token)
			if status != c.status || c.answer != "" && answer != c.answer {
				t.Errorf("%.60s: status %d %s, want %d %s", c.body, status, answer, c.status, c.answer)
			}
			a, _ = k.accounts.Get(k.t.Context(), a.ID)
			s, _ = k.sessions.Get(k.t.Context(), s.ID)
			if changed := a.Lifetime.Seconds() != 300; changed != (c.status == 200) || s.Lifetime != a.Lifetime {
				t.Errorf("%.60s: account has %v, session has %v", c.body, a.Lifetime, s.Lifetime)
			}
		})
	}
}

func TestLifetimeMediaType(t *testing.T) {
	for mediaType, want := range map[string]int{
		"": 415, "text/plain": 415, "application/x-www-form-urlencoded": 415, "application/json; charset=utf-8": 200,
	} {
		run(t, func(k *kit) {
			k.user("amara", account.Admin)
			_, token := k.signIn("amara")
			r := request(http.MethodPut, "/api/v1/account/lifetime", `{"seconds":60}`, token)
			r.Header.Set("Content-Type", mediaType)
			if w := k.do(r); w.Code != want {
				t.Errorf("%q: status %d, want %d", mediaType, w.Code, want)
			}
		})
	}
}

func FuzzLifetime(f *testing.F) {
	for _, body := range []string{`{"seconds":30}`, `{"seconds":-1}`, `{"seconds":1e99}`, `{"seconds":{}}`, `{"SECONDS":31}`, `nul`, "\x00", `{"seconds":30}x`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		run(t, func(k *kit) {
			a := k.user("amara", account.Admin)
			_, token := k.signIn("amara")
			r := request(http.MethodPut, "/api/v1/account/lifetime", body, token)
			r.Header.Set("Content-Type", "application/json")
			w := k.do(r)
			a, err := k.accounts.Get(k.t.Context(), a.ID)
			if err != nil {
				t.Fatal(err)
			}
			switch w.Code {
			case 200:
				if s := a.Lifetime.Seconds(); s < 30 || s > 2147482 {
					t.Errorf("%q made the lifetime %v", body, a.Lifetime)
				}
			case 400, 413, 422:
				if a.Lifetime.Seconds() != 300 {
					t.Errorf("%q was refused with %d, but made the lifetime %v", body, w.Code, a.Lifetime)
				}
			default:
				t.Errorf("%q: status %d", body, w.Code)
			}
		})
	})
}
