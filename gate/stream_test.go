package gate

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// askStream is a request as browsers make it for an EventSource.
func (f *front) askStream(path string) *http.Request {
	f.t.Helper()
	r := f.request(http.MethodGet, path, nil, f.amara)
	r.Header.Set("Accept", "text/event-stream")
	return r
}

// TestKnownStreams asks for event streams by name and not. What is known to be one, or named, has a connection of its own to the app.
func TestKnownStreams(t *testing.T) {
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("stream") {
			w.Header().Set("Content-Type", "text/event-stream")
		}
		fmt.Fprint(w, r.Close) // as is asked of a connection of its own
	}), frontOptions{})
	for i, tt := range []struct {
		method, path, accept string
		alone                bool
	}{
		{"GET", "/a?stream", "text/event-stream", true},
		{"GET", "/a?stream", "Text/Event-Stream", true},
		{"GET", "/a?stream", "application/json,text/event-stream;q=0.9", true},
		{"GET", "/a", "text/event-stream;q=0", false},
		{"GET", "/a", "text/event-streams", false},
		{"GET", "/a?stream", "*/*", false}, // from now on it is known
		{"GET", "/b", "*/*", false},
		{"POST", "/a?stream", "*/*", false},
		{"GET", "/a?stream", "*/*", true},
		{"GET", "/a?stream", "", true},
		{"GET", "/a", "*/*", true}, // and from now on it is not
		{"GET", "/a", "*/*", false},
	} {
		r := f.request(tt.method, tt.path, nil, f.amara)
		r.Header.Set("Accept", tt.accept)
		if got := readAll(t, f.do(r)); got != fmt.Sprint(tt.alone) {
			t.Errorf("%d: %s %s, Accept %q: on a connection of its own: %s", i, tt.method, tt.path, tt.accept, got)
		}
	}
}

// TestPathSet fills the set: it stays small, and has what was put last.
func TestPathSet(t *testing.T) {
	var p pathSet
	for i := range 1000 {
		path := fmt.Sprint("/", i)
		p.put(path, true)
		if !p.has(path) || len(*p.set.Load()) > maxPaths {
			t.Fatalf("%s: %v", path, *p.set.Load())
		}
	}
	p.put("/999", false)
	if p.has("/999") || len(*p.set.Load()) != maxPaths-1 {
		t.Errorf("%v", *p.set.Load())
	}
}

func TestEventStream(t *testing.T) {
	next := make(chan int)
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			w.(http.Flusher).Flush()
			select {
			case i := <-next:
				fmt.Fprintf(w, "data: %d\n\n", i)
			case <-r.Context().Done():
				next <- -1
				return
			}
		}
	}), frontOptions{})
	for name, r := range map[string]*http.Request{"of an EventSource": f.askStream("/"), "of a fetch": f.request(http.MethodGet, "/", nil, f.amara)} {
		resp := f.do(r) // its headers come before any event
		lines := bufio.NewReader(resp.Body)
		for i := range 6 { // longer than the server's limits
			next <- i
			if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
				t.Fatalf("%s, event %d: %q, %v", name, i, line, err)
			}
			lines.ReadString('\n')
			time.Sleep(100 * time.Millisecond)
		}
		resp.Body.Close()
		if <-next != -1 {
			t.Errorf("%s: the app does not end", name)
		}
	}
}

// TestStreamsAreUntouched asks for a stream and gets what else an app may answer. It comes as it does to any request.
func TestStreamsAreUntouched(t *testing.T) {
	app := http.NewServeMux()
	app.HandleFunc("/echo", echo)
	app.HandleFunc("/empty", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	app.HandleFunc("/missing", http.NotFound)
	app.HandleFunc("/hints", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "page")
	})
	app.HandleFunc("/trailers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Trailer", "X-Announced")
		io.WriteString(w, "data: x\n\n")
		w.Header().Set("X-Announced", "there")
	})
	app.HandleFunc("/whole", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Content-Length", "9")
		io.WriteString(w, "data: x\n\n")
	})
	for name, opt := range map[string]frontOptions{"HTTP/1.1": {}, "HTTP/2": {tls: true}} {
		f := newFront(t, app, opt)
		for path, want := range map[string]string{
			"/empty":    "204   []",
			"/missing":  "404 404 page not found\n  []",
			"/hints":    "200 page  [103 </a.css>; rel=preload]",
			"/trailers": "200 data: x\n\n there []",
			"/whole":    "200 data: x\n\n  []",
		} {
			var hints []string
			r := f.askStream(path)
			resp := f.do(r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
				Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
					hints = append(hints, fmt.Sprint(code, " ", h.Get("Link")))
					return nil
				},
			})))
			body := readAll(t, resp)
			if got := fmt.Sprint(resp.StatusCode, " ", body, " ", resp.Trailer.Get("X-Announced"), " ", hints); got != want {
				t.Errorf("%s, %s: %q, want %q", name, path, got, want)
			}
		}
		e := parseEcho(t, f.do(f.askStream("/echo?a=b;c")))
		if e.URI != "/echo?a=b;c" || e.Host != f.server.Listener.Addr().String() || e.Header.Get("Remote-User") != "amara" || e.Header.Get("Cookie") != "" {
			t.Errorf("%s: the app got %+v", name, e)
		}
	}
}

func TestStreamOverSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	app := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	app.Listener.Close()
	app.Listener = l
	app.Start()
	t.Cleanup(app.Close)
	f := newFront(t, nil, frontOptions{app: App{Upstream: &url.URL{Scheme: "unix", Path: path}}})
	if e := parseEcho(t, f.do(f.askStream("/x"))); e.URI != "/x" || e.Host != f.server.Listener.Addr().String() {
		t.Errorf("%+v", e)
	}
}

// TestBadStreams has an app that is no good: its client is told, or sees that the answer is not whole.
func TestBadStreams(t *testing.T) {
	answers := make(chan string, 1)
	app, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := app.Accept()
			if err != nil {
				return
			}
			http.ReadRequest(bufio.NewReader(conn))
			io.WriteString(conn, <-answers)
			conn.Close()
		}
	}()
	f := newFront(t, nil, frontOptions{app: App{Upstream: &url.URL{Scheme: "http", Host: app.Addr().String()}}})
	const stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	for name, tt := range map[string]struct {
		answer string
		status int
		broken bool
	}{
		"nothing":          {"", http.StatusBadGateway, false},
		"nonsense":         {"220 mail ready\r\n", http.StatusBadGateway, false},
		"half a header":    {stream, http.StatusBadGateway, false},
		"an endless head":  {stream + strings.Repeat("X: "+strings.Repeat("x", 1020)+"\r\n", 1100) + "\r\n", http.StatusBadGateway, false},
		"endless hints":    {strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 50000) + stream + "\r\n", http.StatusBadGateway, false},
		"another protocol": {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", http.StatusBadGateway, false},
		"broken off":       {stream + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", http.StatusOK, true},
		"a short one":      {stream + "Content-Length: 10\r\n\r\nhello", http.StatusOK, true},
		"until it closes":  {stream + "\r\nhello", http.StatusOK, false},
	} {
		answers <- tt.answer
		resp := f.do(f.askStream("/"))
		_, err := io.ReadAll(resp.Body)
		if resp.StatusCode != tt.status || (err != nil) != tt.broken {
			t.Errorf("%s: %d, %v", name, resp.StatusCode, err)
		}
	}
	app.Close()
	if resp := f.do(f.askStream("/")); resp.StatusCode != http.StatusBadGateway {
		t.Errorf("no app: %d", resp.StatusCode)
	}
}

// TestStreamOfNobody has a client leave: the app's connection is closed, before its answer and after.
func TestStreamOfNobody(t *testing.T) {
	reached, gone := make(chan bool), make(chan string)
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/open" {
			w.Header().Set("Content-Type", "text/event-stream")
			w.(http.Flusher).Flush()
		}
		reached <- true
		<-r.Context().Done()
		gone <- r.URL.Path
	}), frontOptions{})
	for _, path := range []string{"/open", "/waiting"} {
		conn, err := net.Dial("tcp", f.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\nCookie: %s\r\n\r\n", path, f.cookie(f.amara))
		<-reached
		conn.Close()
		select {
		case got := <-gone:
			if got != path {
				t.Errorf("%s is gone, not %s", got, path)
			}
		case <-time.After(patience):
			t.Fatalf("%s: the app is not told", path)
		}
	}
}

// TestStreamsDialAsOthers has streams to a name that only http.Transport knows, and to one without a port.
func TestStreamsDialAsOthers(t *testing.T) {
	for upstream, want := range map[string]string{
		"http://app.internal": "app.internal:80", "http://[::1]": "[::1]:80", "http://127.0.0.1:3000": "127.0.0.1:3000",
		"http://bücher.internal": "", "https://app.internal": "",
	} {
		u, err := url.Parse(upstream)
		if err != nil {
			t.Fatal(err)
		}
		target, transport := dial(u)
		var address string
		if s, ok := transport.(*streams); ok {
			s.dial = func(_ context.Context, _, to string) (net.Conn, error) {
				address = to
				return nil, io.ErrUnexpectedEOF
			}
			r := httptest.NewRequest(http.MethodGet, target.String(), nil)
			r.Body = nil
			r.Header.Set("Accept", "text/event-stream")
			if _, err := s.RoundTrip(r); err != io.ErrUnexpectedEOF {
				t.Errorf("%s: %v", upstream, err)
			}
		}
		if address != want {
			t.Errorf("%s: streams go to %q, want %q", upstream, address, want)
		}
	}
}

// TestStreamsLeaveNoConnection has an app that answers in full and keeps the connection open, although it was told not to.
func TestStreamsLeaveNoConnection(t *testing.T) {
	app, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	closed := make(chan error, 1)
	go func() {
		conn, err := app.Accept()
		if err != nil {
			closed <- err
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		in := bufio.NewReader(conn)
		if r, err := http.ReadRequest(in); err != nil || !r.Close {
			closed <- fmt.Errorf("the app is not told to close: %v", err)
			return
		}
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
		_, err = in.ReadByte()
		closed <- err
	}()
	f := newFront(t, nil, frontOptions{app: App{Upstream: &url.URL{Scheme: "http", Host: app.Addr().String()}}})
	if got := readAll(t, f.do(f.askStream("/"))); got != "x" {
		t.Errorf("the answer is %q", got)
	}
	if err := <-closed; err != io.EOF {
		t.Errorf("the app's connection: %v, want it closed", err)
	}
}
