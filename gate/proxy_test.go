package gate

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
)

// front is a gate before one app, on real connections.
type front struct {
	*house
	t      testing.TB
	gate   *Gate
	server *httptest.Server
	client *http.Client
	log    *lockedBuffer
}

type frontOptions struct {
	app   App // the upstream is filled in
	tls   bool
	store curfew.Store
}

// newFront serves the app, and the gate before it with limits on time that no test could keep, were they not lifted.
func newFront(t testing.TB, app http.Handler, opt frontOptions) *front {
	t.Helper()
	f := &front{house: newHouse(t, opt.store), t: t, log: &lockedBuffer{}}
	if app != nil {
		upstream := httptest.NewServer(app)
		t.Cleanup(upstream.Close)
		t.Cleanup(upstream.CloseClientConnections)
		opt.app.Upstream, _ = url.Parse(upstream.URL)
	}
	var err error
	f.gate, err = New(Options{
		Sessions: f.Manager, Role: roles, Apps: []App{opt.app}, Logger: slog.New(slog.NewTextHandler(f.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	f.server = httptest.NewUnstartedServer(limited(f.gate.Proxy()))
	f.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	f.server.EnableHTTP2 = opt.tls
	if opt.tls {
		f.server.StartTLS()
	} else {
		f.server.Start()
	}
	f.client = f.server.Client()
	f.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	f.client.Transport.(*http.Transport).DisableCompression = true
	t.Cleanup(f.server.Close)
	t.Cleanup(f.server.CloseClientConnections)
	t.Cleanup(f.gate.Close)
	return f
}

// limited has a server's limits on time begin when the request has come. The server's own begin with the connection, and a busy
// machine may not get a request through before they are over.
func limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control, end := http.NewResponseController(w), time.Now().Add(300*time.Millisecond)
		control.SetReadDeadline(end)
		control.SetWriteDeadline(end)
		next.ServeHTTP(w, r)
	})
}

// request makes a request of a session.
func (f *front) request(method, path string, body io.Reader, token curfew.Token) *http.Request {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.server.URL+path, body)
	if err != nil {
		f.t.Fatal(err)
	}
	if token != (curfew.Token{}) {
		r.Header.Set("Cookie", f.cookie(token))
	}
	return r
}

func (f *front) cookie(token curfew.Token) string {
	if strings.HasPrefix(f.server.URL, "https:") {
		return curfew.SecureCookie + "=" + token.Reveal()
	}
	return curfew.PlainCookie + "=" + token.Reveal()
}

