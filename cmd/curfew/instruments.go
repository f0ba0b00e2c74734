package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/curfewhq/curfew/internal/metrics"
	"github.com/curfewhq/curfew/internal/tracing"
)

// instruments are what whoever runs Curfew sees of how it does.
type instruments struct {
	log     *slog.Logger
	metrics *metrics.Metrics // nil: nothing is counted
	traces  *tracing.Tracer  // nil: nothing is traced
}

// traceTime is how long the last traces may take, at the very end.
const traceTime = 2 * time.Second

// newInstruments returns what flags, file and environment ask for. Its log is written to w.
func newInstruments(set settings, w io.Writer) (in instruments, err error) {
	if set.MetricsListen != "" {
		in.metrics = metrics.New(version())
	}
	log := set.logger(w)
	if in.traces, err = tracing.New(version(), log); err != nil {
		return instruments{}, err
	}
	in.log = in.traces.Logger(log)
	return in, nil
}

var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

func (c serveCmd) logger(w io.Writer) *slog.Logger {
	opt := &slog.HandlerOptions{Level: logLevels[c.LogLevel]}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}

// stop sends the spans that wait to be sent, if whoever takes them does so in time.
func (in instruments) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), traceTime)
	defer cancel()
	if err := in.traces.Stop(ctx); err != nil {
		in.log.Warn("the last traces were not sent", "error", err)
	}
}

// checked is what the gate calls after a check that took so long; nil if nothing is counted.
func (in instruments) checked() func(time.Duration) {
	if in.metrics == nil {
		return nil
	}
	return in.metrics.Checked
}
