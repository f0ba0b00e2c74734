package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// listed returns the rows of a list.
func listed(t *testing.T, doc *html.Node) []*html.Node {
	t.Helper()
	return all(byID(t, doc, "rows"), "tr")
}

func TestOwnSessionComesFirst(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	h.add("arslan", account.User)
	c := h.in("amara")
	h.pass(time.Minute)
	h.in("arslan")
	for _, query := range []string{"", "?sort=user&dir=desc", "?sort=started&dir=desc"} {
		rows := listed(t, parse(t, c.get("/sessions"+query)))
		if len(rows) != 2 || !strings.Contains(text(rows[0]), "amara This session") || strings.Contains(text(rows[1]), "This session") {
			t.Fatalf("rows: %q", texts(rows))
		}
		if button := all(rows[0], "button"); len(button) != 1 || attr(button[0], "aria-disabled") != "true" || len(all(rows[0], "a")) != 0 {
			t.Error("the own session's icon must be inactive")
		}
		if len(all(rows[1], "a")) != 1 {
			t.Error("the other session's icon must be a link")
		}
	}
}

func texts(rows []*html.Node) []string {
	var list []string
	for _, r := range rows {
		list = append(list, text(r))
	}
	return list
}

func TestWhatEachRoleSeesAndMayEnd(t *testing.T) {
	for role, want := range map[account.Role]struct{ rows, icons int }{
		account.Admin: {4, 3}, account.Auditor: {4, 1}, account.User: {2, 1},
	} {
		h := newHouse(t)
		h.add("self", role)
		h.add("arslan", account.User)
		h.in("self")
		h.in("arslan")
		h.in("arslan")
		w := h.in("self").get("/sessions")
		rows := listed(t, parse(t, w))
		icons := 0
		for _, r := range rows {
			icons += len(all(r, "a"))
		}
		if len(rows) != want.rows || icons != want.icons {
			t.Errorf("%s: %d rows and %d icons, want %+v", role, len(rows), icons, want)
		}
	}
}

func TestRowSaysAllThereIs(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	c := h.in("amara")
	c.cookies[zoneCookie] = "Europe%2FBerlin"
	h.pass(42 * time.Minute)
	c = h.in("amara")
	c.cookies[zoneCookie] = "Europe%2FBerlin"
	h.pass(3 * time.Second)
	w := c.get("/sessions")
	row := listed(t, parse(t, w))[0]
	for _, want := range []string{"amara", "This session", "curl 8.5", "192.0.2.1", "Today, 15:45", "just now · Password", "just now"} {
		if !strings.Contains(text(row), want) {
			t.Errorf("the row lacks %q: %s", want, text(row))
		}
	}
	at := all(row, "time")[0]
	if attr(at, "datetime") != "2026-11-23T15:45:00+01:00" || attr(at, "title") != "Monday, 23 November 2026, 15:45:00 CET" {
		t.Errorf("time %v", at.Attr)
	}
}

