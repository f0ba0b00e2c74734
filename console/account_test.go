package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/account"
)

func TestChangePassword(t *testing.T) {
	for _, endOthers := range []bool{true, false} {
		h := newHouse(t)
		h.add("amara", account.User)
		c, other := h.in("amara"), h.in("amara")
		doc := parse(t, c.get("/account"))
		for _, in := range all(doc, "input") {
			if attr(in, "name") == "end_others" && !has(in, "checked") {
				t.Error("End my other sessions must be ticked by default")
			}
		}
		form := url.Values{"current_password": {password}, "password": {"another good one"}, "repeat": {"another good one"}}
		if endOthers {
			form.Set("end_others", "yes")
		}
		wantLocation(t, c.post("/account/password", form), "/account")
		if !c.live() || other.live() == endOthers {
			t.Errorf("end others %v: this %v, other %v", endOthers, c.live(), other.live())
		}
		w := h.client().post("/signin", url.Values{"username": {"amara"}, "password": {"another good one"}})
		wantStatus(t, w, http.StatusSeeOther)
	}
}

func TestChangePasswordRefused(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.User)
	c := h.in("amara")
	for field, form := range map[string]url.Values{
		"current":  {"current_password": {"wrong"}, "password": {"another good one"}, "repeat": {"another good one"}},
		"repeat":   {"current_password": {password}, "password": {"another good one"}, "repeat": {"another"}},
		"password": {"current_password": {password}, "password": {"short"}, "repeat": {"short"}},
	} {
		w := c.post("/account/password", form)
		wantStatus(t, w, http.StatusUnprocessableEntity)
		doc := parse(t, w)
		if text(byID(t, doc, field+"-hint")) == "" {
			t.Errorf("%s: no message beside the field", field)
		}
		if attr(byID(t, doc, "view"), "data-here") != "/account" {
			t.Error("the page would refresh from an address that only takes posts")
		}
		for _, v := range form {
			if strings.Contains(w.Body.String(), `value="`+v[0]+`"`) {
				t.Errorf("%s: a password comes back", field)
			}
		}
	}
	if h.client().post("/signin", url.Values{"username": {"amara"}, "password": {password}}).Code != http.StatusSeeOther {
		t.Error("the password changed")
	}
}

// TestNoPasswordIsNoAttempt sends the form without the current password more often than a wrong one may be sent.
func TestNoPasswordIsNoAttempt(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.User)
	c := h.in("amara")
	form := url.Values{"password": {"another good one"}, "repeat": {"another good one"}}
	for range 20 {
		w := c.post("/account/password", form)
		wantStatus(t, w, http.StatusUnprocessableEntity)
		if got := text(byID(t, parse(t, w), "current-hint")); got != "Enter your password." {
			t.Fatalf("beside the field: %q", got)
		}
	}
	form.Set("current_password", password)
	wantStatus(t, c.post("/account/password", form), http.StatusSeeOther)
}

func TestAccountListsOwnSessionsOnly(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	h.add("arslan", account.User)
	h.in("arslan")
	h.in("amara")
	rows := listed(t, parse(t, h.in("amara").get("/account")))
	if len(rows) != 2 || !strings.Contains(text(rows[0]), "This session") {
		t.Errorf("rows %q", texts(rows))
	}
}
