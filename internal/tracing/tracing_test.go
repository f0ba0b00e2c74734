package tracing

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/tracetest"
)

// start returns a tracer that the environment asks for, with more of it as pairs of names and values.
func start(t *testing.T, log *slog.Logger, more ...string) *Tracer {
	t.Helper()
	for i := 0; i < len(more); i += 2 {
		t.Setenv(more[i], more[i+1])
	}
	tr, err := New("1.2.3", log)
	if err != nil || tr == nil {
		t.Fatalf("New: %v, %v", tr, err)
	}
	t.Cleanup(func() { tr.Stop(t.Context()) })
	return tr
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

const (
	theirTrace = "0af7651916cd43dd8448eb211c80319c"
	theirSpan  = "b7ad6b7169203331"
)

func request(t *testing.T) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/users/u1?q=canary", nil)
	r.Header.Set("Traceparent", "00-"+theirTrace+"-"+theirSpan+"-01")
	r.Header.Set("Tracestate", "them=canary")
	return r
}

// TestRequest follows a request from a trusted proxy, through a step and the store, to an app.
func TestRequest(t *testing.T) {
	to := tracetest.New(t)
	tr := start(t, discard(), "OTEL_EXPORTER_OTLP_ENDPOINT", to.URL+"/", "OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20abc, x=y",
		"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", "OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	var got http.Header
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer app.Close()

	r, span := tr.Begin(request(t), true)
	span.For("app", true)
	ctx, done := tr.Step()(r.Context(), "sign-in")
	_, found := tr.StoreOp()(ctx, "find")
	found(curfew.ErrNoSession)
	done(errors.New("canary"))
	out := httptest.NewRequestWithContext(r.Context(), http.MethodGet, app.URL+"/canary?canary", nil)
	out.Header.Set("Tracestate", "stranger=canary")
	res, err := tr.Transport(http.DefaultTransport).RoundTrip(out)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	span.Route("/users/{id}")
	span.End(http.StatusServiceUnavailable)
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	server, client, step, store := to.Span("GET /users/{id}"), to.Span("GET"), to.Span("sign-in"), to.Span("store find")
	if id := hex.EncodeToString(server.TraceId); id != theirTrace || hex.EncodeToString(server.ParentSpanId) != theirSpan {
		t.Errorf("the request's span is in trace %s", id)
	}
	if want := "00-" + theirTrace + "-" + hex.EncodeToString(client.SpanId) + "-01"; got.Get("Traceparent") != want || got.Get("Tracestate") != "them=canary" {
		t.Errorf("the app got %v, want %s", got, want)
	}
	if !bytes.Equal(step.ParentSpanId, server.SpanId) || !bytes.Equal(store.ParentSpanId, step.SpanId) || !bytes.Equal(client.ParentSpanId, server.SpanId) {
		t.Error("the spans are not below each other")
	}
	for key, want := range map[string]string{
		"http.request.method": "GET", "http.route": "/users/{id}", "http.response.status_code": "503", "url.scheme": "https", "curfew.part": "app", "error.type": "503",
	} {
		if got := tracetest.Attribute(server, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if tracetest.Attribute(step, "error.type") != "internal" || store.Status.GetCode() != 0 {
		t.Error("an answer of the store is a failure, or a failure none")
	}
	if tracetest.Attribute(client, "server.address") != "127.0.0.1" || tracetest.Attribute(client, "http.response.status_code") != "200" {
		t.Errorf("the app's span is %v", client)
	}
	if to.Resource("service.name") != "curfew" || to.Resource("service.version") != "1.2.3" || to.Resource("deployment.environment.name") != "test" {
		t.Error("it does not say what it is")
	}
	if h := to.Headers()[0]; h.Get("Authorization") != "Basic abc" || h.Get("X") != "y" {
		t.Errorf("the receiver got %v", h)
	}
	if raw := bytes.ReplaceAll(to.Raw(), []byte("them=canary"), nil); bytes.Contains(raw, []byte("canary")) {
		t.Errorf("what strangers choose is in\n%q", raw)
	}
}

// TestStranger has somebody choose a trace who may not.
func TestStranger(t *testing.T) {
	to := tracetest.New(t)
	tr := start(t, discard(), "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", to.URL+"/v1/traces", "OTEL_SERVICE_NAME", "gatehouse")
	q := request(t)
	q.Method = "CANARY"
	_, span := tr.Begin(q, false)
	span.End(http.StatusOK)
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := to.Span("HTTP")
	if hex.EncodeToString(got.TraceId) == theirTrace || len(got.ParentSpanId) != 0 {
		t.Error("the stranger's trace is gone on with")
	}
	if len(got.Links) != 1 || hex.EncodeToString(got.Links[0].TraceId) != theirTrace {
		t.Errorf("the links are %v", got.Links)
	}
	if raw := bytes.ToLower(to.Raw()); bytes.Contains(raw, []byte("canary")) {
		t.Errorf("what strangers choose is in\n%q", raw)
	}
	if to.Resource("service.name") != "gatehouse" {
		t.Error("it is not called as the environment says")
	}
}

// TestNobodyReceives has requests made while the receiver is down, and then while it hangs: none waits for it, nor does the end, and
// what there is no room for is dropped.
func TestNobodyReceives(t *testing.T) {
	hang := make(chan struct{})
	to := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-hang
	}))
	defer to.Close()
	defer close(hang)
	down := httptest.NewServer(nil)
	down.Close()
	for name, url := range map[string]string{"down": down.URL, "hangs": to.URL} {
		t.Run(name, func(t *testing.T) {
			var lines shared
			tr := start(t, slog.New(slog.NewTextHandler(&lines, nil)), "OTEL_EXPORTER_OTLP_ENDPOINT", url, "OTEL_BSP_SCHEDULE_DELAY", "1")
			began := time.Now()
			for range 5000 { // the queue has room for 2048
				_, span := tr.Begin(request(t), false)
				span.End(http.StatusOK)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_ = tr.Stop(ctx) // there is more to send than there is time
			if took := time.Since(began); took > defaultTimeout-time.Second {
				t.Errorf("that took %v: somebody waited for the receiver", took)
			}
			lost := 0
			for _, m := range regexp.MustCompile(` spans=(\d+)\n`).FindAllStringSubmatch(lines.String(), -1) {
				n, err := strconv.Atoi(m[1])
				if err != nil {
					t.Fatal(err)
				}
				lost += n
			}
			if lost < 5000-2048 || strings.Count(lines.String(), "\n") != 2 {
				t.Errorf("of %d lost spans is said\n%s", lost, lines.String())
			}
		})
	}
}

// shared is a log that many write at once.
type shared struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestComplaints are one a minute at most, and say nothing secret.
func TestComplaints(t *testing.T) {
	to := httptest.NewServer(nil)
	to.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", strings.Replace(to.URL, "://", "://me:canary@", 1)+"/canary?canary")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x=canary")
	d, err := destinationOf(environment{})
	if err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	s := newSender(*d, slog.New(slog.NewTextHandler(&lines, nil)))
	for range 3 {
		if err := s.UploadTraces(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	s.complained = s.complained.Add(-complainEvery)
	if err := s.UploadTraces(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if log := lines.String(); strings.Count(log, "\n") != 2 || strings.Contains(log, "canary") {
		t.Errorf("the log holds\n%s", log)
	}
}

// TestOff asks for no traces.
func TestOff(t *testing.T) {
	for name, env := range map[string][2]string{
		"nothing":  {},
		"disabled": {"OTEL_SDK_DISABLED", "true"},
		"none":     {"OTEL_TRACES_EXPORTER", "none"},
	} {
		t.Run(name, func(t *testing.T) {
			if env[0] != "" {
				t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
				t.Setenv(env[0], env[1])
			}
			tr, err := New("", discard())
			if tr != nil || err != nil {
				t.Fatalf("New: %v, %v", tr, err)
			}
			log := discard()
			if tr.Step() != nil || tr.StoreOp() != nil || tr.Logger(log) != log || tr.Transport(http.DefaultTransport) != http.DefaultTransport || tr.Stop(t.Context()) != nil {
				t.Error("no traces are some")
			}
			r := request(t)
			if n := testing.AllocsPerRun(100, func() {
				_, span := tr.Begin(r, true)
				span.For("app", true)
				span.Route("/")
				span.End(200)
			}); n != 0 {
				t.Errorf("no traces allocate %v times a request", n)
			}
		})
	}
}

// TestMistakes in the environment are told, with the variable's name and without what may be a key.
func TestMistakes(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.pem")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, env := range [][2]string{
		{"OTEL_TRACES_EXPORTER", "zipkin"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "localhost:4318"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "canary"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "x=%zzcanary"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "x=canary%0d%0ay"},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "10s"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", none},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", empty},
		{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", none},
		{"OTEL_TRACES_SAMPLER", "jaeger_remote"},
		{"OTEL_RESOURCE_ATTRIBUTES", "canary"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "0"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "many"},
	} {
		t.Run(strings.Join(env[:], "="), func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
			t.Setenv(env[0], env[1])
			tr, err := New("", discard())
			if tr != nil || curfew.ErrorCode(err) != curfew.CodeInvalid || !strings.Contains(err.Error(), env[0]) || strings.Contains(err.Error(), "canary") {
				t.Errorf("New: %v, %v", tr, err)
			}
		})
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
	t.Setenv("OTEL_TRACES_SAMPLER", "traceidratio")
	for _, ratio := range []string{"2", "-1", "NaN", "half"} {
		t.Setenv("OTEL_TRACES_SAMPLER_ARG", ratio)
		if _, err := New("", discard()); curfew.ErrorCode(err) != curfew.CodeInvalid {
			t.Errorf("ratio %s: %v", ratio, err)
		}
	}
}

// TestSampler asks for no request to be traced: then the app hears so too.
func TestSampler(t *testing.T) {
	to := tracetest.New(t)
	tr := start(t, discard(), "OTEL_EXPORTER_OTLP_ENDPOINT", to.URL, "OTEL_TRACES_SAMPLER", "always_off")
	r, span := tr.Begin(request(t), true)
	out := httptest.NewRequestWithContext(r.Context(), http.MethodGet, "http://app", nil)
	var got string
	_, err := tr.Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
		got = r.Header.Get("Traceparent")
		return nil, context.DeadlineExceeded
	})).RoundTrip(out)
	span.End(http.StatusOK)
	if err == nil || !strings.HasPrefix(got, "00-"+theirTrace) || !strings.HasSuffix(got, "-00") {
		t.Errorf("the app got %q", got)
	}
	if tr.Stop(t.Context()); len(to.Raw()) != 0 {
		t.Errorf("there are spans: %q", to.Raw())
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestLogger has the IDs in lines of a request, and in no other.
func TestLogger(t *testing.T) {
	to := tracetest.New(t)
	tr := start(t, discard(), "OTEL_EXPORTER_OTLP_ENDPOINT", to.URL)
	var lines bytes.Buffer
	log := tr.Logger(slog.New(slog.NewTextHandler(&lines, nil))).With("a", 1)
	r, span := tr.Begin(request(t), true)
	log.InfoContext(r.Context(), "within")
	log.InfoContext(t.Context(), "without")
	span.End(http.StatusOK)
	within, without, _ := strings.Cut(lines.String(), "\n")
	if !strings.Contains(within, "a=1 trace_id="+theirTrace+" span_id=") || strings.Contains(without, "trace_id") {
		t.Errorf("the log holds\n%s", lines.String())
	}
}
