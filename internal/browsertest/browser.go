// Package browsertest drives a real browser in tests. One process serves the tests of a binary; each test has a profile of its
// own in it, which shares cookies and storage with no other. A page that logs an error fails its test.
package browsertest

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// InsecureHost is this machine by a name that browsers trust no more than any other: over plain HTTP it gets no Fetch
// Metadata and no Web Locks.
const InsecureHost = "curfew.test"

// A program is a browser that is started once, by the first test that wants it.
type program struct {
	start func() (context.Context, error)
	close context.CancelFunc
}

var (
	// shell is Chromium without what is around its pages: toolbar and tabs are made of pages too, and with them a test takes two
	// and a half times the processor time.
	shell = newProgram("CHROMIUM_SHELL", "/usr/bin/chromium-headless-shell")
	// whole is all of it.
	whole = newProgram("CHROMIUM", "/usr/bin/chromium")
)

// newProgram returns the browser that the environment variable names, or else the one at path, which is where Debian has it.
func newProgram(variable, path string) *program {
	p := &program{close: func() {}}
	p.start = sync.OnceValues(func() (context.Context, error) {
		if named := os.Getenv(variable); named != "" {
			path = named
		}
		opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath(path),
			chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1, MAP *.example.com 127.0.0.1"))
		ctx, _ := chromedp.NewExecAllocator(context.Background(), opts...)
		ctx, p.close = chromedp.NewContext(ctx)
		return ctx, chromedp.Do(ctx)
	})
	return p
}

// Run runs the tests, for a TestMain, and closes the browsers that they have started.
func Run(m *testing.M) (code int) {
	defer func() {
		shell.close()
		whole.close()
	}()
	return m.Run()
}

// Profile is a browser of its own: tabs of one profile share cookies, as windows of one person do.
type Profile struct {
	browser context.Context
	id      cdp.BrowserContextID
}

// NewProfile returns a profile that is forgotten when the test ends.
func NewProfile(t *testing.T) Profile {
	t.Helper()
	return newProfile(t, shell)
}

// NewWholeProfile is for what a browser does only with a window around its pages, such as to keep those alive that one leaves.
func NewWholeProfile(t *testing.T) Profile {
	t.Helper()
	return newProfile(t, whole)
}

func newProfile(t *testing.T, browser *program) Profile {
	t.Helper()
	ctx, err := browser.start()
	if err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	created, err := chromedp.CallBrowser(ctx, target.CreateBrowserContext, target.CreateBrowserContextParams{})
	if err != nil {
		t.Fatal(err)
	}
	p := Profile{ctx, created.BrowserContextID}
	t.Cleanup(func() {
		if _, err := chromedp.CallBrowser(ctx, target.DisposeBrowserContext, target.DisposeBrowserContextParams{BrowserContextID: p.id}); err != nil {
			t.Errorf("forget the profile: %v", err)
		}
	})
	return p
}
