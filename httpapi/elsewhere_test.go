package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/httpapi"
)

// TestAccountsElsewhere has sessions of accounts that Curfew does not keep: the guard gets all it asks for, and the API has no
// more than that.
func TestAccountsElsewhere(t *testing.T) {
	run(t, func(k *kit) {
		k.api = k.sessions.Authenticate(httpapi.New(httpapi.Options{Sessions: k.sessions, Stopping: k.stopping}))
		s, token, err := k.sessions.Start(t.Context(), curfew.Start{
			User: curfew.User{ID: "1", Name: "amara"}, Lifetime: time.Minute, Grace: curfew.DefaultGrace,
		})
		if err != nil {
			t.Fatal(err)
		}
		events := k.listen(token)
		defer events.close()
		time.Sleep(70 * time.Second)
		if got := strings.Join(events.heard(), " "); !strings.Contains(got, `"state":"expiring"`) {
			t.Errorf("the stream told %s", got)
		}
		for _, path := range []string{"/api/v1/session/extend", "/api/v1/session/activity"} {
			if status, got := k.call("POST", path, "", token); status != http.StatusOK || !strings.Contains(got, `"state":"active"`) {
				t.Errorf("%s: %d %s", path, status, got)
			}
		}
		if _, _, err := k.sessions.Start(t.Context(), curfew.Start{User: curfew.User{ID: "1", Name: "amara"}, Lifetime: time.Minute}); err != nil {
			t.Fatal(err)
		}
		if count(events.heard(), hint) != 1 {
			t.Error("the stream does not tell of another session of the user")
		}
		if status, got := k.call("PUT", "/api/v1/account/lifetime", `{"lifetime_seconds":90}`, token); status != http.StatusNotFound {
			t.Errorf("the lifetime of an account kept elsewhere: %d %s", status, got)
		}
		if _, err := k.sessions.End(t.Context(), s.ID, curfew.Ending{Reason: curfew.ReasonTerminated}); err != nil {
			t.Fatal(err)
		}
		if status, got := k.call("GET", "/api/v1/session", "", token); status != http.StatusOK || !strings.Contains(got, `"reason":"terminated"`) {
			t.Errorf("after the end: %d %s", status, got)
		}
		if !events.isClosed() {
			t.Error("the stream goes on after the end")
		}
	})
}
