package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestLook opens every page in every look: none may keep people out, be wider than its window, or log an error.
// With CURFEW_TEST_SCREENSHOTS=DIR it takes their pictures, those of the README among them.
func TestLook(t *testing.T) {
	early(t)
	hook := newHookReceiver(t)
	s := serveHouse(t, "--config", hook.config())
	s.addUser("tobias", "--full-name", "Tobias Brandt", "--lifetime", "28800")
	s.curfew("", "user", "disable", "tobias")
	s.guests()
	id := sessionID(t, s, "arslan")
	s.curfew("", "end", id)
	s.curfew("", "key", "new", "amara", "nightly backup", "--role", "auditor")
	s.curfew("", "key", "new", "amara", strings.Repeat("long", 16), "--never")
	s.curfew("", "key", "new", "mia", "deploy")
	userPage := "/users/" + userID(t, s, "mia")
	pages := []string{
		"/sessions", "/sessions?q=zzz", "/sessions/end-others", "/sessions/" + sessionID(t, s, "mia") + "/end", "/settings/token",
		"/history", "/history?reason=idle", "/audit", "/audit?q=zzz", "/audit/3", "/audit/verify", "/audit/verify?marks=", "/webhooks", "/users", "/users/new", "/account", "/account/keys/new", userPage, "/nowhere", "/users?q=zzz",
	}
	for _, looks := range windows {
		t.Run(looks[0].Name, func(t *testing.T) {
			early(t)
			b := newProfile(t).open(t, s.base, looks[0])
			b.Go("/signin")
			b.lookAll(looks, "signin")
			b.Go("/unlock?code=x")
			b.lookAll(looks, "unlock")
			b.signIn("amara")
			for _, path := range pages {
				b.Go(path)
				b.Until(path+" is there", "document.readyState === 'complete' && document.fonts.status === 'loaded'", patience)
				b.lookAll(looks, strings.Trim(strings.NewReplacer("/", "-", "?", "-", "=", "-").Replace(path), "-"))
			}
			b.Expect("404") // nowhere
			b.menu(looks)
			b.records(looks[0])
		})
	}
}

func (b *tab) look(l look, name string) {
	b.t.Helper()
	b.Axe(l.Name + " " + name)
	b.fits(l, name)
}

// fits sees that the page is not wider than its window, and takes its picture.
func (b *tab) fits(l look, name string) {
	b.t.Helper()
	b.Fits(l.Name + " " + name)
	b.Shoot(l.Name + "-" + name)
}

// lookAll looks at one page in light and dark, which have different colours and nothing else (light-dark in app.css), without loading it
// again: that and axe are most of what a look takes. The next page is loaded in the last look.
func (b *tab) lookAll(looks []look, name string) {
	b.t.Helper()
	b.Resize(looks[0])
	b.look(looks[0], name)
	for _, l := range looks[1:] {
		b.Resize(l)
		b.AxeColours(l.Name + " " + name)
		b.fits(l, name)
	}
}

// menu opens the phone's menu.
func (b *tab) menu(looks []look) {
	b.t.Helper()
	if looks[0].Width > 720 {
		return
	}
	b.Go("/sessions")
	b.Click("header .menu summary")
	b.lookAll(looks, "menu")
}

// records sees that nothing is left free within an audit record on a phone.
func (b *tab) records(l look) {
	b.t.Helper()
	if l.Width > 720 {
		return
	}
	b.Go("/audit")
	b.Until("records have no holes", `[...document.querySelectorAll("#rows tr")].every(r => {
		const cells = [...r.children].filter(c => c.offsetHeight && !c.matches(".c-act"))
		return cells.every((c, i) => i == 0 || c.offsetTop - cells[i-1].offsetTop - cells[i-1].offsetHeight < 8)
	})`, patience)
}

// guests signs in people with all kinds of clients.
func (s *server) guests() {
	s.t.Helper()
	for i, agent := range []string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:151.0) Gecko/20100101 Firefox/151.0",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36",
		"curl/8.5.0",
	} {
		c := s.client()
		c.Transport = headers{"User-Agent": agent}
		name := []string{"arslan", "mia", "noor", "otto"}[i%4]
		if status := c.post("/signin", "username", name, "password", password); status != 303 {
			s.t.Fatalf("sign in as %s: %d", name, status)
		}
	}
}

// sessionID returns the ID of one of the user's sessions.
func sessionID(t *testing.T, s *server, user string) string {
	t.Helper()
	lines := strings.Split(s.curfew("", "sessions", "--user", user), "\n")
	if len(lines) < 2 {
		t.Fatalf("%s has no session", user)
	}
	id, _, _ := strings.Cut(lines[1], " ")
	return id
}

// userID returns the ID of the user.
func userID(t *testing.T, s *server, name string) string {
	t.Helper()
	var users []struct{ ID, Username string }
	if err := json.Unmarshal([]byte(s.curfew("", "user", "list", "--json")), &users); err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		if u.Username == name {
			return u.ID
		}
	}
	t.Fatalf("there is no %s", name)
	return ""
}

