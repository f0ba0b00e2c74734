package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/curfewhq/curfew/internal/axe"
)

// browser is started once, by the first test that wants it.
var browser = sync.OnceValues(func() (context.Context, error) {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath(chromium()),
		chromedp.Flag("host-resolver-rules", "MAP "+insecureHost+" 127.0.0.1, MAP *.example.com 127.0.0.1"))
	ctx, _ := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, closeBrowser = chromedp.NewContext(ctx)
	return ctx, chromedp.Do(ctx)
})

// insecureHost is this machine by a name that browsers trust no more than any other: over plain HTTP it gets no Fetch
// Metadata and no Web Locks.
const insecureHost = "curfew.test"

var closeBrowser = func() {}

func chromium() string {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path
	}
	return "/usr/bin/chromium"
}

// profile is a browser of its own: tabs of one profile share cookies, as windows of one person do.
type profile struct {
	id cdp.BrowserContextID
}

func newProfile(t *testing.T) profile {
	t.Helper()
	ctx, err := browser()
	if err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	res, err := chromedp.CallBrowser(ctx, target.CreateBrowserContext, target.CreateBrowserContextParams{})
	if err != nil {
		t.Fatal(err)
	}
	return profile{res.BrowserContextID}
}

// tab is a tab whose steps must succeed, and which must log no error.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu     sync.Mutex
	errors []string
}

// Sizes of windows, and how they look.
type look struct {
	name          string
	width, height int64
	dark          bool
}

var (
	desktop     = look{"desktop-light", 1440, 900, false}
	desktopDark = look{"desktop-dark", 1440, 900, true}
	phone       = look{"phone-light", 360, 780, false}
	phoneDark   = look{"phone-dark", 360, 780, true}
	looks       = []look{desktop, desktopDark, phone, phoneDark}
)

func (p profile) open(t *testing.T, base string, l look) *tab {
	t.Helper()
	parent, err := browser()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(parent, chromedp.WithExistingBrowserContext(p.id))
	ctx, stop := context.WithTimeout(ctx, 3*time.Minute)
	b := &tab{t: t, ctx: ctx, base: base}
	t.Cleanup(func() {
		stop()
		cancel()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, e := range b.errors {
			t.Errorf("the browser's console: %s", e)
		}
	})
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	b.do(
		chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, log.Enable, cdp.Empty{})
			return err
		}),
		chromedp.EmulateViewport(l.width, l.height, chromedp.EmulateScale(1)),
		scheme(l.dark),
	)
	return b
}

func scheme(dark bool) chromedp.Action[chromedp.Void] {
	value := "light"
	if dark {
		value = "dark"
	}
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		return err
	})
}

// listen notes every error that the page, its scripts or its policy cause.
func (b *tab) listen(ev any) {
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		b.note("exception: " + ev.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError {
			b.note(fmt.Sprintf("console.%s: %s", ev.Type, arguments(ev.Args)))
		}
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError {
			b.note(ev.Entry.Text + " " + ev.Entry.URL)
		}
	}
}

func arguments(args []*runtime.RemoteObject) string {
	var texts []string
	for _, a := range args {
		texts = append(texts, a.Description+string(a.Value))
	}
	return strings.Join(texts, " ")
}

func (b *tab) note(e string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errors = append(b.errors, e)
}

// expect takes an error out of those that fail the test; there must be one that contains the text.
func (b *tab) expect(text string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.errors)
	b.errors = slices.DeleteFunc(b.errors, func(e string) bool { return strings.Contains(e, text) })
	if len(b.errors) == n {
		b.t.Errorf("no error with %q in the browser's console", text)
	}
}

// forgive forgets the errors so far. The browser logs each answer of 4xx, and some pages have several.
func (b *tab) forgive() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errors = slices.DeleteFunc(b.errors, func(e string) bool { return strings.Contains(e, "status of 4") })
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.shoot("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
		b.t.Fatalf("%v (at %s)", err, b.location())
	}
}

func (b *tab) location() string {
	url, _ := chromedp.Run(b.ctx, chromedp.Location())
	return url
}

// eval returns the value of an expression; a promise is awaited.
func eval[T any](b *tab, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", js, err)
	}
	return v
}

// until waits for an expression to be true, without taking part in what the page does.
func (b *tab) until(what, js string, within time.Duration) {
	b.t.Helper()
	deadline := time.Now().Add(within)
	for {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+js+")"))
		if ok {
			return
		}
		if time.Now().After(deadline) {
			b.shoot("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
			b.t.Fatalf("%s: not within %v (at %s, %v)", what, within, b.location(), err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Waits that are generous, for a busy machine: what is to happen within a second is measured where it is promised.
const patience = 30 * time.Second

func (b *tab) untilPath(path string) {
	b.t.Helper()
	b.until("reach "+path, fmt.Sprintf("location.pathname === %q && document.readyState === 'complete'", path), patience)
}

func (b *tab) untilText(text string) {
	b.t.Helper()
	b.until("see "+text, fmt.Sprintf("document.body.innerText.includes(%q)", text), patience)
}

func (b *tab) go_(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base + path))
}

// click clicks with a real pointer. The page may replace what is there between the look and the click: then it looks again.
func (b *tab) click(selector string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
	for err != nil && strings.Contains(err.Error(), "node with given id") {
		err = chromedp.Do(ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
	}
	if err != nil {
		b.shoot("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
		b.t.Fatalf("click %s: %v (at %s)", selector, err, b.location())
	}
}

// fill types into a field. It takes the focus without the pointer, which could hit what moves there while the page settles.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.until("type into "+selector, fmt.Sprintf(`(field => {
		if (!field?.checkVisibility()) return false;
		field.focus();
		field.select();
		return document.activeElement === field;
	})(document.querySelector(%q))`, selector), patience)
	b.press(text)
}

func (b *tab) press(keys string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(keys))
}

func (b *tab) signIn(name string) {
	b.t.Helper()
	b.go_("/signin")
	b.fill("#username", name)
	b.fill("#password", password)
	b.press("\r")
	b.untilPath("/sessions")
}

// shots is where pictures go, if anywhere.
var shots = os.Getenv("CURFEW_TEST_SCREENSHOTS")

// shoot takes a picture of the window.
func (b *tab) shoot(name string) {
	if shots == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(shots, name+".png"), png, 0o644)
	}
	if err != nil {
		b.t.Logf("picture %s: %v", name, err)
	}
}

// axe fails the test for each thing in the page that keeps people out.
func (b *tab) axe(what string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](axe.Source))
	found := eval[string](b, `axe.run(document, {runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']})
		.then(r => JSON.stringify(r.violations.map(v => v.id + ': ' + v.help + ' — ' + v.nodes.map(n => n.target.join(' ')).join(', '))))`)
	var violations []string
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range violations {
		b.t.Errorf("%s: axe: %s", what, v)
	}
}

// fits fails the test if the page is wider than the window.
func (b *tab) fits(what string) {
	b.t.Helper()
	if over := eval[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
		b.t.Errorf("%s: the page is %d px wider than the window", what, over)
	}
}

// noScript turns scripts off in pages that are loaded from now on.
func noScript() chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	})
}
