package gate

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/curfewhq/curfew"
)

// chat sends each message back and, to whoever asks for /chatter, frames without end.
func chat(w http.ResponseWriter, r *http.Request) {
	mode := websocket.CompressionContextTakeover
	if r.URL.Path == "/chatter" {
		mode = websocket.CompressionDisabled // what fills the buffers would be too much for the client
	}
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: []string{"*"}, CompressionMode: mode})
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(-1)
	ctx := context.Background()
	if r.URL.Path == "/chatter" {
		go io.Copy(io.Discard, readerFunc(func([]byte) (int, error) { _, _, err := c.Read(ctx); return 0, err }))
		for size := 1; c.Write(ctx, websocket.MessageBinary, make([]byte, size)) == nil; size = size*3%100_000 + 1 {
			if r.URL.RawQuery == "calm" { // no more than a client can read
				time.Sleep(time.Millisecond)
			}
		}
		return
	}
	for {
		kind, b, err := c.Read(ctx)
		if err != nil || c.Write(ctx, kind, b) != nil {
			return
		}
	}
}

// connect opens a WebSocket of a session.
func (f *front) connect(path string, token curfew.Token) (*websocket.Conn, *http.Response, error) {
	c, resp, err := websocket.Dial(f.t.Context(), f.server.URL+path, &websocket.DialOptions{
		HTTPHeader:      http.Header{"Cookie": {f.cookie(token)}, "Origin": {f.server.URL}},
		CompressionMode: websocket.CompressionContextTakeover, HTTPClient: f.client,
	})
	if err == nil {
		f.t.Cleanup(func() { c.CloseNow() })
		c.SetReadLimit(-1)
	}
	return c, resp, err
}

func TestWebSocket(t *testing.T) {
	for name, opt := range map[string]frontOptions{"plain": {}, "TLS": {tls: true}} {
		t.Run(name, func(t *testing.T) {
			f := newFront(t, http.HandlerFunc(chat), opt)
			if opt.tls {
				f.client.Transport.(*http.Transport).ForceAttemptHTTP2 = false
				f.client.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
			}
			c, _, err := f.connect("/", f.amara)
			if err != nil {
				t.Fatal(err)
			}
			other, _, err := f.connect("/", f.mia)
			if err != nil {
				t.Fatal(err)
			}
			for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
				sent := bytes.Repeat([]byte{byte(size)}, size)
				if err := c.Write(t.Context(), websocket.MessageBinary, sent); err != nil {
					t.Fatal(err)
				}
				if _, got, err := c.Read(t.Context()); err != nil || !bytes.Equal(got, sent) {
					t.Fatalf("of %d bytes %d came back: %v", size, len(got), err)
				}
			}
			time.Sleep(400 * time.Millisecond) // longer than the server's limits
			began := time.Now()
			f.end()
			_, _, err = c.Read(t.Context())
			if late := time.Since(began); websocket.CloseStatus(err) != websocket.StatusPolicyViolation || late > patience {
				t.Errorf("after %v: %v, want status 1008", late, err)
			}
			if err := other.Write(t.Context(), websocket.MessageText, []byte("still here")); err != nil {
				t.Error(err)
			}
			if _, got, err := other.Read(t.Context()); string(got) != "still here" || err != nil {
				t.Errorf("somebody else's: %q, %v", got, err)
			}
			if _, resp, err := f.connect("/", f.amara); err == nil || resp == nil || resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("again: %v", err)
			}
		})
	}
}

