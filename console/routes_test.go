package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

func TestEveryRouteSaysWhoMayUseIt(t *testing.T) {
	for _, rt := range routes {
		if rt.access < public || rt.access > manages {
			t.Errorf("%s: access %d", rt.pattern, rt.access)
		}
		if rt.handler == nil {
			t.Errorf("%s has no handler", rt.pattern)
		}
	}
}

func TestARouteWithoutAccessLetsNobodyIn(t *testing.T) {
	r := &request{account: account.Account{Role: account.Admin}}
	if err := r.admit(0); curfew.ErrorCode(err) != curfew.CodeDenied {
		t.Errorf("admit(0) = %v", err)
	}
}

// request of a route: its path with an ID filled in, and a form for a POST that would do something.
func pathOf(pattern, id string) (method, path string) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		method, path = "GET", pattern
	}
	return method, strings.NewReplacer("{id}", id, "{no}", "1", "{name}", "crm", "{$}", "").Replace(path)
}

func TestRolesReachWhatTheyMay(t *testing.T) {
	h := newHouse(t)
	h.add("admin", account.Admin)
	h.add("auditor", account.Auditor)
	h.add("user", account.User)
	target := h.add("target", account.User)
	may := map[access]string{signedIn: "admin auditor user", seesAll: "admin auditor", manages: "admin"}
	for _, rt := range routes {
		method, path := pathOf(rt.pattern, string(target.ID))
		if rt.access == public || method != http.MethodGet {
			continue
		}
		path = strings.Replace(path, "/sessions/"+string(target.ID), "/sessions/"+string(h.in("target").session().ID), 1)
		for _, role := range []string{"admin", "auditor", "user"} {
			w := h.in(role).get(path)
			allowed := strings.Contains(may[rt.access], role)
			if denied := w.Code == http.StatusForbidden; denied == allowed && !strings.Contains(path, "/end") {
				t.Errorf("%s as %s: %d", rt.pattern, role, w.Code)
			}
		}
		if w := h.client().get(path); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/signin?next=") && path != homePath {
			t.Errorf("%s signed out: %d to %s", rt.pattern, w.Code, w.Header().Get("Location"))
		}
	}
}

func TestPostsNeedTheSameRoleAsTheirForms(t *testing.T) {
	h := newHouse(t)
	h.add("admin", account.Admin)
	target := h.add("target", account.User)
	for _, name := range []string{"auditor", "user"} {
		h.add(name, account.Role(name))
		c := h.in(name)
		for _, path := range []string{"/users/new", "/users/" + string(target.ID), "/users/" + string(target.ID) + "/password", "/users/" + string(target.ID) + "/delete", "/webhooks/crm/test", "/webhooks/crm/retry"} {
			w := c.post(path, url.Values{"confirm": {"yes"}, "seconds": {"60"}, "role": {"admin"}, "password": {password}, "repeat": {password}, "username": {"x"}})
			wantStatus(t, w, http.StatusForbidden)
		}
	}
	if a, err := h.accounts.Get(t.Context(), target.ID); err != nil || a.Role != account.User || !a.Enabled {
		t.Errorf("the account changed: %+v, %v", a, err)
	}
}

func TestARoleChangeCountsFromTheNextRequest(t *testing.T) {
	h := newHouse(t)
	h.add("admin", account.Admin)
	c := h.in("admin")
	h.add("second", account.Admin)
	id := c.session().User.ID
	role := account.User
	if _, err := h.accounts.Update(t.Context(), curfew.Actor{Session: c.session().ID}, id, account.Change{Role: &role}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, c.get("/users"), http.StatusForbidden)
}

func TestUnknownPages(t *testing.T) {
	h := newHouse(t)
	h.add("user", account.User)
	for _, path := range []string{"/nothing", "/sessions/", "/users/x/y/z", "/static/0/app.css"} {
		wantStatus(t, h.in("user").get(path), http.StatusNotFound)
	}
	wantStatus(t, h.in("user").post("/sessions", nil), http.StatusNotFound)
}

func TestHomeLeadsOn(t *testing.T) {
	h := newHouse(t)
	wantLocation(t, h.client().get("/"), "/setup")
	wantLocation(t, h.client().get("/signin"), "/setup")
	h.add("user", account.User)
	wantLocation(t, h.client().get("/"), "/signin")
	wantLocation(t, h.in("user").get("/"), "/sessions")
}

func TestCrossSitePostsAreRefused(t *testing.T) {
	h := newHouse(t)
	h.add("user", account.User)
	c := h.in("user")
	c.header.Set("Sec-Fetch-Site", "cross-site")
	wantStatus(t, c.post("/signout", nil), http.StatusForbidden)
	if !c.live() {
		t.Error("a stranger's page signed the user out")
	}
}
