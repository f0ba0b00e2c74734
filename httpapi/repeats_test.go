package httpapi_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/curfewhq/curfew/account"
)

// TestRepeatsOfOthers has somebody use as many Idempotency-Keys as they can: that keeps nobody else from using one, and a dry run, which has no effect
// to repeat, uses none.
func TestRepeatsOfOthers(t *testing.T) {
	const most = 1000
	run(t, func(k *kit) {
		amara := k.user("amara", account.Admin)
		mia := k.user("mia", account.User)
		_, admins := k.key(amara, "script", account.Admin)
		_, users := k.key(mia, "script", account.User)
		_, another := k.key(mia, "another", account.User)
		end := func(secret, body, name string) int {
			time.Sleep(10 * time.Millisecond) // or it would be too many requests
			r := byKey("POST", "/api/v1/sessions/end", body, "Bearer "+secret)
			r.Header.Set("Idempotency-Key", name)
			return k.do(r).Code
		}
		for i := range most + 1 {
			if status := end(users, `{"others":true,"dry_run":true}`, strconv.Itoa(i)); status != 200 {
				t.Fatalf("dry run %d: status %d", i, status)
			}
		}
		for i := range most {
			if status := end(users, `{"others":true}`, strconv.Itoa(i)); status != 200 {
				t.Fatalf("call %d: status %d", i, status)
			}
		}
		if one, other := end(users, `{"others":true}`, "one more"), end(another, `{"others":true}`, "0"); one != 429 || other != 429 {
			t.Errorf("one more: status %d and, by another key, %d", one, other)
		}
		if status := end(admins, `{"others":true}`, "0"); status != 200 {
			t.Errorf("somebody else: status %d", status)
		}
	})
}
