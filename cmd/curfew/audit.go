package main

import (
	"context"
	"errors"
	"time"

	"github.com/curfewhq/curfew/audit"
)

// The audit log's old records are looked for once in a while, and where it ends is told to the log, which is kept elsewhere by
// those who care: no later change of the database can then go unseen, see audit.Log's Verify.
const (
	auditForgetEvery = time.Hour
	auditMarkEvery   = 24 * time.Hour
)

// beginAudit notes that the server has started and tends the audit log until stop is called, which notes that the server stops.
func (h *house) beginAudit(ctx context.Context, keep time.Duration) (stop func() error, err error) {
	if err := h.noteServer(ctx, audit.ServerStarted); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.tendAudit(ctx, keep)
	}()
	return func() error {
		cancel()
		<-done
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		return h.noteServer(ctx, audit.ServerStopped)
	}, nil
}

// noteServer notes what happened to the server.
func (h *house) noteServer(ctx context.Context, event audit.Event) error {
	err := h.db.AppendAudit(ctx, h.sessions.Now(), audit.Record{Event: event, Outcome: audit.Success, Version: version()})
	return errors.Join(err, h.logAudit(ctx))
}

// logAudit tells the log where the audit log ends.
func (h *house) logAudit(ctx context.Context) error {
	end, err := h.db.AuditEnd(ctx)
	if err == nil {
		h.log.Info("audit log", "mark", end.String())
	}
	return err
}

// tendAudit deletes old records and logs marks, until ctx ends.
func (h *house) tendAudit(ctx context.Context, keep time.Duration) {
	forget, mark := time.NewTicker(auditForgetEvery), time.NewTicker(auditMarkEvery)
	defer forget.Stop()
	defer mark.Stop()
	for {
		now := h.sessions.Now()
		if _, err := h.db.ForgetAudit(ctx, now, now.Add(-keep)); err != nil && ctx.Err() == nil {
			h.log.Error("old audit records can't be deleted", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-forget.C:
		case <-mark.C:
			if err := h.logAudit(ctx); err != nil && ctx.Err() == nil {
				h.log.Error("the end of the audit log can't be read", "error", err)
			}
		}
	}
}
