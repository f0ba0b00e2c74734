package gate

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// These tests have clients and apps do what none should.

// rawApp answers each connection by what answer writes, once the head of a request is there.
func rawApp(t *testing.T, answer func(conn net.Conn, r *http.Request)) frontOptions {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(patience))
				if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					answer(conn, r)
				}
			}()
		}
	}()
	return frontOptions{app: App{Upstream: &url.URL{Scheme: "http", Host: l.Addr().String()}}}
}

// TestEarlyCookies has an app set our cookie, and have it forgotten, in what it says before its answer.
func TestEarlyCookies(t *testing.T) {
	f := newFront(t, nil, rawApp(t, func(conn net.Conn, _ *http.Request) {
		io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nSet-Cookie: curfew=x\r\nSet-Cookie: theme=dark\r\nClear-Site-Data: \"cookies\"\r\n\r\n"+
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	}))
	for _, accept := range []string{"*/*", "text/event-stream"} {
		var early textproto.MIMEHeader
		r := f.request(http.MethodGet, "/", nil, f.amara)
		r.Header.Set("Accept", accept)
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
				early = h
				return nil
			},
		}))
		resp := f.do(r)
		if resp.StatusCode != http.StatusOK || early.Get("Link") == "" || fmt.Sprint(early["Set-Cookie"]) != "[theme=dark]" || early["Clear-Site-Data"] != nil {
			t.Errorf("%s: %d, before it %v", accept, resp.StatusCode, early)
		}
	}
}

// TestUnaskedSwitch has an app leave HTTP though nobody asked it to. Whatever the client sent next would get to it as it is.
func TestUnaskedSwitch(t *testing.T) {
	for name, head := range map[string]string{
		"to nothing":     "",
		"to a WebSocket": "Connection: Upgrade\r\nUpgrade: websocket\r\n",
		"to h2c":         "Connection: Upgrade\r\nUpgrade: h2c\r\n",
	} {
		past := make(chan string, 9)
		f := newFront(t, nil, rawApp(t, func(conn net.Conn, _ *http.Request) {
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n"+head+"\r\n")
			b := make([]byte, 100)
			n, _ := conn.Read(b)
			past <- string(b[:n])
		}))
		for _, asked := range []string{"", "Connection: Upgrade\r\nUpgrade: h2c\r\n", "Connection: Upgrade\r\n", "Upgrade: websocket\r\n"} {
			resp := f.raw("GET / HTTP/1.1\r\nHost: h\r\n" + asked + "Cookie: " + f.cookie(f.amara) + "\r\n\r\nGET /admin HTTP/1.1\r\nRemote-User: root\r\n\r\n")
			if got := <-past; resp.StatusCode != http.StatusBadGateway || got != "" {
				t.Errorf("%s, asked by %q: status %d, the app got %q", name, asked, resp.StatusCode, got)
			}
		}
	}
}

// TestDrippingApp has an app send its header a byte at a time, and never to the end. The end of the session ends that too.
func TestDrippingApp(t *testing.T) {
	dripping := make(chan bool, 2)
	f := newFront(t, nil, rawApp(t, func(conn net.Conn, _ *http.Request) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nX: ")
		for n := 0; ; n++ {
			if _, err := io.WriteString(conn, "x"); err != nil {
				return
			}
			if n == 3 {
				dripping <- true
			}
			time.Sleep(20 * time.Millisecond)
		}
	}))
	answers := make(chan *http.Response, 2)
	for _, accept := range []string{"*/*", "text/event-stream"} {
		r := f.request(http.MethodGet, "/", nil, f.amara)
		r.Header.Set("Accept", accept)
		go func() { answers <- f.do(r) }()
	}
	<-dripping
	<-dripping
	f.end()
	began := time.Now()
	for range 2 {
		if resp := <-answers; resp.StatusCode != http.StatusUnauthorized || time.Since(began) > time.Second {
			t.Errorf("status %d after %v", resp.StatusCode, time.Since(began))
		}
	}
}