func (f *front) do(r *http.Request) *http.Response {
	f.t.Helper()
	resp, err := f.client.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// get asks as amara, and returns the answer's body too.
func (f *front) get(path string) (*http.Response, string) {
	f.t.Helper()
	resp := f.do(f.request(http.MethodGet, path, nil, f.amara))
	return resp, readAll(f.t, resp)
}

func readAll(t testing.TB, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// end ends amara's session.
func (f *front) end() {
	f.t.Helper()
	s, err := f.Check(f.t.Context(), f.amara, curfew.Passive)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.End(f.t.Context(), s.ID, curfew.Ending{Reason: curfew.ReasonTerminated}); err != nil {
		f.t.Fatal(err)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// echo answers with the request as an app gets it.
func echo(w http.ResponseWriter, r *http.Request) {
	json.NewEncoder(w).Encode(map[string]any{"method": r.Method, "uri": r.RequestURI, "host": r.Host, "header": r.Header})
}

type echoed struct {
	Method, URI, Host string
	Header            http.Header
}

func parseEcho(t testing.TB, resp *http.Response) (e echoed) {
	t.Helper()
	if err := json.NewDecoder(resp.Body).Decode(&e); err != nil {
		t.Fatalf("status %d: %v", resp.StatusCode, err)
	}
	return e
}

// raw sends bytes and returns the first answer.
func (f *front) raw(text string) *http.Response {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.server.Listener.Addr().String())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, text)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp
}

func TestAppLearnsWhoAsks(t *testing.T) {
	f := newFront(t, http.HandlerFunc(echo), frontOptions{})
	resp := f.raw("GET /path/%7Ea?q=1;b=%zz&& HTTP/1.1\r\nHost: App.Example.com:81\r\n" +
		"Cookie: a=b; curfew-theme=dark; " + f.cookie(f.amara) + "; c=d\r\n" +
		"Remote-User: mallory\r\nremote_user: mallory\r\nREMOTE-ROLE: admin\r\nRemote-Role: admin\r\nRemote-Groups: wheel\r\n" +
		"X-Forwarded-For: 192.0.2.1\r\nx-forwarded-for: 192.0.2.2\r\nX_Forwarded_Host: evil.example\r\nX-Forwarded-Proto: https\r\n" +
		"Forwarded: for=192.0.2.1\r\nX-Original-URL: /admin\r\n" +
		"Connection: Remote-User, X-Forwarded-For, X-Hop, Remote-Role\r\nX-Hop: 1\r\nKeep-Alive: 1\r\nProxy-Authorization: x\r\nUpgrade: h2c\r\n" +
		"X-Request-Id: 7\r\n\r\n")
	e := parseEcho(t, resp)
	want := http.Header{
		"Cookie": {"a=b; c=d"}, "X-Request-Id": {"7"},
		"Remote-User": {"amara"}, "Remote-Name": {"amara's full name"}, "Remote-Role": {"admin"},
		"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"App.Example.com:81"},
	}
	if !maps.EqualFunc(e.Header, want, slices.Equal) {
		t.Errorf("headers: %v, want %v", e.Header, want)
	}
	if e.Host != "App.Example.com:81" || e.URI != "/path/%7Ea?q=1;b=%zz&&" {
		t.Errorf("asked for %s at %s", e.URI, e.Host)
	}
}

func TestAppsAreUntouched(t *testing.T) {
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "curfew=stolen; Path=/")
		w.Header().Add("Set-Cookie", "app=1; Path=/")
		w.Header().Add("Set-Cookie", "__Host-Curfew=; Max-Age=0")
		w.Header().Set("X-Method", r.Method)
		w.Header()["Content-Type"] = nil
		w.Header().Set("Location", "http://elsewhere.example/")
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.WriteHeader(status)
	}), frontOptions{})
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY", "TRACE", "M-SEARCH"} {
		for _, status := range []int{200, 201, 204, 301, 304, 307, 400, 401, 403, 404, 418, 429, 500, 502, 503, 599} {
			resp := f.do(f.request(method, fmt.Sprintf("/%d", status), nil, f.amara))
			h := resp.Header
			_, typed := h["Content-Type"]
			if resp.StatusCode != status || h.Get("X-Method") != method || typed || h.Get("Cache-Control") != "private" ||
				h.Get("Location") != "http://elsewhere.example/" || !slices.Equal(h["Set-Cookie"], []string{"app=1; Path=/"}) {
				t.Errorf("%s %d: %d, %v", method, status, resp.StatusCode, h)
			}
			resp.Body.Close()
		}
	}
}

func TestEarlyHints(t *testing.T) {
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("X-Final", "1")
		io.WriteString(w, "page")
	}), frontOptions{})
	var hints []string
	r := f.request(http.MethodGet, "/", nil, f.amara)
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, h.Get("Link")))
			return nil
		},
	}))
	resp := f.do(r)
	if readAll(t, resp) != "page" || !slices.Equal(hints, []string{"103</a.css>; rel=preload"}) || resp.Header.Get("X-Final") != "1" {
		t.Errorf("hints %q, %v", hints, resp.Header)
	}
}

func TestRangesAndHead(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 1000)
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "a.bin", time.Unix(1e9, 0), bytes.NewReader(content))
	}), frontOptions{})
	r := f.request(http.MethodGet, "/", nil, f.amara)
	r.Header.Set("Range", "bytes=10-19")
	resp := f.do(r)
	if body := readAll(t, resp); resp.StatusCode != http.StatusPartialContent || body != "0123456789" || resp.Header.Get("Content-Range") != "bytes 10-19/10000" {
		t.Errorf("range: %d, %q, %v", resp.StatusCode, body, resp.Header)
	}
	resp = f.do(f.request(http.MethodHead, "/", nil, f.amara))
	if body := readAll(t, resp); resp.ContentLength != 10000 || body != "" || resp.Header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("HEAD: %d, %q, %v", resp.ContentLength, body, resp.Header)
	}
}

