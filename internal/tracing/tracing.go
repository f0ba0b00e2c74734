// Package tracing follows requests through Curfew and on to apps, as OpenTelemetry has it. What a span says comes from lists in the
// code, from the configuration, or is a number: never what strangers choose, nor what is somebody's.
package tracing

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/observe"
)

// Tracer makes spans and sends them off. A nil *Tracer makes none, so that nothing is paid for what nobody reads. Methods may be
// called from many goroutines.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	sender   *sender
}

// New returns what the environment asks for, for a program of the version; nil if it asks for no traces. What goes wrong with sending
// them is logged, once a minute at most. An error is one of curfew.CodeInvalid, and names the variable.
func New(version string, log *slog.Logger) (*Tracer, error) {
	to, err := destinationOf(environment{})
	if to == nil || err != nil {
		return nil, err
	}
	about, err := resource.New(context.Background(),
		resource.WithTelemetrySDK(), resource.WithAttributes(semconv.ServiceName("curfew"), semconv.ServiceVersion(version)), resource.WithFromEnv())
	if err != nil {
		return nil, invalid("OTEL_RESOURCE_ATTRIBUTES", "can't be read")
	}
	room, err := queueSize(environment{})
	if err != nil {
		return nil, err
	}
	sender := newSender(*to, log)
	spans := newQueue(otlptrace.NewUnstarted(sender), room, sender.complain)
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(spans), sdk.WithResource(about))
	return &Tracer{provider, provider.Tracer("github.com/curfewhq/curfew", trace.WithInstrumentationVersion(version)), sender}, nil
}

// Stop sends what there is, and no more is made. It takes no longer than ctx.
func (t *Tracer) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	err := t.provider.Shutdown(ctx)
	t.sender.sayRest()
	return err
}

// Span is the span of a request. The nil *Span is of one that is not traced.
type Span struct {
	span   trace.Span
	method string
	route  string
}

var traceContext propagation.TraceContext

// Begin begins the span of a request, and returns the request in its context. A trace that the client is in is gone on with if the
// client is trusted; otherwise a new one begins, with a link to it: a stranger may neither choose which requests are traced nor put
// theirs into another's trace.
func (t *Tracer) Begin(r *http.Request, trusted bool) (*http.Request, *Span) {
	if t == nil {
		return r, nil
	}
	ctx := r.Context()
	opt := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(methodOf(r.Method))}
	if theirs := traceContext.Extract(ctx, propagation.HeaderCarrier(r.Header)); trusted {
		ctx = theirs
	} else if c := trace.SpanContextFromContext(theirs); c.IsValid() {
		remote := trace.NewSpanContext(trace.SpanContextConfig{TraceID: c.TraceID(), SpanID: c.SpanID(), Remote: true})
		opt = append(opt, trace.WithLinks(trace.Link{SpanContext: remote}))
	}
	ctx, span := t.tracer.Start(ctx, nameOf(r.Method), opt...)
	return r.WithContext(ctx), &Span{span: span, method: nameOf(r.Method)}
}

// For notes what the request is for, and whether the client's own connection is encrypted.
func (s *Span) For(part string, secure bool) {
	if s == nil {
		return
	}
	scheme := "http"
	if secure {
		scheme = "https"
	}
	s.span.SetAttributes(attribute.String("curfew.part", part), semconv.URLScheme(scheme))
}

// Route notes the pattern of the request's path, such as /users/{id}.
func (s *Span) Route(pattern string) {
	if s != nil {
		s.route = pattern
	}
}

// End ends the span of a request that was answered with the status.
func (s *Span) End(status int) {
	if s == nil {
		return
	}
	if s.route != "" {
		s.span.SetName(s.method + " " + s.route)
		s.span.SetAttributes(semconv.HTTPRoute(s.route))
	}
	s.span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	if status >= http.StatusInternalServerError {
		failed(s.span, strconv.Itoa(status))
	}
	s.span.End()
}

// methods are those that have names. Strangers may send others.
var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace,
	http.MethodConnect,
}

func methodOf(method string) attribute.KeyValue {
	if !slices.Contains(methods, method) {
		return semconv.HTTPRequestMethodOther
	}
	return semconv.HTTPRequestMethodKey.String(method)
}

func nameOf(method string) string {
	if !slices.Contains(methods, method) {
		return "HTTP"
	}
	return method
}

// Step returns what makes a span of each step within a request; nil if t is nil. What nobody asked for, such as a sweep, has none.
func (t *Tracer) Step() observe.Op { return t.op("") }

// StoreOp is Step for the operations of stores.
func (t *Tracer) StoreOp() observe.Op { return t.op("store ") }

func (t *Tracer) op(prefix string) observe.Op {
	if t == nil {
		return nil
	}
	return func(ctx context.Context, name string) (context.Context, func(error)) {
		if !trace.SpanFromContext(ctx).IsRecording() {
			return ctx, func(error) {}
		}
		ctx, span := t.tracer.Start(ctx, prefix+name)
		return ctx, func(err error) {
			if observe.IsFailure(err) { // its text may hold what was asked for
				failed(span, string(curfew.ErrorCode(err)))
			}
			span.End()
		}
	}
}

// failed notes of which kind the error is.
func failed(span trace.Span, kind string) {
	span.SetAttributes(semconv.ErrorTypeKey.String(kind))
	span.SetStatus(codes.Error, "")
}

// Transport returns the RoundTripper with a span around each request that it sends, by which the receiver goes on with the trace; next
// itself if t is nil. The span is over when the answer begins.
func (t *Tracer) Transport(next http.RoundTripper) http.RoundTripper {
	if t == nil {
		return next
	}
	return &transport{next, t.tracer}
}

type transport struct {
	next   http.RoundTripper
	tracer trace.Tracer
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, span := t.tracer.Start(r.Context(), nameOf(r.Method), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(append(serverOf(r), methodOf(r.Method))...))
	defer span.End()
	r = r.Clone(ctx)
	for _, name := range traceContext.Fields() {
		r.Header.Del(name) // of whoever asked us
	}
	traceContext.Inject(ctx, propagation.HeaderCarrier(r.Header))
	res, err := t.next.RoundTrip(r)
	if err != nil {
		failed(span, kindOf(err))
		return nil, err
	}
	span.SetAttributes(semconv.HTTPResponseStatusCode(res.StatusCode))
	if res.StatusCode >= http.StatusBadRequest {
		failed(span, strconv.Itoa(res.StatusCode))
	}
	return res, nil
}

// serverOf returns where an app is, by the configuration.
func serverOf(r *http.Request) []attribute.KeyValue {
	port, err := strconv.Atoi(r.URL.Port())
	if err != nil {
		port = map[string]int{"http": 80, "https": 443}[r.URL.Scheme]
	}
	return []attribute.KeyValue{semconv.ServerAddress(r.URL.Hostname()), semconv.ServerPort(port)}
}

// kindOf is what is said of the error of a request to an app: its text has the address, with the query.
func kindOf(err error) string {
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return "timeout"
	}
	if errors.Is(err, context.Canceled) {
		return "canceled"
	}
	return "_OTHER"
}

// Logger returns the logger with the IDs of the trace and the span in each line that is logged in one's context; log itself if t is nil.
func (t *Tracer) Logger(log *slog.Logger) *slog.Logger {
	if t == nil {
		return log
	}
	return slog.New(logHandler{log.Handler()})
}

type logHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if c := trace.SpanContextFromContext(ctx); c.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", c.TraceID().String()), slog.String("span_id", c.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }
