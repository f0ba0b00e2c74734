package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
)

// note appends records to the house's audit log.
func (h *house) note(records ...audit.Record) {
	h.t.Helper()
	if err := h.store.AppendAudit(h.t.Context(), h.sessions.Now(), records...); err != nil {
		h.t.Fatal(err)
	}
}

func TestAudit(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	arslan := h.add("arslan", account.User)
	c := h.in("amara")
	h.pass(2 * time.Minute)
	role := account.Auditor
	if _, err := h.accounts.Update(t.Context(), curfew.Actor{User: "a1", Name: "amara"}, arslan.ID, account.Change{Role: &role}); err != nil {
		t.Fatal(err)
	}
	h.client().post("/signin", url.Values{"username": {"arslan"}, "password": {"wrong"}})
	h.note(
		audit.Record{Event: audit.SessionExpired, Outcome: audit.Success, User: &audit.Party{ID: arslan.ID, Name: "arslan"}, Session: "s7", Reason: "idle"},
		audit.Record{Event: audit.SessionsTerminated, Outcome: audit.Success, By: &audit.Party{Name: "amara", Session: "s8"}, From: "192.0.2.9", Count: 1204, Reason: "terminated"},
		audit.Record{
			Event: audit.KeyCreated, Outcome: audit.Success, By: &audit.Party{ID: arslan.ID, Name: "arslan"}, User: &audit.Party{ID: arslan.ID, Name: "arslan"}, Key: "k1", Note: "nightly",
			Changes: []audit.Change{{Field: "role", To: "user"}, {Field: "expires_at", To: "2026-12-24T18:30:00Z"}},
		},
		audit.Record{Event: audit.AccountChanged, Outcome: audit.Success, Changes: []audit.Change{{Field: "lifetime_seconds", From: "300", To: "28800"}, {Field: "enabled", From: "true", To: "false"}}},
	)
	rows := listed(t, parse(t, c.get("/audit")))
	for i, want := range [][]string{
		{"Account changed", "Token lifetime: 5 minutes → 8 hours · Enabled: yes → no", "Curfew"},
		{"API key made", "Role: user · Expires: 24 Dec, 18:30 UTC · “nightly” By arslan Today"},
		{"All sessions ended", "1,204 sessions · Terminated", "amara", "192.0.2.9"},
		{"Session timed out", "Inactivity", "Curfew", "arslan"},
		{"Sign-in refused", "Refused", "Not accepted", "Somebody not signed in", "192.0.2.1", "arslan", "Today, 14:05 UTC"},
		{"Account changed", "Role: user → auditor", "amara", "arslan"},
		{"Account created", "Role: user · Token lifetime: 5 minutes · Enabled: yes", "arslan", "Today, 14:03 UTC"},
		{"Account created", "Role: admin", "amara"},
	} {
		if i >= len(rows) {
			t.Fatalf("%d rows: %q", len(rows), texts(rows))
		}
		for _, part := range want {
			if !strings.Contains(text(rows[i]), part) {
				t.Errorf("row %d lacks %q: %q", i, part, text(rows[i]))
			}
		}
	}
	wantText(t, c.get("/audit"), "Kept for 30 days")
	for query, want := range map[string]int{
		"q=arslan": 5, "q=nightly": 1, "q=zoe": 0, "event=user_created": 2, "event=nonsense": 8, "outcome=refused": 1, "outcome=success": 7, "outcome=x": 8,
		"from=2026-11-23&until=2026-11-23": 8, "from=2026-11-24": 0, "until=2026-11-22": 0, "before=3": 2, "before=x": 8, "event=user_created&q=amara": 1,
	} {
		w := c.get("/audit?" + query)
		got := 0
		if strings.Contains(w.Body.String(), `id="rows"`) {
			got = len(listed(t, parse(t, w)))
		}
		if got != want {
			t.Errorf("%s: %d rows, want %d", query, got, want)
		}
	}
	wantText(t, c.get("/audit?q=zzz"), "No records match")
	wantText(t, c.get("/audit?from=yesterday"), badDate)
	wantStatus(t, h.in("arslan").get("/audit"), http.StatusOK) // an auditor now
}

// TestAuditText has words for each event, and shows nothing of what others typed as markup.
func TestAuditText(t *testing.T) {
	icons := string(loadAssets().files["vendor/icons.svg"].body)
	for _, e := range audit.Events {
		if name := eventNames[e]; name.name == "" || !strings.Contains(icons, `id="`+name.icon+`"`) {
			t.Errorf("%s has no name or no icon: %+v", e, name)
		}
	}
	h := newHouse(t)
	h.add("amara", account.Admin)
	h.note(audit.Record{Event: audit.AccountChanged, Outcome: audit.Success, By: &audit.Party{Name: "<b>x"}, Device: "<i>y", Changes: []audit.Change{{Field: "full_name", From: "<u>a", To: ""}}})
	c := h.in("amara")
	for _, path := range []string{"/audit", "/audit/2"} {
		w := c.get(path)
		wantText(t, w, "Full name: <u>a → none")
		if body := w.Body.String(); strings.Contains(body, "<u>") || strings.Contains(body, "<b>x") || strings.Contains(body, "<i>") {
			t.Errorf("%s has markup from a record", path)
		}
	}
}

