package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"runtime"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/gate"
)

// measureGate compares what goes through the gate with what goes by a bare server or reverse proxy of the standard library.
func (b *bench) measureGate() error {
	w, err := b.newWarm(1000)
	if err != nil {
		return err
	}
	defer w.Close()
	for _, measure := range []func(*warm) error{b.measureAuth, b.measureProxy, b.measureGuarded, b.measureStreams, b.measureSockets} {
		if err := measure(w); err != nil {
			return err
		}
	}
	return nil
}

// newGate is a gate before one app, or for proxies that ask.
func newGate(w *warm, upstream *url.URL) (*gate.Gate, error) {
	return gate.New(gate.Options{Sessions: w.Manager, Apps: []gate.App{{Upstream: upstream}}, Role: func(context.Context, curfew.Session) (string, error) {
		return "user", nil
	}})
}

// measureAuth asks as nginx does, for what a page's script fetches.
func (b *bench) measureAuth(w *warm) error {
	g, err := newGate(w, nil)
	if err != nil {
		return err
	}
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Remote-User", "amara") })
	auth := g.Auth(curfew.Edge{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	header := append([]string{
		"Host: app.example.com", "X-Original-Method: GET", "X-Original-URI: /api/items?page=2",
		"X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: app.example.com",
		"Cookie: " + curfew.SecureCookie + "=" + w.tokens[0].Reveal(),
	}, strings.Split(strings.TrimSpace(browserHeader), "\r\n")...)
	return b.compareByWrk("forward-auth, by wrk, against a bare handler that sets one header", 0.9, bare, auth, gate.AuthPath, header)
}

// browserHeader is what browsers send with a fetch, but for cookies.
const browserHeader = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: application/json\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Sec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: empty\r\n"

// measureProxy fetches a small answer of an app.
func (b *bench) measureProxy(w *warm) error {
	return b.compareProxies(w, "reverse proxy, against a bare httputil.ReverseProxy, small answers", 0.9, 64,
		"application/json", []byte(`{"ok":true}`), "GET /api/items HTTP/1.1\r\nHost: app.example.com\r\n"+browserHeader)
}

// measureGuarded fetches a page, into which the guard is put.
func (b *bench) measureGuarded(w *warm) error {
	page := "<!doctype html><html><head><title>Items</title></head><body>" + strings.Repeat("<p>One item of many.</p>\n", 4000) + "</body></html>"
	return b.compareProxies(w, "guard put into a page of 100 KB, against a bare proxy", 0.7, 8,
		"text/html; charset=utf-8", []byte(page), "GET /items HTTP/1.1\r\nHost: app.example.com\r\n"+
			"Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: document\r\n")
}

// compareProxies compares the gate with a bare reverse proxy before an app that always gives the same answer.
func (b *bench) compareProxies(w *warm, what string, least float64, batch int, contentType string, body []byte, request string) error {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.Write(body)
	}))
	defer app.Close()
	target, err := url.Parse(app.URL)
	if err != nil {
		return err
	}
	g, err := newGate(w, target)
	if err != nil {
		return err
	}
	defer g.Close()
	bare := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
		Transport: &http.Transport{MaxIdleConnsPerHost: runtime.GOMAXPROCS(0), DisableCompression: true},
	}
	return b.compareHandlers(what, least, batch, bare, g.Proxy(), func(worker int) string {
		return request + "Cookie: " + curfew.PlainCookie + "=" + w.tokens[worker].Reveal() + "\r\n\r\n"
	})
}

// compareHandlers compares two handlers over real connections, and adds a row with how much faster the second is.
func (b *bench) compareHandlers(what string, least float64, batch int, bare, ours http.Handler, request func(worker int) string) error {
	theirs, err := askThrough(bare, batch, request)
	if err != nil {
		return err
	}
	defer theirs.close()
	mine, err := askThrough(ours, batch, request)
	if err != nil {
		return err
	}
	defer mine.close()
	slow, fast, ratio := compare(theirs.cost, mine.cost)
	b.add(what, fmt.Sprintf("≥ %v × as fast", least), fmt.Sprintf("%s: %s, bare %s",
		showSpread(ratio, showTimes), show(fast.median()), show(slow.median())), ratio.median() >= least)
	return nil
}

// through are connections to a server, one for each worker, which asks the same each time.
type through struct {
	server   *httptest.Server
	batch    int
	conns    []net.Conn
	readers  []*bufio.Reader
	requests []string
}

func askThrough(h http.Handler, batch int, request func(worker int) string) (*through, error) {
	t := &through{server: httptest.NewServer(h), batch: batch}
	for i := range runtime.GOMAXPROCS(0) {
		conn, err := net.Dial("tcp", t.server.Listener.Addr().String())
		if err != nil {
			t.close()
			return nil, err
		}
		t.conns, t.readers = append(t.conns, conn), append(t.readers, bufio.NewReader(conn))
		t.requests = append(t.requests, request(i))
	}
	return t, nil
}

// cost is of one answer, as its client waits for it.
func (t *through) cost() float64 {
	return costBy(t.batch, func(worker int, _ uint64) {
		if _, err := io.WriteString(t.conns[worker], t.requests[worker]); err != nil {
			panic(err)
		}
		if err := skipAnswer(t.readers[worker]); err != nil {
			panic(err)
		}
	})
}

func (t *through) close() {
	for _, conn := range t.conns {
		conn.Close()
	}
	t.server.Close()
}

// skipAnswer reads an answer of known length, as a client that costs little.
func skipAnswer(r *bufio.Reader) error {
	length, first := 0, true
	for {
		line, err := r.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")):
			return fmt.Errorf("the answer is %q", line)
		case len(line) == len("\r\n"):
			_, err = r.Discard(length)
			return err
		case bytes.HasPrefix(line, []byte("Content-Length: ")):
			length = 0
			for _, digit := range line[len("Content-Length: ") : len(line)-len("\r\n")] {
				length = 10*length + int(digit-'0')
			}
		case bytes.HasPrefix(line, []byte("Transfer-Encoding: ")):
			return fmt.Errorf("the answer has no known length")
		}
		first = false
	}
}
