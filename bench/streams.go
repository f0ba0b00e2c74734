package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
)

// How many streams and WebSockets are opened, and what they may take. A process that is client, gate and app in one holds
// four files for each, and may often have no more than 20,000.
const (
	idleStreams    = 3000
	streamBytes    = 40 << 10
	openSockets    = 1000
	socketPatience = 10 * time.Second
)

// measureStreams opens event streams and lets them idle. What client and app hold is measured by itself, and not counted.
func (b *bench) measureStreams(w *warm) error {
	app, err := answerAll("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n: hi\n\r\n")
	if err != nil {
		return err
	}
	defer app.close()
	server, err := serveGate(w, app.address())
	if err != nil {
		return err
	}
	defer server.close()
	request := func(i int) string {
		token := w.tokens[i%len(w.tokens)].Reveal()
		return "GET /events HTTP/1.1\r\nHost: app.example.com\r\nAccept: text/event-stream\r\n" +
			"Cookie: " + curfew.PlainCookie + "=" + token + "\r\n\r\n"
	}
	each := func(address string) (int, error) {
		before := heapAndStacks()
		clients, err := openAll(address, idleStreams, request)
		defer closeAll(clients)
		return (heapAndStacks() - before) / idleStreams, err
	}
	alone, err := each(app.address())
	if err != nil {
		return err
	}
	both, err := each(server.Listener.Addr().String())
	if err != nil {
		return err
	}
	b.add(fmt.Sprintf("heap and stacks of an idle event stream, %s streams", showCount(idleStreams)), fmt.Sprintf("≤ %d KiB", streamBytes>>10),
		fmt.Sprintf("%.1f KiB", float64(both-alone)/1024), both-alone <= streamBytes)
	return nil
}

// measureSockets opens WebSockets in one session, ends it, and waits until each has got its close frame.
func (b *bench) measureSockets(w *warm) error {
	app, err := answerAll("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if err != nil {
		return err
	}
	defer app.close()
	server, err := serveGate(w, app.address())
	if err != nil {
		return err
	}
	defer server.close()
	s, token, err := w.Start(b.ctx, startOf(0))
	if err != nil {
		return err
	}
	clients, err := openAll(server.Listener.Addr().String(), openSockets, func(int) string {
		return "GET /socket HTTP/1.1\r\nHost: app.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nCookie: " + curfew.PlainCookie + "=" + token.Reveal() + "\r\n\r\n"
	})
	defer closeAll(clients)
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := w.End(b.ctx, s.ID, curfew.Ending{Reason: curfew.ReasonTerminated}); err != nil {
		return err
	}
	took, err := untilClosed(clients, began)
	if err != nil {
		return err
	}
	last := took[len(took)-1]
	b.add(fmt.Sprintf("open WebSockets cut after an end, %s", showCount(openSockets)), "≤ 1 s", "the last after "+show(last), last <= 1e9)
	return nil
}

// untilClosed waits for the close frame with status 1008 on each connection, and returns when they came, in nanoseconds.
func untilClosed(clients []net.Conn, began time.Time) (spread, error) {
	took, errs := make(spread, len(clients)), make([]error, len(clients))
	var all sync.WaitGroup
	for i, conn := range clients {
		all.Go(func() {
			frame := make([]byte, 4)
			conn.SetReadDeadline(began.Add(socketPatience))
			if _, err := io.ReadFull(conn, frame); err != nil || frame[0] != 0x88 || frame[2] != 1008>>8 || frame[3] != 1008&0xff {
				errs[i] = fmt.Errorf("instead of a close frame: %x, %w", frame, err)
			}
			took[i] = float64(time.Since(began))
		})
	}
	all.Wait()
	slices.Sort(took)
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return took, nil
}

// gateServer is a server of the gate before one app.
type gateServer struct {
	*httptest.Server
	cut func()
}

func serveGate(w *warm, app string) (gateServer, error) {
	g, err := newGate(w, &url.URL{Scheme: "http", Host: app})
	if err != nil {
		return gateServer{}, err
	}
	return gateServer{httptest.NewServer(g.Proxy()), g.Close}, nil
}

func (s gateServer) close() {
	s.cut()
	s.Close()
}

// openAll opens connections, sends a request on each, and waits for the header of its answer.
func openAll(address string, n int, request func(i int) string) (clients []net.Conn, err error) {
	head := make([]byte, 512)
	for i := range n {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return clients, err
		}
		clients = append(clients, conn)
		if _, err := io.WriteString(conn, request(i)); err != nil {
			return clients, err
		}
		n, err := conn.Read(head)
		if err != nil {
			return clients, err
		}
		if status := string(head[:n]); !strings.HasPrefix(status, "HTTP/1.1 200") && !strings.HasPrefix(status, "HTTP/1.1 101") {
			return clients, fmt.Errorf("the answer is %q", status)
		}
	}
	return clients, nil
}

func closeAll(conns []net.Conn) {
	for _, conn := range conns {
		conn.Close()
	}
}

// answering is an app that answers the first request of each connection, and then holds it: without a goroutine or a
// buffer for each.
type answering struct {
	listener net.Listener
	done     chan []net.Conn
}

func answerAll(answer string) (answering, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return answering{}, err
	}
	a := answering{l, make(chan []net.Conn, 1)}
	go func() {
		var conns []net.Conn
		for r := bufio.NewReader(nil); ; {
			conn, err := l.Accept()
			if err != nil {
				a.done <- conns
				return
			}
			conns = append(conns, conn)
			r.Reset(conn)
			if _, err := http.ReadRequest(r); err == nil {
				io.WriteString(conn, answer)
			}
		}
	}()
	return a, nil
}

func (a answering) address() string { return a.listener.Addr().String() }

func (a answering) close() {
	a.listener.Close()
	closeAll(<-a.done)
}

// heapAndStacks is what both take once the garbage is gone.
func heapAndStacks() int {
	for range 5 { // a stack that was once needed halves with each
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}
