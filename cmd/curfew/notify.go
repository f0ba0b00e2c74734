package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// notify tells whoever started the server about its state (sd_notify(3)), if they want to know.
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("the service manager can't be told", "state", state, "error", err)
	}
}

// watchdog tells the service manager, if it wants to know (WatchdogSec=), that the server is well: twice in the time that it gives,
// and each time only after the store has answered. While the store hangs it is told nothing, and starts the server anew.
func (h *house) watchdog(ctx context.Context, log *slog.Logger) {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the service manager's watchdog is not understood", "error", err)
	}
	if within <= 0 {
		return
	}
	beat := time.NewTicker(within / 2)
	defer beat.Stop()
	for {
		if n, err := h.answers(ctx); err == nil {
			notify(log, fmt.Sprintf("%s\nSTATUS=%d sessions of %d users", daemon.SdNotifyWatchdog, n.Sessions, n.Users))
		} else if ctx.Err() == nil {
			log.Error("the store does not answer, so the service manager's watchdog gets no word", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
	}
}

// answers asks the store for something, and its writer for a change of an account that nobody has, which changes nothing and so lets an
// idle disk sleep. Only silence is an error: a store that says what is wrong, such as that the disk is full, does not get better by
// a new start, in which what is in memory is lost.
func (h *house) answers(ctx context.Context) (curfew.Count, error) {
	n, err := h.sessions.Count(ctx, curfew.Query{})
	if err = silence(err); err != nil {
		return n, err
	}
	_, err = h.accounts.Update(ctx, curfew.Actor{}, "", account.Change{})
	return n, silence(err)
}

// silence is the error, if it says that no answer came in time.
func silence(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
