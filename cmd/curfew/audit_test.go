package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/httpapi"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

// send makes a call with JSON, which must succeed, and reads the answer into the value, if there is one.
func (c *client) send(method, path, body string, into any) {
	c.s.t.Helper()
	req, err := http.NewRequestWithContext(c.s.t.Context(), method, c.s.base+path, strings.NewReader(body))
	if err != nil {
		c.s.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.Do(req)
	if err != nil {
		c.s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		c.s.t.Fatalf("%s %s: %s %s %v", method, path, resp.Status, text, err)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			c.s.t.Fatal(err)
		}
	}
}

// bearer makes a call with an API key, which must be refused.
func (c *client) bearer(secret string) {
	c.s.t.Helper()
	req, err := http.NewRequestWithContext(c.s.t.Context(), http.MethodGet, c.s.base+"/api/v1/account", nil)
	if err != nil {
		c.s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := c.Do(req)
	if err != nil {
		c.s.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		c.s.t.Errorf("an API key that is not good: %s", resp.Status)
	}
}

// records returns the audit log, the earliest record first.
func (s *server) records() (list []audit.Record) {
	s.t.Helper()
	for line := range strings.Lines(s.curfew("", "audit", "list", "--json")) {
		var r audit.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			s.t.Fatal(err)
		}
		list = append(list, r)
	}
	slices.Reverse(list)
	return list
}

// told is a record as event, outcome, who, whom and from where.
func told(r audit.Record) string {
	text := fmt.Sprintf("%s %s by %q to %q from %q", r.Event, r.Outcome, partyName(r.By), partyName(r.User), r.From)
	if r.Webhook != "" {
		text += fmt.Sprintf(" of %q", r.Webhook)
	}
	if r.Count > 0 {
		text += fmt.Sprintf(", %d", r.Count)
	}
	return text
}

