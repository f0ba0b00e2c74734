package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/internal/fault"
)

// call is a request by somebody who may make it.
type call struct {
	*http.Request
	caller
	w http.ResponseWriter
}

type callKey struct{}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// none stands for what isn't there: parameters, a body.
type none struct{}

// register makes a route's handler known, and what it takes and answers to the OpenAPI document.
type register func(*api, huma.API, huma.Operation)

// output is an answer, as huma writes it.
type output[T any] struct{ Body T }

// handle makes a route's handler of f, which gets the checked parameters of the address and the decoded body, and returns what to
// answer. With none as Body there is none to read; with none as Resp the answer is 204.
func handle[Params, Body, Resp any](f func(*call, Params, Body) (Resp, error)) register {
	return func(a *api, h huma.API, op huma.Operation) {
		body, schema := bodyOf[Body](h, op)
		defer func() { mention(h, op, body) }() // afterwards: huma would read a body of which it knew
		answer := func(ctx context.Context, p *Params) (resp Resp, err error) {
			c := callOf(ctx)
			var sent Body
			if schema != nil {
				err = decode(c.Request, &sent, h.OpenAPI().Components.Schemas, schema)
			}
			if err == nil {
				resp, err = f(c, *p, sent)
			}
			if err != nil {
				err = a.failure(c.Request, err)
			}
			return resp, err
		}
		if reflect.TypeFor[Resp]() == reflect.TypeFor[none]() {
			huma.Register(h, op, func(ctx context.Context, p *Params) (*none, error) {
				_, err := answer(ctx, p)
				return nil, err
			})
			return
		}
		huma.Register(h, op, func(ctx context.Context, p *Params) (*output[Resp], error) {
			resp, err := answer(ctx, p)
			if err != nil {
				return nil, err
			}
			return &output[Resp]{resp}, nil
		})
	}
}

// bodyOf returns what body a call takes, and its schema; nil if it takes none.
func bodyOf[Body any](h huma.API, op huma.Operation) (*huma.RequestBody, *huma.Schema) {
	t := reflect.TypeFor[Body]()
	if t == reflect.TypeFor[none]() {
		return nil, nil
	}
	schema := h.OpenAPI().Components.Schemas.Schema(t, true, op.OperationID+"Request")
	_, optional := any(*new(Body)).(mayBeAbsent)
	return &huma.RequestBody{Required: !optional, Content: map[string]*huma.MediaType{jsonType: {Schema: schema}}}, schema
}

// mention says in the document what body a call takes.
func mention(h huma.API, op huma.Operation, body *huma.RequestBody) {
	if body == nil {
		return
	}
	item := h.OpenAPI().Paths[op.Path]
	switch op.Method {
	case http.MethodPost:
		item.Post.RequestBody = body
	case http.MethodPut:
		item.Put.RequestBody = body
	case http.MethodPatch:
		item.Patch.RequestBody = body
	default:
		panic("a " + op.Method + " has no body")
	}
}

// raw makes a route's handler of f, which writes its answer itself, or returns an error before it wrote anything.
func raw[Params any](f func(http.ResponseWriter, *call, Params) error) register {
	return func(a *api, h huma.API, op huma.Operation) {
		huma.Register(h, op, func(ctx context.Context, p *Params) (*output[func(huma.Context)], error) {
			c := callOf(ctx)
			if err := f(c.w, c, *p); err != nil {
				return nil, a.failure(c.Request, err)
			}
			return &output[func(huma.Context)]{func(huma.Context) {}}, nil
		})
	}
}

// page makes a route's handler of f, which writes something that is not part of the API itself.
func page(f func(http.ResponseWriter, *call) error) register {
	return func(a *api, h huma.API, op huma.Operation) {
		op.Hidden = true
		raw(func(w http.ResponseWriter, c *call, _ none) error { return f(w, c) })(a, h, op)
	}
}

const (
	jsonType    = "application/json"
	problemType = "application/problem+json"
	csvType     = "text/csv"
	ndjsonType  = "application/x-ndjson"
	eventsType  = "text/event-stream"
)

// edge is what all handlers share: it answers what befalls them.
type edge struct {
	log   *slog.Logger
	frank bool // tell the causes of errors too: the caller runs this machine
}

