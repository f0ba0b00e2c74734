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
	"sync"
	"sync/atomic"
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
	known   pathSet // what answered with event streams to who did not name them
}

// RoundTrip asks the app. The answer ends with the request's context.
func (s *streams) RoundTrip(r *http.Request) (*http.Response, error) {
	if !mayStream(r) {
		return s.others.RoundTrip(r)
	}
	named := takes(r.Header, eventStream)
	ask := s.others.RoundTrip
	if named || s.known.has(r.URL.Path) {
		ask = s.alone
	}
	res, err := ask(r)
	if err == nil && !named {
		s.known.put(r.URL.Path, isEventStream(res.Header))
	}
	return res, err
}

// alone asks on a connection for this request alone.
func (s *streams) alone(r *http.Request) (*http.Response, error) {
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

const eventStream = "text/event-stream"

// mayStream reports whether the request is such as one for an event stream. Browsers' EventSource and what stands in for it name the
// media type in Accept; other scripts don't, and are known by what the same path answered before.
func mayStream(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Body == nil && r.Header["Upgrade"] == nil
}

func isEventStream(h http.Header) bool { return strings.HasPrefix(h.Get("Content-Type"), eventStream) }

// pathSet is a small set of paths. To ask it costs no lock.
type pathSet struct {
	mu  sync.Mutex // held while the set changes
	set atomic.Pointer[map[string]bool]
}

// maxPaths is how many there can be. Where there is no room, any other goes.
const maxPaths = 64

func (p *pathSet) has(path string) bool {
	set := p.set.Load()
	return set != nil && (*set)[path]
}

// put adds the path or takes it away.
func (p *pathSet) put(path string, in bool) {
	if p.has(path) == in {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	next := map[string]bool{}
	if in {
		next[strings.Clone(path)] = true
	}
	if set := p.set.Load(); set != nil {
		for other := range *set {
			if other != path && len(next) < maxPaths {
				next[other] = true
			}
		}
	}
	p.set.Store(&next)
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
	if q.request.Method == http.MethodHead || !isEventStream(res.Header) || len(res.Trailer) > 0 {
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
