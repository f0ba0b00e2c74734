package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/curfewhq/curfew/internal/metrics"
	"github.com/curfewhq/curfew/webhook"
)

const metricsPath = "/metrics"

// serveMetrics answers Prometheus at an address of its own, where the server's health may be asked too. It is stopped last, so
// that it can be seen that the server stops.
func (c serveCmd) serveMetrics(ctx context.Context, m *metrics.Metrics, h *house, told *webhook.Sender, health *health, log *slog.Logger, failed chan<- error) (stop func() error, err error) {
	if m == nil {
		return func() error { return nil }, nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.MetricsListen)
	if err != nil {
		return nil, listenError("--metrics-listen", c.MetricsListen, err)
	}
	m.Follow(h.sessions, health.ready)
	m.FollowWebhooks(told.Status)
	mux := http.NewServeMux()
	mux.Handle("GET "+metricsPath, m.Handler())
	server := newServer(outermost{log: log}.around(hardened(health.beside(func(string) bool { return false }, mux))), log)
	go func() { failed <- server.Serve(listener) }()
	log.Info("metrics", "address", "http://"+listener.Addr().String()+metricsPath)
	if at, err := netip.ParseAddrPort(listener.Addr().String()); err == nil && !at.Addr().IsLoopback() {
		log.Warn("whoever reaches the address of the metrics may read them; they name nobody, but say how many are signed in", "address", at.String())
	}
	return server.Close, nil
}

// checkedBy is what the gate calls, nil if nothing is counted.
func checkedBy(m *metrics.Metrics) func(time.Duration) {
	if m == nil {
		return nil
	}
	return m.Checked
}
