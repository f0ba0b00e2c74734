package main

import (
	"bufio"
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/gate"
	"github.com/curfewhq/curfew/internal/fault"
	"github.com/curfewhq/curfew/internal/metrics"
	"github.com/curfewhq/curfew/internal/mount"
	"github.com/curfewhq/curfew/internal/tracing"
)

// outermost is what is around everything that strangers reach: a panic costs one request, whatever handler it comes from, and
// TRACE, which would send a request's cookies back in the answer, is refused for apps as well.
type outermost struct {
	instruments
	edge curfew.Edge
}

// around is what is around next.
func (o outermost) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var a *answer
		if gate.IsAuth(r) {
			a = answers.Get().(*answer)
			defer a.giveBack()
		} else {
			a = new(answer)
		}
		a.ResponseWriter, a.metrics, a.part = w, o.metrics, metrics.Console
		if o.traces != nil {
			r, a.span = o.traces.Begin(r, o.edge.Trusts(r))
		}
		defer a.end()
		defer rescue(o.log, a, r)
		if r.Method == http.MethodTrace {
			// 405 would have to name what the address does answer, which only an app knows (RFC 9110, 15.5.6, 15.6.2).
			writeProblem(a, http.StatusNotImplemented, "TRACE is refused")
			return
		}
		next.ServeHTTP(a, r)
	})
}

// rescue turns a panic into an answer that says nothing but an ID, by which the log has the rest. An answer that has begun can only
// be broken off, or it would look whole.
func rescue(log *slog.Logger, a *answer, r *http.Request) {
	p := fault.Recovered(recover())
	if p == nil {
		return
	}
	p.Value = shownPanic(p.Value, r)
	id := fault.Report(r, log, p, "part", a.part, "path", a.shownPath(r))
	if a.status != 0 {
		panic(http.ErrAbortHandler)
	}
	clear(a.Header()) // it was for another answer
	status := http.StatusInternalServerError
	if gate.IsAuth(r) { // who asks goes by the status: nobody knows, as when the store is down
		status = http.StatusServiceUnavailable
		a.Header().Set("Retry-After", "5")
	}
	writeProblemID(a, status, "something went wrong; whoever runs Curfew finds it in the log by the ID", id)
}

// shownPath is what the log has of the path of a request that failed. An app's is the app's own, and may be a link that sets a password.
func (a *answer) shownPath(r *http.Request) string {
	switch a.part {
	case metrics.App:
		return ""
	case metrics.ForwardAuth: // an app's may come after it
		return gate.AuthPath
	default:
		return withoutSecrets(r.URL.Path)
	}
}

// shownPanic is what the log has of a panic's value, which may quote the request.
func shownPanic(v any, r *http.Request) string {
	text := fmt.Sprint(v)
	for _, part := range []string{r.RequestURI, r.URL.RawQuery, r.URL.Path} {
		if len(part) > 1 {
			text = strings.ReplaceAll(text, part, "…")
		}
	}
	return withoutSecrets(text)
}

// withoutSecrets is a text, unless there may be a session's token or an API key's secret in it, which somebody pasted in the wrong place.
func withoutSecrets(text string) string {
	if account.HoldsKeySecret(text) || strings.Contains(text, curfew.TokenPrefix) {
		return "(not shown: it holds a secret)"
	}
	return text
}

// answer is an http.ResponseWriter that knows whether it has begun.
type answer struct {
	http.ResponseWriter
	status int // as it was sent; 0 before, and 101 once the connection is a socket

	metrics *metrics.Metrics // nil: nothing is counted
	part    metrics.Part
	closed  func() // set while it is a stream

	span *tracing.Span // nil: it is not traced
}

// answers are those to proxies that ask, which is for each request to each app; they are used again and again. What answers them keeps
// none. A handler that might, such as one for a socket, would write into another's answer.
var answers = sync.Pool{New: func() any { return new(answer) }}

func (a *answer) giveBack() {
	*a = answer{}
	answers.Put(a)
}

// isFor notes what the request is for that w answers.
func isFor(w http.ResponseWriter, r *http.Request, part metrics.Part) {
	a, ok := w.(*answer)
	if !ok {
		return
	}
	a.part = part
	if a.span == nil {
		return
	}
	a.span.For(string(part), curfew.OriginOf(r).Secure)
	if part == metrics.ForwardAuth {
		a.span.Route(gate.AuthPath)
	}
}

// routed has the pattern noted by which the handler's mux found who answers a request. The pattern of what is not found is "/".
func routed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a, ok := w.(*answer); ok && a.span != nil {
			defer func() {
				if _, path, ok := strings.Cut(r.Pattern, "/"); ok && path != "" {
					a.span.Route(mount.Of(r) + "/" + path)
				}
			}()
		}
		next.ServeHTTP(w, r)
	})
}

// end counts the answer.
func (a *answer) end() {
	if a.closed != nil {
		a.closed()
	}
	status := cmp.Or(a.status, http.StatusOK)
	a.metrics.Answered(a.part, status)
	a.span.End(status)
}

// WriteHeader begins the answer, unless it is an interim one.
func (a *answer) WriteHeader(status int) {
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		a.begin(status)
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write writes a part of the body.
func (a *answer) Write(b []byte) (int, error) {
	a.begin(http.StatusOK)
	return a.ResponseWriter.Write(b)
}

// FlushError is for http.ResponseController.
func (a *answer) FlushError() error {
	a.begin(http.StatusOK)
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Hijack is for http.ResponseController.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err == nil {
		a.begin(http.StatusSwitchingProtocols)
	}
	return conn, buf, err
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) begin(status int) {
	if a.status != 0 {
		return
	}
	a.status = status
	switch {
	case a.metrics == nil:
	case status == http.StatusSwitchingProtocols:
		a.closed = a.metrics.Opened(metrics.WebSocket)
	case strings.HasPrefix(a.Header().Get("Content-Type"), "text/event-stream"):
		a.closed = a.metrics.Opened(metrics.EventStream)
	}
}
