package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"
)

// attempts is what a script in an app's page tries in its reader's name: to make an account and to end all sessions, below its
// own host and on the console's. It returns what became of each.
const attempts = `(async (console) => {
	const account = new URLSearchParams({username: 'eve', role: 'admin', seconds: '300', password: 'a horse, a battery', repeat: 'a horse, a battery'});
	const form = (to) => new Promise((done) => {
		const frame = document.createElement('iframe');
		frame.name = 'frame' + document.forms.length;
		document.body.append(frame);
		const f = Object.assign(document.createElement('form'), {method: 'POST', action: to, target: frame.name});
		for (const [name, value] of account) f.append(Object.assign(document.createElement('input'), {name, value}));
		document.body.append(f);
		frame.onload = () => done({status: 'sent'});
		f.submit();
	});
	const post = (to, body, mode) => fetch(to, {method: 'POST', credentials: 'include', mode, body});
	const results = [];
	for (const one of [
		() => post('/.curfew/users/new', account, 'same-origin'),
		() => post('/.curfew/sessions/end-others', new URLSearchParams({confirm: 'yes'}), 'same-origin'),
		() => form('/.curfew/users/new'),
		...console ? [
			() => fetch(console + '/users', {credentials: 'include'}),
			() => post(console + '/users/new', account, 'no-cors'),
			() => post(console + '/sessions/end-others', new URLSearchParams({confirm: 'yes'}), 'cors'),
			() => form(console + '/users/new'),
		] : [],
	]) results.push(await one().then((a) => a.status, () => 'refused'));
	return results.join(' ');
})`

// TestAppDrivesTheConsole has a page of an app try what an admin may, whose session it has: with the console below the app's
// host, and with one of its own.
func TestAppDrivesTheConsole(t *testing.T) {
	inTurn(t)
	_, upstream := newBoard(t, "Board")
	t.Run("below", func(t *testing.T) {
		inTurn(t)
		s := serveHouse(t, "--upstream", upstream)
		s.base = s.root()
		mia := s.inApp("mia")
		b := newProfile(t).open(t, s.base, desktop)
		b.Go("/")
		b.signInHere("amara")
		b.works("/")
		if got := eval[string](b, attempts+"()"); got != "422 422 sent" {
			t.Errorf("the script got %q", got)
		}
		b.Forgive()
		b.Expect("frame-ancestors")
		s.unharmed(mia)
		addUserBelow(b)
		if users := s.curfew("", "user", "list"); !strings.Contains(users, "noe") {
			t.Errorf("the admin's own form made no account:\n%s", users)
		}
	})
	t.Run("host", func(t *testing.T) {
		inTurn(t)
		cert, key, _ := certificate(t, "*.example.com")
		s := serveHouse(t, "--console-host", consoleHost, "--cookie-domain", "example.com", "--upstream", upstream, "--tls-cert", cert, "--tls-key", key)
		me := newProfile(t)
		waiting := me.openAnyway(t, s.base) // another host's guard is not heard here
		waiting.Go("/signin?next=/history")
		b := me.openAnyway(t, "https://"+appHost+s.port())
		b.Go("/")
		b.signInHere("amara")
		b.works("/")
		eval[bool](waiting, "dispatchEvent(new Event('focus'))") // somebody comes back to it
		waiting.UntilPath("/history")
		got := eval[string](b, fmt.Sprintf("%s(%q)", attempts, s.base))
		if got != "404 404 sent refused refused refused sent" {
			t.Errorf("the script got %q", got)
		}
		b.Forgive()
		b.Expect("CORS policy")
		b.Expect("frame-ancestors")
		b.Expect("ERR_")
		console := me.openAnyway(t, s.base)
		console.Go("/users")
		console.UntilText("Amara Okafor")
		s.unharmed(nil)
	})
}

// unharmed reports an account that nobody made, and a session that somebody ended.
func (s *server) unharmed(other *client) {
	s.t.Helper()
	if users := s.curfew("", "user", "list"); strings.Contains(users, "eve") {
		s.t.Errorf("the script made an account:\n%s", users)
	}
	if other == nil {
		return
	}
	if status, _ := other.get("/"); status != 200 {
		s.t.Errorf("somebody else's session: status %d", status)
	}
}

// addUserBelow adds an account as an admin does, who mistypes the password once: nothing else has to be typed again but the new
// one's.
func addUserBelow(b *tab) {
	b.t.Helper()
	b.Go("/.curfew/users")
	b.Click(`a[href="/.curfew/users/new"]`)
	b.Fill("#username", "noe")
	b.Fill("#full_name", "Noe Weber")
	for _, given := range []string{"wrong", password} {
		b.Fill("#password", password)
		b.Fill("#repeat", password)
		b.Fill("#proof", given)
		b.Press("\r")
		if given == "wrong" {
			b.UntilText("The current password is wrong.")
			b.Until("the form is as it was", "document.querySelector('#full_name').value === 'Noe Weber'", patience)
		}
	}
	b.UntilText("Noe Weber")
}

// openAnyway opens a tab that takes the server's certificate as it is.
func (p profile) openAnyway(t *testing.T, base string) *tab {
	t.Helper()
	b := p.open(t, base, desktop)
	b.Do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true})
		return err
	}))
	return b
}
