package console

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

func keyForm(over url.Values) url.Values {
	return merged(url.Values{"name": {"nightly"}, "role": {"user"}, "expires": {"90"}}, over)
}

var secretForm = regexp.MustCompile(`curfew_key_[A-Za-z0-9_-]{48}`)

// secretIn returns the one secret that the page shows.
func secretIn(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	found := secretForm.FindAllString(w.Body.String(), -1)
	if len(found) != 1 {
		t.Fatalf("the page shows %d secrets:\n%s", len(found), words(w.Body.String()))
	}
	return found[0]
}

// addKey makes a key of the account, past the console.
func (h *house) addKey(owner account.Account, name string) (account.Key, string) {
	h.t.Helper()
	key, secret, err := h.accounts.CreateKey(h.t.Context(), nobody, owner.ID, account.NewKey{Name: name, Role: account.User})
	if err != nil {
		h.t.Fatal(err)
	}
	return key, secret.Reveal()
}

func (h *house) isGood(secret string) bool {
	_, _, err := h.accounts.CheckKey(h.t.Context(), secret, "192.0.2.7")
	return err == nil
}

func TestMakeKey(t *testing.T) {
	for life, want := range map[string]time.Duration{"7": 7 * 24 * time.Hour, "90": 90 * 24 * time.Hour, "365": 365 * 24 * time.Hour, "never": 0} {
		h := newHouse(t)
		mia := h.add("mia", account.Auditor)
		c := h.in("mia")
		wantText(t, c.get("/account"), "You have no API keys.")
		w := c.post("/account/keys/new", keyForm(url.Values{"role": {"auditor"}, "expires": {life}}))
		wantStatus(t, w, http.StatusOK)
		secret := secretIn(t, w)
		key, acc, err := h.accounts.CheckKey(t.Context(), secret, "")
		if err != nil || acc.ID != mia.ID || acc.Role != account.Auditor || key.Name != "nightly" {
			t.Errorf("%s: the key is %+v of %+v, %v", life, key, acc, err)
		}
		if got := key.ExpiresAt; want == 0 && !got.IsZero() || want != 0 && got.Sub(key.CreatedAt) != want {
			t.Errorf("%s: it expires %v", life, got)
		}
		for _, path := range []string{"/account", "/account/keys/new", "/account/keys/" + string(key.ID) + "/revoke"} {
			if secretForm.MatchString(c.get(path).Body.String()) {
				t.Errorf("%s shows a secret again", path)
			}
		}
		if strings.Contains(h.log.String(), secret) {
			t.Error("the log shows the secret")
		}
		wantText(t, c.get("/account"), "nightlyAuditor")
		w = c.post("/account/keys/new", keyForm(nil))
		wantStatus(t, w, http.StatusConflict)
		if got := text(byID(t, parse(t, w), "name-hint")); got != "The name is that of another key of the account." {
			t.Errorf("hint %q", got)
		}
	}
}

func TestMakeKeyRefused(t *testing.T) {
	h := newHouse(t)
	mia := h.add("mia", account.Auditor)
	c := h.in("mia")
	for field, bad := range map[string]url.Values{
		"name":    {"name": {" "}},
		"role":    {"role": {"admin"}},
		"expires": {"expires": {"100000"}},
	} {
		w := c.post("/account/keys/new", keyForm(bad))
		wantStatus(t, w, http.StatusUnprocessableEntity)
		doc := parse(t, w)
		if attr(byID(t, doc, field), "aria-invalid") != "true" || len(wrongs(byID(t, doc, field+"-hint"))) != 1 {
			t.Errorf("%s: no message beside the field", field)
		}
		if got := attr(byID(t, doc, "name"), "value"); got != keyForm(bad).Get("name") {
			t.Errorf("%s: what was typed is lost: %q", field, got)
		}
	}
	doc := parse(t, c.post("/account/keys/new", url.Values{"name": {""}, "role": {"root"}, "expires": {""}}))
	for _, field := range []string{"name", "role", "expires"} { // all at once
		if len(wrongs(byID(t, doc, field+"-hint"))) != 1 {
			t.Errorf("%s: no message among others", field)
		}
	}
	if keys, err := h.accounts.Keys(t.Context(), mia.ID); err != nil || len(keys) != 0 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	var roles []string
	for _, o := range all(byID(t, parse(t, c.get("/account/keys/new")), "role"), "option") {
		roles = append(roles, attr(o, "value"))
	}
	if got := strings.Join(roles, " "); got != "auditor user" {
		t.Errorf("an auditor may choose among %q", got)
	}
	for i := range account.MaxKeys {
		h.addKey(mia, "k"+strings.Repeat("x", i))
	}
	w := c.post("/account/keys/new", keyForm(nil))
	wantStatus(t, w, http.StatusConflict)
	wantText(t, w, "revoke one first")
}

func wrongs(n *html.Node) []*html.Node {
	var list []*html.Node
	for _, s := range all(n, "span") {
		if attr(s, "class") == "wrong" {
			list = append(list, s)
		}
	}
	return list
}

// TestMakeKeyInDialog makes a key by htmx: the page behind the dialog is told to look again.
func TestMakeKeyInDialog(t *testing.T) {
	h := newHouse(t)
	h.add("mia", account.User)
	c := h.in("mia")
	c.header.Set("HX-Request", "true")
	w := c.post("/account/keys/new", keyForm(url.Values{"name": {""}}))
	if w.Header().Get("HX-Trigger") != "" {
		t.Error("the page is told of a key that was not made")
	}
	w = c.post("/account/keys/new", keyForm(nil))
	secretIn(t, w)
	if got := w.Header().Get("HX-Trigger"); got != "curfew:changed" {
		t.Errorf("HX-Trigger: %q", got)
	}
}