// TestWebSocketInAFrame ends sessions while the app is sending: what the client reads is whole frames, and then 1008.
func TestWebSocketInAFrame(t *testing.T) {
	f := newFront(t, http.HandlerFunc(chat), frontOptions{})
	var clients sync.WaitGroup
	for range 8 {
		c, _, err := f.connect("/chatter?calm", f.amara)
		if err != nil {
			t.Fatal(err)
		}
		clients.Go(func() {
			for {
				_, _, err := c.Read(t.Context())
				if err == nil {
					continue
				}
				if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
					t.Errorf("%v, want status 1008", err)
				}
				return
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	began := time.Now()
	f.end()
	clients.Wait()
	if late := time.Since(began); late > patience {
		t.Errorf("the last was cut after %v", late)
	}
}

// TestWebSocketUnread has a client that reads nothing, so that the app's frame never comes to its end: it is cut all the same, and what
// was on its way is dropped.
func TestWebSocketUnread(t *testing.T) {
	for name, opt := range map[string]frontOptions{"plain": {}, "TLS": {tls: true}} {
		t.Run(name, func(t *testing.T) {
			gone := make(chan struct{})
			f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(gone)
				chat(w, r)
			}), opt)
			conn := f.dialSlowly()
			io.WriteString(conn, "GET /chatter HTTP/1.1\r\nHost: h\r\nCookie: "+f.cookie(f.amara)+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
			if _, err := io.ReadFull(conn, make([]byte, 12)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(300 * time.Millisecond) // all buffers are full
			began := time.Now()
			f.end()
			<-gone
			if late := time.Since(began); late > patience {
				t.Errorf("cut after %v", late)
			}
			n, err := io.Copy(io.Discard, conn)
			if late := time.Since(began); !errors.Is(err, syscall.ECONNRESET) || n > 256<<10 || late > patience {
				t.Errorf("after %v %d bytes are read, and %v, want no more than what had come, and a reset", late, n, err)
			}
		})
	}
}

// dialSlowly connects to the server, and keeps little of what nobody reads.
func (f *front) dialSlowly() net.Conn {
	f.t.Helper()
	address := f.server.Listener.Addr().String()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(2 * patience))
	conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	if f.server.TLS == nil {
		return conn
	}
	return tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // httptest's own certificate
}

// TestManyWebSockets has many of them cut at once. How soon a thousand are is for the benchmark to say.
func TestManyWebSockets(t *testing.T) {
	const many = 200
	f := newFront(t, http.HandlerFunc(chat), frontOptions{})
	var clients sync.WaitGroup
	closed := make(chan time.Time, many)
	for range many {
		c, _, err := f.connect("/", f.amara)
		if err != nil {
			t.Fatal(err)
		}
		clients.Go(func() {
			_, _, err := c.Read(t.Context())
			if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
				t.Errorf("%v, want status 1008", err)
			}
			closed <- time.Now()
		})
	}
	began := time.Now()
	f.end()
	clients.Wait()
	close(closed)
	var last time.Time
	for at := range closed {
		if at.After(last) {
			last = at
		}
	}
	if late := last.Sub(began); late > patience {
		t.Errorf("the last of %d was cut after %v", many, late)
	} else {
		t.Logf("the last of %d was cut after %v", many, late)
	}
}

// lateConn has its user wait, as a busy machine does, between setting a time limit and what shall be done within it.
type lateConn struct {
	net.Conn
	late int // so many times
}

func (c *lateConn) SetWriteDeadline(t time.Time) error {
	err := c.Conn.SetWriteDeadline(t)
	if c.late > 0 {
		c.late--
		time.Sleep(2 * time.Until(t))
	}
	return err
}

// TestLateReason says the reason to a client that reads, though its time was over before the write began.
func TestLateReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		defer client.Close()
		defer server.Close()
		s := &socket{Conn: &lateConn{Conn: server, late: 2}, web: true}
		var ending sync.WaitGroup
		ending.Go(func() { s.end(curfew.ErrNoSession, func() {}) })
		defer ending.Wait()
		client.SetReadDeadline(time.Now().Add(time.Minute))
		got := make([]byte, len(sessionEnded))
		if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, sessionEnded) {
			t.Errorf("read %q, %v, want %q", got, err, sessionEnded)
		}
	})
}

