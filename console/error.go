package console

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/fault"
)

// Errors of the console's own.
var (
	errDenied      = &curfew.Error{Code: curfew.CodeDenied, Message: "Your role does not allow this."}
	errNotFound    = &curfew.Error{Code: curfew.CodeNotFound, Message: "There is no page at this address."}
	errTooBig      = errors.New("the form is too big")
	errOwnPassword = &curfew.Error{Code: curfew.CodeConflict, Message: "Change your own password under Account, where the current one is asked."}
	errBadForm     = errors.New("the form can't be read")
)

// errorPage tells what went wrong. It fits into the dialog too, since what is asked for there can fail as well.
type errorPage struct {
	frame
	Status  int
	Message string
	ID      string // names the entry in the log; empty where there is none
	BackTo  string
}

func (*errorPage) file() string { return "error" }

// statuses is the one table from codes to what a browser is told.
var statuses = map[curfew.Code]struct {
	status int
	title  string
}{
	curfew.CodeInternal:    {http.StatusInternalServerError, "Something went wrong"},
	curfew.CodeInvalid:     {http.StatusUnprocessableEntity, "That can’t be right"},
	curfew.CodeNotFound:    {http.StatusNotFound, "Not found"},
	curfew.CodeEnded:       {http.StatusNotFound, "This session has already ended"},
	curfew.CodeDenied:      {http.StatusForbidden, "Not allowed"},
	curfew.CodeConflict:    {http.StatusConflict, "Not possible"},
	curfew.CodeLimited:     {http.StatusTooManyRequests, "Too many attempts"},
	curfew.CodeUnavailable: {http.StatusServiceUnavailable, "Not available right now"},
}

func (c *console) notFound(*request) (answer, error) { return answer{}, errNotFound }

// fail shows the error as a page. Should even that fail, plain text is left.
func (c *console) fail(w http.ResponseWriter, r *request, err error) {
	if werr := c.write(w, r, c.failure(r, err)); werr != nil {
		c.Logger.ErrorContext(r.Context(), "can't render the error page", "error", werr)
		http.Error(w, "Something went wrong.", http.StatusInternalServerError)
	}
}

func (c *console) failure(r *request, err error) answer {
	switch {
	case errors.Is(err, errTooBig):
		return plainFailure(http.StatusRequestEntityTooLarge, "Too big", "What was sent is larger than any form here.")
	case errors.Is(err, errBadForm):
		return plainFailure(http.StatusBadRequest, "That can’t be right", "The form can’t be read.")
	}
	code := curfew.ErrorCode(err)
	s, ok := statuses[code]
	if !ok {
		code, s = curfew.CodeInternal, statuses[curfew.CodeInternal]
	}
	a := plainFailure(s.status, s.title, failureText(r, code, err))
	if s.status >= http.StatusInternalServerError {
		a.page.(*errorPage).ID = c.report(r, err)
	}
	if code == curfew.CodeUnavailable {
		a.retryAfter = 5 * time.Second
	}
	var e *curfew.Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		a.retryAfter = e.RetryAfter
	}
	return a
}

func plainFailure(status int, title, message string) answer {
	return answer{status: status, page: &errorPage{
		frame: frame{Title: title}, Status: status, Message: message, BackTo: homePath,
	}}
}

// report logs what strangers are not told, and returns the ID under which it can be found.
func (c *console) report(r *request, err error) (id string) {
	return fault.Report(r.Request, c.Logger, err, "path", r.base()+r.URL.Path)
}

func failureText(r *request, code curfew.Code, err error) string {
	ended, isEnded := endedOf(err)
	var e *curfew.Error
	switch {
	case isEnded:
		return endedText(ended, "Their", r.clock) + " Nothing else was ended."
	case errors.Is(err, curfew.ErrNoSession):
		return "No such session is known. It may have ended long ago. Nothing was ended."
	case code == curfew.CodeUnavailable:
		return "The sessions can’t be reached at the moment, so nobody knows who is signed in. Try again in a few seconds."
	case code == curfew.CodeInternal:
		return "This is our fault, not yours. Nothing was lost; try again."
	case errors.As(err, &e):
		return sentence(e.Message)
	default:
		return "This did not work."
	}
}

// endedOf returns how the session that the error is about has ended.
func endedOf(err error) (curfew.Ended, bool) {
	var e *curfew.EndedError
	if errors.As(err, &e) {
		return e.Ended, true
	}
	return curfew.Ended{}, false
}

// sentence makes a message of the engine's one that can stand alone.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(s)
	s = string(unicode.ToUpper(first)) + s[size:]
	if !strings.ContainsAny(s[len(s)-1:], ".!?") {
		s += "."
	}
	return s
}

// fieldErrors are messages beside the fields of a form, by the field's name. The empty name is the form itself.
type fieldErrors map[string]string

// refusal is an answer to a form that the person who filled it in can mend.
type refusal struct {
	errs   fieldErrors
	status int
	wait   time.Duration // for Retry-After
}

func invalid(field, message string) refusal {
	return refusal{errs: fieldErrors{field: message}, status: http.StatusUnprocessableEntity}
}

// add puts in messages about errors of the fields, as those have them. Whoever fills in a form is told all at once.
func (errs fieldErrors) add(mistakes ...error) {
	for _, err := range mistakes {
		var e *curfew.Error
		if errors.As(err, &e) {
			errs[e.Field] = about(e.Field, e.Message)
		}
	}
}

// needSame puts in a message if a new password was not typed alike twice.
func (errs fieldErrors) needSame(r *request) {
	if r.field("password") != r.field("repeat") {
		errs["repeat"] = differs
	}
}

// with is the refusal for the messages as well; none if there is nothing to say.
func (f refusal) with(errs fieldErrors) refusal {
	if len(errs) == 0 {
		return f
	}
	if f.status == 0 {
		f.status = http.StatusUnprocessableEntity
	}
	maps.Copy(errs, f.errs)
	f.errs = errs
	return f
}

// answer shows the page, which has the messages in it, again.
func (f refusal) answer(p page) answer {
	return answer{status: f.status, page: p, retryAfter: f.wait}
}

// refused sorts out an error of a form: what its sender can mend becomes a message beside the field, or beside other
// if the form has no such field. Anything else is an error still.
func refused(err error, other string, fields ...string) (refusal, error) {
	var e *curfew.Error
	if !errors.As(err, &e) {
		return refusal{}, err
	}
	at := other
	if slices.Contains(fields, e.Field) {
		at = e.Field
	}
	f := invalid(at, about(e.Field, e.Message))
	switch e.Code {
	case curfew.CodeInvalid, curfew.CodeDenied:
	case curfew.CodeConflict:
		f.status = http.StatusConflict
	case curfew.CodeLimited:
		f = refusal{fieldErrors{at: tooOften(e.RetryAfter)}, http.StatusTooManyRequests, e.RetryAfter}
	default:
		return refusal{}, err
	}
	return f, nil
}

// subjects are what the engine's messages are about, which begin with "must" or "is".
var subjects = map[string]string{
	"username":         "The user name",
	"full_name":        "The full name",
	"role":             "The role",
	"name":             "The name",
	"expires":          "The expiry",
	"seconds":          "The lifetime",
	"password":         "The password",
	"current_password": "The current password",
}

func about(field, message string) string {
	first, _ := utf8.DecodeRuneInString(message)
	if s, ok := subjects[field]; ok && unicode.IsLower(first) {
		message = s + " " + message
	}
	return sentence(message)
}

func tooOften(wait time.Duration) string {
	return "Too many attempts. Try again in " + Words(time.Duration(retrySeconds(wait))*time.Second) + "."
}
