package gate

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// serveApp puts a proxy with the guard in front of an app, and returns a client that asks as a browser's window does.
func serveApp(t testing.TB, app http.HandlerFunc) *window {
	t.Helper()
	upstream := httptest.NewServer(app)
	t.Cleanup(upstream.Close)
	target, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(guarded(target))
	t.Cleanup(proxy.Close)
	return &window{t: t, base: proxy.URL, client: &http.Client{Transport: &http.Transport{DisableCompression: true}}}
}

func guarded(target *url.URL) *httputil.ReverseProxy {
	tag := newGuardTag("/.curfew", "/.curfew/signin", "/.curfew/signout")
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			tag.ask(r.Out)
		},
		ModifyResponse: tag.into,
		Transport:      &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100},
		ErrorLog:       log.New(io.Discard, "", 0),
	}
}

type window struct {
	t      testing.TB
	base   string
	client *http.Client
}

// open asks for a page, with more headers, "Name: value" each. A header without a value is not sent.
func (w *window) open(method string, headers ...string) *http.Response {
	w.t.Helper()
	res, err := w.try(method, headers...)
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

func (w *window) try(method string, headers ...string) (*http.Response, error) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.base+"/page", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if r.Header.Set(name, value); value == "" {
			r.Header.Del(name)
		}
	}
	res, err := w.client.Do(r)
	if err == nil {
		w.t.Cleanup(func() { res.Body.Close() })
	}
	return res, err
}

func read(t testing.TB, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const (
	wholeTag = `<script src="/.curfew/guard.js" defer data-session="/.curfew/api/v1/session" data-signin="/.curfew/signin" data-signout="/.curfew/signout"></script>`
	page     = "<!doctype html><html><head><title>x</title></head><body>y</body></html>"
	pageWith = "<!doctype html><html><head>" + wholeTag + "<title>x</title></head><body>y</body></html>"
)

func TestIntoPage(t *testing.T) {
	w := serveApp(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Length", fmt.Sprint(len(page)))
		h.Set("ETag", `"abc"`)
		h.Set("Accept-Ranges", "bytes")
		h.Set("Repr-Digest", "sha-256=:AAAA:")
		h.Set("Content-MD5", "AAAA")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Link", "</a.css>; rel=preload")
		h.Set("Vary", "Accept-Encoding")
		h.Set("Content-Security-Policy", "default-src 'none'")
		io.WriteString(w, page)
	})
	res := w.open("GET")
	got := read(t, res.Body)
	policy := res.Header.Get("Content-Security-Policy")
	nonce := strings.TrimSuffix(strings.TrimPrefix(policy, "default-src 'none'; script-src-elem 'nonce-"), "'; connect-src 'self'")
	if want := strings.Replace(pageWith, "></script>", ` nonce="`+nonce+`"></script>`, 1); got != want || nonce == "" {
		t.Errorf("got %q, want %q", got, want)
	}
	checkHeaders(t, res, policy)
	if res.ContentLength != int64(len(got)) {
		t.Errorf("Content-Length %d, want %d", res.ContentLength, len(got))
	}

	res = w.open("HEAD")
	if read(t, res.Body) != "" {
		t.Error("HEAD has a body")
	}
	if res.ContentLength != -1 {
		t.Errorf("HEAD: Content-Length %d of the page without the guard", res.ContentLength)
	}
	checkHeaders(t, res, res.Header.Get("Content-Security-Policy"))
}

func checkHeaders(t *testing.T, res *http.Response, policy string) {
	t.Helper()
	for name, want := range map[string]string{
		"Repr-Digest": "", "Content-Md5": "", "Accept-Ranges": "none",
		"X-Frame-Options": "DENY", "Link": "</a.css>; rel=preload", "Content-Type": "text/html; charset=utf-8",
		"ETag": `W/"abc.curfew-s` + newGuardTag("/.curfew", "/.curfew/signin", "/.curfew/signout").version + `"`, "Content-Security-Policy": policy,
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s %s: %q, want %q", res.Request.Method, name, got, want)
		}
	}
	if got := strings.Join(res.Header.Values("Vary"), ", "); got != "Accept-Encoding, Sec-Fetch-Mode, Accept" {
		t.Errorf("Vary: %q", got)
	}
}

