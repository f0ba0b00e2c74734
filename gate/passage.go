package gate

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew"
)

// passage is a request on its way through the proxy: its decision, its context and its answer, in one allocation.
type passage struct {
	http.ResponseWriter
	context.Context
	decision
	open    *openings
	request *http.Request // with the passage as its context
	control *http.ResponseController
	cancel  context.CancelFunc

	length, written int64         // of the answer's body; length is negative where nobody knows
	stream          io.ReadCloser // the body, if it is an event stream

	// When a read from the client or a write to it began, in ticks of open; 0 while there is none.
	reading, writing atomic.Int64

	next, before *passage // of the same session, guarded by open.mu
	group        *opened

	mu     sync.Mutex
	over   bool    // the handler has returned
	cutBy  error   // why it was cut
	socket *socket // where the connection has become one
}

type passageKey struct{}

// Value returns the passage itself for passageKey.
func (q *passage) Value(key any) any {
	if key == (passageKey{}) {
		return q
	}
	return q.Context.Value(key)
}

func passageOf(ctx context.Context) *passage {
	q, _ := ctx.Value(passageKey{}).(*passage)
	return q
}

// begin makes the passage ready to be cut, and lifts the server's limits on how long a request may take: from here on
// it may take as long as it moves.
func (q *passage) begin(r *http.Request) {
	q.Context, q.cancel = context.WithCancel(r.Context())
	q.request = r.WithContext(q)
	q.control = http.NewResponseController(q.ResponseWriter)
	q.control.SetReadDeadline(time.Time{}) // not every writer has deadlines; then there is nothing to lift
	q.control.SetWriteDeadline(time.Time{})
	if r.Body != nil && r.Body != http.NoBody {
		q.control.EnableFullDuplex() // apps may answer while they read
		q.request.Body = &upload{ReadCloser: r.Body, q: q}
	}
	q.open.enter(q)
}

// finish is for the end of the handler: nothing of the request may be used any more.
func (q *passage) finish() {
	q.open.leave(q)
	q.cancel()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
}

// guarded reports whether pages get the guard. Where nobody is signed in there is nothing to guard.
func (q *passage) guarded() bool { return !q.app.NoGuard && !q.rule.NoGuard }

// rewrite makes the request to the app of the client's.
func (q *passage) rewrite(in, out *http.Request) {
	out.URL.RawQuery = in.URL.RawQuery // ReverseProxy tidies it; no rule is about it
	stripTrailer(in.Trailer)           // so that none is announced
	out.Trailer = in.Trailer           // not a copy: it is filled in after the body
	h := out.Header
	if leadsPast(h) {
		delete(h, "Upgrade")
		delete(h, "Connection")
	}
	setIdentity(h, &q.decision)
	setForwarded(h, curfew.OriginOf(in))
	hideCookies(h)
	hideKey(out)
}

// answer takes out of the app's answer what it must not say.
func (q *passage) answer(res *http.Response) {
	keepOurs(res.Header)
	if !q.rule.Access.Public && res.StatusCode >= http.StatusOK {
		makePrivate(res.Header)
	}
}

// WriteHeader begins the answer, or says what the app says before it, which has not been through answer.
func (q *passage) WriteHeader(status int) {
	h := q.Header()
	if status < http.StatusOK {
		keepOurs(h)
	}
	if _, ok := h["Content-Type"]; !ok && status >= 200 {
		h["Content-Type"] = nil // or the server would guess one
	}
	q.ResponseWriter.WriteHeader(status)
}

// Write sends a part of the body on, at once unless it is the last.
func (q *passage) Write(b []byte) (int, error) {
	q.writing.Store(q.open.now.Load())
	defer q.writing.Store(0)
	n, err := q.ResponseWriter.Write(b)
	q.written += int64(n)
	if err == nil && q.written < q.length {
		err = q.control.Flush()
	}
	return n, err
}

// FlushError sends what has been written.
func (q *passage) FlushError() error {
	q.writing.Store(q.open.now.Load())
	defer q.writing.Store(0)
	return q.control.Flush()
}

// cut ends the passage, whatever is under way. Where nothing has been answered yet, the reason will be.
func (q *passage) cut(reason error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over || q.cutBy != nil {
		return
	}
	q.cutBy = reason
	if q.socket != nil {
		go q.socket.end(reason, q.cancel)
		return
	}
	q.cancel()
	q.control.SetReadDeadline(time.Unix(1, 0)) // the transport waits for a body that is being read
	time.AfterFunc(cutGrace, q.force)
}

// cutGrace is how long a passage that was cut has to answer why.
const cutGrace = 250 * time.Millisecond

// force ends a write that is stuck, as a cancelled context does not.
func (q *passage) force() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over {
		return
	}
	q.control.SetWriteDeadline(time.Unix(1, 0))
}

// broken returns why the passage was cut, or nil.
func (q *passage) broken() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.cutBy
}

// isStuck reports whether a read or a write has been under way since before the tick.
func (q *passage) isStuck(tick int64) bool {
	r, w := q.reading.Load(), q.writing.Load()
	return r != 0 && r < tick || w != 0 && w < tick
}

// upload is a request's body.
type upload struct {
	io.ReadCloser
	q *passage
}

// Read reads what the client sends. What the client does wrong is no fault of the app's.
func (u *upload) Read(b []byte) (int, error) {
	u.q.reading.Store(u.q.open.now.Load())
	defer u.q.reading.Store(0)
	n, err := u.ReadCloser.Read(b)
	switch err {
	case nil:
	case io.EOF: // now the trailers are there, and apps may take them for headers
		stripTrailer(u.q.request.Trailer)
	default:
		u.q.spoil(errUpload)
	}
	return n, err
}

var errUpload = &statusError{http.StatusBadRequest, "the body can't be read"}

// spoil notes that the request itself is broken, unless the passage was cut before.
func (q *passage) spoil(reason error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.cutBy == nil {
		q.cutBy = reason
	}
}
