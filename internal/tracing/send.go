package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// complainEvery is how often it is logged, at most, that spans can't be sent.
const complainEvery = time.Minute

// maxReply is how much is read of what a receiver answers.
const maxReply = 64 << 10

// sender is an otlptrace.Client that speaks OTLP over HTTP, in protobuf. The ones that come with OpenTelemetry link all of gRPC. It
// tries once: what can't be sent is lost, for spans are worth no memory and no wait.
type sender struct {
	destination
	client *http.Client
	log    *slog.Logger

	mu         sync.Mutex
	complained time.Time
	lost       int   // spans, since then
	why        error // for the last of them
}

func newSender(d destination, log *slog.Logger) *sender {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = d.tls
	return &sender{destination: d, log: log, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the header may hold a key
	}}
}

// Start implements otlptrace.Client.
func (s *sender) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (s *sender) Stop(context.Context) error {
	s.client.CloseIdleConnections()
	return nil
}

// UploadTraces sends spans. Its errors are logged here, since nobody else is told of them.
func (s *sender) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	if err := s.send(ctx, spans); err != nil {
		s.complain(err, count(spans))
	}
	return nil
}

func (s *sender) send(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// An ExportTraceServiceRequest is the same in bytes, and comes in a package with gRPC.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	r, err := s.request(ctx, body)
	if err != nil {
		return err
	}
	res, err := s.client.Do(r)
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err // without the address, which may hold a key
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, maxReply) // so that the connection can be used again
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the receiver answers %d", res.StatusCode)
	}
	return nil
}

// request is one for the spans in body.
func (s *sender) request(ctx context.Context, body []byte) (*http.Request, error) {
	if s.gzip {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write(body); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		body = b.Bytes()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = s.header.Clone()
	r.Header.Set("Content-Type", "application/x-protobuf")
	if s.gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	return r, nil
}

// complain counts spans that are lost, and logs how many unless that was done just before.
func (s *sender) complain(err error, spans int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost += spans
	s.why = err
	now := time.Now()
	if !s.complained.IsZero() && now.Sub(s.complained) < complainEvery {
		return
	}
	s.complained = now
	s.say()
}

// sayRest logs what is lost and was not logged yet.
func (s *sender) sayRest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost > 0 {
		s.say()
	}
}

func (s *sender) say() {
	s.log.Warn("traces can't be sent", "to", s.url.Host, "error", s.why, "spans", s.lost)
	s.lost = 0
}

func count(spans []*tracepb.ResourceSpans) (n int) {
	for _, r := range spans {
		for _, scope := range r.ScopeSpans {
			n += len(scope.Spans)
		}
	}
	return n
}
