package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"os"
	"os/user"
	"path/filepath"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/httpapi"
	"github.com/curfewhq/curfew/sqlite"
)

// dataFlags are shared by all commands.
type dataFlags struct {
	Data          string `default:"./curfew-data" placeholder:"DIR" complete:"dir" help:"Data folder."`
	AnyFilesystem bool   `help:"Use the data folder even if it is on a network or FUSE file system."`
}

func (d dataFlags) socket() string { return filepath.Join(d.Data, "curfew.sock") }

// connect returns a client of the running server or, if there is none, of the database itself; with create even if it
// must be made. Call hangUp when done.
func (d dataFlags) connect(ctx context.Context, create bool) (c *httpapi.Client, hangUp func() error, err error) {
	if c, err := d.running(ctx); c != nil || err != nil {
		return c, func() error { return nil }, err
	}
	if err := d.exists(); err != nil && !create {
		return nil, nil, err
	}
	// What the history keeps is the server's to say.
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	h, err := openHouse(ctx, d, curfew.Policy{Keep: math.MaxInt64}, instruments{log: log})
	if err != nil {
		return nil, nil, err
	}
	control := httpapi.NewControl(httpapi.ControlOptions{
		Sessions: h.sessions, Accounts: h.accounts, Audit: h.records, Logger: slog.New(slog.DiscardHandler), Backup: h.db.Backup,
	})
	c = httpapi.NewClient(httpapi.HandlerTransport(control))
	c.Operator = operator()
	return c, h.Close, nil
}

// running returns a client of the running server, or nil if there is none.
func (d dataFlags) running(ctx context.Context) (*httpapi.Client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", d.socket())
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the server runs as another user: %w", err)
	case err != nil:
		return nil, nil
	}
	c := httpapi.NewClient(httpapi.SocketTransport(d.socket()))
	c.Operator = operator()
	return c, conn.Close()
}

// exists returns an error if there is no database in the folder.
func (d dataFlags) exists() error {
	if _, err := os.Stat(filepath.Join(d.Data, sqlite.FileName)); err != nil {
		return fmt.Errorf("there is no Curfew data here; --data says where it is: %w", err)
	}
	return nil
}

// with runs f with a client.
func (d dataFlags) with(ctx context.Context, create bool, f func(*httpapi.Client) error) error {
	c, hangUp, err := d.connect(ctx, create)
	if err != nil {
		return err
	}
	return errors.Join(f(c), hangUp())
}

// operator is who types the command, for the history.
func operator() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}
