package main

import (
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// The Logout dialog, as an expression, and parts of it.
const (
	dialog     = "document.querySelector('curfew-guard')?.shadowRoot.querySelector('dialog[open]')"
	dialogGone = "!" + dialog
	backdrop   = "getComputedStyle(" + dialog + ", '::backdrop').backdropFilter"
	focused    = "document.querySelector('curfew-guard')?.shadowRoot.activeElement?.innerText"
)

// untilIdle waits for the Logout dialog of a session of 30 s.
func (b *tab) untilIdle() {
	b.t.Helper()
	rest(b.t)
	b.Until("the Logout dialog appears", dialog, 30*time.Second+patience)
}

// TestIdle has a session of 30 seconds go idle, for real, in two tabs, and extends it in each way there is.
func TestIdle(t *testing.T) {
	early(t)
	s := serveHouse(t)
	s.addUser("ines", "--role", "admin", "--lifetime", "30")
	me := newProfile(t)
	a, b := me.open(t, s.base, desktop), me.open(t, s.base, desktopDark)
	a.signIn("ines")
	b.Go("/sessions")
	b.UntilPath("/sessions")
	a.Go("/history?q=nothing")
	a.UntilPath("/history")
	a.Do(chromedp.Focus(chromedp.CSS("#q")))

	a.untilIdle()
	b.Until("the other tab shows it too", dialog, patience)
	checkDialog(t, a)

	// Enter, on the button that has the focus, extends in both tabs.
	a.Press("\r")
	a.Until("the dialog closes", dialogGone, patience)
	b.Until("the dialog closes in the other tab", dialogGone, patience)
	if got := eval[string](a, "document.activeElement.id"); got != "q" {
		t.Errorf("the focus is on %q, want it back in the search field", got)
	}

	// So does activity in another tab, here a navigation.
	a.untilIdle()
	b.Go("/users")
	a.Until("activity in the other tab closes the dialog", dialogGone, patience)

	// Escape extends too.
	a.untilIdle()
	a.Press("\x1b")
	a.Until("the dialog closes", dialogGone, patience)
}

// spokenThrice is what is said of the time left. A busy browser may be late with it, and says then what is true. The first may have been
// said before one listened.
var spokenThrice = regexp.MustCompile(`^(\d\d seconds left\.)?(10|[6-9]) seconds left\.[1-5] seconds? left\.$`)

// TestUnanswered leaves the Logout dialog unanswered: the session ends when the dialog said it would, in both tabs, and
// what was being typed waits.
func TestUnanswered(t *testing.T) {
	early(t)
	s := serveHouse(t)
	s.addUser("ines", "--role", "admin", "--lifetime", "30")
	me := newProfile(t)
	a, b := me.open(t, s.base, desktop), me.open(t, s.base, desktopDark)
	a.signIn("ines")
	b.Go("/sessions")
	b.UntilPath("/sessions")
	a.Go("/users")
	a.Click("#add-user")
	a.Until("the panel is open", "document.querySelector('#dialog').open", patience)
	a.Fill("#username", "nadia")
	a.Fill("#full_name", "Nadia K")
	a.Fill("#password", "never to be kept")
	a.untilIdle()
	eval[bool](a, `(localStorage.clear(), new MutationObserver(([change]) => localStorage.setItem('spoken', (localStorage.getItem('spoken') ?? '') +
		change.target.textContent)).observe(`+dialog+`.querySelector('[aria-live=polite]'), {childList: true}), true)`)
	ends := eval[string](a, "fetch('/api/v1/session').then(r => r.json()).then(s => s.ends_at)")
	a.Until("the sign-in page appears", "location.pathname === '/signin'", 30*time.Second+patience)
	if late := time.Since(parseTime(t, ends)); late < 0 || late > patience {
		t.Errorf("the sign-in page came %v after the end", late)
	}
	a.UntilText("Signed out after 30 seconds of inactivity")
	a.Shoot("idle-signed-out")
	if got := eval[string](a, "localStorage.getItem('spoken')"); !spokenThrice.MatchString(got) {
		t.Errorf("spoken was %q, want no more than 30, 10 and 5 seconds", got)
	}
	b.UntilPath("/signin")

	a.Fill("#username", "ines")
	a.Fill("#password", password)
	a.Press("\r")
	a.UntilPath("/users")
	a.Until("the panel is open again, as it was left", `document.querySelector('#dialog').open &&
		document.querySelector('#username').value === 'nadia' && document.querySelector('#full_name').value === 'Nadia K'`, patience)
	if got := eval[string](a, "document.querySelector('#password').value + JSON.stringify({...sessionStorage})"); strings.Contains(got, "never to be kept") {
		t.Error("a password was kept over the sign-in")
	}
	a.Go("/history")
	a.UntilText("Inactivity")
}

// checkDialog checks what the dialog says, and how.
func checkDialog(t *testing.T, b *tab) {
	t.Helper()
	for what, js := range map[string]string{
		"it is an alertdialog":            dialog + ".getAttribute('role') === 'alertdialog'",
		"its title is Logout":             dialog + ".querySelector('h2').innerText === 'Logout'",
		"it names the lifetime":           dialog + ".innerText.includes('inactive for more than 30 seconds')",
		"it names the end":                "/will end at \\d/.test(" + dialog + ".innerText)",
		"the focus is on Extend":          focused + " === 'Extend Session'",
		"the countdown is of 30 seconds":  "(n => n > 10 && n <= 30)(+" + dialog + ".querySelector('.number').innerText)",
		"the countdown is not spoken":     dialog + ".querySelector('.ring').getAttribute('aria-hidden') === 'true'",
		"it has a polite live region":     dialog + ".querySelector('[aria-live=polite]')",
		"nothing behind it is blurred":    backdrop + " === 'none'",
		"one can log out in it":           dialog + ".innerText.includes('Log out now')",
		"the page behind it can't be hit": "document.elementFromPoint(5, 5) === document.querySelector('curfew-guard') || document.elementFromPoint(5, 5)?.closest('dialog')",
	} {
		if !eval[bool](b, "!!("+js+")") {
			t.Errorf("the Logout dialog: not so: %s", what)
		}
	}
	// Tab stays inside.
	b.Press("\t")
	if got := eval[string](b, focused); got != "Log out now" {
		t.Errorf("after Tab the focus is on %q", got)
	}
	b.Press("\t")
	if got := eval[string](b, focused); got != "Extend Session" {
		t.Errorf("after Tab twice the focus is on %q", got)
	}
}

// TestLogoutDialogLooks checks the dialog in every look, each size in a session of its own, for it is open for 30 seconds only.
func TestLogoutDialogLooks(t *testing.T) {
	early(t)
	s := serveHouse(t)
	s.addUser("ines", "--role", "admin", "--lifetime", "30")
	for _, looks := range windows {
		t.Run(looks[0].Name, func(t *testing.T) {
			early(t)
			b := newProfile(t).open(t, s.base, looks[0])
			b.Blur()
			b.signIn("ines")
			b.Go("/history?q=nothing")
			b.UntilPath("/history")
			b.LoadAxe()
			b.untilIdle()
			if got := eval[string](b, backdrop); got != "blur(6px)" {
				t.Errorf("behind the dialog: %s, want a blur", got)
			}
			b.lookAll(looks, "logout")
			if !eval[bool](b, "!!"+dialog) {
				t.Error("the Logout dialog is no longer there")
			}
		})
	}
}

func parseTime(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestInputCountsFromWhenItWas types twice. The second report must wait, and yet the counter starts when the key was hit.
func TestInputCountsFromWhenItWas(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	b := newProfile(t).open(t, s.base, desktop)
	b.signIn("mia")
	b.Until("the guard runs", "!document.querySelector('#live').hidden", patience)
	eval[bool](b, `(addEventListener('keydown', () => { window.typed = Date.now() }, true),
		document.addEventListener('curfew:state', (e) => { window.active = Date.parse(e.detail.last_active_at) }), true)`)
	b.Press("a")
	// Ages are told in whole milliseconds, so the report may count from a moment before the key.
	b.Until("the first key is reported", "window.active > typed - 10 && performance.getEntriesByType('resource').some((e) => e.name.endsWith('/session/activity'))", patience)
	time.Sleep(time.Second)
	b.Press("b")
	b.Until("the second key is reported", "active > typed - 500", patience)
	if late := eval[float64](b, "active - typed"); late < -100 || late > 3000 {
		t.Errorf("the session was last active %v ms after the key was hit", late)
	}
}

// TestLogOutNow uses the other button of the dialog.
func TestLogOutNow(t *testing.T) {
	early(t)
	s := serveHouse(t)
	s.addUser("ines", "--lifetime", "30")
	b := newProfile(t).open(t, s.base, phone)
	b.signIn("ines")
	b.untilIdle()
	b.Press("\t")
	b.Press("\r")
	b.UntilPath("/signin")
	b.UntilText("You are signed out")
	if strings.Contains(b.Location(), "next=") {
		t.Error("who logs out on purpose is led back afterwards")
	}
}

// TestIdleWithoutFetchMetadata goes idle over plain HTTP, with two tabs that each hold a stream.
func TestIdleWithoutFetchMetadata(t *testing.T) {
	early(t)
	s := serveHouse(t)
	s.addUser("ines", "--role", "admin", "--lifetime", "30")
	base := strings.Replace(s.base, "127.0.0.1", insecureHost, 1)
	me := newProfile(t)
	a, b := me.open(t, base, desktop), me.open(t, base, phone)
	a.signIn("ines")
	b.Go("/users")
	b.UntilPath("/users")
	if eval[bool](a, "window.isSecureContext") {
		t.Fatal("the browser trusts this host")
	}
	a.untilIdle()
	b.Until("the other tab shows it too", dialog, patience)
	b.Press("\r")
	a.Until("the dialog closes", dialogGone, patience)
	a.untilIdle()
	a.Until("the sign-in page appears", "location.pathname === '/signin'", 30*time.Second+patience)
	a.UntilText("Signed out after 30 seconds of inactivity")
}

// TestPollingGoesIdle has one client that asks as a page's script does, and one that asks as curl does.
func TestPollingGoesIdle(t *testing.T) {
	early(t)
	s := serveHouse(t)
	s.addUser("ines", "--lifetime", "30")
	begun := time.Now()
	poll, script := s.signIn("ines"), s.signIn("ines")
	poll.Transport = headers{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}
	rest(t)
	var ended time.Duration
	for signedIn := time.Now(); time.Since(signedIn) < 66*time.Second; time.Sleep(500 * time.Millisecond) {
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, body := poll.get("/api/v1/session"); ended == 0 && strings.Contains(body, `"state":"ended"`) {
				ended = time.Since(begun)
			}
		})
		wg.Go(func() {
			if status, body := script.get("/api/v1/session"); status != 200 || !strings.Contains(body, `"state":"active"`) {
				t.Errorf("after %v the script's session: %d %s", time.Since(begun), status, body)
			}
		})
		wg.Wait()
	}
	if ended < 60*time.Second {
		t.Errorf("the polling client was signed out after %v, want 60 s", ended)
	}
}

// headers adds headers to each request.
type headers map[string]string

func (h headers) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for k, v := range h {
		r.Header.Set(k, v)
	}
	return http.DefaultTransport.RoundTrip(r)
}
