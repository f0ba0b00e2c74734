// Package browsertest drives a real browser in tests. One process serves all tests of a binary; each test has a profile of its
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

// browser is started once, by the first test that wants it.
var browser = sync.OnceValues(func() (context.Context, error) {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath(path()),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1, MAP *.example.com 127.0.0.1"))
	ctx, _ := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, closeBrowser = chromedp.NewContext(ctx)
	return ctx, chromedp.Do(ctx)
})

var closeBrowser = func() {}

// path is where the browser is: CHROMIUM says so, or it is where Debian has it.
func path() string {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path
	}
	return "/usr/bin/chromium"
}

// Run runs the tests, for a TestMain, and closes the browser if any of them has started it.
func Run(m *testing.M) (code int) {
	defer func() { closeBrowser() }()
	return m.Run()
}

// Profile is a browser of its own: tabs of one profile share cookies, as windows of one person do.
type Profile struct {
	id cdp.BrowserContextID
}

// NewProfile returns a profile that is forgotten when the test ends.
func NewProfile(t *testing.T) Profile {
	t.Helper()
	ctx, err := browser()
	if err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	created, err := chromedp.CallBrowser(ctx, target.CreateBrowserContext, target.CreateBrowserContextParams{})
	if err != nil {
		t.Fatal(err)
	}
	p := Profile{created.BrowserContextID}
	t.Cleanup(func() {
		if _, err := chromedp.CallBrowser(ctx, target.DisposeBrowserContext, target.DisposeBrowserContextParams{BrowserContextID: p.id}); err != nil {
			t.Errorf("forget the profile: %v", err)
		}
	})
	return p
}