// crowd adds sessions to a data folder that no server uses: more than are ended one by one.
func crowd(t *testing.T, data string, n int) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), data, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	var wg sync.WaitGroup
	for i := range n {
		r := storetest.Record(fmt.Sprintf("crowd%d", i), "crowd", now.Sub(storetest.T0))
		wg.Go(func() {
			if _, err := db.Insert(t.Context(), now, r, 0, false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAuditedOnce does each kind of thing that people do, and looks for its one record.
func TestAuditedOnce(t *testing.T) {
	inTurn(t)
	h := newHookReceiver(t)
	args := []string{"--trusted-proxy", "127.0.0.1/32", "--config", h.config()}
	s := serveHouse(t, args...)
	s.stop()
	crowd(t, s.data, 150)
	s = serve(t, s.data, args...)
	seen := len(s.records())
	admin, user, stranger := s.client().from("192.0.2.1"), s.client().from("192.0.2.2"), s.client().from("192.0.2.3")
	var own httpapi.Session
	var made httpapi.User
	var link httpapi.Unlock
	var key httpapi.MadeKey
	const secret = "a name that is a password"
	for _, step := range []struct {
		name string
		do   func()
		want []string
	}{
		{"sign-in", func() { admin.signIn("amara", password) }, []string{`authn_login_success success by "amara" to "amara" from "192.0.2.1"`}},
		{"another", func() { user.signIn("arslan", password) }, []string{`authn_login_success success by "arslan" to "arslan" from "192.0.2.2"`}},
		{"wrong password", func() { stranger.signIn("arslan", "wrong "+password) }, []string{`authn_login_fail refused by "" to "arslan" from "192.0.2.3"`}},
		{"unknown name", func() { stranger.signIn(secret, password) }, []string{`authn_login_fail refused by "" to "" from "192.0.2.3"`}},
		{"reauthentication", func() {
			admin.send("POST", "/api/v1/session/proof", `{"current_password":"`+password+`"}`, nil)
		}, []string{`authn_reauthenticated success by "amara" to "amara" from "192.0.2.1"`}},
		{"terminate one", func() {
			user.send("GET", "/api/v1/session", "", &own)
			admin.send("DELETE", "/api/v1/sessions/"+string(own.ID), "", nil)
		}, []string{`session_terminated success by "amara" to "arslan" from "192.0.2.1"`}},
		{"terminate it again", func() { admin.send("DELETE", "/api/v1/sessions/"+string(own.ID), "", nil) }, nil},
		{"too many tries", func() { s.attack("arslan"); s.attack("arslan") }, append(
			slices.Repeat([]string{`authn_login_fail refused by "" to "arslan" from "203.0.113.66"`}, 9), `excess_rate_limit_exceeded refused by "" to "arslan" from "203.0.113.66"`)},
		{"unlock", func() { admin.send("POST", "/api/v1/users/"+string(own.UserID)+"/unlock", "", &link) }, []string{`authn_unlocked success by "amara" to "arslan" from "192.0.2.1"`}},
		{"device made known", func() { stranger.post("/unlock", "code", link.Code) }, []string{`authn_device_known success by "" to "arslan" from "192.0.2.3"`}},
		{"the link again", func() { stranger.post("/unlock", "code", link.Code) }, nil},
		{"wrong password given again", func() {
			admin.post("/account/password", "current_password", "wrong "+password, "password", "another long one", "repeat", "another long one")
		}, []string{`authn_reauthentication_fail refused by "" to "amara" from "192.0.2.1"`}},
		{"make a key", func() { admin.send("POST", "/api/v1/keys", `{"name":"nightly","role":"auditor"}`, &key) }, []string{`authn_token_created success by "amara" to "amara" from "192.0.2.1"`}},
		{"what is no key", func() { stranger.bearer(key.Secret + "x") }, nil},
		{"revoke a key", func() { admin.send("DELETE", "/api/v1/keys/"+string(key.ID), "", nil) }, []string{`authn_token_revoked success by "amara" to "amara" from "192.0.2.1"`}},
		{"revoked key", func() { stranger.bearer(key.Secret) }, []string{`authn_login_fail refused by "" to "" from "192.0.2.3"`}},
		{"create", func() {
			admin.send("POST", "/api/v1/users", `{"username":"zoe","role":"user","password":"`+password+`"}`, &made)
		}, []string{`user_created success by "amara" to "zoe" from "192.0.2.1"`}},
		{"change", func() { admin.send("PATCH", "/api/v1/users/"+string(made.ID), `{"full_name":"Zoe Park"}`, nil) }, []string{`user_updated success by "amara" to "zoe" from "192.0.2.1"`}},
		{"change nothing", func() { admin.send("PATCH", "/api/v1/users/"+string(made.ID), `{"full_name":"Zoe Park"}`, nil) }, nil},
		{"disable", func() { admin.send("PATCH", "/api/v1/users/"+string(made.ID), `{"enabled":false}`, nil) }, []string{`user_updated success by "amara" to "zoe" from "192.0.2.1"`}},
		{"delete", func() { admin.send("DELETE", "/api/v1/users/"+string(made.ID), "", nil) }, []string{`user_deleted success by "amara" to "zoe" from "192.0.2.1"`}},
		{"test a webhook", func() { admin.send("POST", "/api/v1/webhooks/crm/test", "", nil) }, []string{`webhook_tested success by "amara" to "" from "192.0.2.1" of "crm"`}},
		{"test one that takes none", func() {
			h.answer(http.StatusForbidden)
			admin.post("/webhooks/crm/test")
		}, []string{`webhook_tested refused by "amara" to "" from "192.0.2.1" of "crm"`}},
		{"try a webhook now", func() { admin.post("/webhooks/crm/retry") }, []string{`webhook_retried success by "amara" to "" from "192.0.2.1" of "crm"`}},
		{"try one that there is not", func() { admin.post("/webhooks/none/retry") }, nil},
		{"end everybody", func() { admin.send("POST", "/api/v1/sessions/end", `{"others":true}`, nil) }, []string{`sessions_terminated success by "amara" to "" from "192.0.2.1", 150`}},
		{"end everybody again", func() { admin.send("POST", "/api/v1/sessions/end", `{"others":true}`, nil) }, nil},
		{"new password", func() {
			admin.send("PUT", "/api/v1/account/password", `{"current_password":"`+password+`","password":"another long one"}`, nil)
		}, []string{`authn_reauthenticated success by "amara" to "amara" from "192.0.2.1"`, `authn_password_change success by "amara" to "amara" from "192.0.2.1"`}},
		{"sign-out", func() { admin.send("DELETE", "/api/v1/session", "", nil) }, []string{`session_logout success by "amara" to "amara" from "192.0.2.1"`}},
		{"restart", func() { s.stop(); s = serve(t, s.data) }, []string{`sys_shutdown success by "" to "" from ""`, `sys_startup success by "" to "" from ""`}},
	} {
		step.do()
		var got []string
		all := s.records()
		for _, r := range all[seen:] {
			got = append(got, told(r))
		}
		seen = len(all)
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: got\n\t%s\nwant\n\t%s", step.name, strings.Join(got, "\n\t"), strings.Join(step.want, "\n\t"))
		}
	}
	if log := s.curfew("", "audit", "export"); strings.Contains(log, secret) || strings.Contains(log, password) {
		t.Error("the audit log holds what may be a password")
	}
}
