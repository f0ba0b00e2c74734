package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/account"
)

func TestHistory(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	h.add("arslan", account.User)
	left, ended := h.in("arslan"), h.in("arslan")
	h.pass(2 * time.Minute)
	left.post("/signout", nil)
	c := h.in("amara")
	c.post("/sessions/"+string(ended.session().ID)+"/end", url.Values{"confirm": {"yes"}})
	rows := listed(t, parse(t, c.get("/history")))
	if len(rows) != 2 {
		t.Fatalf("rows %q", texts(rows))
	}
	for _, want := range []string{"arslan", "curl 8.5", "192.0.2.1", "Today, 14:03 UTC", "Today, 14:05 UTC", "after 2 minutes"} {
		if !strings.Contains(text(rows[0]), want) || !strings.Contains(text(rows[1]), want) {
			t.Errorf("rows lack %q: %q", want, texts(rows))
		}
	}
	all := strings.Join(texts(rows), "|")
	if !strings.Contains(all, "by amara") || !strings.Contains(all, "Terminated") {
		t.Errorf("nobody ended it: %s", all)
	}
	for query, want := range map[string]int{
		"q=arslan": 2, "q=amara": 1, "q=zoe": 0, "reason=terminated": 1, "reason=idle": 0, "reason=nonsense": 2,
		"from=2026-11-23&until=2026-11-23": 2, "from=2026-11-24": 0, "until=2026-11-22": 0,
	} {
		w := c.get("/history?" + query)
		got := 0
		if strings.Contains(w.Body.String(), `id="rows"`) {
			got = len(listed(t, parse(t, w)))
		}
		if got != want {
			t.Errorf("%s: %d rows, want %d", query, got, want)
		}
	}
	wantText(t, c.get("/history?q=zzz"), "No ended sessions match")
	for query, want := range map[string]struct{ message, from, until string }{
		"from=yesterday":                   {badDate, "yesterday", ""},
		"until=2026-02-31":                 {badDate, "", "2026-02-31"},
		"from=2026-11-24&until=2026-11-23": {endsFirst, "2026-11-24", "2026-11-23"},
	} {
		doc := parse(t, c.get("/history?"+query))
		if got := text(byID(t, doc, "dates-wrong")); got != want.message {
			t.Errorf("%s: message %q", query, got)
		}
		from, until := byID(t, doc, "from"), byID(t, doc, "until")
		if attr(from, "value") != want.from || attr(until, "value") != want.until {
			t.Errorf("%s: what was typed is lost: %q, %q", query, attr(from, "value"), attr(until, "value"))
		}
		if types := attr(from, "type") + attr(until, "type"); (want.message == badDate) == (types == "datedate") {
			t.Errorf("%s: types %s; a field for dates shows nothing but dates", query, types)
		}
	}
}

func TestHistoryDaysAreTheViewersOwn(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.User)
	c := h.in("amara") // at 14:03 UTC, which is the next day in Kiribati
	c.post("/signout", nil)
	c = h.in("amara")
	c.cookies[zoneCookie] = "Pacific/Kiritimati"
	if rows := listed(t, parse(t, c.get("/history?from=2026-11-24"))); len(rows) != 1 {
		t.Errorf("rows %q", texts(rows))
	}
	wantText(t, c.get("/history?until=2026-11-23"), "No ended sessions match")
}

func TestUsersSeeTheirOwnHistory(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	h.add("arslan", account.User)
	h.in("amara").post("/signout", nil)
	w := h.in("arslan").get("/history")
	wantStatus(t, w, http.StatusOK)
	wantText(t, w, "No session has ended yet")
	wantText(t, h.in("arslan").get("/history?q=amara"), "No ended sessions match")
}
