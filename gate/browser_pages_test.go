package gate

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/curfewhq/curfew/internal/browsertest"
)

// TestForeignPages has pages that are not made for the guard, or even against it.
func TestForeignPages(t *testing.T) {
	for name, body := range map[string]string{
		"hides everything": `<!doctype html><style>*, ::backdrop { display: none !important; visibility: hidden !important; opacity: 0 !important;
			position: static !important; transform: scale(.1) !important; z-index: -1 !important; width: 1px !important; pointer-events: none !important }</style>x`,
		"unsets everything":  `<!doctype html><style>* { all: unset !important; color: red !important } curfew-guard { content-visibility: hidden !important }</style>x`,
		"turns and blurs":    `<!doctype html><style>html, body { transform: rotate(9deg) scale(.5); filter: blur(9px); perspective: 1px; opacity: .01; overflow: hidden }</style>x`,
		"is in front of all": `<!doctype html><div style="position: fixed; inset: 0; z-index: 2147483647; background: red">x</div>`,
		"has a dialog open":  `<!doctype html><dialog id=d>x<input></dialog><script>d.showModal()</script>`,
		"has quirks":         `<title>x</title><table><tr><td>y</table>`,
		"has frames":         `<!doctype html><frameset cols="50%,*"><frame src="about:blank"><frame src="about:blank"></frameset>`,
		"has another base":   `<!doctype html><base href="https://elsewhere.example/app/" target="_blank"><p>x`,
		"has its own guard":  `<!doctype html>` + wholeTag + `<p>x`,
		"is only text":       `x`,
		"patches globals": `<!doctype html><script>
			const wrap = (object, name) => { const real = object[name]; object[name] = function (...args) { return real.apply(this, args); }; };
			for (const name of ['fetch', 'setTimeout', 'clearTimeout', 'getSelection', 'getComputedStyle']) wrap(window, name);
			const add = EventTarget.prototype.addEventListener;
			EventTarget.prototype.addEventListener = function (type, f, options) { add.call(this, type, function (...args) { return f.apply(this, args); }, options); };
			window.Promise = class extends Promise {};
			window.BroadcastChannel = class extends BroadcastChannel {};
			Object.prototype.polluted = () => {};
			Array.prototype.polluted = () => {};
			addEventListener('message', (e) => JSON.parse(e.data));
		</script><p>x`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := protect(t, answerWith(nil, body))
			b := openTab(t, p.base)
			b.until("the guard runs", "states > 0")
			b.showsDialog(p)
			b.showsDialog(p)
			if n := eval[int](b, "document.querySelectorAll('curfew-guard').length"); n != 1 {
				t.Errorf("%d guards", n)
			}
		})
	}
}

// TestPageChangesUnderDialog has pages do something while the Logout dialog is open: it stays in front.
func TestPageChangesUnderDialog(t *testing.T) {
	for name, change := range map[string]string{
		"opens its own dialog": "d.showModal()",
		"opens a popover":      "p.showPopover()",
		"replaces the body":    "document.body.replaceWith(document.createElement('body'))",
		"replaces the head":    "document.head.replaceWith(document.createElement('head'))",
		"empties the page":     "document.documentElement.replaceChildren()",
		"replaces all":         "document.documentElement.replaceWith(document.createElement('html'))",
		"is written anew":      "(document.open(), document.write('<!doctype html><title>z</title><p>new'), document.close())",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := protect(t, answerWith(nil, `<!doctype html><title>x</title><dialog id=d>own <input></dialog>
				<p id=p popover=manual style="position: fixed; inset: 0; width: 100vw; height: 100vh">y</p>`))
			b := openTab(t, p.base)
			b.until("the guard runs", "states > 0")
			p.set("expiring")
			b.inFront()
			eval[bool](b, "("+change+", true)")
			b.inFront()
			b.Do(chromedp.KeyEvent("\r"))
			b.until("the dialog is gone", "!guardDialog()")
			before := p.activities()
			b.Do(chromedp.KeyEvent("a"))
			waitFor(t, "input is still noticed", func() bool { return p.activities() > before })
			b.showsDialog(p)
		})
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// TestPrint prints a page with the Logout dialog open: it is not on the paper.
func TestPrint(t *testing.T) {
	t.Parallel()
	p := protect(t, answerWith(nil, "<!doctype html><title>x</title><p>y"))
	b := openTab(t, p.base)
	b.until("the guard runs", "states > 0")
	p.set("expiring")
	b.inFront()
	b.Do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
		return err
	}))
	if got := eval[string](b, "getComputedStyle(guardDialog()).display"); got != "none" {
		t.Errorf("display: %s", got)
	}
}

