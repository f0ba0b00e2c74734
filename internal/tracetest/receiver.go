// Package tracetest receives traces, for tests.
package tracetest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Receiver takes spans as a collector does, by OTLP over HTTP.
type Receiver struct {
	*httptest.Server
	t testing.TB

	mu       sync.Mutex
	raw      bytes.Buffer
	received []*tracepb.ResourceSpans
	headers  []http.Header
}

// New returns a receiver that runs until the test ends.
func New(t testing.TB) *Receiver {
	r := &Receiver{t: t}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *Receiver) serve(w http.ResponseWriter, q *http.Request) {
	if q.URL.Path != "/v1/traces" || q.Method != http.MethodPost || q.Header.Get("Content-Type") != "application/x-protobuf" {
		r.t.Errorf("the receiver got %s %s, %v", q.Method, q.URL, q.Header)
		return
	}
	body := io.Reader(q.Body)
	if q.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(q.Body); err != nil {
			r.t.Error(err)
			return
		}
	}
	content, err := io.ReadAll(body)
	var sent tracepb.TracesData
	if err == nil {
		err = proto.Unmarshal(content, &sent)
	}
	if err != nil {
		r.t.Error(err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.raw.Write(content)
	r.received = append(r.received, sent.ResourceSpans...)
	r.headers = append(r.headers, q.Header)
}

// Raw returns all that was received, in which strings are as they are.
func (r *Receiver) Raw() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.raw.Bytes())
}

// Headers returns those of the requests.
func (r *Receiver) Headers() []http.Header {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.headers)
}

// Resource returns an attribute of what the spans are of.
func (r *Receiver) Resource(key string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.received[0].Resource.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// Spans returns the spans of the name.
func (r *Receiver) Spans(name string) (found []*tracepb.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range r.received {
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				if s.Name == name {
					found = append(found, s)
				}
			}
		}
	}
	return found
}

// Span returns the span of the name, of which there must be one.
func (r *Receiver) Span(name string) *tracepb.Span {
	r.t.Helper()
	found := r.Spans(name)
	if len(found) != 1 {
		r.t.Fatalf("there are %d spans %q, want 1", len(found), name)
	}
	return found[0]
}

// Attribute returns a span's attribute, "" if it has none of the key.
func Attribute(s *tracepb.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key != key {
			continue
		}
		if n, ok := a.Value.Value.(*commonpb.AnyValue_IntValue); ok {
			return strconv.FormatInt(n.IntValue, 10)
		}
		return a.Value.GetStringValue()
	}
	return ""
}