func TestCards(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	h.add("arslan", account.User)
	h.in("arslan")
	h.in("arslan")
	doc := parse(t, h.in("amara").get("/sessions"))
	for id, want := range map[string]string{"lifetime": "5 minutes", "session-count": "3", "user-count": "2 users", "countdown": "5:30"} {
		if got := text(byID(t, doc, id)); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
	if got := attr(byID(t, doc, "countdown"), "data-ends"); got != "2026-11-23T14:08:30Z" {
		t.Errorf("data-ends %q", got)
	}
}

func TestSearch(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	h.add("arslan", account.User)
	h.in("arslan")
	c := h.in("amara")
	if rows := listed(t, parse(t, c.get("/sessions?q=ARSLAN+curl"))); len(rows) != 1 || !strings.Contains(text(rows[0]), "arslan") {
		t.Errorf("rows %q", texts(rows))
	}
	w := c.get("/sessions?q=%3Cscript%3E")
	wantText(t, w, "No sessions match “<script>”")
	wantText(t, w, "Clear search")
	if strings.Contains(w.Body.String(), "<script>”") {
		t.Error("the search is not escaped")
	}
	if found := text(byID(t, parse(t, c.get("/sessions?q=arslan")), "found")); found != "1 of 2 found" {
		t.Errorf("found %q", found)
	}
	h.tired.Store(true)
	if found := text(byID(t, parse(t, c.get("/sessions?q=arslan")), "found")); found != "more than 1 of 2 found" {
		t.Errorf("found %q where counting stopped", found)
	}
}

func TestPagesOfTheList(t *testing.T) {
	h := newHouse(t)
	a := h.add("amara", account.Admin)
	for i := range 2*curfew.DefaultPage + 1 {
		_, _, err := h.sessions.Start(t.Context(), curfew.Start{
			User: curfew.User{ID: a.ID, Name: a.Name}, Credential: curfew.CredentialPassword, Lifetime: a.Lifetime,
			Client: curfew.Client{Origin: "198.51.100.7", Device: fmt.Sprintf("Firefox %03d on Debian", i)},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	c := h.in("amara")
	seen := map[string]bool{}
	path := "/sessions?sort=device&dir=asc&q=debian"
	for page := 0; path != ""; page++ {
		doc := parse(t, c.get(path))
		if path = ""; page > 3 {
			t.Fatal("the pages don't end")
		}
		for _, r := range listed(t, doc) {
			if seen[attr(r, "id")] {
				t.Errorf("row %s twice", attr(r, "id"))
			}
			seen[attr(r, "id")] = true
		}
		for _, l := range all(doc, "a") {
			if attr(l, "rel") == "next" {
				path = attr(l, "href")
			}
		}
		if path != "" && (!strings.Contains(path, "q=debian") || !strings.Contains(path, "sort=device")) {
			t.Errorf("the next page forgets the query: %s", path)
		}
	}
	if len(seen) != 2*curfew.DefaultPage+1 {
		t.Errorf("%d rows on all pages", len(seen))
	}
	wantStatus(t, c.get("/sessions?after=%00%ff&before=x&sort=nope&dir=up"), http.StatusOK)
}

func TestHeadsSortTheList(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	doc := parse(t, h.in("amara").get("/sessions?q=a&sort=user&dir=asc"))
	for _, th := range all(doc, "th")[:5] {
		want, link := "none", all(th, "a")[0]
		if text(th) == "User" {
			want = "ascending"
			if got := attr(link, "href"); got != "/sessions?dir=desc&q=a&sort=user" {
				t.Errorf("the head links to %s", got)
			}
		}
		if got := attr(th, "aria-sort"); got != want {
			t.Errorf("%s: aria-sort %q, want %q", text(th), got, want)
		}
	}
}

func TestEndingASessionNeedsTheTick(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	h.add("arslan", account.User)
	other, c := h.in("arslan"), h.in("amara")
	path := "/sessions/" + string(other.session().ID) + "/end"
	doc := parse(t, c.get(path))
	if !has(all(byID(t, doc, "panel"), "input")[0], "required") {
		t.Error("the box need not be ticked")
	}
	w := c.post(path, nil)
	wantStatus(t, w, http.StatusUnprocessableEntity)
	wantText(t, w, notTicked)
	wantStatus(t, c.post(path, url.Values{"confirm": {"0"}}), http.StatusUnprocessableEntity)
	if !other.live() {
		t.Fatal("ended without the tick")
	}
	wantLocation(t, c.post(path, url.Values{"confirm": {"yes"}}), "/sessions")
	if other.live() {
		t.Error("not ended")
	}
	if got := text(byID(t, parse(t, c.get("/sessions")), "toast")); got != "Ended arslan’s session." {
		t.Errorf("notice %q", got)
	}
	w = c.post(path, url.Values{"confirm": {"yes"}})
	wantStatus(t, w, http.StatusNotFound)
	wantText(t, w, "Their session was ended by amara at 14:03")
}

func TestNobodyEndsTheirOwnSessionFromTheList(t *testing.T) {
	h := newHouse(t)
	for _, role := range account.Roles {
		h.add(string(role), role)
		c := h.in(string(role))
		path := "/sessions/" + string(c.session().ID) + "/end"
		for _, form := range []url.Values{nil, {"confirm": {"yes"}}} {
			wantStatus(t, c.post(path, form), http.StatusConflict)
		}
		wantStatus(t, c.get(path), http.StatusConflict)
		if !c.live() {
			t.Errorf("%s ended their own session", role)
		}
	}
}

func TestEndingOthersSessions(t *testing.T) {
	for role, want := range map[account.Role]int{
		account.Admin: http.StatusSeeOther, account.Auditor: http.StatusForbidden, account.User: http.StatusNotFound,
	} {
		h := newHouse(t)
		h.add("self", role)
		h.add("arslan", account.User)
		other, own, c := h.in("arslan"), h.in("self"), h.in("self")
		wantStatus(t, c.post("/sessions/"+string(other.session().ID)+"/end", url.Values{"confirm": {"yes"}}), want)
		if other.live() != (role != account.Admin) {
			t.Errorf("%s: the other's session lives: %v", role, other.live())
		}
		wantLocation(t, c.post("/sessions/"+string(own.session().ID)+"/end", url.Values{"confirm": {"yes"}}), "/sessions")
		wantStatus(t, c.get("/sessions/unknown/end"), http.StatusNotFound)
	}
}

func TestAUserLearnsNothingOfOthersEndedSessions(t *testing.T) {
	h := newHouse(t)
	h.add("self", account.User)
	h.add("arslan", account.User)
	other := h.in("arslan")
	id := other.session().ID
	other.post("/signout", nil)
	w := h.in("self").get("/sessions/" + string(id) + "/end")
	if want := h.in("self").get("/sessions/unknown/end"); words(w.Body.String()) != words(want.Body.String()) || w.Code != want.Code {
		t.Errorf("an ended session of somebody else: %d %s", w.Code, words(w.Body.String()))
	}
}

func TestTerminateOtherSessions(t *testing.T) {
	for role, want := range map[account.Role]struct {
		button    string
		otherLive bool
	}{
		account.Admin: {"Terminate 2 sessions", false}, account.Auditor: {"Terminate 1 session", true}, account.User: {"Terminate 1 session", true},
	} {
		h := newHouse(t)
		h.add("self", role)
		h.add("arslan", account.User)
		other, own, c := h.in("arslan"), h.in("self"), h.in("self")
		wantText(t, c.get("/sessions/end-others"), want.button)
		wantStatus(t, c.post("/sessions/end-others", nil), http.StatusUnprocessableEntity)
		if !other.live() || !own.live() {
			t.Fatalf("%s: ended without the tick", role)
		}
		wantLocation(t, c.post("/sessions/end-others", url.Values{"confirm": {"yes"}}), "/sessions")
		if other.live() != want.otherLive || own.live() || !c.live() {
			t.Errorf("%s: other %v, own other %v, this %v", role, other.live(), own.live(), c.live())
		}
	}
}

func TestNothingEndsWhileTheStoreIsDown(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	other, c := h.in("amara"), h.in("amara")
	path := "/sessions/" + string(other.session().ID) + "/end"
	h.broken.Store(true)
	wantStatus(t, c.post(path, url.Values{"confirm": {"yes"}}), http.StatusServiceUnavailable)
	wantStatus(t, c.post("/sessions/end-others", url.Values{"confirm": {"yes"}}), http.StatusServiceUnavailable)
}

func TestTheDialogSaysWhatTerminateOtherSessionsEnds(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	h.add("arslan", account.User)
	admin, user := h.in("amara"), h.in("arslan")
	wantText(t, admin.get("/sessions/end-others"), "The only other session will end at once, whether it is shown or not, and its user")
	wantText(t, user.get("/sessions/end-others"), "There is no other session to end.")
	h.in("arslan")
	wantText(t, admin.get("/sessions/end-others"), "All 2 other sessions will end at once, whatever is searched for or shown, and their users")
	wantText(t, user.get("/sessions/end-others"), "Your other session will end at once. This session stays.")
	h.in("arslan")
	wantText(t, user.get("/sessions/end-others"), "Your 2 other sessions will end at once. This session stays.")
}

func TestSessionsOfOneUser(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	h.add("arslan", account.User)
	h.add("arslan2", account.User)
	user := h.in("arslan")
	h.in("arslan2")
	c := h.in("amara")
	doc := parse(t, c.get("/sessions?user=ARSLAN&q=curl&sort=user&dir=asc"))
	if rows := listed(t, doc); len(rows) != 1 || !strings.HasPrefix(text(rows[0]), "ARarslan curl") {
		t.Errorf("rows %q", texts(rows))
	}
	for id, want := range map[string]string{"found": "1 of 3 found", "session-count": "3", "only-user": "User: arslan. Show all users"} {
		if got := text(byID(t, doc, id)); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
	if got := attr(byID(t, doc, "only-user"), "href"); got != "/sessions?dir=asc&q=curl&sort=user" {
		t.Errorf("the chip leads to %s", got)
	}
	if got := attr(all(all(doc, "th")[1], "a")[0], "href"); got != "/sessions?dir=asc&q=curl&sort=device&user=arslan" {
		t.Errorf("the head links to %s", got)
	}
	if got := attr(byID(t, doc, "view"), "data-here"); !strings.Contains(got, "user=ARSLAN") {
		t.Errorf("the page refreshes from %s", got)
	}
	kept := false
	for _, in := range all(doc, "input") {
		kept = kept || attr(in, "name") == "user" && attr(in, "value") == "arslan"
	}
	if !kept {
		t.Error("a search forgets the user")
	}
	if rows := listed(t, parse(t, c.get("/sessions?user=amara"))); len(rows) != 1 || !strings.Contains(text(rows[0]), "This session") {
		t.Errorf("one's own: rows %q", texts(rows))
	}
	wantText(t, c.get("/sessions?user=nobody"), "No sessions of “nobody”")
	if rows := listed(t, parse(t, user.get("/sessions?user=amara"))); len(rows) != 1 || !strings.Contains(text(rows[0]), "arslan") {
		t.Errorf("a user: rows %q", texts(rows))
	}
	h.add("otto", account.Auditor)
	if rows := listed(t, parse(t, h.in("otto").get("/sessions?user=arslan"))); len(rows) != 1 {
		t.Errorf("an auditor: rows %q", texts(rows))
	}
}

func TestPagesOfOneUserKeepTheUser(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	a := h.add("arslan", account.User)
	for range curfew.DefaultPage + 1 {
		_, _, err := h.sessions.Start(t.Context(), curfew.Start{
			User: curfew.User{ID: a.ID, Name: a.Name}, Credential: curfew.CredentialPassword, Lifetime: a.Lifetime,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range all(parse(t, h.in("amara").get("/sessions?user=arslan")), "a") {
		if attr(l, "rel") == "next" && strings.Contains(attr(l, "href"), "user=arslan") {
			return
		}
	}
	t.Error("the next page forgets the user")
}

func TestASearchIsCut(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	c := h.in("amara")
	for _, path := range []string{"/sessions", "/history", "/users"} {
		doc := parse(t, c.get(path+"?q="+url.QueryEscape(strings.Repeat("ü", maxSearch+50))))
		if got := attr(byID(t, doc, "q"), "value"); got != strings.Repeat("ü", maxSearch) {
			t.Errorf("%s: %d bytes", path, len(got))
		}
	}
}

func TestAloneThereIsNothingToTerminate(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	w := h.in("amara").get("/sessions")
	wantText(t, w, "No other sessions.")
	if got := attr(byID(t, parse(t, w), "end-others"), "aria-disabled"); got != "true" {
		t.Error("Terminate Other Sessions must be inactive")
	}
	if got := attr(byID(t, parse(t, w), "end-others"), "title"); got != "There are no other sessions." {
		t.Errorf("title %q", got)
	}
	h.add("otto", account.Auditor)
	w = h.in("otto").get("/sessions")
	if got := attr(byID(t, parse(t, w), "end-others"), "title"); got != "You have no other sessions." {
		t.Errorf("an auditor's title %q", got)
	}
}

func TestDevices(t *testing.T) {
	for words, want := range map[string][3]string{
		"Chrome 156 on macOS":    {"Chrome 156", "macOS", "laptop"},
		"Firefox 151 on Debian":  {"Firefox 151", "Debian", "monitor"},
		"Safari 26 on iPhone":    {"Safari 26", "iPhone", "smartphone"},
		"Safari 26 on iPad":      {"Safari 26", "iPad", "tablet"},
		"Chrome 156 on Android":  {"Chrome 156", "Android", "smartphone"},
		"Chrome 156 on ChromeOS": {"Chrome 156", "ChromeOS", "laptop"},
		"curl 8.5":               {"curl 8.5", "", "terminal"},
		"":                       {"Unknown device", "", "terminal"},
	} {
		d, s, i := deviceOf(words)
		if [3]string{d, s, i} != want {
			t.Errorf("deviceOf(%q) = %q, %q, %q", words, d, s, i)
		}
	}
}
