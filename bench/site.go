package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/sqlite"
)

// clock goes on from seedTime, and can jump ahead.
type clock struct {
	began time.Time
	ahead atomic.Int64
}

func newClock() *clock { return &clock{began: time.Now()} }

func (c *clock) Now() time.Time {
	return seedTime.Add(time.Since(c.began) + time.Duration(c.ahead.Load()))
}

// jumpTo makes it t.
func (c *clock) jumpTo(t time.Time) { c.ahead.Add(int64(t.Sub(c.Now()))) }

// site is a manager over a copy of a seed, by a clock that begins at seedTime.
type site struct {
	*curfew.Manager
	clock  *clock
	db     *sqlite.DB
	dir    string
	tokens []curfew.Token // of the seeded sessions
	took   time.Duration  // to open it, until the first answer
}

// newSite opens a copy of the seed with n sessions, of which the cache can hold some.
func (b *bench) newSite(n, cache int) (*site, error) {
	dir, err := b.copySeed(n)
	if err != nil {
		return nil, err
	}
	s, err := openSite(b.ctx, dir, cache)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// copySeed returns a folder with a copy of the seed with n sessions.
func (b *bench) copySeed(n int) (string, error) {
	from, err := b.seed(n)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(b.sites, "site-")
	if err != nil {
		return "", err
	}
	return dir, errors.Join(os.CopyFS(dir, os.DirFS(from)), syncFiles(dir))
}

// syncFiles has what is in a folder on the disk, or commits would wait while the system writes it some time later.
func syncFiles(dir string) error {
	files, err := os.ReadDir(dir)
	for _, file := range files {
		err = errors.Join(err, syncFile(filepath.Join(dir, file.Name())))
	}
	return err
}

func syncFile(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func openSite(ctx context.Context, dir string, cache int) (*site, error) {
	s := &site{clock: newClock(), dir: dir}
	var err error
	if s.tokens, err = readTokens(filepath.Join(dir, tokensName)); err != nil {
		return nil, err
	}
	began := time.Now()
	if s.db, err = sqlite.Open(ctx, dir, sqlite.Options{Moved: true}); err != nil {
		return nil, err
	}
	if at, err := s.db.Clock(ctx); err == nil && at.After(seedTime) {
		s.clock.jumpTo(at)
	}
	s.Manager, err = curfew.New(ctx, s.db, curfew.Options{Now: s.clock.Now, CacheSize: cache})
	if err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	if len(s.tokens) > 0 {
		if _, err := s.Check(ctx, s.tokens[0], curfew.Passive); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	s.took = time.Since(began)
	return s, nil
}

func readTokens(name string) ([]curfew.Token, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var tokens []curfew.Token
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		t, ok := curfew.ParseToken(lines.Text())
		if !ok {
			return nil, fmt.Errorf("%s: line %d is no token", name, len(tokens)+1)
		}
		tokens = append(tokens, t)
	}
	return tokens, lines.Err()
}

// close closes the site; remove removes its files too.
func (s *site) close() error  { return errors.Join(s.Manager.Close(), s.db.Close()) }
func (s *site) remove() error { return errors.Join(s.close(), os.RemoveAll(s.dir)) }
