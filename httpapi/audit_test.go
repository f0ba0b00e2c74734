package httpapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/httpapi"
)

func TestAuditList(t *testing.T) {
	run(t, func(k *kit) {
		k.user("otto", account.Auditor)
		gone := k.user("gone", account.User)
		_, token := k.signIn("otto")
		if err := k.accounts.Delete(k.t.Context(), curfew.Actor{Name: "otto"}, gone.ID); err != nil {
			t.Fatal(err)
		}
		refused := audit.Record{Event: audit.SignInFailed, Outcome: audit.Refused, Reason: "it says gone"}
		if err := k.audit.AppendAudit(k.t.Context(), k.sessions.Now(), refused); err != nil {
			t.Fatal(err)
		}
		for query, want := range map[string]string{
			"":                                      "authn_login_fail user_deleted user_created user_created",
			"event=user_created&event=user_deleted": "user_deleted user_created user_created",
			"outcome=refused":                       "authn_login_fail",
			"user=otto":                             "user_created",
			"user=Gone":                             "user_deleted user_created",
			"user=nobody":                           "",
			"q=says+gone":                           "authn_login_fail",
			"until=2000-01-01T00:00:00Z":            "",
			"from=2000-01-01T00:00:00Z&limit=1":     "authn_login_fail …",
			"cursor=2":                              "user_created",
		} {
			var got []string
			p := ask[httpapi.AuditPage](k, token, 200, "GET", "/api/v1/audit?"+query, "")
			for _, r := range p.Records {
				got = append(got, string(r.Event))
			}
			if p.NextCursor != "" {
				got = append(got, "…")
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%q: got %q, want %q", query, got, want)
			}
		}
		for _, query := range []string{
			"event=x", "outcome=x", "cursor=x", "cursor=0", "after=1", "format=csv", "format=ndjson&q=x", "format=ndjson&cursor=1", "format=ndjson&after=-1",
			"from=2000-01-02T00:00:00Z&until=2000-01-01T00:00:00Z",
		} {
			ask[httpapi.Problem](k, token, 422, "GET", "/api/v1/audit?"+query, "")
		}
		ask[httpapi.Problem](k, token, 422, "GET", "/api/v1/audit/verification?mark=1:x", "")
	})
}

// The client reads all pages, and what it exports is what audit.VerifyFile takes.
func TestAuditClient(t *testing.T) {
	run(t, func(k *kit) {
		for n := range curfew.MaxPage + 20 {
			r := audit.Record{Event: audit.SignInFailed, Outcome: audit.Refused, Reason: fmt.Sprint("try ", n)}
			if err := k.audit.AppendAudit(k.t.Context(), k.sessions.Now(), r); err != nil {
				t.Fatal(err)
			}
		}
		h := httpapi.NewControl(httpapi.ControlOptions{Sessions: k.sessions, Accounts: k.accounts, Audit: audit.NewLog(k.audit)})
		c := httpapi.NewClient(httpapi.HandlerTransport(h))
		next := int64(curfew.MaxPage + 20)
		for r, err := range c.Audit(k.t.Context(), httpapi.AuditQuery{}) {
			if err != nil || r.No != next {
				t.Fatalf("record %d instead of %d: %v", r.No, next, err)
			}
			next--
		}
		if next != 0 {
			t.Errorf("%d records are missing", next)
		}
		_, last, err := c.VerifyAudit(k.t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for after, want := range map[int64]int64{0: 1, 515: 516} {
			var file bytes.Buffer
			if err := c.ExportAudit(k.t.Context(), after, &file); err != nil {
				t.Fatal(err)
			}
			if first, end, err := audit.VerifyFile(&file, last); first.No != want || end != last || err != nil {
				t.Errorf("after %d: from %v to %v, %v", after, first, end, err)
			}
		}
		wrong := last
		wrong.Hash[0]++
		_, _, err = c.VerifyAudit(k.t.Context(), last, wrong)
		if broken, ok := errors.AsType[*audit.Broken](err); !ok || broken.No != last.No {
			t.Errorf("a wrong mark: %v", err)
		}
		if _, _, err := c.VerifyAudit(k.t.Context(), audit.Mark{No: last.No + 1}); err == nil {
			t.Error("the end is missing, and nobody says so")
		}
	})
}

// Without an audit log there is nothing at its address.
func TestNoAudit(t *testing.T) {
	run(t, func(k *kit) {
		h := httpapi.NewControl(httpapi.ControlOptions{Sessions: k.sessions, Accounts: k.accounts})
		c := httpapi.NewClient(httpapi.HandlerTransport(h))
		if _, _, err := c.VerifyAudit(k.t.Context()); curfew.ErrorCode(err) != curfew.CodeNotFound {
			t.Errorf("got %v", err)
		}
	})
}

// The document names all events.
func TestAuditEventsInDocument(t *testing.T) {
	text, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []struct {
				Name   string
				Schema struct {
					Items struct{ Enum []audit.Event }
				}
			}
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for _, p := range doc.Paths["/api/v1/audit"]["get"].Parameters {
		if p.Name == "event" && !slices.Equal(p.Schema.Items.Enum, audit.Events) {
			t.Errorf("the document has %v, there are %v", p.Schema.Items.Enum, audit.Events)
		}
	}
}
