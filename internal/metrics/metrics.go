// Package metrics counts what operators watch, for Prometheus. No label has a value that strangers choose or that is somebody's;
// names of webhooks are the operator's own.
package metrics

import (
	"context"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/internal/observe"
)

// Metrics are all that is counted. A nil *Metrics counts nothing, so that nothing is paid for what nobody reads. Methods may be called
// from many goroutines.
type Metrics struct {
	registry *prometheus.Registry

	started  prometheus.Counter
	ended    *prometheus.CounterVec
	signIns  *prometheus.CounterVec
	signIn   prometheus.Histogram
	checks   prometheus.Histogram
	store    *prometheus.HistogramVec
	failures *prometheus.CounterVec
	asked    *prometheus.CounterVec
	requests *prometheus.CounterVec
	streams  *prometheus.GaugeVec
}

// Buckets in seconds: of what is answered from memory, of what the disk answers, and of hashing a password.
var (
	memoryBuckets = []float64{1e-6, 2.5e-6, 5e-6, 10e-6, 50e-6, 250e-6, 1e-3, 5e-3, 25e-3, 0.1, 1}
	diskBuckets   = []float64{50e-6, 100e-6, 250e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 0.5, 1, 5, 10}
	hashBuckets   = []float64{10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 0.5, 1, 2.5, 5, 10}
)

// New returns metrics of a program of the version.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.started = m.counter("curfew_sessions_started_total", "Sessions that have started.").WithLabelValues()
	m.ended = m.counter("curfew_sessions_ended_total", "Sessions that have ended, by reason.", "reason")
	m.signIns = m.counter("curfew_sign_ins_total", "Attempts to sign in, by outcome: ok, or the code of the error.", "outcome")
	m.signIn = m.histogram("curfew_sign_in_seconds", "How long attempts to sign in took, with the hash of the password.", hashBuckets).WithLabelValues().(prometheus.Histogram)
	m.checks = m.histogram("curfew_check_seconds", "How long it took to say whose session a request is in: for apps with the role of its account.", memoryBuckets).WithLabelValues().(prometheus.Histogram)
	m.store = m.histogram("curfew_store_seconds", "How long the store took, by operation.", diskBuckets, "operation")
	m.failures = m.counter("curfew_store_errors_total", "Operations that the store could not do.", "operation")
	m.asked = m.counter("curfew_forward_auth_answers_total", "Answers to proxies that ask, by HTTP status.", "status")
	m.requests = m.counter("curfew_http_requests_total", "Requests that were answered, by what they were for and the first digit of their HTTP status.", "part", "status")
	m.streams = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "curfew_streams_open", Help: "Event streams and WebSockets that are open."}, []string{"kind"})
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "curfew_build_info", Help: "Always 1; its labels say what is running."}, []string{"version", "goversion"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(m.streams, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.begin()
	return m
}

// begin makes what has not happened yet 0, so that its first time shows as a rise.
func (m *Metrics) begin() {
	for _, reason := range curfew.Reasons {
		m.ended.WithLabelValues(string(reason))
	}
	for _, outcome := range outcomes {
		m.signIns.WithLabelValues(outcome)
	}
	for _, op := range operations {
		m.store.WithLabelValues(op)
		m.failures.WithLabelValues(op)
	}
	for _, status := range []int{http.StatusOK, http.StatusSeeOther, http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable} {
		m.asked.WithLabelValues(strconv.Itoa(status))
	}
	for _, kind := range []string{EventStream, WebSocket} {
		m.streams.WithLabelValues(kind)
	}
	for _, part := range Parts {
		m.requests.WithLabelValues(string(part), "2xx")
		m.requests.WithLabelValues(string(part), "5xx")
	}
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}

// Handler answers Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// Registry is where all metrics are.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// outcomes of attempts to sign in.
var outcomes = []string{
	"ok", string(curfew.CodeDenied), string(curfew.CodeLimited), string(curfew.CodeConflict), string(curfew.CodeUnavailable), string(curfew.CodeInternal),
}

func outcomeOf(err error) string {
	if err == nil {
		return "ok"
	}
	if code := string(curfew.ErrorCode(err)); slices.Contains(outcomes, code) {
		return code
	}
	return string(curfew.CodeInternal)
}

// Step returns what counts attempts to sign in; nil if m is nil.
func (m *Metrics) Step() observe.Op {
	if m == nil {
		return nil
	}
	return func(ctx context.Context, step string) (context.Context, func(error)) {
		began := time.Now()
		return ctx, func(err error) {
			if step == account.StepSignIn {
				m.signIns.WithLabelValues(outcomeOf(err)).Inc()
				m.signIn.Observe(time.Since(began).Seconds())
			}
		}
	}
}

// Started counts a session that has started.
func (m *Metrics) Started() {
	if m != nil {
		m.started.Inc()
	}
}

// Ended counts n sessions that have ended for the reason.
func (m *Metrics) Ended(why curfew.Reason, n int) {
	if m != nil && n > 0 {
		m.ended.WithLabelValues(string(why)).Add(float64(n))
	}
}

// Checked counts that it was said whose session a request is in.
func (m *Metrics) Checked(took time.Duration) {
	if m != nil {
		m.checks.Observe(took.Seconds())
	}
}

// Part is what a request is for.
type Part string

// The parts there are.
const (
	Console     Part = "console" // pages, scripts and styles of Curfew's own
	API         Part = "api"
	App         Part = "app"
	ForwardAuth Part = "forward-auth"
)

// Parts are all parts there are.
var Parts = []Part{Console, API, App, ForwardAuth}

// Answered counts a request that was answered with the status.
func (m *Metrics) Answered(part Part, status int) {
	if m == nil {
		return
	}
	if part == ForwardAuth { // its statuses are few
		m.asked.WithLabelValues(strconv.Itoa(status)).Inc()
	}
	m.requests.WithLabelValues(string(part), strconv.Itoa(min(max(status/100, 1), 9))+"xx").Inc()
}

// The kinds of streams.
const (
	EventStream = "events"
	WebSocket   = "websocket"
)

// Opened counts a stream of the kind, until closed is called.
func (m *Metrics) Opened(kind string) (closed func()) {
	if m == nil {
		return func() {}
	}
	g := m.streams.WithLabelValues(kind)
	g.Inc()
	return g.Dec
}