// TestLeftAlone has answers that are no pages, or none to change: they come as the app sent them, with all headers.
func TestLeftAlone(t *testing.T) {
	html := http.Header{"Content-Type": {"text/html"}}
	with := func(name, value string) http.Header {
		h := html.Clone()
		h.Set(name, value)
		return h
	}
	for name, test := range map[string]struct {
		status  int
		answer  http.Header
		request []string // more headers
	}{
		"text":                 {200, http.Header{"Content-Type": {"text/plain"}}, nil},
		"XHTML":                {200, http.Header{"Content-Type": {"application/xhtml+xml"}}, nil},
		"HTML said badly":      {200, http.Header{"Content-Type": {"text/html/x"}}, nil},
		"UTF-16":               {200, http.Header{"Content-Type": {"text/html; charset=UTF-16LE"}}, nil},
		"ISO-2022-JP":          {200, http.Header{"Content-Type": {`text/html; charset="iso-2022-jp"`}}, nil},
		"a file":               {200, with("Content-Disposition", "Attachment; filename=x.html"), nil},
		"not to be changed":    {200, with("Cache-Control", "no-cache, No-Transform"), nil},
		"a part":               {206, with("Content-Range", "bytes 0-70/71"), []string{"Range: bytes=0-70"}},
		"an unknown coding":    {200, with("Content-Encoding", "compress"), nil},
		"two codings":          {200, with("Content-Encoding", "br, gzip"), nil},
		"a sandbox":            {200, with("Content-Security-Policy", "sandbox"), nil},
		"asked by fetch":       {200, html, []string{"Sec-Fetch-Mode: cors"}},
		"a service worker":     {200, http.Header{"Content-Type": {"text/javascript"}}, []string{"Sec-Fetch-Mode: same-origin", "Sec-Fetch-Dest: serviceworker"}},
		"prefetched by a link": {200, html, []string{"Sec-Fetch-Mode: no-cors", "Sec-Purpose: prefetch"}},
		"asked by XHR":         {200, html, []string{"Sec-Fetch-Mode", "X-Requested-With: XMLHttpRequest"}},
		"asked by htmx":        {200, html, []string{"Sec-Fetch-Mode", "HX-Request: true"}},
		"asked by Turbo":       {200, html, []string{"Sec-Fetch-Mode", "Turbo-Frame: x"}},
		"asked for anything":   {200, html, []string{"Sec-Fetch-Mode", "Accept: */*"}},
		"asked but not for it": {200, html, []string{"Sec-Fetch-Mode", "Accept: text/html;q=0, */*"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := test.answer.Clone()
			answer.Set("ETag", `"abc"`)
			answer.Set("Content-Length", fmt.Sprint(len(page)))
			w := serveApp(t, func(w http.ResponseWriter, r *http.Request) {
				for name, values := range answer {
					w.Header()[name] = slices.Clone(values)
				}
				w.WriteHeader(test.status)
				io.WriteString(w, page)
			})
			res := w.open("GET", test.request...)
			if got := read(t, res.Body); got != page || res.StatusCode != test.status {
				t.Errorf("status %d, %q", res.StatusCode, got)
			}
			for name, want := range answer {
				if got := res.Header[name]; strings.Join(got, "|") != strings.Join(want, "|") {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestIntoWhat(t *testing.T) {
	for name, test := range map[string]struct {
		status  int
		kind    string
		request []string
	}{
		"a frame":             {200, "text/html", []string{"Sec-Fetch-Dest: iframe"}},
		"by a service worker": {200, "text/html", []string{"Sec-Fetch-Dest: empty"}},
		"over plain HTTP":     {200, "text/html", []string{"Sec-Fetch-Mode"}},
		"an error":            {404, "text/html", nil},
		"broken parameters":   {200, "text/html; charset", nil},
		"parameters twice":    {200, "text/html; charset=utf-8; charset=utf-8", nil},
		"another encoding":    {200, "TEXT/HTML;charset=Shift_JIS", nil},
		"an encoding unknown": {200, "text/html; charset=x-klingon", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := serveApp(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", test.kind)
				w.WriteHeader(test.status)
				io.WriteString(w, page)
			})
			res := w.open("GET", test.request...)
			if got := read(t, res.Body); got != pageWith || res.StatusCode != test.status {
				t.Errorf("status %d, %q", res.StatusCode, got)
			}
		})
	}
	w := serveApp(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Integrity-Policy", "blocked-destinations=(script)")
		io.WriteString(w, page)
	})
	if got := read(t, w.open("POST").Body); !strings.Contains(got, ` crossorigin integrity="`+newGuardTag("", "/signin", "/signout").integrity+`"></script>`) {
		t.Errorf("where scripts must have integrity: %q", got)
	}
}

// A kind of content coding, by its own library and not by ours.
type kind struct {
	name   string
	encode func(io.Writer) encoder
	decode func(io.Reader) (io.Reader, error)
}

var kinds = []kind{
	{"gzip", func(w io.Writer) encoder { return gzip.NewWriter(w) }, func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"br", func(w io.Writer) encoder { return brotli.NewWriter(w) }, func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil }},
	{"zstd",
		func(w io.Writer) encoder { e, _ := zstd.NewWriter(w); return e },
		func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) }},
	{"", func(w io.Writer) encoder { return plain{w} }, func(r io.Reader) (io.Reader, error) { return r, nil }},
}

