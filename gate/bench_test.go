package gate

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkProxy compares a small answer through the gate with one through a bare httputil.ReverseProxy, by turns: both
// over real connections, with the same client and the same app.
func BenchmarkProxy(b *testing.B) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"ok":true}`)
	}))
	defer app.Close()
	target, err := url.Parse(app.URL)
	if err != nil {
		b.Fatal(err)
	}
	h := newHouse(b, nil)
	g, err := New(Options{Sessions: h.Manager, Role: roles, Apps: []App{{Upstream: target}}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	bare := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
		Transport: &http.Transport{MaxIdleConnsPerHost: maxIdle, DisableCompression: true},
	}
	sides := []*side{newSide(b, "bare", bare), newSide(b, "gate", g.Proxy())}
	request := "GET /api/items HTTP/1.1\r\nHost: app.example.com\r\nUser-Agent: bench\r\nAccept: application/json\r\n" +
		"Sec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: empty\r\nCookie: curfew=" + h.amara.Reveal() + "\r\n\r\n"
	for b.Loop() {
		for _, s := range sides {
			s.run(b, request, 100*time.Millisecond)
		}
	}
	for _, s := range sides {
		b.ReportMetric(float64(s.answers)/s.took.Seconds(), s.name+"/s")
	}
	b.ReportMetric(float64(sides[1].answers)/sides[1].took.Seconds()/(float64(sides[0].answers)/sides[0].took.Seconds()), "ratio")
}

// side is one of what is compared.
type side struct {
	name    string
	conns   []net.Conn
	answers int
	took    time.Duration
}

func newSide(b *testing.B, name string, h http.Handler) *side {
	s := &side{name: name}
	server := httptest.NewServer(h)
	b.Cleanup(server.Close)
	for range 8 {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		s.conns = append(s.conns, conn)
	}
	return s
}

// run asks on each connection as fast as it is answered.
func (s *side) run(b *testing.B, request string, d time.Duration) {
	var all sync.WaitGroup
	var mu sync.Mutex
	began := time.Now()
	for _, conn := range s.conns {
		all.Go(func() {
			n, r := 0, bufio.NewReader(conn)
			for ; time.Since(began) < d; n++ {
				io.WriteString(conn, request)
				if status, err := skipAnswer(r); err != nil || !strings.Contains(status, "200") {
					b.Errorf("%s: %q, %v", s.name, status, err)
					return
				}
			}
			mu.Lock()
			defer mu.Unlock()
			s.answers += n
		})
	}
	all.Wait()
	s.took += time.Since(began)
}

// skipAnswer reads an answer of known length, and returns its status line: a client that costs little.
func skipAnswer(r *bufio.Reader) (status string, err error) {
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return status, err
		}
		switch {
		case status == "":
			status = string(line)
		case len(line) == 2:
			_, err = r.Discard(length)
			return status, err
		case len(line) > 16 && strings.EqualFold(string(line[:16]), "content-length: "):
			fmt.Sscanf(string(line[16:]), "%d", &length)
		}
	}
}

// TestMemoryOfStreams opens event streams and lets them idle. What client and app hold, which are in this process too, is
// measured by itself and not counted.
func TestMemoryOfStreams(t *testing.T) {
	const streams, most = 600, 40 << 10
	app := idleApp(t)
	f := newFront(t, nil, frontOptions{app: App{Upstream: &url.URL{Scheme: "http", Host: app}}})
	open := func(address, accept string) int {
		before := inUse()
		for range streams {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\nAccept: "+accept+"\r\nCookie: "+f.cookie(f.amara)+"\r\n\r\n")
			head := make([]byte, 512)
			if n, err := conn.Read(head); err != nil || !strings.HasPrefix(string(head[:n]), "HTTP/1.1 200") {
				t.Fatalf("%q, %v", head[:n], err)
			}
		}
		return (inUse() - before) / streams
	}
	theirs := open(app, "*/*")
	for _, accept := range []string{"text/event-stream", "*/*"} {
		each := open(f.server.Listener.Addr().String(), accept) - theirs
		t.Logf("%d bytes for each of %d idle streams with Accept: %s", each, streams, accept)
		if each > bloat*most {
			t.Errorf("Accept: %s: %d bytes for each, want at most %d", accept, each, most)
		}
	}
}

// idleApp is an app that begins an event stream and says no more. It costs no goroutine and no buffer for each.
func idleApp(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		request := make([]byte, 4096)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			conn.Read(request)
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n: hi\n\r\n")
		}
	}()
	return l.Addr().String()
}

// inUse is what the heap and the stacks hold once the garbage is gone.
func inUse() int {
	for range 5 { // a stack that was once needed halves with each
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}
