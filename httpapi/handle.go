package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// caller is who makes a request: in one's session, or at the machine's command line.
type caller struct {
	session curfew.Session
	account account.Account
	ended   *curfew.Ending // not nil once the session has ended
	actor   curfew.Actor
}

// call is a request by somebody who may make it.
type call struct {
	*http.Request
	caller
}

// access lets a caller in, or returns why not.
type access func(*http.Request) (caller, error)

// handler answers a call, or returns an error before it wrote anything.
type handler func(http.ResponseWriter, *call) error

// none stands for a body that isn't there.
type none struct{}

// handle makes a handler of f, which gets the decoded body and returns what to answer. With none as Req the body is
// not read; with none as Resp the answer is 204 without one.
func handle[Req, Resp any](f func(*call, Req) (Resp, error)) handler {
	return func(w http.ResponseWriter, c *call) error {
		var req Req
		if err := decode(c.Request, &req); err != nil {
			return err
		}
		resp, err := f(c, req)
		if err != nil {
			return err
		}
		return respond(w, http.StatusOK, "application/json", resp)
	}
}

func decode(r *http.Request, into any) error {
	if _, ok := into.(*none); ok {
		return nil
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return &statusError{http.StatusUnsupportedMediaType, "the body must be application/json"}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return bodyError(err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err = d.Decode(into); err == nil {
		err = onlyOne(d)
	}
	if err == nil {
		err = checkFields(body)
	}
	return bodyError(err)
}

// checkFields refuses what the decoder lets through: a field twice, of which others may read the other one, and one in
// another case than ours, which is lower. No body of ours has objects within.
func checkFields(body []byte) error {
	d, seen := json.NewDecoder(bytes.NewReader(body)), map[string]bool{}
	if brace, err := d.Token(); err != nil || brace != json.Delim('{') {
		return errors.Join(err, errors.New("no object"))
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		field, _ := name.(string)
		if seen[field] || strings.Trim(field, "abcdefghijklmnopqrstuvwxyz_") != "" {
			return &statusError{http.StatusBadRequest, fmt.Sprintf("the body has the field %q twice or in another case", field)}
		}
		seen[field] = true
		if err := d.Decode(new(json.RawMessage)); err != nil {
			return err
		}
	}
	return nil
}

// onlyOne returns an error unless the JSON is at its end.
func onlyOne(d *json.Decoder) error {
	if _, err := d.Token(); err == nil {
		return errors.New("more than one value")
	} else if err != io.EOF {
		return err
	}
	return nil
}

// bodyError says what is wrong with a body. It tells the place and the kind, never what stood there: it may be a password.
func bodyError(err error) error {
	if err == nil {
		return nil
	}
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &statusError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body must not exceed %d bytes", tooBig.Limit)}
	}
	if misuse, ok := errors.AsType[*statusError](err); ok {
		return misuse
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return &curfew.Error{Code: curfew.CodeInvalid, Field: wrong.Field, Message: "must not be a " + wrong.Value}
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return &statusError{http.StatusBadRequest, "the body has an unknown field " + name}
	}
	return &statusError{http.StatusBadRequest, "the body must be one JSON object"}
}

func respond(w http.ResponseWriter, status int, mediaType string, body any) error {
	if _, ok := body.(none); ok {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	w.Write(append(text, '\n')) // a client that has gone is not our concern
	return nil
}

// edge is what all handlers of an API share: it answers what they return, and what befalls them.
type edge struct {
	log     *slog.Logger
	maxBody int64
	frank   bool // tell the causes of errors too: the caller runs this machine
}

// mux serves the routes. Unlike http.ServeMux alone it answers unknown paths and methods with problem documents.
func (e edge) mux(routes []route) http.Handler {
	mux, paths := http.NewServeMux(), map[string]methods{}
	for _, rt := range routes {
		if paths[rt.path] == nil {
			paths[rt.path] = methods{}
			mux.Handle(rt.path, e.serve(paths[rt.path].serve))
		}
		paths[rt.path][rt.method] = rt
	}
	mux.Handle("/", e.serve(func(http.ResponseWriter, *http.Request) error {
		return &statusError{http.StatusNotFound, "there is nothing at this address"}
	}))
	return mux
}

// methods are the routes of one path.
type methods map[string]route

func (m methods) serve(w http.ResponseWriter, r *http.Request) error {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	rt, ok := m[method]
	if !ok {
		allowed := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
		w.Header().Set("Allow", allowed)
		return &statusError{http.StatusMethodNotAllowed, "this address answers " + allowed}
	}
	who, err := rt.access(r)
	if err != nil {
		return err
	}
	return rt.handler(w, &call{r, who})
}

func (e edge) serve(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		a := &answer{ResponseWriter: w}
		defer e.rescue(a, r)
		r.Body = http.MaxBytesReader(w, r.Body, e.maxBody)
		if err := f(a, r); err != nil {
			e.fail(a, r, err)
		}
	})
}

// rescue turns a panic into an answer, so that it costs one request. An answer that has begun can only be broken off.
func (e edge) rescue(w *answer, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	begun := w.begun
	e.fail(w, r, newPanicError(v))
	if begun {
		panic(http.ErrAbortHandler)
	}
}

// answer knows whether it has begun.
type answer struct {
	http.ResponseWriter
	begun bool
}

func (a *answer) WriteHeader(status int) {
	a.begun = true
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	a.begun = true
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
