package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// row is an expression for the user's rows in the list of sessions.
func rowsOf(user string) string {
	return fmt.Sprintf("[...document.querySelectorAll('#rows > tr')].filter(r => r.querySelector('.person').innerText.includes(%q))", user)
}

func TestFirstRun(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	b := newProfile(t).open(t, s.base, desktop)
	b.go_("/")
	b.untilPath("/setup")
	b.expect("403") // nobody without the code
	b.shoot("setup-without-code")
	b.do(chromedp.Navigate(s.setup))
	b.fill("#username", "amara")
	b.fill("#full_name", "Amara Okafor")
	b.fill("#password", password)
	b.fill("#repeat", password)
	b.shoot("setup")
	b.axe("setup")
	b.press("\r")
	b.untilPath("/sessions")
	b.untilText("This session")
	b.untilText("No other sessions")
	b.shoot("sessions-alone")

	stranger := newProfile(t).open(t, s.base, desktop)
	stranger.do(chromedp.Navigate(s.setup))
	stranger.untilText("Curfew")
	if eval[bool](stranger, "!!document.querySelector('#password')") && !strings.Contains(stranger.location(), "/signin") {
		t.Error("the setup link works twice")
	}
	stranger.forgive() // whatever status a dead link has
}

// rowsWhenSaid notes how many rows there are when the next notice appears.
const rowsWhenSaid = `new MutationObserver(() => { window.rowsWhenSaid ??= document.querySelectorAll('#rows > tr').length })
	.observe(document.querySelector('#toast'), { childList: true });`

func TestEndASession(t *testing.T) {
	t.Parallel()
	s := serveHouse(t)
	admin := newProfile(t).open(t, s.base, desktop)
	admin.signIn("amara")

	user := newProfile(t).open(t, s.base, desktop)
	user.signIn("arslan")
	admin.until("arslan's row comes by itself", rowsOf("Emre Arslan")+".length === 1", patience)
	if n := eval[int](admin, "document.querySelectorAll('#rows > tr.own').length"); n != 1 {
		t.Errorf("%d rows are marked as this session", n)
	}
	admin.until("the current session is first", "document.querySelector('#rows > tr').classList.contains('own')", patience)

	own := "#rows > tr.own .icon-btn"
	if disabled := eval[string](admin, fmt.Sprintf("document.querySelector(%q).getAttribute('aria-disabled')", own)); disabled != "true" {
		t.Error("one's own session can be ended in the list")
	}

	admin.click("#" + eval[string](admin, rowsOf("Emre Arslan")+"[0].querySelector('.icon-btn').id"))
	admin.until("the dialog is open", "document.querySelector('#dialog').open", patience)
	admin.shoot("end-one")
	admin.axe("end a session")
	confirm := "#dialog button[data-needs-tick]"
	if !eval[bool](admin, fmt.Sprintf("document.querySelector(%q).disabled", confirm)) {
		t.Error("the session can be ended without the tick")
	}
	admin.click("#dialog input[name=confirm]")
	eval[bool](admin, rowsWhenSaid+"document.dispatchEvent(new CustomEvent('curfew:sessions'))") // so that the next refresh would wait
	start := time.Now()
	admin.click(confirm)
	user.until("the ended one sees the sign-in page", "location.pathname === '/signin'", patience)
	t.Logf("from the click to the sign-in page: %v", time.Since(start).Round(time.Millisecond))
	user.untilText("Ended by amara at ")
	user.shoot("ended-by")
	user.axe("sign-in after the end")
	admin.until("the end is said", "window.rowsWhenSaid !== undefined", patience)
	if n := eval[int](admin, "window.rowsWhenSaid"); n != 1 {
		t.Errorf("when the end is said there are %d rows", n)
	}
	admin.until("the row goes", rowsOf("Emre Arslan")+".length === 0", patience)
	admin.until("the dialog is shut", "!document.querySelector('#dialog').open", patience)
	admin.untilText("Ended")

	// Back at work, on the page one was on.
	user.fill("#username", "arslan")
	user.fill("#password", password)
	user.press("\r")
	user.untilPath("/sessions")

	admin.go_("/history")
	admin.untilText("Terminated")
	admin.untilText("by amara")
}

