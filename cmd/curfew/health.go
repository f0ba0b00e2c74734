package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/httpapi"
)

type healthCmd struct{ dataFlags }

// healthWithin is how long server and database may take together.
const healthWithin = 4 * time.Second

// Run asks the running server for something that only its database knows.
func (c healthCmd) Run(ctx context.Context, std streams) error {
	ctx, cancel := context.WithTimeout(ctx, healthWithin)
	defer cancel()
	api := httpapi.NewClient(httpapi.SocketTransport(c.socket()))
	if _, err := api.SessionPage(ctx, httpapi.SessionQuery{Paging: httpapi.Paging{Limit: 1}}); err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			err = fmt.Errorf("none runs on the data folder %s", c.Data)
		}
		return &curfew.Error{Code: curfew.CodeUnavailable, Message: "no healthy server", Err: err}
	}
	_, err := fmt.Fprintln(std.out, "The server answers, and its database too.")
	return err
}
