package httpapi

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/curfewhq/curfew"
)

// statuses is the one table from kinds of errors to HTTP statuses. What isn't in it is 500.
var statuses = map[curfew.Code]int{
	curfew.CodeInvalid:     http.StatusUnprocessableEntity,
	curfew.CodeNotFound:    http.StatusNotFound,
	curfew.CodeEnded:       http.StatusUnauthorized,
	curfew.CodeDenied:      http.StatusForbidden,
	curfew.CodeConflict:    http.StatusConflict,
	curfew.CodeLimited:     http.StatusTooManyRequests,
	curfew.CodeUnavailable: http.StatusServiceUnavailable,
}

// Problem is the document that an error answers with (RFC 9457, application/problem+json). Code is a curfew.Code, or
// empty where HTTP itself was misused.
type Problem struct {
	Type   string       `json:"type"`
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail"`
	Code   curfew.Code  `json:"code,omitempty"`
	Errors []FieldError `json:"errors,omitempty"`
	ID     string       `json:"id,omitempty"` // by which the log knows it
}

// FieldError says what is wrong with one field of a request.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// statusError is an error in the use of HTTP itself.
type statusError struct {
	status int
	detail string
}

func (e *statusError) Error() string { return e.detail }

// errSignedOut is no session where one is needed. It isn't 404: what was asked for may well be there.
var errSignedOut = &statusError{http.StatusUnauthorized, "sign in first"}

type panicError struct {
	value any
	stack []byte
}

func newPanicError(v any) error { return &panicError{v, debug.Stack()} }

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// fail answers with err, and logs it if it is ours to mend.
func (e edge) fail(w *answer, r *http.Request, err error) {
	p := e.problem(err)
	if p.Status >= http.StatusInternalServerError {
		p.ID = rand.Text()[:12]
		e.logFailure(r, p, err)
	}
	if w.begun {
		return
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Cookie")
	}
	if limited, ok := errors.AsType[*curfew.Error](err); ok && limited.RetryAfter > 0 {
		w.Header().Set("Retry-After", retryAfter(limited.RetryAfter))
	}
	respond(w, p.Status, "application/problem+json", p)
}

func (e edge) logFailure(r *http.Request, p Problem, err error) {
	args := []any{"id", p.ID, "method", r.Method, "path", r.URL.Path, "status", p.Status, "err", err}
	if paniced, ok := errors.AsType[*panicError](err); ok {
		args = append(args, "stack", string(paniced.stack))
	}
	e.log.ErrorContext(r.Context(), "request failed", args...)
}

func (e edge) problem(err error) Problem {
	p := Problem{Type: "about:blank"}
	if misuse, ok := errors.AsType[*statusError](err); ok {
		p.Status, p.Detail = misuse.status, misuse.detail
	} else {
		p.Code = curfew.ErrorCode(err)
		p.Status = statusOf(p.Code)
		p.Detail, p.Errors = e.detail(p.Code, err)
	}
	p.Title = http.StatusText(p.Status)
	return p
}

func statusOf(code curfew.Code) int {
	if status, ok := statuses[code]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// detail says what strangers may know of an error: its message, but not its cause.
func (e edge) detail(code curfew.Code, err error) (string, []FieldError) {
	known, ok := errors.AsType[*curfew.Error](err)
	switch {
	case e.frank && (code == curfew.CodeUnavailable || code == curfew.CodeInternal):
		return err.Error(), nil
	case code == curfew.CodeUnavailable:
		return "the store can't be reached; nobody is let in until it can", nil
	case code == curfew.CodeEnded:
		return "the session has ended", nil
	case code == curfew.CodeInternal || !ok:
		return "something went wrong; the log knows it by its id", nil
	case known.Field == "":
		return known.Message, nil
	default:
		return known.Field + " " + known.Message, []FieldError{{known.Field, known.Message}}
	}
}

// retryAfter is d in whole seconds, rounded up: who comes back then is not early.
func retryAfter(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
