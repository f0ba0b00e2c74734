package gate

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/browsertest"
)

// TestRefusalLooks opens the pages that people get instead of the one they asked for.
func TestRefusalLooks(t *testing.T) {
	t.Parallel()
	g := &Gate{Options: Options{SignOut: "/.curfew/signout"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil { // the icon, which browsers ask for at any time
			w.WriteHeader(http.StatusNoContent)
			return
		}
		page := g.newRefusal(status, errUpstreamLate, strings.Repeat("long.", 12)+"example.com", curfew.User{ID: "1", Name: "amara", FullName: "Amara Okafor"})
		page.SignIn = "/.curfew/signin"
		refusePage(w, page)
	}))
	t.Cleanup(server.Close)
	for _, l := range []browsertest.Look{browsertest.Desktop, browsertest.PhoneDark} {
		b := browsertest.NewProfile(t).Open(t, server.URL, l)
		for status := range headings {
			name := fmt.Sprintf("%s-refused-%d", l.Name, status)
			b.Go(fmt.Sprintf("/%d", status))
			b.Expect(strconv.Itoa(status))
			b.Axe(name)
			b.Fits(name)
			b.Shoot(name)
			if small := browsertest.Eval[int](b, "[...document.querySelectorAll('button')].filter(e => e.offsetHeight < 44).length"); small > 0 && l.Width <= 720 {
				t.Errorf("%s: a finger needs 44 px", name)
			}
		}
	}
}
