package gate

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
)

// house is a manager with amara, an admin, and mia, a user, signed in.
type house struct {
	*curfew.Manager
	amara, mia curfew.Token
}

func newHouse(t testing.TB, store curfew.Store) *house {
	t.Helper()
	if store == nil {
		store = memory.NewSessions()
	}
	m, err := curfew.New(t.Context(), store, curfew.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	h := &house{Manager: m}
	h.amara, h.mia = h.signIn(t, "amara"), h.signIn(t, "mia")
	return h
}

func (h *house) signIn(t testing.TB, name string) curfew.Token {
	t.Helper()
	user := curfew.User{ID: curfew.UserID(name), Name: name, FullName: name + "'s full name"}
	_, token, err := h.Start(t.Context(), curfew.Start{User: user, Lifetime: curfew.DefaultLifetime})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func roles(_ context.Context, s curfew.Session) (string, error) {
	switch s.User.Name {
	case "amara":
		return "admin", nil
	case "gone":
		return "", &curfew.Error{Code: curfew.CodeNotFound}
	case "nobody knows":
		return "", errors.New("trouble")
	default:
		return "user", nil
	}
}

func request(path string, t curfew.Token) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://app.example.com"+path, nil)
	if value := t.Reveal(); t != (curfew.Token{}) {
		r.AddCookie(&http.Cookie{Name: curfew.PlainCookie, Value: value})
	}
	return r
}

func TestDecide(t *testing.T) {
	h := newHouse(t, nil)
	g, err := New(Options{Sessions: h.Manager, Role: roles, Apps: []App{
		{Host: "app.example.com", Rules: []Rule{
			{Path: "/public", Access: Access{Public: true}},
			{Path: "/admin", Access: Access{Roles: []string{"admin"}}},
			{Path: "/mia", Access: Access{Users: []string{"mia"}}},
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	gone, unknown := h.signIn(t, "gone"), h.signIn(t, "nobody knows")
	for _, tt := range []struct {
		path  string
		token curfew.Token
		want  int
		user  string
	}{
		{"/", curfew.Token{}, 401, ""},
		{"/", h.mia, 200, "mia"},
		{"/public/x", curfew.Token{}, 200, ""},
		{"/public/x", h.mia, 200, "mia"},
		{"/public/x", gone, 200, ""},
		{"/public/x", unknown, 200, ""},
		{"/admin", h.amara, 200, "amara"},
		{"/admin", h.mia, 403, "mia"},
		{"/admin", curfew.Token{}, 401, ""},
		{"/mia", h.mia, 200, "mia"},
		{"/mia", h.amara, 403, "amara"},
		{"/", gone, 401, "gone"},
		{"/", unknown, 503, "nobody knows"},
		{"/public/../admin", h.mia, 400, ""},
		{"/ADMIN", h.amara, 400, ""},
	} {
		r := request(tt.path, tt.token)
		a, err := askedOf(r)
		if err != nil {
			t.Fatal(err)
		}
		var d decision
		g.decide(&d, r, &a)
		if got := statusOf(d.err); got != tt.want || d.session.User.Name != tt.user {
			t.Errorf("%s: %d for %q (%v), want %d for %q", tt.path, got, d.session.User.Name, d.err, tt.want, tt.user)
		}
	}
	r := request("/public", h.mia)
	r.Host = "other.example.com"
	a, _ := askedOf(r)
	var d decision
	if g.decide(&d, r, &a); statusOf(d.err) != http.StatusMisdirectedRequest {
		t.Errorf("a host without an app: %v", d.err)
	}
}

// downStore is a store that can't be reached.
type downStore struct {
	curfew.Store
	down bool
}

func (s *downStore) Find(ctx context.Context, hash *curfew.TokenHash, id curfew.SessionID) (curfew.Record, error) {
	if s.down {
		return curfew.Record{}, errors.New("no connection")
	}
	return s.Store.Find(ctx, hash, id)
}

func TestStoreIsDown(t *testing.T) {
	store := &downStore{Store: memory.NewSessions()}
	token := newHouse(t, store).mia
	h := newHouse(t, store) // another manager, which has not seen mia
	store.down = true
	g, err := New(Options{Sessions: h.Manager, Apps: []App{{Rules: []Rule{{Path: "/public", Access: Access{Public: true}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/": 503, "/public": 200} {
		r := request(path, token)
		a, _ := askedOf(r)
		var d decision
		if g.decide(&d, r, &a); statusOf(d.err) != want || d.session.ID != "" {
			t.Errorf("%s: %d (%v) for %q, want %d for nobody", path, statusOf(d.err), d.err, d.session.ID, want)
		}
	}
}

// TestPassiveRule asks with a method that counts, where the rule says that nothing does.
func TestPassiveRule(t *testing.T) {
	h := newHouse(t, nil)
	g, err := New(Options{Sessions: h.Manager, Apps: []App{{Rules: []Rule{{Path: "/poll", Passive: true}}}}})
	if err != nil {
		t.Fatal(err)
	}
	active := func(path string) bool {
		before, err := h.Check(t.Context(), h.mia, curfew.Passive)
		if err != nil {
			t.Fatal(err)
		}
		for h.Now().Equal(before.LastActive) { // until the clock has gone on
		}
		r := request(path, h.mia)
		a, _ := askedOf(r)
		var d decision
		g.decide(&d, r, &a)
		return d.session.LastActive.After(before.LastActive)
	}
	if active("/poll") || !active("/other") {
		t.Error("the rule does not decide what counts as activity")
	}
}
