package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/curfewhq/curfew"
)

// notify tells whoever started the server about its state (sd_notify(3)), if they want to know.
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("the service manager can't be told", "state", state, "error", err)
	}
}

// watchdog tells the service manager, if it wants to know (WatchdogSec=), that the server is well: twice in the time that it gives,
// and each time only after the store has answered. While the store hangs it is told nothing, and starts the server anew.
func (h *house) watchdog(ctx context.Context) {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		h.log.Warn("the service manager's watchdog is not understood", "error", err)
	}
	if within <= 0 {
		return
	}
	beat := time.NewTicker(within / 2)
	defer beat.Stop()
	for {
		switch n, err := h.answers(ctx); {
		case err == nil:
			notify(h.log, fmt.Sprintf("%s\nSTATUS=%d sessions of %d users", daemon.SdNotifyWatchdog, n.Sessions, n.Users))
		case ctx.Err() != nil:
		case isSilence(err):
			h.log.Error("the store does not answer, so the service manager's watchdog gets no word", "error", err)
		default:
			h.log.Error("the store fails", "error", err)
			notify(h.log, daemon.SdNotifyWatchdog+"\nSTATUS=The store fails; the log says more")
		}
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
	}
}

// answers asks the store for something, and its writer for its turn.
func (h *house) answers(ctx context.Context) (curfew.Count, error) {
	n, err := h.sessions.Count(ctx, curfew.Query{})
	return n, errors.Join(err, h.db.Ping(ctx))
}

// isSilence reports whether an error says that no answer came in time. Any other is an answer: a store that says what is wrong, such as
// that the disk is full, does not get better by a new start, in which what is in memory is lost.
func isSilence(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
