package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/account"
)

func setupForm(code string) url.Values {
	return url.Values{"code": {code}, "username": {"amara"}, "full_name": {"Amara Okafor"}, "password": {password}, "repeat": {password}}
}

func TestSetup(t *testing.T) {
	h := newHouse(t)
	code := h.setup.NewCode()
	c := h.client()
	w := c.get("/setup?code=" + code)
	wantStatus(t, w, http.StatusOK)
	wantText(t, w, "Make the first account.")
	wantText(t, w, "1 to 64 of a–z, 0–9, . _ - @")
	wantLocation(t, c.post("/setup", setupForm(code)), "/sessions")
	a, err := h.accounts.ByName(t.Context(), "amara")
	if err != nil || a.Role != account.Admin || a.FullName != "Amara Okafor" {
		t.Fatalf("account %+v, %v", a, err)
	}
	if c.session().User.ID != a.ID {
		t.Error("not signed in")
	}
	if h.setup.Valid() {
		t.Error("the code is good twice")
	}
	wantLocation(t, h.client().get("/setup?code="+code), "/signin")
	wantLocation(t, h.client().post("/setup", setupForm(code)), "/signin")
}

func TestNobodySetsUpWithoutTheCode(t *testing.T) {
	h := newHouse(t)
	code := h.setup.NewCode()
	for _, wrong := range []string{"", "x", code + "x", strings.ToLower(code)} {
		wantStatus(t, h.client().get("/setup?code="+wrong), http.StatusForbidden)
		wantStatus(t, h.client().post("/setup", setupForm(wrong)), http.StatusForbidden)
	}
	wantText(t, h.client().get("/setup?code=x"), "Restart Curfew")
	h.pass(setupLife)
	wantStatus(t, h.client().post("/setup", setupForm(code)), http.StatusForbidden)
	if empty, err := h.accounts.Empty(t.Context()); err != nil || !empty {
		t.Errorf("there is an account, or %v", err)
	}
}

func TestSetupCodeLastsFifteenMinutes(t *testing.T) {
	h := newHouse(t)
	if h.setup.Valid() {
		t.Error("good without a code")
	}
	first := h.setup.NewCode()
	h.pass(15*time.Minute - time.Millisecond)
	if !h.setup.Valid() || h.setup.check(first) != nil {
		t.Error("gone before its time")
	}
	h.pass(time.Millisecond)
	if h.setup.Valid() || h.setup.check(first) == nil {
		t.Error("good after its time")
	}
	second := h.setup.NewCode()
	if h.setup.check(first) == nil || h.setup.check(second) != nil {
		t.Error("a new code must take the place of the old one")
	}
}

func TestStrangersCanNotKeepTheOwnerOut(t *testing.T) {
	h := newHouse(t)
	code := h.setup.NewCode()
	for range 100 {
		wantStatus(t, h.client().get("/setup?code=wrong"), http.StatusForbidden)
	}
	wantStatus(t, h.client().get("/setup?code="+code), http.StatusOK)
}

func TestSetupKeepsTheCodeAfterAMistake(t *testing.T) {
	h := newHouse(t)
	code := h.setup.NewCode()
	form := setupForm(code)
	form.Set("repeat", "other")
	w := h.client().post("/setup", form)
	wantStatus(t, w, http.StatusUnprocessableEntity)
	wantText(t, w, differs)
	form = setupForm(code)
	form.Set("password", "short")
	form.Set("repeat", "short")
	w = h.client().post("/setup", form)
	wantStatus(t, w, http.StatusUnprocessableEntity)
	wantText(t, w, "The password must be at least 8 characters long.")
	if got := attr(byID(t, parse(t, w), "username"), "value"); got != "amara" {
		t.Errorf("the name typed is lost: %q", got)
	}
	wantLocation(t, h.client().post("/setup", setupForm(code)), "/sessions")
}

func TestTheCodeStaysInItsForm(t *testing.T) {
	h := newHouse(t)
	code := h.setup.NewCode()
	doc := parse(t, h.client().get("/setup?code="+code))
	for n := range doc.Descendants() {
		for _, a := range n.Attr {
			if strings.Contains(a.Val, code) && attr(n, "name") != "code" {
				t.Errorf("<%s> holds the code", n.Data)
			}
		}
	}
	if strings.Contains(h.log.String(), code) {
		t.Error("the log holds the code")
	}
}