func TestTrailers(t *testing.T) {
	for name, opt := range map[string]frontOptions{"HTTP/1.1": {}, "HTTP/2": {tls: true}} {
		f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Trailer", "X-Announced")
			io.WriteString(w, "body")
			w.Header().Set("X-Announced", r.Trailer.Get("X-Sent"))
			if len(r.Trailer) > 1 {
				t.Errorf("the app sees the trailers %v", r.Trailer)
			}
			w.Header().Set(http.TrailerPrefix+"X-Late", "late")
		}), opt)
		r := f.request(http.MethodPost, "/", struct{ io.Reader }{strings.NewReader("upload")}, f.amara)
		r.Trailer = http.Header{"X-Sent": {"there"}, "Remote-User": {"mallory"}, "X_forwarded_for": {"mallory"}}
		if !opt.tls { // over HTTP/2 the server refuses these
			r.Trailer["Cookie"], r.Trailer["Authorization"] = []string{"curfew=x"}, []string{"Bearer x"}
		}
		resp := f.do(r)
		if body := readAll(t, resp); body != "body" || resp.Trailer.Get("X-Announced") != "there" || resp.Trailer.Get("X-Late") != "late" {
			t.Errorf("%s: %q, trailers %v", name, body, resp.Trailer)
		}
	}
}

// TestExpectContinue has an app that refuses a body before it was sent, and one that takes it.
func TestExpectContinue(t *testing.T) {
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refuse" {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		io.Copy(w, r.Body)
	}), frontOptions{})
	f.client.Transport.(*http.Transport).ExpectContinueTimeout = 10 * time.Second
	sent := 0
	body := func() io.Reader {
		sent = 0
		return readerFunc(func(b []byte) (int, error) {
			if sent > 0 {
				return 0, io.EOF
			}
			sent = copy(b, "content")
			return sent, nil
		})
	}
	r := f.request(http.MethodPost, "/refuse", body(), f.amara)
	r.Header.Set("Expect", "100-continue")
	if resp := f.do(r); resp.StatusCode != http.StatusRequestEntityTooLarge || sent != 0 {
		t.Errorf("refused with %d, %d bytes were sent", resp.StatusCode, sent)
	}
	r = f.request(http.MethodPost, "/take", body(), f.amara)
	r.Header.Set("Expect", "100-continue")
	if got := readAll(t, f.do(r)); got != "content" {
		t.Errorf("taken: %q", got)
	}
	r = f.request(http.MethodPost, "/take", body(), curfew.Token{})
	r.Header.Set("Expect", "100-continue")
	if resp := f.do(r); resp.StatusCode != http.StatusUnauthorized || sent != 0 {
		t.Errorf("a stranger: %d, %d bytes were sent", resp.StatusCode, sent)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// TestSlowAndLarge sends and gets more than any buffer, for longer than the server's limits, and part by part: each comes
// out before the next goes in.
func TestSlowAndLarge(t *testing.T) {
	for name, opt := range map[string]frontOptions{"HTTP/1.1": {}, "HTTP/2": {tls: true}} {
		t.Run(name, func(t *testing.T) {
			f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				rc := http.NewResponseController(w)
				rc.EnableFullDuplex()
				if size := r.URL.Query().Get("size"); size != "" {
					w.Header().Set("Content-Length", size)
				}
				rc.Flush()
				b := make([]byte, 1000)
				for {
					n, err := r.Body.Read(b)
					w.Write(b[:n])
					rc.Flush()
					if err != nil {
						return
					}
				}
			}), opt)
			for _, path := range []string{"/", "/?size=40"} {
				in, out := io.Pipe()
				r := f.request(http.MethodPost, path, in, f.amara)
				answer := make(chan *http.Response, 1)
				go func() { answer <- f.do(r) }()
				io.WriteString(out, "part 0\r\n")
				resp := <-answer
				for i := range 5 {
					part := make([]byte, 8)
					if _, err := io.ReadFull(resp.Body, part); err != nil || string(part) != fmt.Sprintf("part %d\r\n", i) {
						t.Fatalf("%s: part %d: %q, %v", path, i, part, err)
					}
					if i < 4 {
						time.Sleep(150 * time.Millisecond)
						fmt.Fprintf(out, "part %d\r\n", i+1)
					}
				}
				out.Close()
				if rest := readAll(t, resp); rest != "" {
					t.Errorf("%s: rest %q", path, rest)
				}
			}
			sum, size := sha256.New(), int64(64<<20)
			large := io.TeeReader(io.LimitReader(readerFunc(func(b []byte) (int, error) { b[0]++; return len(b), nil }), size), sum)
			resp := f.do(f.request(http.MethodPost, "/", large, f.amara))
			back := sha256.New()
			if n, err := io.Copy(back, resp.Body); n != size || err != nil || !bytes.Equal(back.Sum(nil), sum.Sum(nil)) {
				t.Errorf("%d of %d bytes came back: %v", n, size, err)
			}
		})
	}
}

