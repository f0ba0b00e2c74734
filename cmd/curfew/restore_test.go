package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/httpapi"
)

// TestRestoreRevivesNothing backs up the real program, ends a session, and goes back to the backup, or to what cp had copied. The program is
// killed before and after. What was ended stays so, nobody else is signed in either, and the admin is told why.
func TestRestoreRevivesNothing(t *testing.T) {
	inTurn(t)
	c := newCrasher(t)
	c.start()
	for range 3 {
		c.signIn(t.Context())
	}
	file := filepath.Join(t.TempDir(), "backup.db")
	c.curfew("backup", file)
	c.kill()
	copied := t.TempDir()
	copyFiles(t, c.data, copied)

	c.start()
	c.signIn(t.Context()) // the backup knows nothing of it
	c.check()             // and so gets to know their IDs
	api := httpapi.NewClient(httpapi.SocketTransport(filepath.Join(c.data, "curfew.sock")))
	if _, err := api.End(t.Context(), httpapi.End{IDs: []curfew.SessionID{c.signs[0].id}}); err != nil {
		t.Fatal(err)
	}
	c.kill()

	for _, way := range []struct {
		name string
		do   func()
	}{
		{"curfew restore", func() { c.curfew("restore", file, "--replace") }},
		{"cp of the folder", func() { copyFiles(t, copied, c.data) }},
	} {
		t.Run(way.name, func(t *testing.T) {
			way.do()
			for range 2 { // the second time after a kill
				c.start()
				for i, s := range c.signs {
					if s.isAccepted(t, c.base) {
						t.Errorf("session %d is accepted", i)
					}
				}
				c.kill()
			}
			c.start()
			defer c.kill()
			found := map[curfew.Reason]int{}
			for s, err := range api.History(t.Context(), httpapi.HistoryQuery{}) {
				if err != nil {
					t.Fatal(err)
				}
				found[s.Reason]++
			}
			if found[curfew.ReasonRestored] != 3 {
				t.Errorf("the history has %v; want 3 restored", found)
			}
			before := len(c.signs)
			c.signIn(t.Context())
			if len(c.signs) == before || !c.signs[before].isAccepted(t, c.base) {
				t.Error("nobody can sign in")
			}
			c.signs = c.signs[:before]
		})
	}
}

// curfew runs a command on the data.
func (c *crasher) curfew(args ...string) {
	c.t.Helper()
	if out, err := exec.Command(c.bin, append(args, "--data", c.data)...).CombinedOutput(); err != nil {
		c.t.Fatalf("curfew %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// copyFiles copies a data folder as cp does, into files that are there.
func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	for _, name := range []string{"curfew.db", "curfew.db-wal", "curfew.witness"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// isAccepted reports whether a page is served in the session.
func (s *sign) isAccepted(t *testing.T, base string) bool {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, base+"/account", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(s.cookie)
	resp, err := client303.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
