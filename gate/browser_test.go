package gate

import (
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

	"github.com/chromedp/chromedp"

	"github.com/curfewhq/curfew/internal/browsertest"
)

func TestMain(m *testing.M) { os.Exit(browsertest.Run(m)) }

const (
	patience = browsertest.Patience
	lifetime = 300 * time.Second // of the session
)

// protected is an app behind a proxy that puts the guard in, with Curfew's answers to the guard: a session whose
// state the test says.
type protected struct {
	t    *testing.T
	base string

	mu       sync.Mutex
	id       string
	state    string
	reason   string    // why it ended
	active   time.Time // when there was activity last
	idle     time.Time
	activity int
	asked    int           // how often a guard asked
	left     int           // how often a page went to the sign-in page
	changed  chan struct{} // closed at the next change
}

func protect(t *testing.T, app http.Handler) *protected {
	t.Helper()
	upstream := httptest.NewServer(app)
	target, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := &protected{t: t, id: "s1", changed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.Handle(GuardPath, Guard())
	mux.HandleFunc("GET /.curfew/api/v1/session", p.answer)
	mux.HandleFunc("POST /.curfew/api/v1/session/activity", p.act)
	mux.HandleFunc("POST /.curfew/api/v1/session/extend", p.act)
	mux.HandleFunc("GET /.curfew/api/v1/session/events", p.events)
	mux.HandleFunc("GET /.curfew/signin", p.signIn)
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

// set changes the session's state, and tells the guards. Who asks for one that is "forgotten" is signed out, as with a cookie that was taken back.
func (p *protected) set(state string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.state = state; state {
	case "active":
		p.active = time.Now()
		p.idle = p.active.Add(lifetime)
	case "expiring":
		time.Sleep(2 * time.Millisecond) // the guard can't order answers of one millisecond, and no session goes idle within one
		p.idle = time.Now()
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *protected) end(reason string) {
	p.mu.Lock()
	p.reason = reason
	p.mu.Unlock()
	p.set("ended")
}

func (p *protected) isForgotten() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state == "forgotten"
}

// signInAnew has somebody else signed in, of which no guard is told.
func (p *protected) signInAnew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.id += "'"
}

func (p *protected) session() (doc []byte, changed chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	doc, err := json.Marshal(map[string]any{
		"id": p.id, "state": p.state, "reason": p.reason, "server_time": stamp(time.Now()), "lifetime_seconds": lifetime / time.Second,
		"last_active_at": stamp(p.active), "idle_at": stamp(p.idle), "ends_at": stamp(p.idle.Add(30 * time.Second)),
	})
	if err != nil {
		p.t.Error(err)
	}
	return doc, p.changed
}

func (p *protected) answer(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked++
	p.mu.Unlock()
	if p.isForgotten() {
		http.Error(w, "nobody is signed in", http.StatusUnauthorized)
		return
	}
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

func (p *protected) signIn(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.left++
	p.mu.Unlock()
	fmt.Fprint(w, "<title>Sign in</title>")
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

func (p *protected) leaves() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left
}

func (p *protected) questions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// tab is a tab at a page with a guard.
type tab struct {
	*browsertest.Tab
	t *testing.T
}

// watchGuard runs in each page before everything else, and counts what the guard tells.
const watchGuard = `
	window.states = 0;
	document.addEventListener('curfew:state', () => states++);
	window.leftInDialog = () => document.querySelector('curfew-guard').shadowRoot.textContent;
	window.guardDialog = () => document.querySelector('curfew-guard')?.shadowRoot.querySelector('dialog[open]');`

func openTab(t *testing.T, url string) *tab {
	t.Helper()
	return openTabOf(t, browsertest.NewProfile(t), url)
}

func openTabOf(t *testing.T, of browsertest.Profile, url string) *tab {
	t.Helper()
	b := &tab{of.Open(t, url, browsertest.Look{Width: 1000, Height: 800}), t}
	b.AtStart(watchGuard)
	b.Go("")
	return b
}

func eval[T any](b *tab, js string) T {
	b.t.Helper()
	return browsertest.Eval[T](b.Tab, js)
}

// until waits for an expression to be true.
func (b *tab) until(what, js string) {
	b.t.Helper()
	b.Until(what, js, patience)
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
	b.Do(chromedp.KeyEvent("\r"))
	b.until("the dialog is gone", "!guardDialog()")
	if left := eval[string](b, "leftInDialog()"); left != "LogoutExtend SessionLog out now" {
		b.t.Errorf("in the closed dialog stands %q", left)
	}
}

func (b *tab) inFront() {
	b.t.Helper()
	what := "not asked"
	for deadline := time.Now().Add(patience); what != ""; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("the Logout dialog %s (%q)", what, b.TakeErrors())
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
