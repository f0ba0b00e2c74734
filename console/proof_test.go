package console

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/curfewhq/curfew/account"
)

var (
	tick  = url.Values{"confirm": {"yes"}}
	fresh = url.Values{"password": {"another good one"}, "repeat": {"another good one"}, "confirm": {"yes"}}
	user  = url.Values{"full_name": {"Ines Duarte"}, "role": {"user"}, "seconds": {"3600"}, "enabled": {"yes"}}
)

func ended(_ *house, other *client) bool { return !other.live() }

// sensitive are the forms that ask for a password.
var sensitive = []struct {
	path string // see filled
	post url.Values
	done func(h *house, other *client) bool
}{
	{"/sessions/{session}/end", tick, ended},
	{"/sessions/end-others", tick, ended},
	{"/users/{user}/delete", tick, ended},
	{"/users/{user}/password", fresh, ended},
	{"/users/{user}", user, func(h *house, other *client) bool { return other.session().User.FullName != "" }},
	{"/users/{user}", url.Values{"role": {"admin"}, "seconds": {"3600"}, "enabled": {"yes"}}, func(h *house, other *client) bool {
		a, err := h.accounts.ByName(h.t.Context(), "ines")
		return err != nil || a.Role != account.User
	}},
	{"/users/{user}", url.Values{"role": {"user"}, "seconds": {"3600"}, "confirm": {"yes"}}, ended}, // disables it
	{"/users/new", merged(fresh, user, url.Values{"username": {"arslan"}}), func(h *house, _ *client) bool {
		_, err := h.accounts.ByName(h.t.Context(), "arslan")
		return err == nil
	}},
	{"/account/keys/new", keyForm(nil), func(h *house, _ *client) bool {
		amara, err := h.accounts.ByName(h.t.Context(), "amara")
		keys, keysErr := h.accounts.Keys(h.t.Context(), amara.ID)
		return errors.Join(err, keysErr) == nil && len(keys) == 1
	}},
	{"/users/{user}/keys/{key}/revoke", tick, func(h *house, other *client) bool {
		ines, err := h.accounts.ByName(h.t.Context(), "ines")
		keys, keysErr := h.accounts.Keys(h.t.Context(), ines.ID)
		return errors.Join(err, keysErr) == nil && len(keys) == 0
	}},
}

// TestSensitiveFormsAskForPassword posts each form that needs one in a session in which the password was given too long
// ago: without it, with a wrong one, and with the right one.
func TestSensitiveFormsAskForPassword(t *testing.T) {
	for _, form := range sensitive {
		t.Run(form.path, func(t *testing.T) {
			h := newHouse(t)
			c, other := h.inForAnHour("amara", account.Admin), h.inForAnHour("ines", account.User)
			path := h.withKey(filled(form.path, other), other)
			asked := func(path string) bool { return len(fields(t, c.get(path), "current_password")) > 0 }

			h.pass(account.RecentFor - time.Millisecond)
			if asked(path) {
				t.Error("the password is asked for too early")
			}
			h.pass(time.Millisecond)
			if !asked(path) {
				t.Error("the password is not asked for")
			}
			for given, message := range map[string]string{"": "Enter your password.", "wrong": "The current password is wrong."} {
				w := c.post(path, merged(form.post, url.Values{"current_password": {given}}))
				wantStatus(t, w, http.StatusUnprocessableEntity)
				wantText(t, w, message)
				if form.done(h, other) {
					t.Fatalf("it was done with the password %q", given)
				}
			}
			w := c.post(path, merged(form.post, url.Values{"current_password": {password}}))
			if w.Code != http.StatusSeeOther {
				secretIn(t, w) // the only page that answers a change
			}
			if !form.done(h, other) {
				t.Error("it was not done")
			}
			if asked("/users/new") {
				t.Error("the password is asked for again at once")
			}
		})
	}
}

