package gate

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
)

// Event streams may be many, and each of them idles most of its time. So what an open one holds is little: a connection of its
// own to the app, read by the goroutine that answers the client.

// streamBuffer is for an event stream, whose messages are short.
const streamBuffer = 1 << 10

// streams is an http.RoundTripper that makes the connections of event streams itself, and leaves other requests to
// http.Transport, which keeps two goroutines with each connection so that it can be used again. A stream's never is.
type streams struct {
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	address string
	others  http.RoundTripper
}

// RoundTrip asks the app. The answer ends with the request's context.
func (s *streams) RoundTrip(r *http.Request) (*http.Response, error) {
	if !asksForStream(r) {
		return s.others.RoundTrip(r)
	}
	conn, err := s.dial(r.Context(), "tcp", s.address)
	if err != nil {
		return nil, err
	}
	body := &streamBody{conn: conn, forget: context.AfterFunc(r.Context(), func() { conn.Close() })}
	res, err := send(conn, r)
	if err != nil {
		body.Close()
		return nil, cmp.Or(context.Cause(r.Context()), err)
	}
	body.Reader, res.Body = res.Body, body
	return res, nil
}

// asksForStream reports whether the request takes an event stream by name, as browsers' EventSource and what stands in for it do.
func asksForStream(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Body == nil && r.Header["Upgrade"] == nil && takes(r.Header, "text/event-stream")
}

// send sends the request on a connection of its own, and returns the answer as soon as its header is there.
func send(conn net.Conn, r *http.Request) (*http.Response, error) {
	once := *r
	once.Close = true
	if err := once.Write(conn); err != nil {
		return nil, err
	}
	limited := &io.LimitedReader{R: conn, N: maxAnswerHeader}
	answers := bufio.NewReaderSize(limited, connBuffer)
	for {
		res, err := http.ReadResponse(answers, r)
		switch {
		case limited.N <= 0:
			return nil, errAnswerHeader
		case err != nil:
			return nil, err
		case res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols:
			limited.N = math.MaxInt64
			return res, nil
		}
		if err := tellEarly(r.Context(), res); err != nil {
			return nil, err
		}
	}
}

var errAnswerHeader = errors.New("the header of the app's answer is too long")

// tellEarly passes on what an app says before its answer.
func tellEarly(ctx context.Context, res *http.Response) error {
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.Got1xxResponse != nil {
		return trace.Got1xxResponse(res.StatusCode, textproto.MIMEHeader(res.Header))
	}
	return nil
}

// streamBody is an answer's body that is closed with its connection.
type streamBody struct {
	io.Reader
	conn   net.Conn
	forget func() bool // the request's context
}

// Close closes the connection. What is still to come on it is not waited for.
func (b *streamBody) Close() error {
	b.forget()
	return b.conn.Close()
}

// takeStream takes an event stream out of ReverseProxy's hands. There it would hold a larger buffer, and a deeper stack.
func (q *passage) takeStream(res *http.Response) {
	if q.request.Method == http.MethodHead || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") || len(res.Trailer) > 0 {
		return
	}
	q.stream = res.Body
	res.Body = http.NoBody
}

// pump sends the stream on until its end. Where it breaks off, so does the answer, or it would look whole.
func (q *passage) pump() {
	defer q.stream.Close()
	b := make([]byte, streamBuffer)
	err := q.FlushError()
	for err == nil {
		var n int
		n, err = q.stream.Read(b)
		if n > 0 {
			if _, werr := q.Write(b[:n]); werr != nil {
				err = werr
			} else if ferr := q.FlushError(); ferr != nil {
				err = ferr
			}
		}
	}
	if err != io.EOF {
		panic(http.ErrAbortHandler)
	}
}