func TestTerminateOthers(t *testing.T) {
	t.Parallel()
	s := serveHouse(t)
	admin := newProfile(t).open(t, s.base, desktop)
	admin.signIn("amara")
	others := []*client{s.signIn("arslan"), s.signIn("arslan"), s.signIn("mia"), s.signIn("amara")}
	user := newProfile(t).open(t, s.base, phone)
	user.signIn("arslan")

	// A user ends their own others, and nobody else's.
	user.until("two rows besides one's own", "document.querySelectorAll('#rows > tr').length === 3", patience)
	user.click("#end-others")
	user.until("the dialog is open", "document.querySelector('#dialog').open", patience)
	user.untilText("2 ")
	user.shoot("end-others-phone")
	user.click("#dialog input[name=confirm]")
	user.click("#dialog button[data-needs-tick]")
	user.until("only one's own row is left", "document.querySelectorAll('#rows > tr').length === 1", patience)
	for i, c := range others {
		status, _ := c.get("/sessions")
		if want := map[bool]int{true: 303, false: 200}[i < 2]; status != want {
			t.Errorf("client %d: status %d, want %d", i, status, want)
		}
	}

	// An admin ends all others.
	admin.until("the admin sees four", "document.querySelectorAll('#rows > tr').length === 4", patience)
	admin.click("#end-others")
	admin.until("the dialog is open", "document.querySelector('#dialog').open", patience)
	admin.shoot("end-others")
	admin.axe("terminate other sessions")
	if got := eval[string](admin, "document.querySelector('#dialog button[data-needs-tick]').innerText"); !strings.Contains(got, "3") {
		t.Errorf("the button says %q, want the number of sessions, 3", got)
	}
	admin.click("#dialog input[name=confirm]")
	admin.click("#dialog button[data-needs-tick]")
	admin.until("only one's own row is left", "document.querySelectorAll('#rows > tr').length === 1", patience)
	user.untilPath("/signin")
	if status, _ := others[3].get("/sessions"); status != 303 {
		t.Errorf("the admin's other session: status %d, want 303", status)
	}
}

func TestTokenSettings(t *testing.T) {
	t.Parallel()
	s := serveHouse(t)
	b := newProfile(t).open(t, s.base, desktop)
	b.signIn("amara")
	b.untilText("5 minutes")
	b.click("#configure")
	b.until("the panel is open", "document.querySelector('#dialog').open", patience)
	b.axe("token settings")
	b.fill("#seconds", "2147482")
	b.until("the words follow", "document.querySelector('#dialog').innerText.includes('24 days, 20 hours, 31 minutes, 22 seconds')", patience)
	b.shoot("token-settings")
	for _, wrong := range []string{"29", "2147483", "abc", "1e3"} {
		b.fill("#seconds", wrong)
		b.submitPanel()
		b.until("the field keeps "+wrong+" and says that it is wrong", fmt.Sprintf(`document.querySelector('#seconds').value === %q &&
			document.querySelector('#seconds').getAttribute('aria-invalid') === 'true' && document.querySelector('#seconds-hint .wrong')`, wrong), patience)
	}
	b.shoot("token-settings-error")
	b.axe("token settings with an error")
	b.forgive() // the browser logs each 422
	b.fill("#seconds", "90")
	b.press("\r")
	b.until("the new lifetime shows", "document.querySelector('#lifetime')?.innerText === '1 minute, 30 seconds'", patience)
	if got := eval[int](b, "fetch('/api/v1/session').then(r => r.json()).then(s => s.lifetime_seconds)"); got != 90 {
		t.Errorf("the session's lifetime is %d s, want 90", got)
	}
}

// submitPanel presses Enter, and waits for the panel that comes as the answer.
func (b *tab) submitPanel() {
	b.t.Helper()
	eval[string](b, "document.querySelector('#panel').dataset.test = 'sent'")
	b.press("\r")
	b.until("the answer is there", "document.querySelector('#panel') && !document.querySelector('#panel').dataset.test", patience)
}

func TestSearchAndSort(t *testing.T) {
	t.Parallel()
	s := serveHouse(t)
	for _, name := range []string{"arslan", "mia", "otto"} {
		s.signIn(name)
	}
	b := newProfile(t).open(t, s.base, desktop)
	b.signIn("amara")
	b.until("four rows", "document.querySelectorAll('#rows > tr').length === 4", patience)
	b.fill("#q", "mia")
	b.until("the search finds one", rowsOf("Mia")+".length === 1 && "+rowsOf("Otto")+".length === 0", patience)
	b.fill("#q", "zzz")
	b.untilText("No sessions match")
	b.shoot("empty-search")
	b.axe("empty search")
	b.click(".empty a[href='/sessions']")
	b.until("all rows again", "document.querySelectorAll('#rows > tr').length === 4", patience)
	b.click("th[aria-sort] a, th a")
	b.until("a column is sorted", "document.querySelector('th[aria-sort=ascending], th[aria-sort=descending]')", patience)
}

