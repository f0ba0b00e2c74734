package console

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/webhook"
)

func endpoint(t *testing.T, name, address string, types ...webhook.Type) webhook.Endpoint {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef01234567"))
	return webhook.Endpoint{Name: name, URL: u, Secrets: []string{secret}, Types: types}
}

func TestWebhooks(t *testing.T) {
	answer := http.StatusNoContent
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(answer) }))
	defer receiver.Close()
	h := newHouse(t, endpoint(t, "crm", receiver.URL+"/hook?token=s3cret"), endpoint(t, "chat", "https://chat.example/", webhook.SessionEnded))
	h.add("amara", account.Admin)
	h.add("otto", account.Auditor)
	h.note(audit.Record{Event: audit.Unlocked, Outcome: audit.Success})
	c := h.in("amara")
	w := c.get("/webhooks")
	for _, want := range []string{"crm", receiver.URL + "/hook", "session.started, session.ended, account.changed", "not since the server started", "3 records behind, the oldest just now", "chat", "Delivering"} {
		wantText(t, w, want)
	}
	if body := w.Body.String(); strings.Contains(body, "s3cret") || strings.Contains(body, "whsec_") || strings.Contains(body, "retry-") {
		t.Errorf("the page has what it must not have:\n%s", body)
	}
	if body := h.in("otto").get("/webhooks").Body.String(); !strings.Contains(body, "w-crm") || strings.Contains(body, "test-crm") {
		t.Errorf("an auditor's page:\n%s", body)
	}
	for _, tt := range []struct {
		status     int
		path, want string
	}{{204, "crm/test", "crm took the test message."}, {403, "crm/test", "Not taken by crm: it answered 403 Forbidden."}, {204, "crm/retry", "Trying crm."}} {
		answer = tt.status
		wantLocation(t, c.post("/webhooks/"+tt.path, nil), "/webhooks")
		wantText(t, c.get("/webhooks"), tt.want)
	}
	log := c.get("/audit")
	for _, want := range []string{"Webhook tested", "crm · it answered 403 Forbidden", "Webhook tried by hand", "amara"} {
		wantText(t, log, want)
	}
	wantStatus(t, c.post("/webhooks/nobody/test", nil), http.StatusNotFound)
	wantStatus(t, c.post("/webhooks/nobody/retry", nil), http.StatusNotFound)
	h.pass(time.Hour)
	if _, err := h.store.ForgetAudit(t.Context(), h.sessions.Now(), h.sessions.Now()); err != nil {
		t.Fatal(err)
	}
	wantText(t, h.in("amara").get("/webhooks"), "records deleted because of their age before they could be told; counted since the server started")
	wantText(t, newHouseWithout(t).get("/webhooks"), "[[webhook]]")
}

// newHouseWithout is an admin in a house without webhooks.
func newHouseWithout(t *testing.T) *client {
	h := newHouse(t)
	h.add("amara", account.Admin)
	return h.in("amara")
}

// TestWebhookStates shows how endpoints do.
func TestWebhookStates(t *testing.T) {
	r := &request{clock: clock{now: time.Date(2026, 11, 23, 14, 3, 0, 0, time.UTC), zone: time.UTC}}
	failed := r.clock.now.Add(-time.Minute)
	for want, s := range map[string]webhook.Status{
		"good Delivering ": {Name: "a"}, "good Delivering 1 record behind": {Behind: 1},
		"waiting Waiting 2,000 records behind": {Behind: 2000, Error: "it answered 500", Failed: failed}, "off Off ": {Off: true, Error: "it answered 410"},
	} {
		row := r.hookRow(s)
		if got := row.State + " " + row.StateName + " " + row.Behind; got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
}