// TestSharedOriginAlwaysAsks posts each of these forms where an app has the same origin, right after the password was given: it
// counts for that form alone.
func TestSharedOriginAlwaysAsks(t *testing.T) {
	for _, form := range sensitive {
		t.Run(form.path, func(t *testing.T) {
			h := newMountedHouse(t)
			h.add("amara", account.Admin)
			h.add("ines", account.User)
			c, other := h.mountedIn("amara"), h.mountedIn("ines")
			path := "/.curfew" + h.withKey(filled(form.path, other), other)
			for range 2 {
				if w := c.get(path); len(fields(t, w, "current_password")) != 1 {
					t.Fatal("the password is not asked for")
				}
				for _, given := range []string{"", "wrong"} {
					w := c.post(path, merged(form.post, url.Values{"current_password": {given}}))
					wantStatus(t, w, http.StatusUnprocessableEntity)
					if form.done(h, other) {
						t.Fatalf("it was done with the password %q", given)
					}
				}
				// Neither does the password of another form count.
				w := c.post("/.curfew/sessions/end-others", url.Values{"current_password": {password}})
				wantText(t, w, notTicked)
				wantText(t, w, "Asked each time")
			}
			if w := c.post(path, merged(form.post, url.Values{"current_password": {password}})); w.Code != http.StatusSeeOther {
				secretIn(t, w) // the only page that answers a change
			}
			if !form.done(h, other) {
				t.Error("it was not done")
			}
		})
	}
}

// TestSharedOriginKeepsWhatWasTyped spares who mistyped the password everything else.
func TestSharedOriginKeepsWhatWasTyped(t *testing.T) {
	h := newMountedHouse(t)
	h.add("amara", account.Admin)
	c := h.mountedIn("amara")
	w := c.post("/.curfew/users/new", merged(fresh, user, url.Values{"username": {"arslan"}, "current_password": {"wrong"}}))
	wantStatus(t, w, http.StatusUnprocessableEntity)
	for name, want := range map[string]string{"username": "arslan", "full_name": "Ines Duarte", "seconds": "3600"} {
		if got := fields(t, w, name); len(got) != 1 || attr(got[0], "value") != want {
			t.Errorf("%s is not %q any more", name, want)
		}
	}
}

// TestPasswordIsAskedOnce has the password right and the tick missing: the form comes back without asking for it again.
func TestPasswordIsAskedOnce(t *testing.T) {
	h := newHouse(t)
	c, other := h.inForAnHour("amara", account.Admin), h.inForAnHour("ines", account.User)
	h.pass(account.RecentFor)
	path := filled("/sessions/{session}/end", other)
	w := c.post(path, url.Values{"current_password": {password}})
	wantStatus(t, w, http.StatusUnprocessableEntity)
	wantText(t, w, notTicked)
	if len(fields(t, w, "current_password")) > 0 {
		t.Error("the password is asked for again")
	}
	w = c.post(path, url.Values{"confirm": {"yes"}})
	wantStatus(t, w, http.StatusSeeOther)
}

// TestTickSurvivesWrongPassword spares who mistyped the password the tick.
func TestTickSurvivesWrongPassword(t *testing.T) {
	h := newHouse(t)
	c, other := h.inForAnHour("amara", account.Admin), h.inForAnHour("ines", account.User)
	h.pass(account.RecentFor)
	w := c.post(filled("/sessions/{session}/end", other), url.Values{"confirm": {"yes"}, "current_password": {"wrong"}})
	if boxes := fields(t, w, "confirm"); len(boxes) != 1 || !has(boxes[0], "checked") {
		t.Error("the box is not ticked any more")
	}
}

// inForAnHour makes an account whose sessions outlast a proof, and returns a client of it, signed in.
func (h *house) inForAnHour(name string, role account.Role) *client {
	h.t.Helper()
	hour := time.Hour
	if _, err := h.accounts.Update(h.t.Context(), nobody, h.add(name, role).ID, account.Change{Lifetime: &hour}); err != nil {
		h.t.Fatal(err)
	}
	return h.in(name)
}

// withKey puts a new key of the other's account into a path that names one.
func (h *house) withKey(path string, other *client) string {
	h.t.Helper()
	if !strings.Contains(path, "{key}") {
		return path
	}
	key, _ := h.addKey(account.Account{ID: other.session().User.ID}, "nightly")
	return strings.Replace(path, "{key}", string(key.ID), 1)
}

// filled puts the other's session and account into a path.
func filled(path string, other *client) string {
	s := other.session()
	return strings.NewReplacer("{session}", string(s.ID), "{user}", string(s.User.ID)).Replace(path)
}

// fields returns the inputs of the page that have the name.
func fields(t *testing.T, w *httptest.ResponseRecorder, name string) []*html.Node {
	return slices.DeleteFunc(all(parse(t, w), "input"), func(n *html.Node) bool { return attr(n, "name") != name })
}

func merged(forms ...url.Values) url.Values {
	all := url.Values{}
	for _, f := range forms {
		maps.Copy(all, f)
	}
	return all
}