type plain struct{ io.Writer }

func (plain) Close() error    { return nil }
func (plain) Flush() error    { return nil }
func (plain) Reset(io.Writer) {}

func (k kind) send(w http.ResponseWriter) (page encoder, flush func()) {
	w.Header().Set("Content-Type", "text/html")
	if k.name != "" {
		w.Header().Set("Content-Encoding", k.name)
	}
	page = k.encode(w)
	return page, func() {
		page.Flush()
		w.(http.Flusher).Flush()
	}
}

func (k kind) read(t testing.TB, res *http.Response) io.Reader {
	t.Helper()
	if got := res.Header.Get("Content-Encoding"); got != k.name {
		t.Fatalf("Content-Encoding %q, want %q", got, k.name)
	}
	r, err := k.decode(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestCodings has pages of many sizes, several at once: each gets its own.
func TestCodings(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := serveApp(t, func(w http.ResponseWriter, r *http.Request) {
				var size int
				fmt.Sscan(r.Header.Get("X-Size"), &size)
				page, _ := k.send(w)
				io.WriteString(page, "<head>"+text(size))
				page.Close()
			})
			for _, size := range []int{0, 1, 5_000, 200_000} {
				t.Run(fmt.Sprint(size), func(t *testing.T) {
					t.Parallel()
					for range 3 {
						res := w.open("GET", fmt.Sprintf("X-Size: %d", size))
						if got, want := read(t, k.read(t, res)), "<head>"+wholeTag+text(size); got != want {
							t.Errorf("got %d bytes, want %d", len(got), len(want))
						}
					}
				})
			}
		})
	}
}

// text is of a size, not all too easy to compress, and the same each time.
func text(size int) string {
	random := rand.New(rand.NewPCG(1, uint64(size)))
	var b strings.Builder
	for b.Len() < size {
		fmt.Fprintf(&b, "<p class=c%d>%x</p>\n", random.IntN(10), random.IntN(1<<20))
	}
	return b.String()
}

