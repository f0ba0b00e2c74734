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
	inTurn(t)
	s := serve(t, t.TempDir())
	b := newProfile(t).open(t, s.base, desktop)
	b.Go("/")
	b.UntilPath("/setup")
	b.Expect("403") // nobody without the code
	b.Shoot("setup-without-code")
	b.Do(chromedp.Navigate(s.setup))
	b.Fill("#username", "amara")
	b.Fill("#full_name", "Amara Okafor")
	b.Fill("#password", password)
	b.Fill("#repeat", password)
	b.Shoot("setup")
	b.Axe("setup")
	b.Press("\r")
	b.UntilPath("/sessions")
	b.UntilText("This session")
	b.UntilText("No other sessions")
	b.Shoot("sessions-alone")

	stranger := newProfile(t).open(t, s.base, desktop)
	stranger.Do(chromedp.Navigate(s.setup))
	stranger.UntilText("Curfew")
	if eval[bool](stranger, "!!document.querySelector('#password')") && !strings.Contains(stranger.Location(), "/signin") {
		t.Error("the setup link works twice")
	}
	stranger.Forgive() // whatever status a dead link has
}

// rowsWhenSaid notes how many rows there are when the next notice appears.
const rowsWhenSaid = `new MutationObserver(() => { window.rowsWhenSaid ??= document.querySelectorAll('#rows > tr').length })
	.observe(document.querySelector('#toast'), { childList: true });`

func TestEndASession(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	admin := newProfile(t).open(t, s.base, desktop)
	admin.signIn("amara")

	user := newProfile(t).open(t, s.base, desktop)
	user.signIn("arslan")
	admin.Until("arslan's row comes by itself", rowsOf("Emre Arslan")+".length === 1", patience)
	if n := eval[int](admin, "document.querySelectorAll('#rows > tr.own').length"); n != 1 {
		t.Errorf("%d rows are marked as this session", n)
	}
	admin.Until("the current session is first", "document.querySelector('#rows > tr').classList.contains('own')", patience)

	own := "#rows > tr.own .icon-btn"
	if disabled := eval[string](admin, fmt.Sprintf("document.querySelector(%q).getAttribute('aria-disabled')", own)); disabled != "true" {
		t.Error("one's own session can be ended in the list")
	}

	admin.Click("#" + eval[string](admin, rowsOf("Emre Arslan")+"[0].querySelector('.icon-btn').id"))
	admin.Until("the dialog is open", "document.querySelector('#dialog').open", patience)
	admin.Shoot("end-one")
	admin.Axe("end a session")
	confirm := "#dialog button[data-needs-tick]"
	if !eval[bool](admin, fmt.Sprintf("document.querySelector(%q).disabled", confirm)) {
		t.Error("the session can be ended without the tick")
	}
	admin.Click("#dialog input[name=confirm]")
	eval[bool](admin, rowsWhenSaid+"document.dispatchEvent(new CustomEvent('curfew:sessions'))") // so that the next refresh would wait
	start := time.Now()
	admin.Click(confirm)
	user.Until("the ended one sees the sign-in page", "location.pathname === '/signin'", patience)
	t.Logf("from the click to the sign-in page: %v", time.Since(start).Round(time.Millisecond))
	user.UntilText("Your session was ended by amara at ")
	user.Shoot("ended-by")
	user.Axe("sign-in after the end")
	admin.Until("the end is said", "window.rowsWhenSaid !== undefined", patience)
	if n := eval[int](admin, "window.rowsWhenSaid"); n != 1 {
		t.Errorf("when the end is said there are %d rows", n)
	}
	admin.Until("the row goes", rowsOf("Emre Arslan")+".length === 0", patience)
	admin.Until("the dialog is shut", "!document.querySelector('#dialog').open", patience)
	admin.UntilText("Ended")

	// Back at work, on the page one was on.
	user.Fill("#username", "arslan")
	user.Fill("#password", password)
	user.Press("\r")
	user.UntilPath("/sessions")

	admin.Go("/history")
	admin.UntilText("Terminated")
	admin.UntilText("by amara")
}

