package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/gate"
)

// measureGate compares a small answer of an app through the gate with one through a bare reverse proxy of the standard library.
func (b *bench) measureGate() error {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"ok":true}`)
	}))
	defer app.Close()
	target, err := url.Parse(app.URL)
	if err != nil {
		return err
	}
	w, err := b.newWarm(1000)
	if err != nil {
		return err
	}
	defer w.Close()
	g, err := gate.New(gate.Options{Sessions: w.Manager, Apps: []gate.App{{Upstream: target}}})
	if err != nil {
		return err
	}
	bare := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
		Transport: &http.Transport{MaxIdleConnsPerHost: runtime.GOMAXPROCS(0), DisableCompression: true},
	}
	theirs, err := askThrough(bare, w.tokens)
	if err != nil {
		return err
	}
	defer theirs.close()
	ours, err := askThrough(g.Proxy(), w.tokens)
	if err != nil {
		return err
	}
	defer ours.close()
	slow, fast, ratio := compare(theirs.cost, ours.cost)
	b.add("reverse proxy, against a bare httputil.ReverseProxy, small answers", "≥ 0.9 × as fast", fmt.Sprintf("%s: %s, bare %s",
		showSpread(ratio, showTimes), show(fast.median()), show(slow.median())), ratio.median() >= 0.9)
	return nil
}

// through are connections to a server, one for each worker, each with a session of its own.
type through struct {
	server   *httptest.Server
	conns    []net.Conn
	readers  []*bufio.Reader
	requests []string
}

func askThrough(h http.Handler, tokens []curfew.Token) (*through, error) {
	t := &through{server: httptest.NewServer(h)}
	for i := range runtime.GOMAXPROCS(0) {
		conn, err := net.Dial("tcp", t.server.Listener.Addr().String())
		if err != nil {
			t.close()
			return nil, err
		}
		t.conns, t.readers = append(t.conns, conn), append(t.readers, bufio.NewReader(conn))
		t.requests = append(t.requests, "GET /api/items HTTP/1.1\r\nHost: app.example.com\r\nAccept: application/json\r\n"+
			"Sec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: empty\r\nCookie: curfew="+tokens[i].Reveal()+"\r\n\r\n")
	}
	return t, nil
}

// cost is of one answer, as its client waits for it.
func (t *through) cost() float64 {
	return cost(func(worker int, _ uint64) {
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
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			return err
		case first && !strings.HasPrefix(line, "HTTP/1.1 200"):
			return fmt.Errorf("the answer is %q", line)
		case line == "\r\n":
			_, err = r.Discard(length)
			return err
		case strings.HasPrefix(line, "Content-Length: "):
			fmt.Sscan(line[len("Content-Length: "):], &length)
		}
		first = false
	}
}