// table is the mux that huma knows. It keeps handlers by method and path, for methods to call.
type table map[string]http.HandlerFunc

func (t table) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) { t[pattern] = h }

// ServeHTTP is part of what huma wants of a mux. Nobody calls it.
func (t table) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

// build makes all routes known to huma, which writes the OpenAPI document meanwhile.
func (a *api) build(routes []route) (table, huma.API) {
	t := table{}
	h := huma.NewAPI(a.config(), humago.NewAdapter(t, ""))
	for _, rt := range routes {
		rt.handler(a, h, operation(rt))
	}
	finish(h.OpenAPI())
	return t, h
}

// handler serves the routes. Unlike http.ServeMux alone it answers unknown paths and methods with problem documents.
func (a *api) handler(routes []route) http.Handler {
	handlers, h := a.build(routes)
	a.openAPI = h.OpenAPI()
	mux, paths := http.NewServeMux(), map[string]methods{}
	for _, rt := range routes {
		if paths[rt.path] == nil {
			paths[rt.path] = methods{}
			mux.Handle(rt.path, a.serve(func(w http.ResponseWriter, r *http.Request) error {
				return a.serveMethod(paths[rt.path], w, r)
			}))
		}
		paths[rt.path][rt.method] = method{rt, handlers[rt.method+" "+rt.path], listsOf(a.openAPI, rt)}
	}
	mux.Handle("/", a.serve(func(http.ResponseWriter, *http.Request) error {
		return &statusError{http.StatusNotFound, "there is nothing at this address"}
	}))
	return mux
}

// methods are the routes of one path.
type methods map[string]method

type method struct {
	route
	serve http.HandlerFunc
	lists map[string]bool // parameters that may be there more than once
}

func (a *api) serveMethod(m methods, w http.ResponseWriter, r *http.Request) error {
	name := r.Method
	if name == http.MethodHead {
		name = http.MethodGet
	}
	rt, ok := m[name]
	if !ok {
		allowed := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
		w.Header().Set("Allow", allowed)
		return &statusError{http.StatusMethodNotAllowed, "this address answers " + allowed}
	}
	who, err := a.admit(rt.route, r)
	if err != nil {
		return err
	}
	if err := checkQuery(r, rt.lists); err != nil {
		return err
	}
	c := &call{caller: who, w: w}
	c.Request = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
	rt.serve(w, c.Request)
	return nil
}

// admit returns who calls, if they may: it is the one lock on all doors.
func (a *api) admit(rt route, r *http.Request) (caller, error) {
	who, err := a.identify(r)
	if err != nil {
		return who, a.limits.stranger(r, a.Sessions.Now(), err)
	}
	if err := a.limits.take(who, a.Sessions.Now()); err != nil {
		return who, err
	}
	if err := who.admit(rt.access); err != nil {
		return who, err
	}
	if rt.care != plain {
		return who, a.sensitive(who, rt.care, r)
	}
	return who, nil
}

// errSecretInAddress is said before anything else happens that might write down the address.
var errSecretInAddress = &statusError{http.StatusNotFound, "the secret of an API key is in the address, which is no place for it; keys are revoked by their ID"}

var errSecretInQuery = &curfew.Error{
	Code: curfew.CodeInvalid, Message: "the secret of an API key is in the address, which is no place for it; give it as Authorization: Bearer",
}

// secretIn returns an error if the secret of an API key is in the address. A query that can't be decoded is looked at as it is.
func secretIn(u *url.URL) error {
	query, err := url.QueryUnescape(u.RawQuery)
	if err != nil {
		query = u.RawQuery
	}
	switch {
	case account.HoldsKeySecret(u.Path):
		return errSecretInAddress
	case account.HoldsKeySecret(query):
		return errSecretInQuery
	default:
		return nil
	}
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
		if err := secretIn(r.URL); err != nil {
			e.fail(a, r, err)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if err := f(a, r); err != nil {
			e.fail(a, r, err)
		}
	})
}

// rescue turns a panic into an answer, so that it costs one request. An answer that has begun can only be broken off.
func (e edge) rescue(w *answer, r *http.Request) {
	p := fault.Recovered(recover())
	if p == nil {
		return
	}
	begun := w.begun
	e.fail(w, r, p)
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

// encode returns a value as JSON, with a line's end.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return b.Bytes(), nil
}