// framesApp has at /top a page with a frame over all of it.
func framesApp(frame, header string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path != "/top" {
			fmt.Fprint(w, `<!doctype html><title>frame</title><p>in the frame<script>document.addEventListener('keydown', () => window.typed = true)</script>`)
			return
		}
		w.Header().Set("Cache-Control", header)
		fmt.Fprint(w, `<!doctype html><title>top</title><script>addEventListener('message', (e) => JSON.parse(e.data))</script>
			<style>body { margin: 0 } iframe { width: 100vw; height: 100vh; border: 0 }</style>`+frame)
	})
}

// TestFrames has input in a frame. It counts if the top window has a guard of the same origin; if not, nothing breaks.
// There is never a dialog in a frame.
func TestFrames(t *testing.T) {
	const same = "<iframe src=/frame></iframe>"
	for name, test := range map[string]struct {
		frame, header, top string
		counts             bool
	}{
		"same origin":         {same, "", "", true},
		"no guard on top":     {same, "no-transform", "", false},
		"the top is foreign":  {"<iframe src=BASE/frame></iframe>", "no-transform", "elsewhere.test", false},
		"a frame in a frame":  {"<iframe srcdoc='<style>body { margin: 0 }</style><iframe src=/frame style=\"width: 100vw; height: 100vh; border: 0\"></iframe>'></iframe>", "", "", true},
		"an object":           {"<object data=/frame type=text/html style='width: 100vw; height: 100vh'></object>", "", "", true},
		"its scripts are off": {"<iframe src=/frame sandbox=allow-same-origin></iframe>", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p *protected
			p = protect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				framesApp(strings.ReplaceAll(test.frame, "BASE", p.base), test.header).ServeHTTP(w, r)
			}))
			top := p.base
			if test.top != "" {
				top = strings.Replace(top, "127.0.0.1", test.top, 1)
			}
			b := openTab(t, top+"/top")
			if test.counts {
				b.until("the guard runs", "states > 0")
			}
			b.until("the frame is there", "frames.length === 1 && document.readyState === 'complete'")
			time.Sleep(500 * time.Millisecond) // until it has what is in it, even if that is foreign
			before := p.activities()
			b.Do(chromedp.MouseClickXY(500, 400))
			b.Do(chromedp.KeyEvent("a"))
			if test.counts {
				waitFor(t, "the input is reported", func() bool { return p.activities() > before })
				p.set("expiring")
				b.inFront()
				if eval[bool](b, "!!frames[0].document.querySelector('curfew-guard')") {
					t.Error("the frame has a dialog of its own")
				}
				return
			}
			time.Sleep(time.Second)
			if n := p.activities() - before; n > 0 && test.header != "" {
				t.Errorf("%d reports", n)
			}
			for _, e := range b.TakeErrors() {
				if !strings.Contains(e, "'allow-scripts' permission is not set") {
					t.Error(e)
				}
			}
		})
	}
}

// TestCachedPages has a page that the browser may keep come first without the guard, for a script, and then into the window; and
// the other way round.
func TestCachedPages(t *testing.T) {
	t.Parallel()
	for _, first := range []string{
		"fetch('/next').then(r => r.text())",
		"new Promise(done => { const l = document.createElement('link'); l.rel = 'prefetch'; l.href = '/next'; l.onload = l.onerror = () => done(''); document.head.append(l); })",
	} {
		p := protect(t, answerWith(map[string]string{"Cache-Control": "max-age=600", "ETag": `"abc"`}, "<!doctype html><title>x</title><p>y"))
		b := openTab(t, p.base)
		b.until("the guard runs", "states > 0")
		if got := eval[string](b, first); strings.Contains(got, "guard.js") {
			t.Errorf("a script gets %q", got)
		}
		b.Do(chromedp.Navigate(p.base + "/next"))
		b.until("the guard runs in the next page", "location.pathname === '/next' && states > 0")
		if got := eval[string](b, "fetch('/next').then(r => r.text())"); strings.Contains(got, "guard.js") {
			t.Errorf("a script gets %q", got)
		}
	}
}