func TestSignedOut(t *testing.T) {
	var reached int
	f := newFront(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }), frontOptions{})
	page := f.request(http.MethodGet, "/a%20b?q=1&r=%2F", nil, curfew.Token{})
	page.Header.Set("Sec-Fetch-Mode", "navigate")
	page.Header.Set("Sec-Fetch-Dest", "document")
	resp := f.do(page)
	if want := "/.curfew/signin?next=%2Fa%2520b%3Fq%3D1%26r%3D%252F"; resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != want {
		t.Errorf("a page: %d to %q, want %q", resp.StatusCode, resp.Header.Get("Location"), want)
	}
	page.Header.Set("Sec-Fetch-Dest", "empty") // past a service worker
	if resp := f.do(page); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("a page past a service worker: %d", resp.StatusCode)
	}
	page.Header.Set("Sec-Fetch-Dest", "iframe")
	if resp := f.do(page); resp.StatusCode != http.StatusUnauthorized || !strings.Contains(readAll(t, resp), `target="_top"`) {
		t.Errorf("a frame: %d", resp.StatusCode)
	}
	for from, next := range map[string]string{
		"": "%2F", f.server.URL + "/b?q=1": "%2Fb%3Fq%3D1", f.server.URL: "%2F", f.server.URL + "//elsewhere.test/": "%2F", f.server.URL + "/%5Celsewhere.test": "%2F",
		"http://elsewhere.test/b": "%2F", strings.Replace(f.server.URL, "http", "https", 1) + "/b": "%2F", "%": "%2F", "javascript:alert(1)": "%2F",
	} {
		page.Header.Set("Referer", from)
		if link := `href="/.curfew/signin?next=` + next + `"`; !strings.Contains(readAll(t, f.do(page)), link) {
			t.Errorf("a frame in %q: no %s", from, link)
		}
	}
	for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
		resp := f.do(f.request(method, "/", nil, curfew.Token{}))
		var p map[string]any
		if err := json.Unmarshal([]byte(readAll(t, resp)), &p); err != nil || resp.StatusCode != http.StatusUnauthorized ||
			resp.Header.Get("Content-Type") != "application/problem+json" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, %v, %v", method, resp.StatusCode, p, err)
		}
	}
	f.end()
	if resp, _ := f.get("/"); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("an ended session: %d", resp.StatusCode)
	}
	if reached != 0 {
		t.Errorf("%d requests reached the app", reached)
	}
}

// TestProblemPageHasItsStyle reads what the browser checks: the policy admits the page's one style and nothing else.
func TestProblemPageHasItsStyle(t *testing.T) {
	w := httptest.NewRecorder()
	refusePage(w, refusal{problem: newProblem(http.StatusForbidden, errDenied)})
	_, rest, _ := strings.Cut(w.Body.String(), "<style>")
	style, _, ok := strings.Cut(rest, "</style>")
	hash := sha256.Sum256([]byte(style))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'; "
	if policy := w.Header().Get("Content-Security-Policy"); !ok || !strings.HasPrefix(policy, want) {
		t.Errorf("the policy is %q, want %q", policy, want)
	}
}

