package main

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/curfewhq/curfew/gate"
)

// dialTime is how long an app has to take a connection when the server starts.
const dialTime = 2 * time.Second

// logApps writes a line for each app: under which host it is served, from where, by how many rules, and whether it can be reached
// now. One that can't is a warning and no more: it may come up later.
func logApps(ctx context.Context, log *slog.Logger, apps []gate.App) {
	errs := make([]error, len(apps))
	var dials sync.WaitGroup
	for i, a := range apps {
		if a.Upstream != nil {
			dials.Go(func() { errs[i] = dialApp(ctx, a.Upstream) })
		}
	}
	dials.Wait()
	if ctx.Err() != nil {
		return // the server stops already
	}
	for i, a := range apps {
		logApp(ctx, log, a, errs[i])
	}
}

func logApp(ctx context.Context, log *slog.Logger, a gate.App, err error) {
	about := []any{"host", cmp.Or(a.Host, "(any)")}
	if a.Upstream != nil {
		about = append(about, "upstream", a.Upstream.String())
	}
	about = append(about, "rules", len(a.Rules))
	switch {
	case a.Upstream == nil: // its proxy brings the guard
		log.InfoContext(ctx, "app behind a proxy that asks", about...)
	case err == nil:
		log.InfoContext(ctx, "app", append(about, "guard", !a.NoGuard)...)
	default:
		log.WarnContext(ctx, "app, which can't be reached now", append(about, "guard", !a.NoGuard, "error", err)...)
	}
}

// dialApp opens a connection to an app, and closes it.
func dialApp(ctx context.Context, at *url.URL) error {
	network, address := "unix", at.Path
	if at.Scheme != "unix" {
		network, address = "tcp", net.JoinHostPort(at.Hostname(), cmp.Or(at.Port(), at.Scheme))
	}
	conn, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	return conn.Close()
}
