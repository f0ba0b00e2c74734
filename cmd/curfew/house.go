package main

import (
	"context"
	"errors"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/internal/observe"
	"github.com/curfewhq/curfew/sqlite"
)

// house is the engine with its database: what the server runs on, and a command when no server runs.
type house struct {
	db       *sqlite.DB
	sessions *curfew.Manager
	accounts *account.Service
	records  *audit.Log
	instruments
}

// openHouse opens the database in the data folder, or makes one. Close the house when done.
func openHouse(ctx context.Context, d dataFlags, policy curfew.Policy, in instruments) (*house, error) {
	db, err := sqlite.Open(ctx, d.Data, sqlite.Options{AnyFilesystem: d.AnyFilesystem})
	if err != nil {
		return nil, err
	}
	logRestored(in.log, db)
	op := observe.Join(in.metrics.Op(), in.traces.StoreOp())
	store := &ends{Store: observe.Sessions(db, op), after: db, log: in.log, metrics: in.metrics}
	sessions, err := curfew.New(ctx, store, curfew.Options{Policy: policy, Logger: in.log})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	accounts := account.New(observe.Accounts(db, op), sessions, account.Options{Logger: in.log, Observe: observe.Join(in.metrics.Step(), in.traces.Step())})
	return &house{db, sessions, accounts, audit.NewLog(db), in}, nil
}

// role returns what the session's user may do at this moment.
func (h *house) role(ctx context.Context, s curfew.Session) (string, error) {
	a, err := h.accounts.Owner(ctx, s)
	return string(a.Role), err
}

// Close writes what is still in memory.
func (h *house) Close() error { return errors.Join(h.sessions.Close(), h.db.Close()) }