func TestRulesInTheProxy(t *testing.T) {
	f := newFront(t, http.HandlerFunc(echo), frontOptions{app: App{Rules: []Rule{
		{Path: "/public", Access: Access{Public: true}},
		{Path: "/mia", Access: Access{Users: []string{"mia"}}},
	}}})
	r := f.request(http.MethodGet, "/public", nil, curfew.Token{})
	r.Header.Set("Remote-User", "mallory")
	if e := parseEcho(t, f.do(r)); e.Header.Get("Remote-User") != "" {
		t.Errorf("a stranger on a public path is %q", e.Header.Get("Remote-User"))
	}
	if resp, body := f.get("/mia"); resp.StatusCode != http.StatusForbidden || !strings.Contains(body, "may not use this part") {
		t.Errorf("a part for others: %d %s", resp.StatusCode, body)
	}
	for _, path := range []string{"/public/../mia", "/public%2f..%2fmia", "//mia", "/x/..;/mia", "/%6dia/%2e%2e/mia", "/MIA"} {
		resp := f.raw("GET " + path + " HTTP/1.1\r\nHost: h\r\nCookie: " + f.cookie(f.amara) + "\r\n\r\n")
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}

// TestWhoIsRefused has pages say to their reader who they are, to nobody else, and where to change that.
func TestWhoIsRefused(t *testing.T) {
	f := newFront(t, http.HandlerFunc(echo), frontOptions{app: App{Rules: []Rule{{Path: "/mia", Access: Access{Users: []string{"mia"}}}}}})
	r := f.request(http.MethodGet, "/mia", nil, f.amara)
	r.Header.Set("Accept", "text/html")
	resp := f.do(r)
	page := readAll(t, resp)
	for _, want := range []string{"signed in as <b>amara&#39;s full name (amara)</b>", "403", `<form method="post" action="/.curfew/signout" target="_top">`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if resp.StatusCode != http.StatusForbidden || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	if _, body := f.get("/mia"); strings.Contains(body, "amara") {
		t.Errorf("a program reads %s", body)
	}
	for signOut, want := range map[string]int{"": 0, "/logout": 1} {
		elsewhere, err := New(Options{Sessions: f.Manager, SignIn: "/login", SignOut: signOut, Apps: []App{{}}})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		refusePage(w, elsewhere.newRefusal(http.StatusForbidden, errDenied, "h", curfew.User{Name: "mia"}))
		page := w.Body.String()
		if buttons := strings.Count(page, "action="); !strings.Contains(page, "signed in as <b>mia</b>") || buttons != want || strings.Count(page, `action="/logout"`) != want {
			t.Errorf("where Curfew has no pages, and one signs out at %q:\n%s", signOut, page)
		}
	}
}

func TestUpstreamIsDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	f := newFront(t, nil, frontOptions{app: App{Upstream: &url.URL{Scheme: "http", Host: address}}})
	resp, body := f.get("/")
	if resp.StatusCode != http.StatusBadGateway || strings.Contains(body, address) || resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
	if !strings.Contains(f.log.String(), address) {
		t.Error("the log does not say what is wrong")
	}
	r := f.request(http.MethodGet, "/", nil, f.amara)
	r.Header.Set("Accept", "text/html")
	r.Host = "app.example.com"
	resp = f.do(r)
	page := readAll(t, resp)
	if resp.StatusCode != http.StatusBadGateway || !strings.HasPrefix(page, "<!doctype html>") || strings.Contains(page, address) ||
		!strings.Contains(page, "<b>app.example.com</b>") || !strings.Contains(page, `<a href="">Try again</a>`) {
		t.Errorf("a page: %d %s", resp.StatusCode, page)
	}
}

// TestBrokenAnswer has an app that breaks off: so does the gate, for half an answer is not a whole one.
func TestBrokenAnswer(t *testing.T) {
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}), frontOptions{})
	resp := f.do(f.request(http.MethodGet, "/", nil, f.amara))
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("half an answer looks whole: %q", b)
	}
}

func TestStoreIsDownInTheProxy(t *testing.T) {
	store := &downStore{Store: memory.NewSessions()}
	token := newHouse(t, store).mia
	reached := 0
	f := newFront(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }), frontOptions{store: store})
	store.down = true
	resp := f.do(f.request(http.MethodGet, "/", nil, token))
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || reached > 0 {
		t.Errorf("%d, %v, reached %d", resp.StatusCode, resp.Header, reached)
	}
	r := f.request(http.MethodGet, "/", nil, token)
	r.Header.Set("Accept", "text/html")
	resp = f.do(r)
	page := readAll(t, resp)
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(page, "Nobody is signed out") || !strings.Contains(page, `<a href="">Try again</a>`) {
		t.Errorf("a page: %d %s", resp.StatusCode, page)
	}
	if resp.Header.Get("Refresh") != "" || strings.Contains(page, "http-equiv") {
		t.Errorf("the page loads itself again: %v %s", resp.Header, page)
	}
}

