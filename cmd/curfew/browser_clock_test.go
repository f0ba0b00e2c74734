package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestWrongClientClock has browsers whose clocks are an hour ahead and an hour behind: they show the server's truth.
func TestWrongClientClock(t *testing.T) {
	early(t)
	s := serveHouse(t)
	s.addUser("ines", "--lifetime", "30")
	for name, shift := range map[string]string{"ahead": "+3600e3", "behind": "-3600e3"} {
		t.Run(name, func(t *testing.T) {
			early(t)
			b := newProfile(t).open(t, s.base, desktop)
			b.AtStart(`{ const now = Date.now; Date.now = () => now()` + shift + ` }`)
			start := time.Now() // nobody is signed in earlier, and on a slow machine the page is there late
			b.signIn("ines")
			b.Until("the countdown runs", "/^0:(5|4)\\d$/.test(document.querySelector('#countdown').innerText)", 10*time.Second)
			b.untilIdle()
			if took := time.Since(start); took < 30*time.Second {
				t.Errorf("the Logout dialog came after %v, want 30 s and the time to sign in", took)
			}
			off := eval[float64](b, `fetch('/api/v1/session').then(r => r.json()).then(s =>
				(Date.parse(s.ends_at) - Date.parse(s.server_time)) / 1000 - `+dialog+`.querySelector('.number').innerText)`)
			if off < -1 || off > 2 {
				t.Errorf("the countdown is %v s behind the truth", off)
			}
		})
	}
}

// TestFrozenTab freezes a tab, as a browser does to save power and a laptop by sleeping, until its session is over.
func TestFrozenTab(t *testing.T) {
	early(t)
	s := serveHouse(t)
	s.addUser("ines", "--lifetime", "30")
	b := newProfile(t).open(t, s.base, desktop)
	b.signIn("ines")
	b.Do(lifecycle(page.SetWebLifecycleStateStateFrozen))
	rest(t)
	time.Sleep(65 * time.Second)
	b.Do(lifecycle(page.SetWebLifecycleStateStateActive))
	b.UntilPath("/signin")
	b.UntilText("Signed out after 30 seconds of inactivity")
	for _, e := range b.TakeErrors() {
		if !strings.Contains(e, "htmx:error: timeout") { // of what was under way when time stood still
			t.Errorf("the browser's console: %s", e)
		}
	}
}

// TestFrozenWhileAsking freezes a tab whose requests under way die of it unnoticed. It must not wait for them afterwards.
func TestFrozenWhileAsking(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	for user, answered := range map[string]int{"mia": 0, "noor": 1} { // questions before those that hang
		t.Run(fmt.Sprint(answered), func(t *testing.T) {
			inTurn(t)
			b := newProfile(t).open(t, s.base, desktop)
			b.AtStart(fmt.Sprintf(`{
				let answered = %d, frozen = false, real = fetch;
				window.hanging = 0;
				document.addEventListener('freeze', () => { frozen = true; });
				AbortSignal.timeout = () => new AbortController().signal; // or they would not hang for ever
				window.fetch = (path, options) => {
					if (frozen || !new URL(path, location).pathname.startsWith('/api/v1/session') || answered-- > 0) return real(path, options);
					hanging++;
					return new Promise(() => {});
				};
			}`, answered))
			b.signIn(user)
			b.Until("a request hangs", "hanging > 0", patience)
			if answered > 0 { // then it is the stream
				eval[bool](b, "document.dispatchEvent(new Event('visibilitychange'))")
				b.Until("a question hangs", "hanging > 1", patience)
			}
			b.Do(lifecycle(page.SetWebLifecycleStateStateFrozen))
			s.curfew("", "end", "--user", user)
			b.Do(lifecycle(page.SetWebLifecycleStateStateActive))
			b.UntilPath("/signin")
		})
	}
}

func lifecycle(state page.SetWebLifecycleStateState) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state})
		return err
	})
}