func TestKeyList(t *testing.T) {
	h := newHouse(t)
	mia, other := h.add("mia", account.User), h.add("other", account.User)
	_, secret := h.addKey(mia, "used")
	h.addKey(mia, "unused")
	h.addKey(other, "of somebody else")
	h.pass(account.DefaultKeyLife - time.Hour)
	if !h.isGood(secret) {
		t.Fatal("the key is not good")
	}
	c := h.in("mia")
	for range 1000 { // its use is written in the background
		if strings.Contains(words(c.get("/account").Body.String()), "Used Today") {
			break
		}
		time.Sleep(time.Millisecond)
	}
	page := words(c.get("/account").Body.String())
	for _, want := range []string{"usedUser Used Today, 13:03 UTC Expires Today, 14:03 UTC", "unusedUser Used never Expires"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "of somebody else") {
		t.Error("somebody else's key is listed")
	}
	h.pass(time.Hour)
	wantText(t, h.in("mia").get("/account"), "used ExpiredUser")
}

func TestRevokeKey(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	mia := h.add("mia", account.Admin)
	for _, who := range []struct{ name, path, back string }{
		{"mia", "/account/keys/", "/account"},
		{"amara", "/users/" + string(mia.ID) + "/keys/", "/users/" + string(mia.ID)},
	} {
		key, secret := h.addKey(mia, "old")
		c, path := h.in(who.name), who.path+string(key.ID)+"/revoke"
		found := false
		for _, l := range all(parse(t, c.get(who.back)), "a") {
			found = found || attr(l, "href") == path
		}
		if !found {
			t.Errorf("%s: no link to %s", who.back, path)
		}
		wantText(t, c.get(path), "Revoke “old”?")
		w := c.post(path, nil)
		wantStatus(t, w, http.StatusUnprocessableEntity)
		wantText(t, w, notTicked)
		if !h.isGood(secret) {
			t.Fatal("revoked without the tick")
		}
		wantLocation(t, c.post(path, url.Values{"confirm": {"yes"}}), who.back)
		if h.isGood(secret) {
			t.Error("a revoked key is good")
		}
		wantStatus(t, c.post(path, url.Values{"confirm": {"yes"}}), http.StatusNotFound)
	}
}

// TestKeysOfOthers has people who are no admins ask for somebody else's key.
func TestKeysOfOthers(t *testing.T) {
	h := newHouse(t)
	mia := h.add("mia", account.User)
	key, secret := h.addKey(mia, "mine")
	tick := url.Values{"confirm": {"yes"}}
	for _, role := range []account.Role{account.User, account.Auditor, account.Admin} {
		h.add(string(role), role)
		c := h.in(string(role))
		own := "/account/keys/" + string(key.ID) + "/revoke"
		wantStatus(t, c.get(own), http.StatusNotFound)
		wantStatus(t, c.post(own, tick), http.StatusNotFound)
		if role != account.Admin {
			other := "/users/" + string(mia.ID) + "/keys/" + string(key.ID) + "/revoke"
			wantStatus(t, c.get(other), http.StatusForbidden)
			wantStatus(t, c.post(other, tick), http.StatusForbidden)
		}
	}
	if !h.isGood(secret) {
		t.Error("the key is revoked")
	}
}

// TestKeyIsNoSession sends a key where a session's token belongs (ASVS 7.2.2).
func TestKeyIsNoSession(t *testing.T) {
	h := newHouse(t)
	_, secret := h.addKey(h.add("mia", account.Admin), "k")
	c := h.client()
	for _, value := range []string{secret, curfew.TokenPrefix + strings.TrimPrefix(secret, "curfew_key_")} {
		c.cookies[curfew.PlainCookie] = value
		if w := c.get("/account"); w.Code != http.StatusSeeOther {
			t.Errorf("a key as cookie: %d", w.Code)
		}
	}
	c = h.client()
	c.header.Set("Authorization", "Bearer "+secret)
	if w := c.get("/account"); w.Code != http.StatusSeeOther {
		t.Errorf("a key on a page: %d", w.Code)
	}
}

// TestSecretInAddress gives a key's secret where its ID belongs, while the store fails.
func TestSecretInAddress(t *testing.T) {
	h := newHouse(t)
	key, secret := h.addKey(h.add("amara", account.Admin), "nightly")
	handler := &console{Options: Options{Sessions: h.sessions, Accounts: h.accounts, Logger: newLogger(h)}, assets: loadAssets()}
	handler.pages = allPages(handler.assets)
	broken := func(*console, *request) (answer, error) { return answer{}, errBroken }
	revoke := h.sessions.Authenticate(handler.handler(route{"GET /account/keys/{key}/revoke", public, broken}))
	for id, want := range map[string]int{string(key.ID): http.StatusInternalServerError, secret: http.StatusNotFound} {
		w := httptest.NewRecorder()
		revoke.ServeHTTP(w, httptest.NewRequest("GET", "/account/keys/"+id+"/revoke", nil))
		wantStatus(t, w, want)
	}
	if log := h.log.String(); !strings.Contains(log, string(key.ID)) || strings.Contains(log, secret) {
		t.Errorf("the log: %s", log)
	}
}