func TestTerminateOthers(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	admin := newProfile(t).open(t, s.base, desktop)
	admin.signIn("amara")
	others := []*client{s.signIn("arslan"), s.signIn("arslan"), s.signIn("mia"), s.signIn("amara")}
	user := newProfile(t).open(t, s.base, phone)
	user.signIn("arslan")

	// A user ends their own others, and nobody else's.
	user.Until("two rows besides one's own", "document.querySelectorAll('#rows > tr').length === 3", patience)
	user.Click("#end-others")
	user.Until("the dialog is open", "document.querySelector('#dialog').open", patience)
	user.UntilText("2 ")
	user.Shoot("end-others-phone")
	user.Click("#dialog input[name=confirm]")
	user.Click("#dialog button[data-needs-tick]")
	user.Until("only one's own row is left", "document.querySelectorAll('#rows > tr').length === 1", patience)
	for i, c := range others {
		status, _ := c.get("/sessions")
		if want := map[bool]int{true: 303, false: 200}[i < 2]; status != want {
			t.Errorf("client %d: status %d, want %d", i, status, want)
		}
	}

	// An admin ends all others.
	admin.Until("the admin sees four", "document.querySelectorAll('#rows > tr').length === 4", patience)
	admin.Click("#end-others")
	admin.Until("the dialog is open", "document.querySelector('#dialog').open", patience)
	admin.Shoot("end-others")
	admin.Axe("terminate other sessions")
	if got := eval[string](admin, "document.querySelector('#dialog button[data-needs-tick]').innerText"); !strings.Contains(got, "3") {
		t.Errorf("the button says %q, want the number of sessions, 3", got)
	}
	admin.Click("#dialog input[name=confirm]")
	admin.Click("#dialog button[data-needs-tick]")
	admin.Until("only one's own row is left", "document.querySelectorAll('#rows > tr').length === 1", patience)
	user.UntilPath("/signin")
	if status, _ := others[3].get("/sessions"); status != 303 {
		t.Errorf("the admin's other session: status %d, want 303", status)
	}
}

func TestTokenSettings(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	b := newProfile(t).open(t, s.base, desktop)
	b.signIn("amara")
	b.UntilText("5 minutes")
	b.Click("#configure")
	b.Until("the panel is open", "document.querySelector('#dialog').open", patience)
	b.Axe("token settings")
	b.Fill("#seconds", "2147482")
	b.Until("the words follow", "document.querySelector('#dialog').innerText.includes('24 days, 20 hours, 31 minutes, 22 seconds')", patience)
	b.Shoot("token-settings")
	for _, wrong := range []string{"29", "2147483", "abc", "1e3"} {
		b.Fill("#seconds", wrong)
		b.submitPanel()
		b.Until("the field keeps "+wrong+" and says that it is wrong", fmt.Sprintf(`document.querySelector('#seconds').value === %q &&
			document.querySelector('#seconds').getAttribute('aria-invalid') === 'true' && document.querySelector('#seconds-hint .wrong')`, wrong), patience)
	}
	b.Shoot("token-settings-error")
	b.Axe("token settings with an error")
	b.Forgive() // the browser logs each 422
	b.Fill("#seconds", "90")
	b.Press("\r")
	b.Until("the new lifetime shows", "document.querySelector('#lifetime')?.innerText === '1 minute, 30 seconds'", patience)
	if got := eval[int](b, "fetch('/api/v1/session').then(r => r.json()).then(s => s.lifetime_seconds)"); got != 90 {
		t.Errorf("the session's lifetime is %d s, want 90", got)
	}
}

// submitPanel presses Enter, and waits for the panel that comes as the answer.
func (b *tab) submitPanel() {
	b.t.Helper()
	eval[string](b, "document.querySelector('#panel').dataset.test = 'sent'")
	b.Press("\r")
	b.Until("the answer is there", "document.querySelector('#panel') && !document.querySelector('#panel').dataset.test", patience)
}

func TestSearchAndSort(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	for _, name := range []string{"arslan", "mia", "otto"} {
		s.signIn(name)
	}
	b := newProfile(t).open(t, s.base, desktop)
	b.signIn("amara")
	b.Until("four rows", "document.querySelectorAll('#rows > tr').length === 4", patience)
	b.Fill("#q", "mia")
	b.Until("the search finds one", rowsOf("Mia")+".length === 1 && "+rowsOf("Otto")+".length === 0", patience)
	b.Fill("#q", "zzz")
	b.UntilText("No sessions match")
	b.Shoot("empty-search")
	b.Axe("empty search")
	b.Click(".empty a[href='/sessions']")
	b.Until("all rows again", "document.querySelectorAll('#rows > tr').length === 4", patience)
	b.Click("th[aria-sort] a, th a")
	b.Until("a column is sorted", "document.querySelector('th[aria-sort=ascending], th[aria-sort=descending]')", patience)
}

