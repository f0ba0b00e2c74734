package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/curfewhq/curfew/webhook"
)

// FollowWebhooks has the figures of webhooks asked for whenever the metrics are.
func (m *Metrics) FollowWebhooks(status func(context.Context) ([]webhook.Status, error)) {
	m.registry.MustRegister(&hooks{
		status:  status,
		behind:  describe("curfew_webhook_backlog_records", "Records of the audit log that have not been told, or passed over, yet.", "webhook"),
		age:     describe("curfew_webhook_backlog_seconds", "How old the oldest of those is; 0 if there is none.", "webhook"),
		sent:    describe("curfew_webhook_sends_total", "How often messages were sent since the server started, by outcome.", "webhook", "outcome"),
		givenUp: describe("curfew_webhook_given_up_total", "Messages that were given up since the server started.", "webhook"),
		lost:    describe("curfew_webhook_lost_records_total", "Records that were deleted because of their age before they could be told; counted since the server started.", "webhook"),
		off:     describe("curfew_webhook_off", "1 if the receiver wants no more messages, else 0.", "webhook"),
	})
}

// hooks are the webhooks of the server's configuration, whose names are the only ones in labels.
type hooks struct {
	status                                func(context.Context) ([]webhook.Status, error)
	behind, age, sent, givenUp, lost, off *prometheus.Desc
}

// Describe is for Prometheus.
func (h *hooks) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{h.behind, h.age, h.sent, h.givenUp, h.lost, h.off} {
		to <- d
	}
}

// Collect is for Prometheus. What the store does not say in time is left out, as the figures of sessions are.
func (h *hooks) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), countWithin)
	defer cancel()
	all, err := h.status(ctx)
	if err != nil {
		return
	}
	now := time.Now()
	for _, s := range all {
		send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(d, kind, v, append([]string{s.Name}, labels...)...)
		}
		send(h.behind, prometheus.GaugeValue, float64(s.Behind))
		send(h.age, prometheus.GaugeValue, age(s.Oldest, now))
		for _, outcome := range webhook.Outcomes {
			send(h.sent, prometheus.CounterValue, float64(s.Sent[outcome]), string(outcome))
		}
		send(h.givenUp, prometheus.CounterValue, float64(s.Skipped))
		send(h.lost, prometheus.CounterValue, float64(s.Lost))
		send(h.off, prometheus.GaugeValue, oneIf(s.Off))
	}
}

// age is how many seconds ago t was; 0 if it is zero, or to come.
func age(t, now time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(now.Sub(t).Seconds(), 0)
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