func TestAuditRecord(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	h.note(audit.Record{
		Event: audit.SessionTerminated, Outcome: audit.Success, By: &audit.Party{Name: "amara", Session: "s8"}, From: "192.0.2.9",
		User: &audit.Party{Name: "arslan"}, Session: "s7", Reason: "terminated",
	})
	end, err := h.store.AuditEnd(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := h.in("amara")
	w := c.get("/audit/2")
	wantStatus(t, w, http.StatusOK)
	for _, want := range []string{"Session ended", "session_terminated", "s7", "s8", "192.0.2.9", "arslan", "Terminated", "Monday, 23 November 2026, 14:03:00 UTC", end.Hash.String()} {
		wantText(t, w, want)
	}
	for _, no := range []string{"3", "0", "-1", "x", "99999999999999999999"} {
		wantStatus(t, c.get("/audit/"+no), http.StatusNotFound)
	}
}

// TestAuditPages goes from page to page and back to the first.
func TestAuditPages(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	for i := range 120 {
		h.note(audit.Record{Event: audit.Unlocked, Outcome: audit.Success, Note: fmt.Sprintf("n%d", i)})
	}
	c := h.in("amara")
	path, seen := "/audit?event=authn_unlocked", 0
	for path != "" {
		w := c.get(path)
		doc := parse(t, w)
		seen += len(listed(t, doc))
		newest := link(doc, "first")
		if (newest != "") != (path != "/audit?event=authn_unlocked") || newest != "" && newest != "/audit?event=authn_unlocked" {
			t.Errorf("on %s the newest are at %q", path, newest)
		}
		path = link(doc, "next")
	}
	if seen != 120 {
		t.Errorf("%d rows of 120", seen)
	}
}

// TestAuditSearchGoesOn searches for what is beyond the records that one page looks at.
func TestAuditSearchGoesOn(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	h.note(fill(audit.Effort)...)
	c := h.in("amara")
	doc := parse(t, c.get("/audit?q=amara"))
	if !strings.Contains(text(byID(t, doc, "view")), "Search further back") {
		t.Fatalf("nothing leads on: %s", text(byID(t, doc, "view")))
	}
	if rows := listed(t, parse(t, c.get(link(doc, "next")))); len(rows) != 1 || !strings.Contains(text(rows[0]), "Account created") {
		t.Errorf("further back: %q", texts(rows))
	}
}

// link is where a page's link of a kind leads to, if it has one.
func link(doc *html.Node, rel string) string {
	for _, a := range all(doc, "a") {
		if attr(a, "rel") == rel {
			return attr(a, "href")
		}
	}
	return ""
}

func fill(n int) []audit.Record {
	records := make([]audit.Record, n)
	for i := range records {
		records[i] = audit.Record{Event: audit.ServerStarted, Outcome: audit.Success}
	}
	return records
}

func TestVerify(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	h.note(fill(3)...)
	end, err := h.store.AuditEnd(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := h.in("amara")
	wantText(t, c.get("/audit/verify"), "one on a line")
	w := c.get("/audit/verify?marks=")
	wantText(t, w, "Records 1 to 4")
	wantText(t, w, end.String())
	good, bad := end, end
	bad.Hash[7]++
	wantText(t, c.get("/audit/verify?marks="+url.QueryEscape(good.String()+"\r\n"+good.String())), "The log is as it was written")
	w = c.get("/audit/verify?marks=" + url.QueryEscape(good.String()+"\r\n"+bad.String()))
	wantText(t, w, "At record 4, the hash is not the one noted in the mark.")
	w = c.get("/audit/verify?marks=4:abc")
	wantStatus(t, w, http.StatusUnprocessableEntity)
	if typed := text(byID(t, parse(t, w), "marks")); typed != "4:abc" {
		t.Errorf("what was typed is lost: %q", typed)
	}
	if _, err := h.store.ForgetAudit(context.Background(), h.sessions.Now(), h.sessions.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	wantText(t, c.get("/audit/verify?marks="+url.QueryEscape((audit.Mark{No: 1}).String())), "Of 1 mark nothing can be said")
}

// TestVerifyGoesOn verifies a log of more records than one page looks at.
func TestVerifyGoesOn(t *testing.T) {
	h := newHouse(t)
	h.add("amara", account.Admin)
	h.note(fill(verifyAtOnce + audit.BlockSize)...)
	c := h.in("amara")
	w, pages := c.get("/audit/verify?marks="), 1
	for ; strings.Contains(w.Body.String(), "Verifying"); pages++ {
		next := regexp.MustCompile(`href="([^"]*at=[^"]*)"`).FindStringSubmatch(w.Body.String())
		if next == nil {
			t.Fatal("nothing leads on")
		}
		w = c.get(strings.ReplaceAll(next[1], "&amp;", "&"))
	}
	wantText(t, w, "Records 1 to 100,257")
	if pages != 2 {
		t.Errorf("%d pages", pages)
	}
	end, err := h.store.AuditEnd(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made := c.get("/audit/verify?marks=&since=0&at=" + url.QueryEscape(end.String()))
	wantText(t, made, "Verifying") // from the start, and not from where a made-up address says
}
