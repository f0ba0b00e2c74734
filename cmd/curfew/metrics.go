package main

import (
	"context"
	"net/http"
	"net/netip"
)

const metricsPath = "/metrics"

// serveMetrics answers Prometheus at an address of its own, where the server's health may be asked too. It is stopped last, so
// that it can be seen that the server stops.
func (s *service) serveMetrics(ctx context.Context) (stop func() error, err error) {
	if s.metrics == nil {
		return func() error { return nil }, nil
	}
	listener, err := listenTCP(ctx, "--metrics-listen", s.set.MetricsListen)
	if err != nil {
		return nil, err
	}
	s.metrics.Follow(s.sessions, s.health.ready)
	s.metrics.FollowWebhooks(s.webhooks.Status)
	mux := http.NewServeMux()
	mux.Handle("GET "+metricsPath, s.metrics.Handler())
	server := newHTTPServer(outermost{instruments: instruments{log: s.log}}.around(hardened(s.health.beside(func(string) bool { return false }, mux))), s.log)
	go func() { s.failed <- server.Serve(listener) }()
	s.log.Info("metrics", "address", "http://"+listener.Addr().String()+metricsPath)
	if at, err := netip.ParseAddrPort(listener.Addr().String()); err == nil && !at.Addr().IsLoopback() {
		s.log.Warn("whoever reaches the address of the metrics may read them; they name nobody, but say how many are signed in", "address", at.String())
	}
	return server.Close, nil
}