// keepsAll is a service worker that answers all it can from what it has kept.
const keepsAll = `addEventListener('fetch', (e) => {
	if (e.request.method === 'GET') e.respondWith((async () => {
		const kept = await caches.match(e.request);
		if (kept) return kept;
		const answer = await fetch(e.request), copy = answer.clone();
		caches.open('all').then((all) => all.put(e.request, copy));
		return answer;
	})());
})`

// TestServiceWorker has a service worker fetch the pages, and keep whatever it sees: the guard asks past it all the same.
func TestServiceWorker(t *testing.T) {
	t.Parallel()
	p := protect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sw.js" {
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, keepsAll)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "script-src 'nonce-abc'; worker-src 'self'")
		fmt.Fprint(w, `<!doctype html><title>x</title><p>y`)
	}))
	b := openTab(t, p.base)
	eval[bool](b, "navigator.serviceWorker.register('/sw.js').then(() => navigator.serviceWorker.ready).then(() => true)")
	b.Do(chromedp.Navigate(p.base + "/next"))
	b.until("the page came through the service worker", "navigator.serviceWorker.controller")
	b.until("the guard runs", "states > 0")
	b.until("the page is kept", "caches.match('/next').then(Boolean)")
	before := p.questions()
	b.Do(chromedp.Navigate(p.base + "/next"))
	waitFor(t, "the guard asks Curfew itself", func() bool { return p.questions() > before })
	b.until("the guard runs", "states > 0")
	b.showsDialog(p)
}

// TestPageNotMadeForTelephones shows the dialog in a page that a telephone makes small as a whole, for want of a viewport.
func TestPageNotMadeForTelephones(t *testing.T) {
	t.Parallel()
	p := protect(t, answerWith(nil, "<!doctype html><title>x</title><p>y"))
	b := openTab(t, p.base)
	b.Do(chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2), chromedp.EmulateMobile))
	b.Go("")
	b.until("the guard runs", "states > 0")
	if scale := eval[float64](b, "visualViewport.scale"); scale > 0.5 {
		t.Fatalf("the page has the scale %v", scale)
	}
	p.set("expiring")
	b.until("the dialog is there", "guardDialog()")
	const size = "(() => { const r = guardDialog().getBoundingClientRect(); return [r.left, innerWidth - r.right, r.width].map((n) => n * visualViewport.scale) })()"
	if got := eval[[]float64](b, size); got[0] < 8 || got[1] < 8 || got[2] < 330 {
		t.Errorf("left of the dialog are %.0f px, right of it %.0f, and it is %.0f wide", got[0], got[1], got[2])
	}
	b.Do(chromedp.KeyEvent("\r"))
	b.until("the dialog is gone", "!guardDialog()")
}

// TestBack goes on and back, to a page that the browser has kept alive.
func TestBack(t *testing.T) {
	t.Parallel()
	p := protect(t, answerWith(nil, "<!doctype html><title>x</title><p>y"))
	b := openTabOf(t, browsertest.NewWholeProfile(t), p.base+"/one")
	b.until("the guard runs", "states > 0 && (window.kept = true)")
	b.Do(chromedp.Navigate(p.base + "/two"))
	b.until("the guard runs", "states > 0")
	eval[bool](b, "(history.back(), true)")
	b.until("the page is back", "location.pathname === '/one' && states > 0")
	if !eval[bool](b, "!!window.kept") {
		t.Error("the browser did not keep the page alive")
	}
	b.showsDialog(p)
}

// TestBackAfterSignOut goes back to a page that the browser has kept alive, after its reader has signed out elsewhere.
func TestBackAfterSignOut(t *testing.T) {
	t.Parallel()
	p := protect(t, answerWith(nil, "<!doctype html><title>x</title><p>y"))
	b := openTabOf(t, browsertest.NewWholeProfile(t), p.base+"/one")
	b.until("the guard runs", "states > 0")
	b.Do(chromedp.Navigate(p.base + "/two"))
	b.until("the guard runs", "states > 0")
	p.set("ended")
	b.UntilPath("/.curfew/signin")
	p.set("forgotten")
	eval[bool](b, "(history.back(), true)")
	waitFor(t, "the page leaves again", func() bool { return p.leaves() == 2 })
	b.UntilPath("/.curfew/signin")
	b.Forgive()
}