// TestKeyInBrowser makes an API key in the dialog, which a click beside it does not close, copies it, and revokes it.
func TestKeyInBrowser(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	b := newProfile(t).open(t, s.base, phoneDark)
	b.signIn("mia")
	b.Go("/account")
	b.Click("#new-key")
	b.Fill("#name", "nightly")
	b.Press("\r")
	b.Until("the secret is shown", "/^curfew_key_[\\w-]{48}$/.test(document.querySelector('#dialog #secret')?.textContent)", patience)
	b.look(phoneDark, "key-made")
	b.Until("the list behind has it", "document.querySelector('#view .keys')?.innerText.includes('nightly')", patience)
	if got := eval[string](b, "document.querySelector('#dialog').getAttribute('closedby')"); got != "closerequest" {
		t.Errorf("the dialog is closed by %q", got)
	}
	b.Click("[data-copy]")
	b.Until("it is said to be copied", "document.querySelector('#copied').textContent !== ''", patience)
	if !eval[bool](b, "getSelection().toString() === document.querySelector('#secret').textContent") {
		t.Error("the secret is not selected")
	}
	b.Click("#dialog .primary")
	b.Until("the dialog is closed", "!document.querySelector('#dialog').open", patience)
	b.Click("[id^=revoke-]")
	b.Click("#dialog input[name=confirm]")
	b.Click("#dialog button.danger")
	b.Until("the list is empty", "document.querySelector('#view').innerText.includes('You have no API keys')", patience)
}

// TestAuditInBrowser looks at a record and verifies the log, both in the dialog.
func TestAuditInBrowser(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	b := newProfile(t).open(t, s.base, desktop)
	b.signIn("amara")
	b.Go("/audit")
	b.Click("#rows tr .icon-btn")
	b.Until("the record is shown", "document.querySelector('#dialog .facts')?.innerText.includes('authn_login_success')", patience)
	const behind = "getComputedStyle(document.querySelector('#dialog'), '::backdrop').backdropFilter"
	if got := eval[string](b, behind); got != "none" {
		t.Errorf("behind the dialog: %s, want nothing for who prefers reduced transparency", got)
	}
	b.Blur()
	if got := eval[string](b, behind); got != "blur(4px)" {
		t.Errorf("behind the dialog: %s, want a blur", got)
	}
	b.look(desktop, "audit-record")
	b.Click("#dialog [data-close]")
	b.Until("the dialog is closed", "!document.querySelector('#dialog').open", patience)
	b.Click("#verify")
	b.Fill("#marks", "1:abc")
	b.Click("#dialog button.primary")
	b.Until("the mark is refused", "document.querySelector('#dialog .wrong') !== null", patience)
	b.Fill("#marks", "\b") // select, and delete
	b.Click("#dialog button.primary")
	b.Until("the log is verified", "/^\\d+:[0-9a-f]{64}$/.test(document.querySelector('#dialog #mark')?.textContent)", patience)
	b.look(desktop, "audit-verified")
}

// TestReflow loads pages at 320 px, which is 400 % zoom of a window of 1280 px (WCAG 1.4.10).
func TestReflow(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	s.guests()
	b := newProfile(t).open(t, s.base, look{Name: "narrow", Width: 320, Height: 640})
	b.signIn("amara")
	for _, path := range []string{"/sessions", "/sessions/end-others", "/settings/token", "/history", "/audit", "/audit/3", "/audit/verify", "/webhooks", "/users", "/users/new", "/account", "/account/keys/new", "/unlock?code=x"} {
		b.Go(path)
		b.Fits(path + " at 320 px")
	}
}

// TestCardsInOneLine has what the cards say of their numbers fit beside them at each width, whether the lifetime is long or short.
func TestCardsInOneLine(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	b := newProfile(t).open(t, s.base, desktop)
	b.signIn("amara")
	for _, lifetime := range []string{"5 minutes", "24 days, 20 hours, 31 minutes and 22 seconds"} {
		for width := int64(340); width <= 1460; width += 20 {
			b.Do(chromedp.EmulateViewport(width, 600))
			eval[bool](b, fmt.Sprintf("document.querySelector('#lifetime').textContent = %q; document.querySelector('#lifetime').classList.toggle('long', %t)", lifetime, len(lifetime) > 16))
			if wrapped := eval[string](b, wrappedFacts); wrapped != "" {
				t.Errorf("at %d px with %q these have two lines: %s", width, lifetime, wrapped)
			}
		}
	}
}

const wrappedFacts = `[...document.querySelectorAll('.fact > span, .card > small')].filter(e => e.offsetHeight > 24).map(e => e.textContent).join()`

// TestListsInLine has, at each width that has a table, the dates of the filters in one line with their button, and what is in a row on
// as many lines as it is meant to have.
func TestListsInLine(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	s.guests()
	s.curfew("", "end", sessionID(t, s, "arslan"))
	b := newProfile(t).open(t, s.base, desktop)
	b.signIn("amara")
	for _, path := range []string{"/sessions", "/history", "/audit"} {
		b.Go(path)
		eval[bool](b, `document.querySelectorAll('.c-ended small').forEach(e => e.textContent = 'after 59 minutes, 59 seconds') ?? true`)
		for _, width := range []int64{768, 1024, 1040, 1160, 1280, 1440} {
			b.Do(chromedp.EmulateViewport(width, 600))
			if wrapped := eval[string](b, wrappedList); wrapped != "" {
				t.Errorf("%s at %d px: these have a line too many: %s", path, width, wrapped)
			}
			if over := eval[int](b, "((e) => e.scrollWidth - e.clientWidth)(document.querySelector('.scroll'))"); over > 0 {
				t.Errorf("%s at %d px: the table is %d px too wide", path, width, over)
			}
		}
	}
}

const wrappedList = `[
	...[...document.querySelectorAll('#from, .filter:has(#until) .btn')].filter(e => e.offsetTop !== document.querySelector('#until').offsetTop),
	...[...document.querySelectorAll('.c-device .two > span, .c-started small')].filter(e => e.offsetHeight > 24),
].map(e => e.textContent || e.id).join()`
