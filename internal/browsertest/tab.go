package browsertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Patience is how long tests wait for what should be there soon. It is generous, for a busy machine: what is to happen within a
// second is measured where it is promised.
const Patience = 30 * time.Second

// longest is how long a tab may be in use. Some tests go idle several times.
const longest = 5 * time.Minute

// Tab is a tab whose steps must succeed, and which must log no error.
type Tab struct {
	t    *testing.T
	ctx  context.Context
	base string
	look Look
	blur bool

	mu     sync.Mutex
	errors []string
}

// Look is the size of a window, and whether it asks for dark colours.
type Look struct {
	Name          string
	Width, Height int64
	Dark          bool
}

// The looks that pages are tried in.
var (
	Desktop     = Look{"desktop-light", 1440, 900, false}
	DesktopDark = Look{"desktop-dark", 1440, 900, true}
	Phone       = Look{"phone-light", 360, 780, false}
	PhoneDark   = Look{"phone-dark", 360, 780, true}
)

// Open opens a tab until the test ends. Paths given to Go are below base.
func (p Profile) Open(t *testing.T, base string, l Look) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(p.browser, chromedp.WithExistingBrowserContext(p.id))
	ctx, stop := context.WithTimeout(ctx, longest)
	b := &Tab{t: t, ctx: ctx, base: base}
	t.Cleanup(func() {
		stop()
		cancel()
		for _, e := range b.TakeErrors() {
			t.Errorf("the browser's console: %s", e)
		}
	})
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	b.Do(call(log.Enable, cdp.Empty{}))
	b.Resize(l)
	return b
}

// call makes a step of one of the browser's own commands.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

// Resize gives the window a look.
func (b *Tab) Resize(l Look) {
	b.t.Helper()
	b.look = l
	b.Do(chromedp.EmulateViewport(l.Width, l.Height, chromedp.EmulateScale(1)), b.prefer())
}

// Blur lets what is behind a dialog be blurred. It takes the browser long to draw, so that tabs prefer reduced transparency else.
func (b *Tab) Blur() {
	b.t.Helper()
	b.blur = true
	b.Do(b.prefer())
}

// prefer tells pages what whoever looks at them prefers.
func (b *Tab) prefer() chromedp.Action[chromedp.Void] {
	scheme, transparency := "light", "reduce"
	if b.look.Dark {
		scheme = "dark"
	}
	if b.blur {
		transparency = "no-preference"
	}
	return call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme},
		{Name: "prefers-reduced-motion", Value: "reduce"},
		{Name: "prefers-reduced-transparency", Value: transparency},
	}})
}

// AtStart has a script run in each page from now on, before the page's own.
func (b *Tab) AtStart(js string) {
	b.t.Helper()
	b.Do(call(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: js}))
}

// NoScript turns scripts off in pages that are loaded from now on.
func (b *Tab) NoScript() {
	b.t.Helper()
	b.Do(call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
}

// listen notes every error that the page, its scripts or its policy cause.
func (b *Tab) listen(ev any) {
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		b.note("exception: " + ev.ExceptionDetails.Text + " " + ev.ExceptionDetails.Exception.Description)
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError {
			b.note(fmt.Sprintf("console.%s: %s", ev.Type, arguments(ev.Args)))
		}
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError || strings.Contains(ev.Entry.Text, "Content Security Policy") {
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

func (b *Tab) note(e string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errors = append(b.errors, e)
}

// TakeErrors returns the errors so far, which then do not fail the test.
func (b *Tab) TakeErrors() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := b.errors
	b.errors = nil
	return taken
}

// Expect takes an error out of those that fail the test; there must be one that contains the text.
func (b *Tab) Expect(text string) {
	b.t.Helper()
	if !b.drop(text) {
		b.t.Errorf("no error with %q in the browser's console", text)
	}
}

// Forgive forgets the errors so far that are answers of 4xx, and of 503 as a store gives that is kept waiting for a second by a busy
// machine: what is to be seen in the end the test says. The browser logs each, and some pages have several.
func (b *Tab) Forgive() {
	b.drop("status of 4")
	b.drop("status of 503")
}

// drop forgets the errors that contain the text, and reports whether there were any.
func (b *Tab) drop(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.errors)
	b.errors = slices.DeleteFunc(b.errors, func(e string) bool { return strings.Contains(e, text) })
	return len(b.errors) < n
}