// TestStoreIsDownMeanwhile loses the store while an app takes its time to answer: nobody knows whether the session goes on, and it is not the app's fault.
func TestStoreIsDownMeanwhile(t *testing.T) {
	asked := make(chan struct{})
	f := newFront(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}), frontOptions{})
	go func() {
		<-asked
		o := f.gate.open[0]
		o.mu.Lock()
		all := slices.Collect(maps.Values(o.groups))
		o.mu.Unlock()
		for _, q := range o.all(all[0]) {
			q.cut(&curfew.Error{Code: curfew.CodeUnavailable})
		}
	}()
	resp := f.do(f.request(http.MethodGet, "/", nil, f.amara))
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%d, %v", resp.StatusCode, resp.Header)
	}
}

func TestUpstreamOverSocketAndTLS(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	app := &http.Server{Handler: http.HandlerFunc(echo)}
	go app.Serve(l)
	t.Cleanup(func() { app.Close() })
	f := newFront(t, nil, frontOptions{app: App{Upstream: &url.URL{Scheme: "unix", Path: path}}})
	if e := parseEcho(t, f.do(f.request(http.MethodGet, "/x", nil, f.amara))); e.URI != "/x" || e.Host != f.server.Listener.Addr().String() {
		t.Errorf("%+v", e)
	}

	secure := httptest.NewTLSServer(http.HandlerFunc(echo))
	t.Cleanup(secure.Close)
	u, _ := url.Parse(secure.URL)
	f = newFront(t, nil, frontOptions{app: App{Upstream: u}})
	if resp, _ := f.get("/"); resp.StatusCode != http.StatusBadGateway {
		t.Errorf("a certificate that nobody signed: %d", resp.StatusCode)
	}
}

// TestSmuggling sends what two servers could read as different requests. The app sees none of it, or one request.
func TestSmuggling(t *testing.T) {
	var seen []string
	var mu sync.Mutex
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.URL.Path+":"+string(b)+r.Header.Get("X-Forwarded-User")+r.Header.Get("Keep"))
	}), frontOptions{})
	cookie := "Host: h\r\nCookie: " + f.cookie(f.amara) + "\r\n"
	for _, tt := range []struct {
		text   string
		status int
		seen   []string
	}{
		{"POST /1 HTTP/1.1\r\n" + cookie + "Content-Length: 6\r\nContent-Length: 5\r\n\r\nGET /x", 400, nil},
		{"POST /2 HTTP/1.1\r\n" + cookie + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501, nil},
		{"POST /3 HTTP/1.1\r\n" + cookie + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, nil},
		{"POST /4 HTTP/1.1\r\n" + cookie + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\n", 200, []string{"/4:GET /"}},
		{"GET /5 HTTP/1.1\r\n" + cookie + "X: a\x00b\r\n\r\n", 400, nil},
		{"GET /6 HTTP/1.1\r\n" + cookie + "Host: other\r\n\r\n", 400, nil},
		{"GET /7\x01 HTTP/1.1\r\n" + cookie + "\r\n", 400, nil},
		{"POST /8 HTTP/1.1\r\n" + cookie + "Content-Length: +5\r\n\r\nhello", 400, nil},
		{"POST /9 HTTP/1.1\r\n" + cookie + "Content-Length: 5, 5\r\n\r\nhello", 400, nil},
		{"POST /10 HTTP/1.1\r\n" + cookie + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501, nil},
		{"POST /11 HTTP/1.1\r\n" + cookie + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400, nil},
		{"POST /12 HTTP/1.0\r\n" + cookie + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 200, []string{"/12:0\r\n"}},
		{"POST /13 HTTP/1.1\r\n" + cookie + "Transfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\n\r\n", 200, []string{"/13:hello"}},
		{"GET /15 HTTP/1.1\r\n" + cookie + "Keep: a\r\n X-Forwarded-User: root\r\n\r\n", 200, []string{"/15:a X-Forwarded-User: root"}},
		{"GET /16 HTTP/1.1\r\n X-Forwarded-User: root\r\n" + cookie + "\r\n", 400, nil},
		{"GET /17 HTTP/1.1\r\n" + cookie + "Keep: a\rX-Forwarded-User: root\r\n\r\n", 400, nil},
		{"GET /18 HTTP/1.1\n" + strings.ReplaceAll(cookie, "\r", "") + "X-Forwarded-User: root\n\n", 200, []string{"/18:"}},
		{"GET /19 HTTP/1.1\r\n" + cookie + "X-Forwarded-User : root\r\n\r\n", 400, nil},
		{"GET /20 HTTP/1.1\r\n" + cookie + "\r\nGET /admin HTTP/1.1\r\nHost: h\r\n\r\n", 200, []string{"/20:"}},
	} {
		mu.Lock()
		seen = nil
		mu.Unlock()
		resp := f.raw(tt.text)
		mu.Lock()
		if resp.StatusCode != tt.status || !slices.Equal(seen, tt.seen) {
			t.Errorf("%.60q: %d, the app saw %q, want %d and %q", tt.text, resp.StatusCode, seen, tt.status, tt.seen)
		}
		mu.Unlock()
	}
}

