package httpapi

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/internal/fault"
	"github.com/curfewhq/curfew/internal/mount"
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
	Type   string       `json:"type" format:"uri-reference" doc:"What kind of problem it is. https://github.com/curfewhq/curfew/blob/main/docs/api.md#proof-needed, with 403, asks for the password: give it by giveProof, and make the call again. All others are about:blank, of which status and code say all; there may be more one day."`
	Title  string       `json:"title" example:"Not Found" doc:"The status in words."`
	Status int          `json:"status" minimum:"400" maximum:"599" example:"404" doc:"The HTTP status."`
	Detail string       `json:"detail" doc:"What is wrong, for people."`
	Code   curfew.Code  `json:"code,omitempty" enum:"internal,invalid,not-found,ended,denied,conflict,limited,unavailable" doc:"What is wrong, for programs. Absent where HTTP itself was misused."`
	Errors []FieldError `json:"errors,omitempty" maxItems:"20" nullable:"false" doc:"The fields that are wrong."`
	ID     string       `json:"id,omitempty" doc:"By which the server's log knows it. Only where it is the server's own fault."`
}

// FieldError says what is wrong with one field of a request.
type FieldError struct {
	Field  string `json:"field" doc:"Its name, with those of what it is in before it." example:"filter.origin"`
	Detail string `json:"detail" doc:"What is wrong with it, for people."`
}

// TypeProofNeeded is the type of the problem that is answered, with 403, to who asks for something sensitive in a session in which
// the password was given too long ago. Giving it (POST /api/v1/session/proof) and asking again is the way.
const TypeProofNeeded = "https://github.com/curfewhq/curfew/blob/main/docs/api.md#proof-needed"

// statusError is an error in the use of HTTP itself.
type statusError struct {
	status int
	detail string
}

func (e *statusError) Error() string { return e.detail }

// failure is an error as it is answered. Huma answers with it as a StatusError.
type failure struct {
	Problem
	header http.Header
}

// Error is the detail.
func (f *failure) Error() string { return f.Detail }

// GetStatus is for huma.
func (f *failure) GetStatus() int { return f.Status }

// GetHeaders is for huma.
func (f *failure) GetHeaders() http.Header { return f.header }

// ContentType is for huma.
func (f *failure) ContentType(string) string { return problemType }

// failure makes of an error what is answered, and logs it if it is ours to mend.
func (e edge) failure(r *http.Request, err error) *failure {
	f := &failure{e.problem(err), http.Header{}}
	if f.Status >= http.StatusInternalServerError {
		f.ID = e.report(r, err, f.Status)
	}
	if f.Status == http.StatusUnauthorized {
		f.header.Set("WWW-Authenticate", challenge(err))
	}
	if limited, ok := errors.AsType[*curfew.Error](err); ok && limited.RetryAfter > 0 {
		f.header.Set("Retry-After", retryAfter(limited.RetryAfter))
	} else if f.Code == curfew.CodeUnavailable {
		f.header.Set("Retry-After", "5")
	}
	return f
}

// challenge says how to get in (RFC 6750, 3).
func challenge(err error) string {
	if errors.Is(err, errBadKey) {
		return `Bearer realm="Curfew", error="invalid_token"`
	}
	return "Cookie"
}

// fail answers with err, unless an answer has begun.
func (e edge) fail(w *answer, r *http.Request, err error) {
	f := e.failure(r, err)
	if w.begun {
		return
	}
	for name, values := range f.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(f.Status)
	if text, err := encode(f.Problem); err == nil {
		w.Write(text) // a client that has gone is not our concern
	}
}

func (e edge) report(r *http.Request, err error, status int) (id string) {
	return fault.Report(r, e.log, err, "path", mount.Of(r)+r.URL.Path, "status", status)
}

// breakOff ends an answer that has begun and can't be finished, so that nobody takes it for whole. That the client left is no fault of
// ours.
func (e edge) breakOff(r *http.Request, err error) {
	if r.Context().Err() == nil {
		e.report(r, err, e.problem(err).Status)
	}
	panic(http.ErrAbortHandler)
}

func (e edge) problem(err error) Problem {
	p := Problem{Type: "about:blank"}
	if misuse, ok := errors.AsType[*statusError](err); ok {
		p.Status, p.Detail = misuse.status, misuse.detail
	} else if invalid, ok := errors.AsType[*invalidError](err); ok {
		p.Status, p.Code = statuses[curfew.CodeInvalid], curfew.CodeInvalid
		p.Detail, p.Errors = invalid.Error(), invalid.fields
	} else {
		p.Code = curfew.ErrorCode(err)
		p.Status = statusOf(p.Code)
		p.Detail, p.Errors = e.detail(p.Code, err)
	}
	if errors.Is(err, account.ErrNotRecent) {
		p.Type = TypeProofNeeded
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// translate makes a Problem of what huma itself answers: it checks the parameters of an address.
func translate(_ huma.Context, _ string, v any) (any, error) {
	switch v := v.(type) {
	case *failure:
		return v.Problem, nil
	case *huma.ErrorModel:
		p := edge{}.problem(&invalidError{fieldErrors(detailErrors(v.Errors))})
		return p, nil
	default:
		return v, nil
	}
}

func detailErrors(details []*huma.ErrorDetail) []error {
	errs := []error{}
	for _, d := range details {
		errs = append(errs, d)
	}
	return errs
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
