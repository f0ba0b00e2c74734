package console

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/curfewhq/curfew/account"
)

func userForm(over url.Values) url.Values {
	form := url.Values{"username": {"arslan"}, "full_name": {"Emre Arslan"}, "role": {"user"}, "seconds": {"60"},
		"password": {password}, "repeat": {password}, "enabled": {"yes"}}
	for k, v := range over {
		form[k] = v
	}
	return form
}

func TestAddUser(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	c := h.in("amara")
	for field, bad := range map[string]url.Values{
		"username":  {"username": {"a b"}},
		"full_name": {"full_name": {"a\nb"}},
		"role":      {"role": {"god"}},
		"seconds":   {"seconds": {"29"}},
		"password":  {"password": {"short"}, "repeat": {"short"}},
		"repeat":    {"repeat": {"other"}},
	} {
		w := c.post("/users/new", userForm(bad))
		wantStatus(t, w, http.StatusUnprocessableEntity)
		doc := parse(t, w)
		if attr(byID(t, doc, field), "aria-invalid") != "true" || text(byID(t, doc, field+"-hint")) == "" {
			t.Errorf("%s: no message beside the field", field)
		}
		if got := attr(byID(t, doc, "full_name"), "value"); got != userForm(bad).Get("full_name") {
			t.Errorf("%s: what was typed is lost: %q", field, got)
		}
	}
	wantLocation(t, c.post("/users/new", userForm(nil)), "/users")
	a, err := h.accounts.ByName(t.Context(), "arslan")
	if err != nil || a.FullName != "Emre Arslan" || a.Role != account.User || seconds(a.Lifetime) != 60 {
		t.Errorf("%+v, %v", a, err)
	}
	w := c.post("/users/new", userForm(nil))
	wantStatus(t, w, http.StatusConflict)
	wantText(t, w, "The user name is taken by another account.")
	wantText(t, c.get("/users"), "Emre Arslan")
}

// TestAllMistakesAtOnce sends forms in which several fields are wrong: each is said beside its field, and the first has the focus.
func TestAllMistakesAtOnce(t *testing.T) {
	h := newHouse(t)
	c, other := h.inForAnHour("amara", account.Admin), h.inForAnHour("arslan", account.Auditor)
	h.pass(account.RecentFor)
	user := filled("/users/{user}", other)
	passwords := url.Values{"password": {"short"}, "repeat": {"other"}, "current_password": {"wrong"}}
	bad := userForm(passwords)
	bad["username"], bad["full_name"], bad["role"], bad["seconds"] = []string{"a b"}, []string{"a\nb"}, []string{"god"}, []string{"29"}
	setup := newHouse(t)
	first := userForm(passwords)
	first["username"], first["full_name"], first["code"] = []string{""}, []string{"\u200b"}, []string{setup.setup.NewCode()}
	for _, tt := range []struct {
		path  string
		who   *client
		form  url.Values
		wrong string
	}{
		{"/users/new", c, bad, "username full_name role seconds password repeat proof"},
		{user, c, userForm(url.Values{"full_name": {"a\nb"}, "seconds": {""}, "enabled": nil, "role": {"auditor"}}), "full_name seconds confirm proof"},
		{user + "/password", c, passwords, "password repeat confirm proof"},
		{"/account/password", c, passwords, "current password repeat"},
		{"/setup", setup.client(), first, "username full_name password repeat"},
	} {
		w := tt.who.post(tt.path, tt.form)
		wantStatus(t, w, http.StatusUnprocessableEntity)
		doc := parse(t, w)
		for field := range strings.FieldsSeq(tt.wrong) {
			if len(classed(byID(t, doc, field+"-hint"), "wrong")) != 1 {
				t.Errorf("%s: no message beside %s", tt.path, field)
			}
		}
		want, _, _ := strings.Cut(tt.wrong, " ")
		for _, in := range append(all(doc, "input"), all(doc, "select")...) {
			if has(in, "autofocus") {
				if id := attr(in, "id"); !strings.HasPrefix(id, want) {
					t.Errorf("%s: the focus is on %s, want %s", tt.path, id, want)
				}
				break
			}
		}
	}
}

// classed returns the elements below n that have the class alone.
func classed(n *html.Node, class string) (list []*html.Node) {
	for _, span := range all(n, "span") {
		if attr(span, "class") == class {
			list = append(list, span)
		}
	}
	return list
}

func TestEditUser(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	a := h.add("arslan", account.Auditor)
	c, other := h.in("amara"), h.in("arslan")
	path := "/users/" + string(a.ID)
	wantLocation(t, c.post(path, userForm(url.Values{"role": {"auditor"}})), "/users")
	if s := other.session(); seconds(s.Lifetime) != 60 || s.User.FullName != "Emre Arslan" {
		t.Errorf("the session did not follow: %+v", s)
	}
	for name, form := range map[string]url.Values{"lower": {"role": {"user"}}, "disable": {"role": {"auditor"}, "enabled": nil}} {
		w := c.post(path, userForm(form))
		wantStatus(t, w, http.StatusUnprocessableEntity)
		wantText(t, w, "End 1 session of arslan at once")
		if !other.live() {
			t.Fatalf("%s: ended without the tick", name)
		}
	}
	wantLocation(t, c.post(path, userForm(url.Values{"role": {"user"}, "enabled": nil, "confirm": {"yes"}})), "/users")
	if other.live() {
		t.Error("a disabled account's session lives")
	}
	if got, err := h.accounts.Get(t.Context(), a.ID); err != nil || got.Enabled || got.Role != account.User {
		t.Errorf("%+v, %v", got, err)
	}
	wantText(t, c.get("/users"), "Disabled")
	wantStatus(t, c.get("/users/unknown"), http.StatusNotFound)
}