// TestBrokenUpload sends a body that is none: that is the client's fault and not the app's.
func TestBrokenUpload(t *testing.T) {
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }), frontOptions{})
	for _, body := range []string{"nonsense\r\n", "5;\nhello\r\n0\r\n\r\n"} { // the second is two bodies for who ends a line with \n alone
		resp := f.raw("POST / HTTP/1.1\r\nHost: h\r\nCookie: " + f.cookie(f.amara) + "\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: status %d", body, resp.StatusCode)
		}
	}
}

// TestCut opens what goes on for ever, and ends the session: all of it breaks off within a second, and nobody else's.
func TestCut(t *testing.T) {
	for name, opt := range map[string]frontOptions{"HTTP/1.1": {}, "HTTP/2": {tls: true}} {
		t.Run(name, func(t *testing.T) {
			began := make(chan string, 9)
			gone := make(chan string, 9)
			f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() { gone <- r.URL.Path }()
				began <- r.URL.Path
				switch r.URL.Path {
				case "/events", "/source":
					w.Header().Set("Content-Type", "text/event-stream")
					w.(http.Flusher).Flush()
					<-r.Context().Done()
				case "/download", "/unread":
					for r.Context().Err() == nil {
						if _, err := w.Write(make([]byte, 1<<16)); err != nil {
							return
						}
					}
				case "/upload":
					io.Copy(io.Discard, r.Body)
				case "/late":
					<-r.Context().Done()
				}
			}), opt)
			errs := make(chan error, 9)
			follow := func(path string, r *http.Request) {
				resp, err := f.client.Do(r)
				if err == nil && path == "/unread" {
					return // resp is dropped, but not closed
				}
				if err == nil {
					if resp.StatusCode == http.StatusUnauthorized {
						err = errors.New("401")
					} else {
						_, err = io.Copy(io.Discard, resp.Body)
					}
				}
				errs <- fmt.Errorf("%s: %w", path, err)
			}
			body, upload := io.Pipe()
			defer upload.Close()
			for _, path := range []string{"/events", "/download", "/late"} {
				go follow(path, f.request(http.MethodGet, path, nil, f.amara))
			}
			go follow("/source", f.askStream("/source"))
			go follow("/unread", f.request(http.MethodGet, "/unread", nil, f.amara))
			go follow("/upload", f.request(http.MethodPost, "/upload", body, f.amara))
			go upload.Write(make([]byte, 1<<20))
			others := f.do(f.request(http.MethodGet, "/events", nil, f.mia))
			for range 7 {
				select {
				case <-began:
				case err := <-errs:
					t.Fatal(err)
				}
			}
			time.Sleep(400 * time.Millisecond) // a look or two, and the server's limits
			select {
			case path := <-gone:
				t.Fatalf("%s did not go on", path)
			default:
			}
			f.end()
			late := time.After(patience)
			for range 5 {
				select {
				case err := <-errs:
					if strings.HasSuffix(err.Error(), "<nil>") || strings.Contains(err.Error(), "%!w") {
						t.Errorf("looks whole: %v", err)
					}
				case <-late:
					t.Fatal("something goes on after a second")
				}
			}
			for range 6 {
				select {
				case <-gone:
				case <-late:
					t.Fatal("the app is not told")
				}
			}
			select {
			case path := <-gone:
				t.Errorf("somebody else's %s is gone", path)
			default:
				others.Body.Close()
			}
		})
	}
}

