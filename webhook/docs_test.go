package webhook

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// TestExamples holds docs/webhooks.md to what is sent.
func TestExamples(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	owner, admin := &audit.Party{ID: "u1", Name: "arslan"}, &audit.Party{ID: "u2", Name: "amara", Session: "s9d2w8vb3n5hjl"}
	text, err := os.ReadFile("../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, r := range []audit.Record{
		{At: audit.Time{Time: at}, Event: audit.SignedIn, By: owner, User: owner, Session: "s4r7c2xk9q1mzt", From: "192.0.2.7", Device: "Firefox 151 on Linux", Reason: string(curfew.CredentialPassword)},
		{At: audit.Time{Time: at.Add(330 * time.Second)}, Event: audit.SessionTerminated, By: admin, User: owner, Session: "s4r7c2xk9q1mzt", Reason: string(curfew.ReasonTerminated)},
		{At: audit.Time{Time: at.Add(360 * time.Second)}, Event: audit.SessionsTerminated, By: admin, Session: "s9d2w8vb3n5hjl", Count: 1204, Reason: string(curfew.ReasonTerminated)},
		{At: audit.Time{Time: at.Add(420 * time.Second)}, Event: audit.AccountChanged, By: admin, User: owner, Changes: []audit.Change{{Field: "role", From: "user", To: "auditor"}}},
	} {
		m, _ := messageOf(r, audit.Mark{})
		if examples++; !strings.Contains(string(text), "```json\n"+string(m.body)+"\n```") {
			t.Errorf("the page lacks\n%s", m.body)
		}
	}
	if n := strings.Count(string(text), "```json"); n != examples {
		t.Errorf("the page has %d examples, of which %d are tried", n, examples)
	}
	for _, reason := range curfew.Reasons {
		if !strings.Contains(string(text), "`"+string(reason)+"`") {
			t.Errorf("the page lacks the reason %s", reason)
		}
	}
	if slices.Contains(Types, Test) {
		t.Error("tests are sent to all")
	}
}