// TestKeptPageAfterSignOut goes back to a page that the app has let the browser keep, after its reader has signed out on another
// host, by which this one's cache is not emptied. A page for everybody stays, and is asked for once.
func TestKeptPageAfterSignOut(t *testing.T) {
	t.Parallel()
	var p *protected
	var asked atomic.Int32 // for the page for everybody
	p = protect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/private" && p.isForgotten() {
			http.Redirect(w, r, "/.curfew/signin", http.StatusSeeOther)
			return
		}
		if r.URL.Path == "/public" {
			asked.Add(1)
		}
		w.Header().Set("Cache-Control", "private, max-age=3600")
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>x</title><p>"+r.URL.Path)
	}))
	b := openTab(t, p.base+"/public")
	b.until("the guard runs", "states > 0")
	b.Do(chromedp.Navigate(p.base + "/private"))
	b.until("the guard runs", "states > 0")
	b.Do(chromedp.Navigate(p.base + "/.curfew/signin"))
	p.set("forgotten")
	eval[bool](b, "(setTimeout(() => history.back()), true)") // the page comes at once, which must not be before the answer to this
	waitFor(t, "the page leaves", func() bool { return p.leaves() == 2 })
	b.UntilPath("/.curfew/signin")
	before := asked.Load()
	b.Do(chromedp.Navigate(p.base + "/public"))
	waitFor(t, "the page for everybody is asked for", func() bool { return asked.Load() > before })
	b.until("it is there", "document.body?.innerText === '/public' && performance.getEntriesByType('navigation')[0].type === 'reload'")
	b.Forgive()
}

// TestLeavingSaysWhy looks at what the sign-in page is told: that somebody signed out, and nothing that it knows better.
func TestLeavingSaysWhy(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{"signed-out": "?ended=signed-out&next=%2Fa%3Fb", "idle": "?next=%2Fa%3Fb"} {
		p := protect(t, answerWith(nil, "<!doctype html><title>x</title><p>y"))
		b := openTab(t, p.base+"/a?b")
		b.until("the guard runs", "states > 0")
		p.end(reason)
		b.UntilPath("/.curfew/signin")
		if got := eval[string](b, "location.search"); got != want {
			t.Errorf("%s: the sign-in page is told %s, want %s", reason, got, want)
		}
	}
	p := protect(t, answerWith(nil, "<!doctype html><title>x</title><p>y"))
	b := openTab(t, p.base)
	b.until("the guard runs", "states > 0")
	p.set("forgotten")
	eval[bool](b, "(dispatchEvent(new Event('online')), true)") // the guard looks anew
	b.UntilPath("/.curfew/signin")
	if got, want := eval[string](b, "location.search"), "?ended=signed-out&next=%2F"; got != want {
		t.Errorf("without a token the sign-in page is told %s, want %s", got, want)
	}
	b.Forgive()
}

// TestPageThatAsksBeforeItIsLeft ends the session of a person who has done something in a page that has the browser ask whether
// to leave it. Nobody answers.
func TestPageThatAsksBeforeItIsLeft(t *testing.T) {
	for name, test := range map[string]struct{ page, frame string }{
		"by a handler":           {page: "<script>onbeforeunload = () => 'unsaved'</script>"},
		"by a listener":          {page: "<script>addEventListener('beforeunload', (e) => e.preventDefault())</script>"},
		"by a capture listener":  {page: "<script>addEventListener('beforeunload', (e) => e.preventDefault(), true)</script>"},
		"has a form called open": {page: "<form name=open></form><script>onbeforeunload = () => 'unsaved'</script>"},
		"from a frame":           {frame: "<script>addEventListener('beforeunload', (e) => e.preventDefault())</script>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := protect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				if r.URL.Path == "/frame" {
					fmt.Fprint(w, "<!doctype html><title>frame</title><p>in the frame"+test.frame)
					return
				}
				fmt.Fprint(w, "<!doctype html><title>x</title><style>iframe { width: 90vw; height: 50vh }</style><iframe src=/frame></iframe>"+test.page)
			}))
			b := openTab(t, p.base)
			b.until("the guard runs", "states > 0 && document.readyState === 'complete'")
			b.Do(chromedp.MouseClickXY(500, 100)) // in the frame; browsers ask only where somebody has done something
			b.Do(chromedp.MouseClickXY(500, 700))
			p.set("ended")
			waitFor(t, "the page leaves", func() bool { return p.leaves() > 0 }) // a browser that asks would not answer the test
			b.UntilPath("/.curfew/signin")
		})
	}
}

