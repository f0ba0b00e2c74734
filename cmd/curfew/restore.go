package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/sqlite"
)

type restoreCmd struct {
	dataFlags
	File    string `arg:"" help:"Backup to restore."`
	Replace bool   `help:"If there is a database already, move it into a folder beside."`
}

// Run restores a backup.
func (c restoreCmd) Run(ctx context.Context, std streams) error {
	replaced, err := sqlite.Restore(ctx, c.File, c.Data, c.Replace, sqlite.Options{AnyFilesystem: c.AnyFilesystem})
	switch {
	case errors.Is(err, sqlite.ErrOwned):
		return &curfew.Error{Code: curfew.CodeConflict, Message: "stop the server first", Err: err}
	case errors.Is(err, sqlite.ErrOccupied):
		return &curfew.Error{Code: curfew.CodeConflict, Message: "--replace moves it into a folder beside", Err: err}
	case err != nil:
		return err
	}
	if replaced != "" {
		fmt.Fprintf(std.out, "What was there before is in %s now; delete it when you no longer need it.\n", replaced)
	}
	_, err = fmt.Fprintf(std.out, "Restored %s. All sessions in it end and all API keys are revoked when the server starts. Accounts, roles and passwords are those of then: disable once more whom you have disabled since.\n", c.File)
	return err
}

// logRestored tells the admin why everybody has to sign in again.
func logRestored(log *slog.Logger, db *sqlite.DB) {
	if r := db.Restored(); r != nil {
		log.Warn("the database was restored, or copied here: all its sessions have ended and its API keys are revoked, since nobody knows what became of them meanwhile",
			"because", r.Why, "sessions", r.Sessions, "keys", r.Keys, "reason", curfew.ReasonRestored)
	}
}
