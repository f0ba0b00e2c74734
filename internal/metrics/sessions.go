package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/curfewhq/curfew"
)

// countWithin is how long the store may take to count sessions. If it takes longer, the figures are left out: the last ones would
// look like the present.
const countWithin = time.Second

// Follow has the figures of the sessions asked for whenever the metrics are. Ready returns nil while the server can do its work.
func (m *Metrics) Follow(sessions *curfew.Manager, ready func() error) {
	m.registry.MustRegister(&follower{
		sessions: sessions, ready: ready,
		live:      describe("curfew_sessions_live", "Live sessions."),
		users:     describe("curfew_users_signed_in", "Users with a live session."),
		cached:    describe("curfew_sessions_cached", "Sessions in memory."),
		unwritten: describe("curfew_activity_backlog", "Sessions whose latest activity waits to be written to the store."),
		up:        describe("curfew_ready", "1 while the store answers and the server is not being stopped, else 0."),
	})
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

type follower struct {
	sessions                           *curfew.Manager
	ready                              func() error
	live, users, cached, unwritten, up *prometheus.Desc
}

// Describe is for Prometheus.
func (f *follower) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{f.live, f.users, f.cached, f.unwritten, f.up} {
		to <- d
	}
}

// Collect is for Prometheus. The store has sums of the sessions; counting goes through none but those that have just started.
func (f *follower) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
	stats := f.sessions.Stats()
	gauge(f.cached, stats.Cached)
	gauge(f.unwritten, stats.Unwritten)
	if f.ready() != nil {
		gauge(f.up, 0)
		return
	}
	gauge(f.up, 1)
	ctx, cancel := context.WithTimeout(context.Background(), countWithin)
	defer cancel()
	if n, err := f.sessions.Count(ctx, curfew.Query{}); err == nil {
		gauge(f.live, n.Sessions)
		gauge(f.users, n.Users)
	}
}