// TestPageThatIsHardToEmpty ends the session of pages in which the guard can't do what it does to others: they leave all the same.
func TestPageThatIsHardToEmpty(t *testing.T) {
	for name, test := range map[string]struct{ page, then string }{
		"has no root":                   {then: "document.documentElement.remove()"},
		"has a foreign root":            {then: "document.documentElement.replaceWith(document.createElementNS('urn:x', 'x'))"},
		"can't be opened":               {then: "document.open = Document.prototype.open = () => { throw new Error() }"},
		"opens nothing":                 {then: "document.open = Document.prototype.open = () => document"},
		"can't be changed":              {then: "Document.prototype.replaceChildren = () => { throw new Error() }"},
		"was stopped in between":        {then: "(document.open(), document.write('<p>z'), window.stop())"},
		"makes itself anew":             {page: "<script>new MutationObserver(() => document.documentElement.append('z')).observe(document, { childList: true })</script>"},
		"has Trusted Types":             {page: "<meta http-equiv=Content-Security-Policy content=\"require-trusted-types-for 'script'; trusted-types 'none'\">"},
		"misses what was in it":         {then: "document.addEventListener('curfew:leaving', () => queueMicrotask(() => document.querySelector('p').append('z')))"},
		"waits for what was in it":      {then: "document.addEventListener('curfew:leaving', async () => { await 0; document.querySelector('p').append('z') })"},
		"takes navigations for its own": {page: "<script type=module>navigation.addEventListener('navigate', (e) => e.intercept())</script>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := protect(t, answerWith(nil, "<!doctype html>"+test.page+"<title>x</title><p>y"))
			b := openTab(t, p.base+"/a?b=c#d")
			b.until("the guard runs", "states > 0 && document.readyState === 'complete'")
			eval[bool](b, "("+cmp.Or(test.then, "0")+", true)")
			p.set("ended")
			waitFor(t, "the page leaves", func() bool { return p.leaves() > 0 })
			b.UntilPath("/.curfew/signin")
			if got := eval[string](b, "new URL(location).searchParams.get('next')"); got != "/a?b=c#d" {
				t.Errorf("the way back is %q", got)
			}
		})
	}
}

// TestStoppedPage ends the session of a page that somebody stopped while it was loading: it can't be opened anew any more.
func TestStoppedPage(t *testing.T) {
	t.Parallel()
	p := protect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Cache-Control", "no-transform") // its own tag does not wait for the page's end
		fmt.Fprint(w, `<!doctype html><title>x</title><script src=/.curfew/guard.js></script><p>y`)
		w.(http.Flusher).Flush()
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
		}
	}))
	b := openTab(t, p.base)
	eval[bool](b, "(location.href = '/slow', true)")
	b.until("the guard runs", "location.pathname === '/slow' && states > 0")
	eval[bool](b, "(window.stop(), true)")
	p.set("ended")
	waitFor(t, "the page leaves", func() bool { return p.leaves() > 0 })
	b.UntilPath("/.curfew/signin")
}

// TestNewReaderOfASlowPage has another session begin below a page that takes its time to be loaded anew. It is asked for once: each time more would
// have broken the one before off.
func TestNewReaderOfASlowPage(t *testing.T) {
	t.Parallel()
	var loads atomic.Int32
	p := protect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if loads.Add(1) > 1 {
			time.Sleep(3 * time.Second)
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>x</title><p>y")
	}))
	b := openTab(t, p.base+"/a?b=c#d")
	b.until("the guard runs", "states > 0 && (window.old = true)")
	p.set("expiring")
	b.inFront()
	eval[bool](b, "(HTMLDialogElement.prototype.showModal = () => sessionStorage.setItem('again', 'yes'), true)")
	p.signInAnew()
	b.Do(chromedp.KeyEvent("\r")) // whoever extends hears of the other session, and so does the stream
	waitFor(t, "the page is asked for", func() bool { return loads.Load() > 1 })
	p.set("active")
	b.until("the page is there anew", "!window.old && states > 0 && !guardDialog()")
	if n := loads.Load(); n != 2 {
		t.Errorf("the page was asked for %d times", n)
	}
	if eval[bool](b, "'again' in sessionStorage") {
		t.Error("in the emptied page the dialog came up again")
	}
	if got := eval[string](b, "location.pathname + location.search + location.hash"); got != "/a?b=c#d" {
		t.Errorf("it is at %s", got)
	}
}
