package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
)

//go:embed migration/*.sql
var migrations embed.FS

// migrator brings a schema up to date. The files are handed to SQLite whole: goose's own reader of SQL takes 4 MB for the lines
// of each, which was most of what making a database cost.
func migrator(db *sql.DB) (*goose.Provider, error) {
	names, err := fs.Glob(migrations, "migration/*.sql")
	if err != nil {
		return nil, err
	}
	var all []*goose.Migration
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, err
		}
		all = append(all, goose.NewGoMigration(version, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			script, err := migrations.ReadFile(name)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, string(script))
			return err
		}}, nil))
	}
	return goose.NewProvider(goose.DialectSQLite3, db, nil, goose.WithGoMigrations(all...), goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(slog.DiscardHandler)))
}

// newestMigration is the number of the last migration that this program has.
func newestMigration() int64 {
	names, err := fs.Glob(migrations, "migration/*.sql")
	if err != nil || len(names) == 0 {
		panic("sqlite: no migrations embedded")
	}
	n, err := goose.NumericComponent(names[len(names)-1])
	if err != nil {
		panic(err)
	}
	return n
}