// TestFlushed has pages that come in pieces, each only when the one before has arrived.
func TestFlushed(t *testing.T) {
	pieces := []string{"<!doctype html><he", "ad><title>x</title>", strings.Repeat("<p>many\n", 20_000), "text", "<p>the end"}
	arrive := []string{"", "<!doctype html><head>" + wholeTag + "<title>x</title>", pieces[2], pieces[3], pieces[4]}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			next := make(chan bool)
			w := serveApp(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Trailer", "X-Sum, Repr-Digest")
				page, flush := k.send(w)
				for _, p := range pieces {
					io.WriteString(page, p)
					flush()
					<-next
				}
				page.Close()
				w.Header().Set("X-Sum", "3")
				w.Header().Set("Repr-Digest", "sha-256=:AAAA:")
			})
			res := make(chan *http.Response, 1)
			go func() { res <- w.open("GET") }()
			next <- true // of the first piece, nothing can go on yet
			r := <-res
			body := k.read(t, r)
			for i, want := range arrive[1:] {
				got := make([]byte, len(want))
				if _, err := io.ReadFull(body, got); err != nil || string(got) != want {
					t.Fatalf("piece %d: %v, %.100q, want %.100q", i+1, err, got, want)
				}
				next <- true
			}
			if rest := read(t, body); rest != "" {
				t.Errorf("then came %q", rest)
			}
			io.Copy(io.Discard, r.Body)
			if got := fmt.Sprint(r.Trailer); got != "map[X-Sum:[3]]" {
				t.Errorf("trailers: %s", got)
			}
		})
	}
}

