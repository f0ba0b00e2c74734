package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// board is an app as others write them: a page that polls and has a WebSocket open, and that knows nothing of Curfew.
type board struct {
	name  string
	polls atomic.Int64
	seen  atomic.Int64 // requests of any kind
}

func (a *board) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.seen.Add(1)
	switch r.URL.Path {
	case "/poll":
		a.polls.Add(1)
		fmt.Fprintln(w, `{}`)
	case "/socket":
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			kind, b, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), kind, b) != nil {
				return
			}
		}
	case "/favicon.ico":
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><title>%s</title><h1>%[1]s</h1><p>Hello, %s (%s).</p><input id="note"><script>
			window.polls = 0;
			setInterval(() => fetch('/poll').then(r => { if (r.ok) polls++; }, () => {}), 300);
			const socket = new WebSocket(location.origin.replace('http', 'ws') + '/socket');
			socket.onopen = () => socket.send('hello');
			socket.onmessage = (e) => { window.said = e.data; };
		</script>`, a.name, r.Header.Get("Remote-User"), r.Header.Get("Remote-Role"))
	}
}

// newBoard serves an app until the test ends.
func newBoard(t *testing.T, name string) (*board, string) {
	t.Helper()
	a := &board{name: name}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return a, server.URL
}

// root is the address of the app, where Curfew is below it.
func (s *server) root() string { return strings.TrimSuffix(s.base, "/.curfew") }

// signInHere fills in the sign-in page to which a tab was led.
func (b *tab) signInHere(name string) {
	b.t.Helper()
	b.UntilPath("/.curfew/signin")
	b.Fill("#username", name)
	b.Fill("#password", password)
	b.Press("\r")
}

// works waits until the app's page is there, polls, and has its WebSocket.
func (b *tab) works(address string) {
	b.t.Helper()
	b.Until("come back to "+address, fmt.Sprintf("location.pathname + location.search + location.hash === %q", address), patience)
	b.Until("the page works", "polls > 1 && window.said === 'hello'", patience)
}

// TestAppBehindProxy uses an app behind --upstream as a person does, in three tabs: signs in, goes idle although the page
// polls, extends, goes idle once more and is signed out; and is ended by an admin in the middle of it.
func TestAppBehindProxy(t *testing.T) {
	early(t)
	app, upstream := newBoard(t, "Board")
	s := serveHouse(t, "--upstream", upstream)
	s.addUser("ines", "--lifetime", "30")
	me := newProfile(t)
	const address = "/week/3?view=all&x=a%2Fb#today"
	a := me.open(t, s.root(), desktop)
	a.Go(address)
	a.UntilPath("/.curfew/signin")
	if n := app.seen.Load(); n != 0 {
		t.Errorf("%d requests reached the app before the sign-in", n)
	}
	a.signInHere("ines")
	a.works(address)
	a.UntilText("Hello, ines (user).")
	b, c := me.open(t, s.root(), phone), me.open(t, s.root(), desktopDark)
	for _, tab := range []*tab{b, c} {
		tab.Go("/other")
		tab.works("/other")
	}

	a.untilIdle()
	b.Until("the second tab shows it too", dialog, patience)
	c.Until("the third tab shows it too", dialog, patience)
	if before := app.polls.Load(); eval[int](a, "polls") == 0 || before == 0 {
		t.Error("the page does not poll")
	}
	b.Press("\r")
	for _, tab := range []*tab{a, b, c} {
		tab.Until("the dialog closes", dialogGone, patience)
	}
	a.works(address) // it is the same page

	d := me.open(t, s.root(), desktop)
	d.Go("/poll") // no page, so nothing leaves it before it sees what becomes of its WebSocket
	eval[bool](d, "!!(new WebSocket('/socket').onclose = (e) => { window.endedBy = e.code; })")
	a.untilIdle()
	for _, tab := range []*tab{a, b, c} {
		tab.Until("the sign-in page appears", "location.pathname === '/.curfew/signin'", 45*time.Second)
		tab.Forgive() // the last poll
	}
	a.UntilText("Signed out after 30 seconds of inactivity")
	d.Until("the WebSocket is closed with 1008", "window.endedBy === 1008", patience)

	a.signInHere("ines")
	a.works(address)
	b.works("/other") // whoever signs in in one tab need not do so in the others
	began := time.Now()
	s.curfew("", "end", "--user", "ines")
	a.Until("it is over", "location.pathname === '/.curfew/signin'", patience)
	t.Logf("an admin's end was seen after %v", time.Since(began).Round(time.Millisecond))
	for _, tab := range []*tab{a, b, c} {
		tab.Until("in the other tabs too", "location.pathname === '/.curfew/signin'", patience)
		tab.Forgive()
	}
}

// TestAppsByHost has two apps by name, and Curfew alone under every other.
func TestAppsByHost(t *testing.T) {
	inTurn(t)
	_, wiki := newBoard(t, "Wiki")
	_, chat := newBoard(t, "Chat")
	s := serveHouse(t, "--upstream", "wiki.localhost="+wiki, "--upstream", "chat.localhost="+chat)
	me := newProfile(t)
	port := s.base[strings.LastIndexByte(s.base, ':'):]
	a, b := me.open(t, "http://wiki.localhost"+port, desktop), me.open(t, "http://chat.localhost"+port, desktop)
	for _, tab := range []*tab{a, b} {
		tab.Go("/page?x=1")
		tab.signInHere("mia")
		tab.works("/page?x=1")
	}
	a.UntilText("Wiki")
	b.UntilText("Chat")
	c := me.open(t, s.base, desktop)
	c.signIn("mia")
	s.curfew("", "end", "--user", "mia")
	for _, tab := range []*tab{a, b} {
		tab.Until("it is over", "location.pathname === '/.curfew/signin'", patience)
		tab.Forgive()
	}
	c.UntilPath("/signin")
}
