package httpapi

import (
	"context"
	"net/http"
	"path/filepath"
	"time"

	"github.com/curfewhq/curfew"
)

// Backup is a copy of the database that was made in the server's data folder. Who asked for it moves it away, or deletes it.
type Backup struct {
	File string `json:"file"` // its name in the folder
}

// backup makes a copy, however long that takes.
func (a *api) backup(c *call, _, _ none) (Backup, error) {
	if a.makeBackup == nil {
		return Backup{}, &curfew.Error{Code: curfew.CodeNotFound, Message: "there is no database to back up"}
	}
	rc := http.NewResponseController(c.w)
	rc.SetReadDeadline(time.Time{}) // not every writer has them
	rc.SetWriteDeadline(time.Time{})
	file, err := a.makeBackup(c.Context())
	return Backup{filepath.Base(file)}, err
}

// Backup has the server make a copy of its database, and returns what it is called. Only who runs the machine may.
func (c *Client) Backup(ctx context.Context) (b Backup, err error) {
	return b, c.call(ctx, http.MethodPost, "/backup", nil, &b)
}