// TestReadToTheEnd has a body that says only after all of the page that it ends: what then comes, trailers, is not missed, nor is
// the page kept back for it.
func TestReadToTheEnd(t *testing.T) {
	for _, k := range kinds {
		var body bytes.Buffer
		e := k.encode(&body)
		io.WriteString(e, "<head>x")
		e.Close()
		ended := false
		end := bodyFunc(func([]byte) (int, error) {
			ended = true
			return 0, io.EOF
		})
		recode, _ := recoder(http.Header{"Content-Encoding": {k.name}})
		var got bytes.Buffer
		r := recode(io.MultiReader(&body, end), &tagger{tag: testTag})
		buf := make([]byte, 1<<10)
		for !ended {
			n, err := r.Read(buf)
			if !ended {
				got.Write(buf[:n])
			}
			if err != nil {
				break
			}
		}
		page, err := k.decode(bytes.NewReader(got.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(page); string(text) != "<head>"+testTag+"x" {
			t.Errorf("%s: before the body's end there was only %q", k.name, text)
		}
		if !ended {
			t.Errorf("%s: the body's end was not read", k.name)
		}
	}
}

type bodyFunc func([]byte) (int, error)

func (f bodyFunc) Read(p []byte) (int, error) { return f(p) }

// TestBomb has a small answer that is a page of 100 MB: no more than the windows is in memory at any time.
func TestBomb(t *testing.T) {
	piece := bytes.Repeat([]byte{' '}, 1<<20)
	for _, k := range kinds[:3] {
		t.Run(k.name, func(t *testing.T) {
			var bomb bytes.Buffer
			e := k.encode(&bomb)
			io.WriteString(e, "<head>")
			for range 100 {
				e.Write(piece)
			}
			e.Close()
			recode, _ := recoder(http.Header{"Content-Encoding": {k.name}})
			r := recode(&bomb, &tagger{tag: testTag})
			var before, now runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var most uint64
			buf := make([]byte, 512)
			for n := 0; ; n++ {
				_, err := r.Read(buf)
				if n%1000 == 0 { // each half a megabyte
					runtime.GC()
					runtime.ReadMemStats(&now)
					most = max(most, now.HeapAlloc)
				}
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if grown := int64(most-before.HeapAlloc) >> 20; grown > 40 {
				t.Errorf("%d MiB in memory", grown)
			} else {
				t.Logf("%d MiB in memory", grown)
			}
		})
	}
}

// TestBroken has pages that are not what their coding says, or break off: so they do for the browser, with what came until then.
func TestBroken(t *testing.T) {
	for _, k := range kinds[:3] {
		var whole bytes.Buffer
		e := k.encode(&whole)
		io.WriteString(e, "<head><p>x")
		e.Flush()
		cut := whole.Len()
		io.WriteString(e, "<p>y")
		e.Close()
		const both = "<head>" + wholeTag + "<p>x<p>y"
		for name, test := range map[string]struct{ body, want string }{
			"not coded":     {page, ""},
			"cut short":     {whole.String()[:cut], strings.TrimSuffix(both, "<p>y")},
			"wrong at last": {whole.String()[:whole.Len()-1] + "\xff", both},
		} {
			if k.name != "gzip" && name == "wrong at last" {
				continue // has no checksum at its end, or none that all libraries write
			}
			t.Run(k.name+"/"+name, func(t *testing.T) {
				w := serveApp(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "text/html")
					w.Header().Set("Content-Encoding", k.name)
					io.WriteString(w, test.body)
				})
				res, err := w.try("GET")
				if err != nil && test.want == "" {
					return // broken off before anything came
				}
				if err != nil {
					t.Fatal(err)
				}
				coded, err := io.ReadAll(res.Body)
				if err == nil {
					t.Error("the answer does not break off")
				}
				r, err := k.decode(bytes.NewReader(coded))
				if err != nil {
					return
				}
				if got, _ := io.ReadAll(r); string(got) != test.want {
					t.Errorf("%q, want %q", got, test.want)
				}
			})
		}
	}
}

func TestEmpty(t *testing.T) {
	for _, k := range kinds {
		w := serveApp(t, func(w http.ResponseWriter, r *http.Request) {
			k.send(w)
			w.(http.Flusher).Flush()
		})
		if got := read(t, w.open("GET").Body); got != "" {
			t.Errorf("%s: nothing became %q", k.name, got)
		}
	}
}

func TestBehindTheFirstMember(t *testing.T) {
	w := serveApp(t, func(w http.ResponseWriter, r *http.Request) {
		page, _ := kinds[0].send(w)
		io.WriteString(page, "<head>")
		page.Close()
		io.WriteString(w, "padding")
	})
	if got := read(t, kinds[0].read(t, w.open("GET"))); got != "<head>"+wholeTag {
		t.Errorf("got %q", got)
	}
}

// TestAsked has the conditions and codings that reach the app.
func TestAsked(t *testing.T) {
	v := newGuardTag("/.curfew", "/.curfew/signin", "/.curfew/signout").version
	const date, otherDate = "Tue, 12 Mar 2024 12:00:00 GMT", "Wed, 13 Mar 2024 12:00:00 GMT"
	for name, test := range map[string]struct{ header, value, want string }{
		"codings":                  {"Accept-Encoding", "gzip, deflate, br;q=0.5, zstd, dcb, dcz, *", "gzip, br;q=0.5, zstd"},
		"no coding":                {"Accept-Encoding", "deflate", "identity"},
		"no coding asked for":      {"Accept-Encoding", "", ""},
		"with this guard":          {"If-None-Match", `W/"abc.curfew-s` + v + `"`, `"abc"`},
		"with this guard, weak":    {"If-None-Match", `W/"abc.curfew-w` + v + `"`, `W/"abc"`},
		"without, and others":      {"If-None-Match", `"x", W/"abc.curfew-s` + v + `", W/"y", "def.curfew-s` + v + `"`, `"abc", "def"`},
		"without":                  {"If-None-Match", `"abc"`, ""},
		"with another guard":       {"If-None-Match", `W/"abc.curfew-s00000000"`, ""},
		"any":                      {"If-None-Match", "*", ""},
		"by date, without":         {"If-Modified-Since", date, ""},
		"a range":                  {"Range", "bytes=0-9", "bytes=0-9"},
		"a range of what it knows": {"If-Range", `"abc"`, `"abc"`},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			w := serveApp(t, func(w http.ResponseWriter, r *http.Request) { got = r.Header.Get(test.header) })
			if w.open("GET", test.header+": "+test.value); got != test.want {
				t.Errorf("for a page: %q, want %q", got, test.want)
			}
			if w.open("GET", test.header+": "+test.value, "Sec-Fetch-Mode: no-cors"); got != test.value {
				t.Errorf("for a picture: %q, want %q", got, test.value)
			}
		})
	}

	var since string
	w := serveApp(t, func(w http.ResponseWriter, r *http.Request) { since = r.Header.Get("If-Modified-Since") })
	modified, err := http.ParseTime(date)
	if err != nil {
		t.Fatal(err)
	}
	w.open("GET", fmt.Sprintf(`If-None-Match: W/"%x.curfew-t%s"`, modified.Unix(), v), "If-Modified-Since: "+otherDate)
	if since != date {
		t.Errorf("If-Modified-Since %q, want that of the page with the guard, %q", since, date)
	}
}

