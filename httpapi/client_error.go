package httpapi

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/curfewhq/curfew"
)

// ErrProofNeeded says that the server wants the password once more before it does this: see Prove.
var ErrProofNeeded = &curfew.Error{Code: curfew.CodeDenied, Message: "the password is needed once more"}

// strangeAnswer is the error for what no Curfew answers: something else is at the address, or between here and there.
func strangeAnswer(resp *http.Response) error {
	e := &curfew.Error{Code: curfew.CodeInternal, Message: "what answers is not Curfew: it says " + resp.Status}
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil {
		e.Message += ", with " + kind
	}
	switch to, err := resp.Location(); {
	case err == nil && resp.StatusCode/100 == 3:
		e.Message = fmt.Sprintf("what answers is not Curfew, but leads on to %s", to.Redacted())
	case resp.StatusCode == http.StatusBadGateway, resp.StatusCode == http.StatusServiceUnavailable, resp.StatusCode == http.StatusGatewayTimeout:
		e.Code, e.Message = curfew.CodeUnavailable, "the proxy before Curfew can't reach it: it says "+resp.Status
	}
	return e
}

// readProblem makes of a problem document the error that it was made of.
func readProblem(resp *http.Response) error {
	var p Problem
	if !isOfType(resp, problemType) || json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&p) != nil {
		return strangeAnswer(resp)
	}
	if p.Type == TypeProofNeeded {
		return ErrProofNeeded
	}
	if p.Code == "" {
		p.Code = misuses[resp.StatusCode]
	}
	if p.Code == "" {
		p.Code = curfew.CodeInternal
	}
	e := &curfew.Error{Code: p.Code, Message: p.Detail}
	if len(p.Errors) > 0 {
		e.Field, e.Message = p.Errors[0].Field, p.Errors[0].Detail
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && p.Code == curfew.CodeLimited {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	return e
}

// misuses are the codes of answers that have none.
var misuses = map[int]curfew.Code{
	http.StatusBadRequest:            curfew.CodeInvalid,
	http.StatusUnauthorized:          curfew.CodeDenied,
	http.StatusNotFound:              curfew.CodeNotFound,
	http.StatusRequestEntityTooLarge: curfew.CodeInvalid,
}
