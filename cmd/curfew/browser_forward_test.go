package main

import (
	"fmt"
	"testing"
	"time"
)

// TestForwardAuthInTheBrowser is a day in a browser behind each real proxy, with two apps on two hosts that share a sign-in.
func TestForwardAuthInTheBrowser(t *testing.T) {
	early(t)
	st := newStreet(t, "--cookie-domain", "example.com")
	st.addUser("ines", "--lifetime", "30")
	for _, r := range runnable() {
		t.Run(r.name, func(t *testing.T) {
			early(t)
			d := st.openDoor(t, r.name)
			t.Run("idle", func(t *testing.T) { early(t); d.testIdleInTheBrowser(t) })
			t.Run("ended", func(t *testing.T) { inTurn(t); d.testEndedInTheBrowser(t) })
		})
	}
}

// open opens a tab that takes the proxy's certificate as it is.
func (d *frontDoor) open(t *testing.T, p profile, host string) *tab {
	t.Helper()
	return p.openAnyway(t, d.base(host))
}

// page is the app's page with the guard in it: nginx puts it there, elsewhere the app does.
func (d *frontDoor) page() string {
	if d.name == "nginx" {
		return "/page?a=b%20c"
	}
	return "/page-with-guard?a=b%20c"
}

// arrive waits for the app's page, at the very address.
func (b *tab) arrive(address string) {
	b.t.Helper()
	b.Until("reach "+address, fmt.Sprintf("location.pathname + location.search === %q && document.readyState === 'complete' && document.title === 'The app'", address), patience)
}

// enter asks for a page, signs in where that leads, and is back at the page.
func (b *tab) enter(page, name string) {
	b.t.Helper()
	b.Go(page)
	b.UntilPath("/.curfew/signin")
	b.Fill("#username", name)
	b.Fill("#password", password)
	b.Press("\r")
	b.arrive(page)
}

const polled = "+document.querySelector('#polled').innerText"

// testIdleInTheBrowser goes idle in one app while its page polls, extends in the other, goes idle again and is signed out of both.
func (d *frontDoor) testIdleInTheBrowser(t *testing.T) {
	me := newProfile(t)
	a, b := d.open(t, me, appHost), d.open(t, me, "other.example.com")
	a.enter(d.page(), "ines")
	b.Go(d.page())
	b.arrive(d.page()) // with the sign-in of the other host
	a.untilIdle()
	b.Until("the other app shows the dialog too", dialog, patience)
	if n := eval[int](a, polled); n < 20 {
		t.Errorf("the page polled %d times, want it to go on", n)
	}
	a.Press("\r")
	a.Until("the dialog closes", dialogGone, patience)
	b.Until("the dialog closes in the other app", dialogGone, patience)
	a.untilIdle()
	a.Until("the sign-in page appears", "location.pathname === '/.curfew/signin'", 45*time.Second)
	b.UntilPath("/.curfew/signin")
	a.UntilText("Signed out after 30 seconds of inactivity")
	a.Forgive()
	b.Forgive()
}

// testEndedInTheBrowser has an admin end the session of somebody who looks at a page of the app.
func (d *frontDoor) testEndedInTheBrowser(t *testing.T) {
	name := "user-of-" + d.name
	d.addUser(name)
	b := d.open(t, newProfile(t), appHost)
	b.enter(d.page(), name)
	b.Until("the page polls", polled+" > 2", patience)
	d.server.curfew("", "end", "--user", name)
	ended := time.Now()
	b.Until("the sign-in page appears", "location.pathname === '/.curfew/signin'", patience)
	t.Logf("from the end to the sign-in page: %v", time.Since(ended).Round(time.Millisecond))
	b.Forgive()
}