func TestOneChangesOnesOwnPasswordUnderAccount(t *testing.T) {
	h := newHouse(t)
	a := h.add("amara", account.Admin)
	c, other := h.in("amara"), h.in("amara")
	path := "/users/" + string(a.ID) + "/password"
	for _, w := range []*httptest.ResponseRecorder{c.get(path), c.post(path, url.Values{"password": {"another good one"}, "repeat": {"another good one"}, "confirm": {"yes"}})} {
		wantStatus(t, w, http.StatusConflict)
		wantText(t, w, "Change your own password under Account, where the current one is asked.")
	}
	if !other.live() {
		t.Error("the password changed")
	}
	if got := attr(byID(t, parse(t, c.get("/users")), "pass-"+string(a.ID)), "href"); got != "/account#password-title" {
		t.Errorf("the key of one's own row leads to %s", got)
	}
}

func TestTheLastAdminStays(t *testing.T) {
	h := newHouse(t)
	a := h.add("amara", account.Admin)
	h.add("arslan", account.User)
	c := h.in("amara")
	path := "/users/" + string(a.ID)
	for field, form := range map[string]url.Values{"role": {"role": {"user"}}, "enabled": {"role": {"admin"}, "enabled": nil}} {
		w := c.post(path, userForm(form))
		wantStatus(t, w, http.StatusConflict)
		if got := text(byID(t, parse(t, w), field+"-hint")); !strings.Contains(got, "last enabled admin") {
			t.Errorf("%s: hint %q", field, got)
		}
	}
	w := c.post(path+"/delete", url.Values{"confirm": {"yes"}})
	wantStatus(t, w, http.StatusConflict)
	wantText(t, w, "last enabled admin")
	if got, err := h.accounts.Get(t.Context(), a.ID); err != nil || got.Role != account.Admin || !got.Enabled || !c.live() {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSetPassword(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	a := h.add("arslan", account.User)
	c, other := h.in("amara"), h.in("arslan")
	path := "/users/" + string(a.ID) + "/password"
	form := url.Values{"password": {"another good one"}, "repeat": {"another good one"}}
	w := c.post(path, form)
	wantStatus(t, w, http.StatusUnprocessableEntity)
	wantText(t, w, notTicked)
	if !other.live() {
		t.Fatal("ended without the tick")
	}
	form.Set("confirm", "yes")
	wantLocation(t, c.post(path, form), "/users")
	if other.live() {
		t.Error("the session outlives the password")
	}
	form.Set("password", "short")
	wantStatus(t, c.post(path, form), http.StatusUnprocessableEntity)
	form.Set("repeat", "short")
	wantText(t, c.post(path, form), "The password must be at least 8 characters long.")
}

func TestDeleteUser(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	a := h.add("arslan", account.User)
	c, other := h.in("amara"), h.in("arslan")
	path := "/users/" + string(a.ID) + "/delete"
	wantText(t, c.get(path), "1 session ends at once.")
	wantStatus(t, c.post(path, nil), http.StatusUnprocessableEntity)
	if !other.live() {
		t.Fatal("deleted without the tick")
	}
	wantLocation(t, c.post(path, url.Values{"confirm": {"yes"}}), "/users")
	if other.live() {
		t.Error("the session outlives the account")
	}
	wantStatus(t, c.get(path), http.StatusNotFound)
}

func TestAuditorsOnlyLook(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	h.add("auditor", account.Auditor)
	doc := parse(t, h.in("auditor").get("/users"))
	for _, r := range listed(t, doc) {
		for _, l := range all(r, "a") {
			if strings.HasPrefix(attr(l, "href"), "/users/") {
				t.Errorf("an auditor is offered %s", attr(l, "href"))
			}
		}
	}
}

func TestPagesOfUsers(t *testing.T) {
	h := newHouse(t)
	h.add("admin", account.Admin)
	for i := range usersPerPage + 5 {
		h.add("user"+string(rune('a'+i/26))+string(rune('a'+i%26)), account.User)
	}
	c := h.in("admin")
	first := parse(t, c.get("/users?q=user"))
	next := ""
	for _, l := range all(first, "a") {
		if attr(l, "rel") == "next" {
			next = attr(l, "href")
		}
	}
	second := parse(t, c.get(next))
	if n, m := len(listed(t, first)), len(listed(t, second)); n != usersPerPage || m != 5 {
		t.Errorf("%d and %d rows", n, m)
	}
	wantText(t, c.get("/users?q=zzz"), "No accounts match “zzz”")
}