// TestCutAtTheDeadline lets the session's time run out, which nobody tells: there is no event, only the clock.
func TestCutAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		o := newOpenings(h.Manager, slog.New(slog.DiscardHandler))
		s, err := h.Check(t.Context(), h.amara, curfew.Passive)
		if err != nil {
			t.Fatal(err)
		}
		q := newPassage(t, o, s, h.amara)
		time.Sleep(time.Until(s.EndsAt()) - 10*time.Millisecond)
		if q.broken() != nil {
			t.Fatal("cut before the end")
		}
		time.Sleep(lookEvery + 20*time.Millisecond)
		q.mu.Lock()
		q.over = true
		q.mu.Unlock()
		if curfew.ErrorCode(q.broken()) != curfew.CodeEnded || q.Context.Err() == nil {
			t.Errorf("after the end: %v", q.broken())
		}
		h.Close()
		synctest.Wait()
	})
}

// newPassage is one without a connection.
func newPassage(t *testing.T, o *openings, s curfew.Session, token curfew.Token) *passage {
	q := &passage{ResponseWriter: httptest.NewRecorder(), open: o, decision: decision{session: s, token: token}}
	q.Context, q.cancel = context.WithCancel(t.Context())
	q.control = http.NewResponseController(q.ResponseWriter)
	o.enter(q)
	return q
}

// TestCutAfterTheCheck ends the session between its check and the moment at which the passage can be found.
func TestCutAfterTheCheck(t *testing.T) {
	h := newHouse(t, nil)
	o := newOpenings(h.Manager, slog.New(slog.DiscardHandler))
	s, err := h.Check(t.Context(), h.amara, curfew.Passive)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.End(t.Context(), s.ID, curfew.Ending{Reason: curfew.ReasonTerminated}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond) // the event has been heard
	q := newPassage(t, o, s, h.amara)
	select {
	case <-q.Done():
	case <-time.After(2 * lookEvery):
		t.Error("it goes on")
	}
}

// TestStuck has a client that reads nothing and one that sends nothing: after a while they are taken for dead.
func TestStuck(t *testing.T) {
	o := &openings{groups: map[curfew.SessionID]*opened{}, sessions: newHouse(t, nil).Manager}
	o.now.Store(int64(stuckAfter/lookEvery) + 10)
	q := &passage{open: o}
	o.enter(q)
	for _, began := range []int64{0, 10, 11} {
		q.writing.Store(began)
		if _, stuck := o.due(); len(stuck) != 0 {
			t.Errorf("a write since tick %d is taken for stuck", began)
		}
	}
	for _, field := range []interface{ Store(int64) }{&q.writing, &q.reading} {
		q.writing.Store(0)
		field.Store(9)
		if _, stuck := o.due(); len(stuck) != 1 {
			t.Error("a read or write that takes minutes is not seen")
		}
	}
	o.leave(q)
	if o.due(); len(o.groups) != 0 {
		t.Error("what is over is not forgotten")
	}
}

func TestOpeningsAreForgotten(t *testing.T) {
	o := &openings{groups: map[curfew.SessionID]*opened{}}
	list := make([]*passage, 5)
	for i := range list {
		list[i] = &passage{open: o}
		o.enter(list[i])
	}
	for left, i := range []int{2, 0, 4, 3, 1} {
		o.leave(list[i])
		if got := len(o.all(o.groups[""])); got != 4-left {
			t.Errorf("%d are left, want %d", got, 4-left)
		}
	}
}

func TestHTTP2(t *testing.T) {
	f := newFront(t, http.HandlerFunc(echo), frontOptions{tls: true})
	resp := f.do(f.request(http.MethodGet, "/", nil, f.amara))
	e := parseEcho(t, resp)
	if resp.ProtoMajor != 2 || e.Header.Get("X-Forwarded-Proto") != "https" || e.Header.Get("Cookie") != "" {
		t.Errorf("HTTP/%d, %v", resp.ProtoMajor, e.Header)
	}
}