func TestUsersPage(t *testing.T) {
	t.Parallel()
	s := serveHouse(t)
	b := newProfile(t).open(t, s.base, desktop)
	b.signIn("amara")
	b.go_("/users")
	b.click("#add-user")
	b.until("the panel is open", "document.querySelector('#dialog').open", patience)
	b.axe("add user")
	b.fill("#username", "arslan")
	b.fill("#password", password)
	b.fill("#repeat", password)
	b.submitPanel()
	b.until("the name is taken", "document.querySelector('#username').getAttribute('aria-invalid') === 'true'", patience)
	b.shoot("add-user-error")
	b.expect("409")
	b.fill("#username", "nadia")
	b.fill("#password", password)
	b.fill("#repeat", password)
	b.press("\r")
	b.until("the new user is listed", rowsOf("nadia")+".length === 1", patience)

	// Disabling ends the sessions at once.
	victim := newProfile(t).open(t, s.base, desktop)
	victim.signIn("arslan")
	b.click("#" + eval[string](b, rowsOf("Emre Arslan")+"[0].querySelector('[id^=edit-]').id"))
	b.until("the panel is open", "document.querySelector('#dialog').open", patience)
	b.shoot("edit-user")
	b.click("#dialog input[name=enabled]")
	b.click("#dialog button.primary")
	b.until("the box to tick is there", "!!document.querySelector('#dialog input[name=confirm]')", patience)
	b.click("#dialog input[name=confirm]")
	b.click("#dialog button.primary")
	b.forgive() // asking for the tick is a 422
	b.until("the account shows as disabled", rowsOf("Emre Arslan")+"[0].innerText.includes('Disabled')", patience)
	victim.untilPath("/signin")
	victim.untilText("account was disabled")
}

// TestFormThatIsAPage posts a form that was opened as a page of its own: its answers are pages too.
func TestFormThatIsAPage(t *testing.T) {
	t.Parallel()
	s := serveHouse(t)
	b := newProfile(t).open(t, s.base, desktop)
	b.signIn("amara")
	b.go_("/users/new")
	b.fill("#username", "bo")
	b.fill("#password", "another horse")
	b.fill("#repeat", "another house")
	b.press("\r")
	b.untilText("The two passwords differ.")
	b.expect("422")
	if eval[bool](b, "document.querySelector('#dialog').open") {
		t.Error("the form is there twice")
	}
	b.fill("#password", "another horse")
	b.fill("#repeat", "another horse")
	b.press("\r")
	b.untilPath("/users")
	b.untilText("Added bo.")
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	s := serveHouse(t)
	other := s.signIn("mia")
	b := newProfile(t).open(t, s.base, phone)
	b.signIn("mia")
	b.go_("/account")
	b.axe("account")
	b.fill("#current_password", "not the password")
	b.fill("#password", "a new horse, a battery")
	b.fill("#repeat", "a new horse, a battery")
	b.press("\r")
	b.until("the current password is wrong", "document.querySelector('#current_password').getAttribute('aria-invalid') === 'true'", patience)
	b.forgive() // the wrong password is a 422

	// The field had the focus because it was wrong. A refresh of the list must not give it back while one types elsewhere.
	b.fill("#password", "a new")
	eval[bool](b, "(document.addEventListener('htmx:after:settle', () => { window.settled = true }), document.dispatchEvent(new Event('curfew:sessions')))")
	b.until("the list is refreshed", "window.settled", patience)
	if got := eval[string](b, "new Promise(requestAnimationFrame).then(() => document.activeElement.id)"); got != "password" {
		t.Errorf("a refresh moved the focus to %q", got)
	}
	if status, _ := other.get("/sessions"); status != 200 {
		t.Errorf("a failed change ended the other session: status %d", status)
	}
	b.fill("#current_password", password)
	b.fill("#password", "a new horse, a battery")
	b.fill("#repeat", "a new horse, a battery")
	b.press("\r")
	b.until("the notice says so", "document.querySelector('#toast').innerText.includes('assword')", patience)
	if status, _ := other.get("/sessions"); status != 303 {
		t.Errorf("the other session goes on: status %d", status)
	}
	b.go_("/sessions")
	b.untilText("This session")
}

// TestNoScript signs in, looks and signs out without scripts.
func TestNoScript(t *testing.T) {
	t.Parallel()
	s := serveHouse(t)
	b := newProfile(t).open(t, s.base, desktop)
	b.do(noScript())
	b.go_("/signin")
	b.do(chromedp.SendKeys(chromedp.CSS("#username"), "amara"), chromedp.SendKeys(chromedp.CSS("#password"), password+"\r"))
	b.do(chromedp.WaitVisible(chromedp.CSS("#rows")))
	b.do(chromedp.Click(chromedp.CSS("#configure")), chromedp.WaitVisible(chromedp.CSS("#seconds")))
	b.go_("/sessions")
	b.do(chromedp.Click(chromedp.CSS("form[action='/signout'] button"), chromedp.NodeVisible), chromedp.WaitVisible(chromedp.CSS("#password")))
	if !strings.Contains(b.location(), "/signin") {
		t.Errorf("after signing out at %s", b.location())
	}
}

// TestBackShowsNothing signs out and goes back.
func TestBackShowsNothing(t *testing.T) {
	t.Parallel()
	s := serveHouse(t)
	b := newProfile(t).open(t, s.base, desktop)
	b.signIn("amara")
	b.go_("/users")
	b.untilText("Emre Arslan")
	b.click("form[action='/signout'] button")
	b.untilPath("/signin")
	b.do(chromedp.Evaluate[chromedp.Void]("history.back()"))
	b.until("the private page is not shown", "location.pathname === '/signin' && !document.body.innerText.includes('Emre')", patience)
}
