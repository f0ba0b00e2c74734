package main

import (
	"bufio"
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

// userOf and clientOf make people and their devices up.
func userOf(i int) curfew.User {
	given := [...]string{"Amara", "Arslan", "Ines", "Mia", "Noor", "Otto", "Sora", "Yusuf"}
	family := [...]string{"Adeyemi", "Bauer", "Castillo", "Dubois", "Eriksen", "Fischer", "Gupta"}
	return curfew.User{
		ID: curfew.UserID(fmt.Sprintf("u%07d", i)), Name: fmt.Sprintf("user%07d", i),
		FullName: given[i%len(given)] + " " + family[i%len(family)],
	}
}

func clientOf(i int) curfew.Client {
	browser := [...]string{"Chrome 156", "Firefox 148", "Safari 26", "Edge 156"}
	system := [...]string{"macOS", "Windows", "Linux", "Android", "iOS"}
	h := scatter(uint64(i), 1<<24)
	return curfew.Client{
		Origin: fmt.Sprintf("10.%d.%d.%d", h>>16, h>>8&255, h&255),
		Device: browser[i%len(browser)] + " on " + system[i%len(system)],
	}
}

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

// plant inserts the sessions of a seed. With so many callers at once, many share a commit; and the indexes are built
// afterwards, which takes a fraction of the time.
func plant(ctx context.Context, dir string, n int) error {
	if err := withDB(ctx, dir, func(*sqlite.DB) error { return nil }); err != nil {
		return err
	}
	indexes, err := dropIndexes(ctx, dir)
	if err != nil {
		return err
	}
	tokens := make([]curfew.Token, n)
	err = withDB(ctx, dir, func(db *sqlite.DB) error {
		return each(512, n, func(i int) error {
			tokens[i] = curfew.NewToken()
			r := seedRecord(i, n)
			r.Hash = tokens[i].Hash()
			_, err := db.Insert(ctx, seedTime, r, 0, false)
			return err
		})
	})
	if err != nil {
		return err
	}
	if err := execAll(ctx, dir, indexes); err != nil {
		return err
	}
	var text strings.Builder
	for _, t := range tokens {
		fmt.Fprintln(&text, t.Reveal())
	}
	return os.WriteFile(filepath.Join(dir, tokensName), []byte(text.String()), 0o600)
}

// dropIndexes drops the indexes of the database in the folder, but for those that are constraints, and returns the
// statements that make them again.
func dropIndexes(ctx context.Context, dir string) (create []string, err error) {
	db, err := sql.Open("sqlite", filepath.Join(dir, sqlite.FileName))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var drop []string
	for rows.Next() {
		var name, statement string
		if err := rows.Scan(&name, &statement); err != nil {
			return nil, err
		}
		drop, create = append(drop, "DROP INDEX "+name), append(create, statement)
	}
	return create, errors.Join(rows.Err(), rows.Close(), execAll(ctx, dir, drop))
}

func execAll(ctx context.Context, dir string, statements []string) error {
	db, err := sql.Open("sqlite", filepath.Join(dir, sqlite.FileName))
	if err != nil {
		return err
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
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
	return dir, os.CopyFS(dir, os.DirFS(from))
}

func openSite(ctx context.Context, dir string, cache int) (*site, error) {
	s := &site{clock: newClock(), dir: dir}
	var err error
	if s.tokens, err = readTokens(filepath.Join(dir, tokensName)); err != nil {
		return nil, err
	}
	began := time.Now()
	if s.db, err = sqlite.Open(ctx, dir, sqlite.Options{}); err != nil {
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

// showCount writes a round number shortly.
func showCount(n int) string {
	switch {
	case n >= 1_000_000 && n%1_000_000 == 0:
		return fmt.Sprintf("%dM", n/1_000_000)
	case n >= 1000 && n%1000 == 0:
		return fmt.Sprintf("%dk", n/1000)
	default:
		return fmt.Sprint(n)
	}
}
