package httpapi_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/account"
)

// mistake is a way of asking wrongly, and how who may ask at all is answered.
type mistake struct {
	name             string
	path, body, kind string // kind is the body's
	status           int
}

// mistakes are those that can be made in a call.
func (s *scene) mistakes(p permission) []mistake {
	const json = "application/json"
	path, body := s.target(p, false), bodies[p.method+" "+p.path]
	list := []mistake{{"unknown parameter", path + "?nothing=1", body, json, 422}}
	if strings.Contains(p.path, "{id}") {
		nobody := strings.NewReplacer("{id}", "nobody", "{key}", "none").Replace(p.path)
		list = append(list,
			mistake{"unknown ID", nobody, body, json, 404},
			mistake{"long ID", strings.Replace(nobody, "nobody", strings.Repeat("x", 65), 1), body, json, 422})
	}
	if body == "" {
		return list
	}
	return append(list,
		mistake{"no body", path, "", json, 400},
		mistake{"no JSON", path, "{", json, 400},
		mistake{"no object", path, "[]", json, 400},
		mistake{"form", path, body, "application/x-www-form-urlencoded", 415},
		mistake{"unknown field", path, strings.Replace(body, "{", `{"nothing":1,`, 1), json, 400},
		mistake{"wrong type", path, body[:strings.Index(body, ":")] + ":[]}", json, 422},
		mistake{"too long", path, `{"` + strings.Repeat("x", 64<<10) + `":1}`, json, 413},
	)
}

// TestBadInput makes each mistake in each call, as each role, in a session and by an API key: who may not ask at all learns nothing
// but that, and nothing is done.
func TestBadInput(t *testing.T) {
	for _, p := range permissions(t) {
		for role, cell := range p.may {
			onScene(t, role, func(s *scene) { s.refusesMistakes(p, cell) })
			if role == "" {
				continue
			}
			if p.byKey != "yes" {
				cell = p.byKey
			}
			onScene(t, role, func(s *scene) { s.callByKey(role).refusesMistakes(p, cell) })
		}
	}
}

func (s *scene) refusesMistakes(p permission, cell string) {
	for _, m := range s.mistakes(p) {
		want := m.status
		if status, err := strconv.Atoi(cell); err == nil {
			want = status
		}
		r := request(p.method, m.path, m.body, s.token)
		r.Header.Set("Content-Type", m.kind)
		if s.secret != "" {
			r.Header.Set("Authorization", "Bearer "+s.secret)
		}
		w := s.do(r)
		if w.Code != want || w.Header().Get("Content-Type") != "application/problem+json" {
			s.t.Errorf("%s %s as %q, %s: %d %s; want %d", p.method, p.path, s.caller.Role, m.name, w.Code, w.Body, want)
		}
	}
	for _, user := range []account.Account{s.caller, s.eve} {
		if user.ID == "" {
			continue
		}
		if now, err := s.accounts.Get(s.t.Context(), user.ID); err != nil || now.FullName != "" || now.Lifetime != user.Lifetime {
			s.t.Errorf("%s %s did something to %s: %+v, %v", p.method, p.path, user.Name, now, err)
		}
	}
	if _, err := s.sessions.Get(s.t.Context(), s.others.ID); err != nil {
		s.t.Errorf("%s %s did something to a session: %v", p.method, p.path, err)
	}
}
