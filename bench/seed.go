package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/sqlite"
)

// seedTime is when the sessions of a seed were last looked at. They were active within the hour before it, and all
// expire within the second after seedEnd.
var (
	seedTime = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	seedEnd  = seedTime.Add(12 * time.Hour)
)

// seedRecord is the session i of n, without a hash. Every user has ten, and those made later are not newer.
func seedRecord(i, n int) curfew.Record {
	s := startOf(i)
	at := scatter(uint64(i), n)
	created := seedTime.Add(-time.Hour - time.Duration(at)*24*time.Hour/time.Duration(n))
	active := seedTime.Add(-time.Duration(scatter(uint64(i)+12345, n)) * time.Hour / time.Duration(n))
	return curfew.Record{Session: curfew.Session{
		ID: curfew.SessionID(strings.ToLower(rand.Text()[:16])), User: s.User, Credential: s.Credential, Client: s.Client,
		CreatedAt: created.Truncate(time.Millisecond), LastActive: active.Truncate(time.Millisecond),
		Lifetime: 24 * time.Hour, Grace: s.Grace, ExpiresAt: seedEnd.Add(time.Duration(i%1000) * time.Millisecond),
	}}
}

// tokensName is the file with a seed's tokens, one a line, in the order of the sessions.
const tokensName = "tokens"

// seed returns the folder of a database with n live sessions, which is made once and only copied from then on.
func (b *bench) seed(n int) (string, error) {
	dir := filepath.Join(b.seeds, fmt.Sprintf("seed-%d", n))
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	took, err := seconds(func() error { return b.makeSeed(dir, n) })
	if err != nil {
		return "", fmt.Errorf("seed %d sessions: %w", n, err)
	}
	fmt.Printf("   (%s sessions seeded in %s)\n", showCount(n), show(took*1e9))
	return dir, nil
}

// makeSeed makes a seed in memory, where commits cost nothing, if the system has a folder for that.
func (b *bench) makeSeed(dir string, n int) error {
	const inMemory = "/dev/shm"
	parent := b.sites
	if _, err := os.Stat(inMemory); err == nil {
		parent = inMemory
	}
	making, err := os.MkdirTemp(parent, "curfew-seed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(making)
	if err := plant(b.ctx, making, n); err != nil {
		return err
	}
	part := dir + ".part"
	return errors.Join(os.RemoveAll(part), os.CopyFS(part, os.DirFS(making)), os.Rename(part, dir))
}

// plant inserts the sessions of a seed. With so many callers at once, many share a commit.
func plant(ctx context.Context, dir string, n int) error {
	tokens := make([]curfew.Token, n)
	err := withDB(ctx, dir, func(db *sqlite.DB) error {
		err := each(512, n, func(i int) error {
			tokens[i] = curfew.NewToken()
			r := seedRecord(i, n)
			r.Hash = tokens[i].Hash()
			_, err := db.Insert(ctx, seedTime, r, 0, false)
			return err
		})
		return errors.Join(err, awaitIndexed(ctx, dir))
	})
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, t := range tokens {
		fmt.Fprintln(&text, t.Reveal())
	}
	return os.WriteFile(filepath.Join(dir, tokensName), []byte(text.String()), 0o600)
}

// awaitIndexed waits until all sessions are in the indexes, as they are soon after their start.
func awaitIndexed(ctx context.Context, dir string) error {
	db, err := sql.Open("sqlite", filepath.Join(dir, sqlite.FileName))
	if err != nil {
		return err
	}
	defer db.Close()
	for waiting := true; waiting; time.Sleep(10 * time.Millisecond) {
		err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM session WHERE indexed = 0)").Scan(&waiting)
		if err != nil {
			return err
		}
	}
	return nil
}

// withDB opens the database in the folder, and closes it afterwards.
func withDB(ctx context.Context, dir string, f func(*sqlite.DB) error) error {
	db, err := sqlite.Open(ctx, dir, sqlite.Options{})
	if err != nil {
		return err
	}
	return errors.Join(f(db), db.Close())
}

// each calls f with 0 to n-1, from several goroutines, and returns an error if there was one.
func each(goroutines, n int, f func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, goroutines)
	for g := range goroutines {
		wg.Go(func() {
			for errs[g] == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				errs[g] = f(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