func TestUsersPage(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	b := newProfile(t).open(t, s.base, desktop)
	b.signIn("amara")
	b.Go("/users")
	b.Click("#add-user")
	b.Until("the panel is open", "document.querySelector('#dialog').open", patience)
	b.Axe("add user")
	b.Fill("#username", "arslan")
	b.Fill("#password", password)
	b.Fill("#repeat", password)
	b.submitPanel()
	b.Until("the name is taken", "document.querySelector('#username').getAttribute('aria-invalid') === 'true'", patience)
	b.Shoot("add-user-error")
	b.Expect("409")
	b.Fill("#username", "nadia")
	b.Fill("#password", password)
	b.Fill("#repeat", password)
	b.Press("\r")
	b.Until("the new user is listed", rowsOf("nadia")+".length === 1", patience)

	// Disabling ends the sessions at once.
	victim := newProfile(t).open(t, s.base, desktop)
	victim.signIn("arslan")
	b.Click("#" + eval[string](b, rowsOf("Emre Arslan")+"[0].querySelector('[id^=edit-]').id"))
	b.Until("the panel is open", "document.querySelector('#dialog').open", patience)
	b.Shoot("edit-user")
	b.Click("#dialog input[name=enabled]")
	b.Click("#dialog button.primary")
	b.Until("the box to tick is there", "!!document.querySelector('#dialog input[name=confirm]')", patience)
	b.Click("#dialog input[name=confirm]")
	b.Click("#dialog button.primary")
	b.Forgive() // asking for the tick is a 422
	b.Until("the account shows as disabled", rowsOf("Emre Arslan")+"[0].innerText.includes('Disabled')", patience)
	victim.UntilPath("/signin")
	victim.UntilText("account was disabled")
}

// TestFormThatIsAPage posts a form that was opened as a page of its own: its answers are pages too.
func TestFormThatIsAPage(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	b := newProfile(t).open(t, s.base, desktop)
	b.signIn("amara")
	b.Go("/users/new")
	b.Fill("#username", "bo")
	b.Fill("#password", "another horse")
	b.Fill("#repeat", "another house")
	b.Press("\r")
	b.UntilText("The two passwords differ.")
	b.Expect("422")
	if eval[bool](b, "document.querySelector('#dialog').open") {
		t.Error("the form is there twice")
	}
	b.Fill("#password", "another horse")
	b.Fill("#repeat", "another horse")
	b.Press("\r")
	b.UntilPath("/users")
	b.UntilText("Added bo.")
}

func TestChangePassword(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	other := s.signIn("mia")
	b := newProfile(t).open(t, s.base, phone)
	b.signIn("mia")
	b.Go("/account")
	b.Axe("account")
	b.Fill("#current_password", "not the password")
	b.Fill("#password", "a new horse, a battery")
	b.Fill("#repeat", "a new horse, a battery")
	b.Press("\r")
	b.Until("the current password is wrong", "document.querySelector('#current_password').getAttribute('aria-invalid') === 'true'", patience)
	b.Forgive() // the wrong password is a 422

	// The field had the focus because it was wrong. A refresh of the list must not give it back while one types elsewhere.
	b.Fill("#password", "a new")
	eval[bool](b, "(document.addEventListener('htmx:after:settle', () => { window.settled = true }), document.dispatchEvent(new Event('curfew:sessions')))")
	b.Until("the list is refreshed", "window.settled", patience)
	if got := eval[string](b, "new Promise(requestAnimationFrame).then(() => document.activeElement.id)"); got != "password" {
		t.Errorf("a refresh moved the focus to %q", got)
	}
	if status, _ := other.get("/sessions"); status != 200 {
		t.Errorf("a failed change ended the other session: status %d", status)
	}
	b.Fill("#current_password", password)
	b.Fill("#password", "a new horse, a battery")
	b.Fill("#repeat", "a new horse, a battery")
	b.Press("\r")
	b.Until("the notice says so", "document.querySelector('#toast').innerText.includes('assword')", patience)
	if status, _ := other.get("/sessions"); status != 303 {
		t.Errorf("the other session goes on: status %d", status)
	}
	b.Go("/sessions")
	b.UntilText("This session")
}

// TestNoScript signs in, looks and signs out without scripts.
func TestNoScript(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	b := newProfile(t).open(t, s.base, desktop)
	b.NoScript()
	b.Go("/signin")
	b.Do(chromedp.WaitNotVisible(chromedp.CSS(".fine"))) // that somebody will be asked, for which it takes a script
	b.Do(chromedp.SendKeys(chromedp.CSS("#username"), "amara"), chromedp.SendKeys(chromedp.CSS("#password"), password+"\r"))
	b.Do(chromedp.WaitVisible(chromedp.CSS("#rows")))
	b.Do(chromedp.Click(chromedp.CSS("#configure")), chromedp.WaitVisible(chromedp.CSS("#seconds")))
	b.Go("/sessions")
	b.Do(chromedp.Click(chromedp.CSS("form[action='/signout'] button"), chromedp.NodeVisible), chromedp.WaitVisible(chromedp.CSS("#password")))
	if !strings.Contains(b.Location(), "/signin") {
		t.Errorf("after signing out at %s", b.Location())
	}
}

// TestBackShowsNothing signs out and goes back.
func TestBackShowsNothing(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	b := newProfile(t).open(t, s.base, desktop)
	b.signIn("amara")
	b.Go("/users")
	b.UntilText("Emre Arslan")
	b.Click("form[action='/signout'] button")
	b.UntilPath("/signin")
	b.Do(chromedp.Evaluate[chromedp.Void]("history.back()"))
	b.Until("the private page is not shown", "location.pathname === '/signin' && !document.body.innerText.includes('Emre')", patience)
}