// TestOtherProtocols changes to one that is no WebSocket: bytes go both ways, and the end is just the end.
func TestOtherProtocols(t *testing.T) {
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "other")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.Copy(conn, buf)
	}), frontOptions{})
	conn, err := net.Dial("tcp", f.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	// What is sent before the answer is there counts as well.
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\nCookie: "+f.cookie(f.amara)+"\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\nearly")
	head := make([]byte, 0, 1000)
	for !strings.HasSuffix(string(head), "\r\n\r\nearly") {
		b := make([]byte, 1)
		if _, err := conn.Read(b); err != nil {
			t.Fatalf("%q: %v", head, err)
		}
		head = append(head, b...)
	}
	io.WriteString(conn, "late")
	b := make([]byte, 4)
	if _, err := io.ReadFull(conn, b); err != nil || string(b) != "late" {
		t.Fatalf("%q, %v", b, err)
	}
	f.end()
	if n, err := conn.Read(b); n != 0 || err == nil {
		t.Errorf("after the end: %q, %v", b[:n], err)
	}
}

// TestNoWayPast asks for protocols in which further requests would go to the app unseen. It gets an answer as if it had not,
// or through another proxy none.
func TestNoWayPast(t *testing.T) {
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header["Upgrade"], r.Header["Connection"])
	}), frontOptions{})
	auth := newAuth(t, f.house)
	for _, protocol := range []string{"h2c", "H2C", "HTTP/2.0", "TLS/1.0", "spdy/3.1", "websocket, h2c"} {
		r := f.request(http.MethodGet, "/", nil, f.amara)
		for name, value := range map[string]string{"Connection": "Upgrade, HTTP2-Settings", "Upgrade": protocol, "HTTP2-Settings": "AAMAAABkAAQAAP__"} {
			r.Header.Set(name, value)
		}
		resp := f.do(r)
		if body := readAll(t, resp); resp.StatusCode != http.StatusOK || body != "[] []" {
			t.Errorf("%s: %d, the app sees %s", protocol, resp.StatusCode, body)
		}
		w := ask(auth, ways("GET", "/public/x")["Caddy"], "", "Upgrade", protocol)
		if w.Code != http.StatusBadRequest {
			t.Errorf("%s: forward-auth answers %d", protocol, w.Code)
		}
	}
}

// TestFrames passes frames of all kinds in pieces of all sizes.
func TestWebSocketFrames(t *testing.T) {
	var stream []byte
	ends := map[int]bool{0: true}
	for i, size := range []int{0, 1, 125, 126, 127, 65535, 65536, 70000, 3} {
		masked := byte(i % 2 * 0x80)
		stream = append(stream, 0x82)
		switch {
		case size < 126:
			stream = append(stream, masked|byte(size))
		case size < 65536:
			stream = binary.BigEndian.AppendUint16(append(stream, masked|126), uint16(size))
		default:
			stream = binary.BigEndian.AppendUint64(append(stream, masked|127), uint64(size))
		}
		if masked != 0 {
			stream = append(stream, 1, 2, 3, 4)
		}
		stream = append(stream, make([]byte, size)...)
		ends[len(stream)] = true
	}
	for range 200 {
		var f frames
		for at := 0; at < len(stream); {
			n := min(1+rand.IntN(1<<rand.IntN(17)), len(stream)-at)
			want := 0
			for !ends[at+want] && want < n {
				want++
			}
			if got := f.rest(stream[at : at+n]); got != want {
				t.Fatalf("at %d of the next %d bytes %d belong to the frame, want %d", at, n, got, want)
			}
			f.pass(stream[at : at+n])
			at += n
			if f.between() != ends[at] {
				t.Fatalf("at %d: between frames: %v", at, f.between())
			}
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{0x82, 0x01, 0x00}, []byte{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var whole, parts frames
		whole.pass(append(bytes.Clone(a), b...))
		parts.pass(a)
		if n := parts.rest(b); n > len(b) {
			t.Fatal("more than there is")
		}
		parts.pass(b)
		if whole != parts {
			t.Errorf("%+v in one, %+v in parts", whole, parts)
		}
	})
}