// TestExpectOfAStranger asks whether a body may come, without a session: the answer is no, and the connection is closed, for nobody
// knows whether the body will come all the same.
func TestExpectOfAStranger(t *testing.T) {
	f := newFront(t, http.HandlerFunc(echo), frontOptions{})
	conn, err := net.Dial("tcp", f.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
	b, err := io.ReadAll(conn)
	if head, _, _ := strings.Cut(string(b), "\r\n\r\n"); err != nil || !strings.HasPrefix(head, "HTTP/1.1 401 ") || !strings.Contains(head, "Connection: close") {
		t.Errorf("%v: %s", err, b)
	}
}

// framer is an HTTP/2 client that sends what it likes.
type framer struct {
	*http2.Framer
	conn net.Conn
	head strings.Builder
	pack *hpack.Encoder
}

func newFramer(t *testing.T, f *front) *framer {
	t.Helper()
	config := f.client.Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"h2"}
	conn, err := tls.Dial("tcp", f.server.Listener.Addr().String(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	io.WriteString(conn, http2.ClientPreface)
	c := &framer{Framer: http2.NewFramer(conn, conn), conn: conn}
	c.pack = hpack.NewEncoder(&c.head)
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.WriteSettings()
	return c
}

// fields packs header fields, given as pairs.
func (c *framer) fields(pairs ...string) []byte {
	c.head.Reset()
	for i := 0; i < len(pairs); i += 2 {
		c.pack.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return []byte(c.head.String())
}

// answer reads on until there is an answer to the stream: its status, or the code by which it or the connection was ended.
func (c *framer) answer(t *testing.T, stream uint32) string {
	t.Helper()
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			return err.Error()
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if _, extended := frame.Value(http2.SettingEnableConnectProtocol); extended {
				t.Error("the server takes extended CONNECT")
			}
		case *http2.MetaHeadersFrame:
			if frame.StreamID == stream {
				return frame.PseudoValue("status")
			}
		case *http2.RSTStreamFrame:
			if frame.StreamID == stream {
				return frame.ErrCode.String()
			}
		case *http2.GoAwayFrame:
			return "gone: " + frame.ErrCode.String()
		}
	}
}

// TestConnect asks for tunnels: by HTTP/1.1, by HTTP/2, and for a WebSocket as in RFC 8441. None gets to the app.
func TestConnect(t *testing.T) {
	reached := make(chan string, 99)
	f := newFront(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached <- r.Method + " " + r.RequestURI }), frontOptions{tls: true})
	cookie := f.cookie(f.amara)
	for i, pairs := range [][]string{
		{":method", "CONNECT", ":authority", "127.0.0.1:443"},
		{":method", "CONNECT", ":authority", "127.0.0.1:443", ":scheme", "https", ":path", "/"},
		{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/", ":authority", "127.0.0.1"},
		{":method", "GET", ":protocol", "websocket", ":scheme", "https", ":path", "/", ":authority", "127.0.0.1"},
	} {
		c := newFramer(t, f)
		c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.fields(append(pairs, "cookie", cookie)...), EndHeaders: true, EndStream: true})
		if got := c.answer(t, 1); got == "200" {
			t.Errorf("%d: %v: %s", i, pairs, got)
		}
	}
	plain := newFront(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached <- r.Method + " " + r.RequestURI }), frontOptions{})
	for _, target := range []string{"127.0.0.1:443", "/", "http://127.0.0.1/"} {
		resp := plain.raw("CONNECT " + target + " HTTP/1.1\r\nHost: 127.0.0.1:443\r\nCookie: " + plain.cookie(plain.amara) + "\r\n\r\n")
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("CONNECT %s: status %d", target, resp.StatusCode)
		}
	}
	if len(reached) > 0 {
		t.Errorf("the app got %s", <-reached)
	}
}

// TestRapidReset asks and takes back a thousand times on one connection (CVE-2023-44487). The app is asked no more often than streams
// may be open at once, and others are answered meanwhile.
func TestRapidReset(t *testing.T) {
	release := make(chan struct{})
	reached := make(chan bool, 9999)
	f := newFront(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			reached <- true
			<-release
		}
	}), frontOptions{tls: true})
	defer close(release)
	c := newFramer(t, f)
	cookie := f.cookie(f.amara)
	for i := range uint32(1000) {
		c.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, EndHeaders: true, EndStream: true,
			BlockFragment: c.fields(":method", "GET", ":scheme", "https", ":authority", "h", ":path", "/slow", "cookie", cookie)})
		if c.WriteRSTStream(2*i+1, http2.ErrCodeCancel) != nil {
			break // the server has had enough
		}
	}
	if resp := f.do(f.request(http.MethodGet, "/", nil, f.amara)); resp.StatusCode != http.StatusOK {
		t.Errorf("meanwhile: %d", resp.StatusCode)
	}
	if n := len(reached); n > 250 {
		t.Errorf("the app is asked %d times at once", n)
	}
}

// TestContinuationFlood sends a header that never ends (CVE-2023-45288). The connection is closed.
func TestContinuationFlood(t *testing.T) {
	f := newFront(t, http.HandlerFunc(echo), frontOptions{tls: true})
	c := newFramer(t, f)
	c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.fields(":method", "GET", ":scheme", "https", ":authority", "h", ":path", "/")})
	go func() {
		more := []byte(strings.Repeat("\x00\x01x\x7f\x80\x00"+strings.Repeat("x", 127), 100))
		for range 10000 {
			if c.WriteContinuation(1, false, more) != nil {
				return
			}
		}
	}()
	if got := c.answer(t, 1); got == "200" {
		t.Errorf("it is answered with %s", got)
	}
}
