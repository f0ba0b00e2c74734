package main

import (
	"testing"
	"time"

	"github.com/arl/statsviz"
)

// vizPath is where statsviz is: an app that is somebody else's, can't be changed, and draws what comes through a WebSocket.
const vizPath = "/debug/statsviz/"

func newViz(t *testing.T) *statsviz.Server {
	t.Helper()
	viz, err := statsviz.NewServer() // it sends once a second: drawing takes the browser long
	if err != nil {
		t.Fatal(err)
	}
	return viz
}

// draws waits until the page has drawn several messages of its WebSocket.
func (b *tab) draws() {
	b.t.Helper()
	b.UntilPath(vizPath)
	b.Until("the page draws", "[...document.querySelectorAll('.js-plotly-plot')].some((plot) => plot.data?.[0]?.x?.length > 3)", patience)
}

// TestAppOfOthers signs in to it behind Curfew and behind each real proxy, and goes idle where the guard is put into its page:
// what the WebSocket brings is no activity.
func TestAppOfOthers(t *testing.T) {
	early(t)
	st := newStreet(t)
	st.addUser("ines", "--lifetime", "30")
	t.Run("Curfew", func(t *testing.T) {
		early(t)
		s := serveHouse(t, "--upstream", st.app.URL)
		s.addUser("ines", "--lifetime", "30")
		b := newProfile(t).open(t, s.root(), desktop)
		b.Go(vizPath)
		b.signInHere("ines")
		b.draws()
		b.goesIdle()
	})
	for _, r := range runnable() {
		t.Run(r.name, func(t *testing.T) {
			early(t)
			d := st.openDoor(t, r.name)
			b := d.open(t, newProfile(t), appHost)
			b.Go(vizPath)
			b.signInHere("ines")
			b.draws()
			if r.name == "nginx" {
				b.goesIdle()
			}
		})
	}
}

// goesIdle does nothing until the Logout dialog has come, and the sign-in page after it.
func (b *tab) goesIdle() {
	b.t.Helper()
	b.untilIdle()
	b.Until("the sign-in page appears", "location.pathname === '/.curfew/signin'", 45*time.Second)
	b.Forgive()
}