// TestUnchanged asks for a page and then whether it has changed, as a browser does, for each kind of validator.
func TestUnchanged(t *testing.T) {
	for name, validator := range map[string][2]string{
		"strong": {"ETag", `"abc"`},
		"weak":   {"ETag", `W/"abc"`},
		"date":   {"Last-Modified", "Tue, 12 Mar 2024 12:00:00 GMT"},
	} {
		for _, policy := range []string{"", "script-src 'nonce-abc'", "script-src 'none'", "connect-src 'none'"} {
			t.Run(name+"/"+policy, func(t *testing.T) {
				t.Parallel()
				var served int
				w := serveApp(t, func(w http.ResponseWriter, r *http.Request) {
					served++
					w.Header().Set(validator[0], validator[1])
					w.Header().Set("Content-Type", "text/html")
					if policy != "" {
						w.Header().Set("Content-Security-Policy", policy)
					}
					http.ServeContent(w, r, "", lastModified(w.Header()), strings.NewReader(page))
				})
				first := w.open("GET")
				etag := first.Header.Get("ETag")
				headers := []string{"If-None-Match: " + etag, "If-Modified-Since: " + first.Header.Get("Last-Modified")}
				again := w.open("GET", headers...)
				if again.StatusCode != http.StatusNotModified || again.Header.Get("ETag") != etag {
					t.Fatalf("status %d, ETag %q, was %q", again.StatusCode, again.Header.Get("ETag"), etag)
				}
				// A nonce of its own must not come into the policy of a page that has another.
				want := first.Header.Get("Content-Security-Policy")
				if policy == "script-src 'none'" {
					want = ""
				}
				if got := again.Header.Get("Content-Security-Policy"); got != want {
					t.Errorf("policy %q, want %q", got, want)
				}
				if res := w.open("GET", validatorOf(validator)); res.StatusCode != http.StatusOK || served != 3 {
					t.Errorf("who has the page without the guard gets status %d", res.StatusCode)
				}
			})
		}
	}
}

func lastModified(h http.Header) time.Time {
	at, _ := http.ParseTime(h.Get("Last-Modified"))
	return at
}

func validatorOf(v [2]string) string {
	if v[0] == "ETag" {
		return "If-None-Match: " + v[1]
	}
	return "If-Modified-Since: " + v[1]
}

// TestCutShort closes the window in the middle of a page: the app is told.
func TestCutShort(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan error, 1)
			w := serveApp(t, func(w http.ResponseWriter, r *http.Request) {
				page, flush := k.send(w)
				io.WriteString(page, "<head>")
				flush()
				select {
				case <-r.Context().Done():
					gone <- r.Context().Err()
				case <-time.After(10 * time.Second):
					gone <- errors.New("nobody told")
				}
			})
			res := w.open("GET")
			bufio.NewReader(res.Body).ReadByte()
			res.Body.Close()
			if err := <-gone; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}

// TestGuardKnowsSignInAndOut has the guard in an app's page use the sign-in page and the sign-out of whoever uses the gate, however
// their addresses are written.
func TestGuardKnowsSignInAndOut(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html><p>Hello")
	}))
	defer app.Close()
	upstream, err := url.Parse(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, nil)
	for _, tt := range []struct{ signIn, signOut, want string }{
		{"/login", "", ` data-signin="/login" data-signout="/.curfew/signout">`},
		{"/login", "/logout", ` data-signin="/login" data-signout="/logout">`},
		{"", "/logout", ` data-signin="/.curfew/signin" data-signout="/logout">`},
		{`/in?from="a"&b=c`, `/"out"`, ` data-signin="/in?from=&#34;a&#34;&amp;b=c" data-signout="/&#34;out&#34;">`},
	} {
		g, err := New(Options{Sessions: h.Manager, SignIn: tt.signIn, SignOut: tt.signOut, Apps: []App{{Upstream: upstream}}, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		r := request("/", h.amara)
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
		w := httptest.NewRecorder()
		g.Proxy().ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("the page is %q, want in it%s", w.Body, tt.want)
		}
	}
}
