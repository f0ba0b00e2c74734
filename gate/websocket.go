package gate

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	frameGrace = 400 * time.Millisecond // for the app to end the frame in which it is
	sayFirst   = 100 * time.Millisecond // taking one down costs more than telling a client, so of many all are told first
	lingerFor  = 300 * time.Millisecond // for the client to read why
	sayTries   = 2                      // how often it is said, if time runs out
)

// Hijack turns the connection into a socket, which can be ended with a reason.
func (q *passage) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := q.control.Hijack()
	if err != nil {
		return nil, nil, err
	}
	s := &socket{Conn: conn, early: buf.Reader, web: strings.EqualFold(q.request.Header.Get("Upgrade"), "websocket")}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.socket = s
	if q.cutBy != nil { // meanwhile
		go s.end(q.cutBy, q.cancel)
	}
	return s, buf, nil
}

// socket is the client's end of a connection that has changed its protocol. To a WebSocket it can say why it closes.
type socket struct {
	net.Conn
	early *bufio.Reader // what the client sent before the protocol changed
	web   bool

	mu     sync.Mutex // held while writing
	frames frames     // what the app has sent so far
	ending []byte     // the close frame, once there is to be one
	ended  bool
	stuck  bool // the client takes nothing any more
}

// Close frames, with the status of RFC 6455, 7.4.1: 1001, going away, after which clients connect anew by themselves; and
// 1008, policy violation.
var (
	goingAway    = closeFrame(1001, "server stopping")
	sessionEnded = closeFrame(1008, "session ended")
)

func closingFor(reason error) []byte {
	if reason == errClosing {
		return goingAway
	}
	return sessionEnded
}

func closeFrame(status uint16, reason string) []byte {
	b := []byte{0x88, byte(2 + len(reason))}
	return append(binary.BigEndian.AppendUint16(b, status), reason...)
}

// Read reads what the client sends.
func (s *socket) Read(b []byte) (int, error) {
	if s.early.Buffered() > 0 {
		return s.early.Read(b[:min(len(b), s.early.Buffered())])
	}
	return s.Conn.Read(b)
}

// Write sends on what comes from the app. Once it is to end that is the rest of a frame.
func (s *socket) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return 0, net.ErrClosed
	}
	if s.web && s.ending != nil {
		b = b[:s.frames.rest(b)]
	}
	n, err := s.Conn.Write(b)
	s.stuck = err != nil
	if s.web {
		s.frames.pass(b[:n])
	}
	if s.ending != nil && s.frames.between() {
		s.say()
		return n, net.ErrClosed
	}
	return n, err
}

// end closes the socket: between two frames with the reason, or without it where the app does not come to the end of one.
func (s *socket) end(reason error, cancel context.CancelFunc) {
	defer cancel()
	s.Conn.SetWriteDeadline(time.Now().Add(frameGrace)) // a client that reads nothing holds up a write
	s.mu.Lock()
	s.ending = closingFor(reason)
	if !s.web || s.frames.between() {
		s.say()
	}
	ended := s.ended
	s.mu.Unlock()
	if ended {
		time.Sleep(sayFirst)
	} else {
		time.Sleep(frameGrace)
	}
}

// say writes the reason. Nothing is written after it.
func (s *socket) say() {
	if s.ended {
		return
	}
	s.ended = true
	if !s.web {
		return
	}
	// On a busy machine the time may be over before the write begins, which is then refused without being tried.
	for range sayTries {
		s.Conn.SetWriteDeadline(time.Now().Add(frameGrace / sayTries))
		if n, err := s.Conn.Write(s.ending); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
	s.stuck = true
}

// Close closes the connection, after the client had a chance to read the reason: a connection that is closed with
// something unread is reset, and the reason lost. Where the client takes nothing that is what it gets.
func (s *socket) Close() error {
	s.mu.Lock()
	linger, stuck := s.ended && s.web, s.stuck
	s.mu.Unlock()
	if stuck {
		return reset(s.Conn)
	}
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok && linger && half.CloseWrite() == nil {
		s.Conn.SetReadDeadline(time.Now().Add(lingerFor))
		io.Copy(io.Discard, s.Conn)
	}
	return s.Conn.Close()
}

// reset closes the connection with all that waits for the client, which the system would keep for as long as it reads slowly. TLS would
// wait five seconds to say that it closes.
func reset(conn net.Conn) error {
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = over.NetConn()
	}
	if tcp, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		tcp.SetLinger(0)
	}
	return conn.Close()
}

// CloseWrite passes on that the app has said all.
func (s *socket) CloseWrite() error {
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return http.ErrNotSupported
}

// ReadFrom is for io.Copy, which would take a larger buffer.
func (s *socket) ReadFrom(r io.Reader) (int64, error) {
	b := socketBuffers.Get()
	defer socketBuffers.Put(b)
	return io.CopyBuffer(struct{ io.Writer }{s}, r, b)
}

// WriteTo is for io.Copy, likewise.
func (s *socket) WriteTo(w io.Writer) (int64, error) {
	b := socketBuffers.Get()
	defer socketBuffers.Put(b)
	return io.CopyBuffer(w, struct{ io.Reader }{s}, b)
}

// frames follows a stream of WebSocket frames (RFC 6455, 5.2) and knows where one ends.
type frames struct {
	head [14]byte
	have int    // bytes of head
	left uint64 // bytes of the payload still to come
}

// between reports whether the stream is between two frames.
func (f *frames) between() bool { return f.have == 0 && f.left == 0 }

// pass goes on by b.
func (f *frames) pass(b []byte) {
	for len(b) > 0 {
		b = b[f.step(b):]
	}
}

// rest returns how much of b belongs to the frame that has begun.
func (f *frames) rest(b []byte) int {
	g, n := *f, 0 // f itself goes on by what is really written
	for n < len(b) && !g.between() {
		n += g.step(b[n:])
	}
	return n
}

// step goes on by a part of b, but not beyond the end of the frame, and returns by how much. B is not empty.
func (f *frames) step(b []byte) int {
	if f.left > 0 {
		n := min(f.left, uint64(len(b)))
		f.left -= n
		return int(n)
	}
	f.head[f.have] = b[0]
	f.have++
	if f.have >= 2 && f.have == f.headSize() {
		f.left, f.have = f.payload(), 0
	}
	return 1
}

func (f *frames) headSize() int {
	n := 2
	switch f.head[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if f.head[1]&0x80 != 0 { // masked, as servers should not
		n += 4
	}
	return n
}

func (f *frames) payload() uint64 {
	switch n := f.head[1] & 0x7f; n {
	case 126:
		return uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		return binary.BigEndian.Uint64(f.head[2:])
	default:
		return uint64(n)
	}
}
