package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

func TestMain(m *testing.M) {
	code := m.Run()
	closeBrowser()
	os.Exit(code)
}

// browser is started once, by the first test that wants it.
var browser = sync.OnceValues(func() (context.Context, error) {
	path := "/usr/bin/chromium"
	if p := os.Getenv("CHROMIUM"); p != "" {
		path = p
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath(path),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"))
	ctx, _ := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, closeBrowser = chromedp.NewContext(ctx)
	return ctx, chromedp.Do(ctx)
})

var closeBrowser = func() {}

const (
	patience = 30 * time.Second
	lifetime = 300 * time.Second // of the session
)

// protected is an app behind a proxy that puts the guard in, with Curfew's answers to the guard: a session whose
// state the test says.
type protected struct {
	t    *testing.T
	base string

	mu       sync.Mutex
	state    string
	active   time.Time // when there was activity last
	idle     time.Time
	activity int
	changed  chan struct{} // closed at the next change
}

func protect(t *testing.T, app http.Handler) *protected {
	t.Helper()
	upstream := httptest.NewServer(app)
	target, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := &protected{t: t, changed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.Handle(GuardPath, Guard())
	mux.HandleFunc("GET /.curfew/api/v1/session", p.answer)
	mux.HandleFunc("POST /.curfew/api/v1/session/activity", p.act)
	mux.HandleFunc("POST /.curfew/api/v1/session/extend", p.act)
	mux.HandleFunc("GET /.curfew/api/v1/session/events", p.events)
	mux.HandleFunc("GET /.curfew/signin", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<title>Sign in</title>") })
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.Handle("/", guarded(target))
	server := httptest.NewServer(mux)
	p.base = server.URL
	p.set("active")
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		upstream.CloseClientConnections()
		upstream.Close()
	})
	return p
}

// set changes the session's state, and tells the guards.
func (p *protected) set(state string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.state = state; state {
	case "active":
		p.active = time.Now()
		p.idle = p.active.Add(lifetime)
	case "expiring":
		p.idle = time.Now()
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *protected) session() (doc []byte, changed chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	doc, err := json.Marshal(map[string]any{
		"id": "s1", "state": p.state, "server_time": stamp(time.Now()), "lifetime_seconds": lifetime / time.Second,
		"last_active_at": stamp(p.active), "idle_at": stamp(p.idle), "ends_at": stamp(p.idle.Add(30 * time.Second)),
	})
	if err != nil {
		p.t.Error(err)
	}
	return doc, p.changed
}

func (p *protected) answer(w http.ResponseWriter, r *http.Request) {
	doc, _ := p.session()
	w.Header().Set("Content-Type", "application/json")
	w.Write(doc)
}

func (p *protected) act(w http.ResponseWriter, r *http.Request) {
	p.set("active")
	p.mu.Lock()
	p.activity++
	p.mu.Unlock()
	p.answer(w, r)
}

func (p *protected) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		doc, changed := p.session()
		fmt.Fprintf(w, "event: session\ndata: %s\n\n", doc)
		w.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func (p *protected) activities() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.activity
}

// tab is a tab that must log no error.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	errors []string
}

// watchGuard runs in each page before everything else, and counts what the guard tells.
const watchGuard = `
	window.states = 0;
	document.addEventListener('curfew:state', () => states++);
	window.guardDialog = () => document.querySelector('curfew-guard')?.shadowRoot.querySelector('dialog[open]');`

func openTab(t *testing.T, url string) *tab {
	t.Helper()
	parent, err := browser()
	if err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	created, err := chromedp.CallBrowser(parent, target.CreateBrowserContext, target.CreateBrowserContextParams{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(parent, chromedp.WithExistingBrowserContext(created.BrowserContextID))
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	b := &tab{t: t, ctx: ctx}
	t.Cleanup(func() {
		stop()
		cancel()
		for _, e := range b.takeErrors() {
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
		chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: watchGuard})
			return err
		}),
		chromedp.EmulateViewport(1000, 800),
		chromedp.Navigate(url),
	)
	return b
}

func (b *tab) listen(ev any) {
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		b.note("exception: " + ev.ExceptionDetails.Text + " " + ev.ExceptionDetails.Exception.Description)
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError || strings.Contains(ev.Entry.Text, "Content Security Policy") {
			b.note(ev.Entry.Text + " " + ev.Entry.URL)
		}
	}
}

func (b *tab) note(e string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errors = append(b.errors, e)
}

func (b *tab) takeErrors() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := b.errors
	b.errors = nil
	return taken
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func eval[T any](b *tab, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", js, err)
	}
	return v
}

// until waits for an expression to be true.
func (b *tab) until(what, js string) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+js+")"))
		if ok {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s: not within %v (%v, %q)", what, patience, err, b.takeErrors())
		}
	}
}

// isInFront is whether the Logout dialog can be seen and used, and looks as it should: a box in the middle of the window.
const isInFront = `(() => {
	const box = guardDialog(), host = document.querySelector('curfew-guard');
	if (!box) return 'there is none';
	const r = box.getBoundingClientRect(), style = getComputedStyle(box);
	if (Math.abs(r.left + r.right - innerWidth) > 30 || Math.abs(r.top + r.bottom - innerHeight) > 30) return 'is at ' + JSON.stringify(r);
	if (Math.abs(r.width - 400) > 1) return 'is ' + r.width + ' wide';
	if (style.borderRadius !== '18px') return 'has no style';
	if (document.elementFromPoint(innerWidth / 2, innerHeight / 2) !== host) return 'is behind ' + document.elementFromPoint(innerWidth / 2, innerHeight / 2)?.outerHTML;
	if (host.shadowRoot.activeElement?.textContent !== 'Extend Session') return 'has no focus';
	return '';
})()`

// showsDialog has the session expire, and its dialog extend it.
func (b *tab) showsDialog(p *protected) {
	b.t.Helper()
	p.set("expiring")
	b.inFront()
	b.do(chromedp.KeyEvent("\r"))
	b.until("the dialog is gone", "!guardDialog()")
}

func (b *tab) inFront() {
	b.t.Helper()
	what := "not asked"
	for deadline := time.Now().Add(patience); what != ""; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("the Logout dialog %s (%q)", what, b.takeErrors())
		}
		what = eval[string](b, isInFront)
	}
}

func answerWith(headers map[string]string, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		for name, value := range headers {
			for line := range strings.SplitSeq(value, "\n") {
				w.Header().Add(name, line)
			}
		}
		fmt.Fprint(w, body)
	})
}
