package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/httpapi"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

var crashRounds = flag.Int("crash.rounds", 20, "how often the crash test kills the server")

// TestCrash kills the real binary at random moments under sign-ins, activity and ends, 20 times over one data folder.
// What it had acknowledged must hold afterwards: starts, ends, and no deadline later than activity allows.
func TestCrash(t *testing.T) {
	early(t)
	c := newCrasher(t)
	for round := range *crashRounds {
		c.round(200*time.Millisecond + rand.N(900*time.Millisecond))
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	c.start()
	c.check()
	c.checkTold()
	c.kill()
	c.checkAudit()
	t.Logf("%d sessions over %d crashes: %d live, %d ended, %d in doubt", len(c.signs), *crashRounds, c.count(live), c.count(ended), c.count(doubtful))
}

var crashUsers = []string{"amara", "arslan", "mia", "noor", "otto", "ines"}

// fate is what the harness knows of a session.
type fate int

const (
	live     fate = iota
	ended         // the server said so
	doubtful      // the server died over the answer
)

// sign is a session whose start the server acknowledged.
type sign struct {
	cookie *http.Cookie // a copy, so that signing out does not take it away
	mu     sync.Mutex
	id     curfew.SessionID
	fate   fate
	active time.Time // when the last request was sent that may count as activity
}

type crasher struct {
	t         *testing.T
	bin, data string
	hook      *hookReceiver
	config    string
	cmd       *exec.Cmd
	base      string

	mu    sync.Mutex
	signs []*sign
}

// A program is what people run, built once for all tests that kill it.
type program struct {
	once sync.Once
	dir  string
	err  error
}

var killed program

// bin returns where it is.
func (p *program) bin(t *testing.T) string {
	t.Helper()
	p.once.Do(func() {
		if p.dir, p.err = os.MkdirTemp("", "curfew"); p.err != nil {
			return
		}
		if out, err := exec.Command("go", "build", "-o", p.dir, ".").CombinedOutput(); err != nil {
			p.err = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
	return filepath.Join(p.dir, "curfew")
}

// remove is for the end of all tests.
func (p *program) remove() {
	if p.dir != "" {
		os.RemoveAll(p.dir)
	}
}

// newCrasher adds the users.
func newCrasher(t *testing.T) *crasher {
	t.Helper()
	c := &crasher{t: t, bin: killed.bin(t), data: filepath.Join(t.TempDir(), "data"), hook: newHookReceiver(t)}
	c.config = c.hook.config()
	for _, name := range crashUsers {
		cmd := exec.Command(c.bin, "user", "add", name, "--password-stdin", "--data", c.data)
		cmd.Stdin = strings.NewReader(password)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("add %s: %v\n%s", name, err, out)
		}
	}
	return c
}

// start starts the server and waits until it is ready.
func (c *crasher) start() {
	c.t.Helper()
	c.cmd = exec.Command(c.bin, "serve", "--listen", "127.0.0.1:0", "--data", c.data, "--config", c.config)
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "Curfew is at "); ok {
			c.base = address
			return
		}
	}
	c.t.Fatalf("the server did not start: %v", c.cmd.Wait())
}

// kill is what a power button is to a process.
func (c *crasher) kill() {
	c.t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		c.t.Error(err)
	}
	_ = c.cmd.Wait() // it says "killed"
}

// checkTold waits until the webhook was told of each start and each end that is in the audit log.
func (c *crasher) checkTold() {
	c.t.Helper()
	out, err := exec.Command(c.bin, "audit", "list", "--json", "--data", c.data).Output()
	if err != nil {
		c.t.Fatal(err)
	}
	var records []audit.Record
	for line := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		var r audit.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			c.t.Fatal(err)
		}
		if r.Event != audit.AccountCreated { // they were there before the webhook
			records = append(records, r)
		}
	}
	messages := messagesOf(records)
	c.hook.until(messages...)
	c.t.Logf("the webhook was told of %d things, %d times", len(messages), len(c.hook.got))
}

// checkAudit looks into the database of the server that is gone: each start and each end must be in the audit log, once.
func (c *crasher) checkAudit() {
	c.t.Helper()
	db, err := sqlite.Open(c.t.Context(), c.data, sqlite.Options{})
	if err != nil {
		c.t.Fatal(err)
	}
	storetest.CheckAudit(c.t, db)
	if err := db.Close(); err != nil {
		c.t.Error(err)
	}
}

// round checks what the last crash left, puts load on the server, and kills it.
func (c *crasher) round(after time.Duration) {
	c.start()
	c.check()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for ctx.Err() == nil {
				c.step(ctx)
			}
		})
	}
	time.Sleep(after)
	c.kill()
	cancel()
	wg.Wait()
}

// step signs somebody in, and then does something with some session.
func (c *crasher) step(ctx context.Context) {
	if rand.N(3) == 0 {
		c.signIn(ctx)
		return
	}
	c.mu.Lock()
	var s *sign
	if len(c.signs) > 0 {
		s = c.signs[rand.N(len(c.signs))]
	}
	c.mu.Unlock()
	if s == nil {
		c.signIn(ctx)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fate != live {
		return
	}
	switch n := rand.N(100); {
	case n == 0:
		_, err := c.post(ctx, s.cookie, "/signout", nil)
		c.note(s, err)
	case n == 1 && s.id != "":
		api := httpapi.NewClient(httpapi.SocketTransport(filepath.Join(c.data, "curfew.sock")))
		_, err := api.End(ctx, httpapi.End{IDs: []curfew.SessionID{s.id}})
		c.note(s, err)
	default:
		_, _ = c.post(ctx, s.cookie, "/api/v1/session/activity", nil) // counts or doesn't
		s.active = time.Now()
	}
}

// note notes how an end went. The caller holds s.mu.
func (c *crasher) note(s *sign, err error) {
	s.fate = ended
	if err != nil {
		s.fate = doubtful
	}
}

func (c *crasher) signIn(ctx context.Context) {
	form := url.Values{"username": {crashUsers[rand.N(len(crashUsers))]}, "password": {password}}
	resp, err := c.post(ctx, nil, "/signin", form)
	if err != nil {
		return // not acknowledged
	}
	if len(resp.Cookies()) == 0 {
		c.t.Error("a sign-in without a cookie")
		return
	}
	s := &sign{cookie: resp.Cookies()[0], active: time.Now()}
	c.mu.Lock()
	c.signs = append(c.signs, s)
	c.mu.Unlock()
}

// client303 follows no redirects.
var client303 = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

var errStatus = errors.New("the server refused")

// post posts a form, and returns an error unless the server has acknowledged it.
func (c *crasher) post(ctx context.Context, cookie *http.Cookie, path string, form url.Values) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if cookie != nil {
		r.AddCookie(cookie)
	}
	resp, err := client303.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		return nil, errStatus
	}
	return resp, nil
}

// check asks the restarted server about every session.
func (c *crasher) check() {
	c.t.Helper()
	for _, s := range c.signs { // their cookies hold for the host, whatever its port
		c.checkOne(s)
	}
}

func (c *crasher) checkOne(s *sign) {
	r, err := http.NewRequest(http.MethodGet, c.base+"/api/v1/session", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Mode", "cors") // looking must not be activity
	r.AddCookie(s.cookie)
	resp, err := client303.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var doc httpapi.Session
	if resp.StatusCode == http.StatusOK {
		if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
			c.t.Fatal(err)
		}
	}
	s.judge(c.t, resp.StatusCode, doc)
}

// judge compares what the server says with what it had acknowledged.
func (s *sign) judge(t *testing.T, status int, doc httpapi.Session) {
	t.Helper()
	s.id = doc.ID
	switch {
	case status != http.StatusOK:
		if s.fate == live || s.fate == ended {
			t.Errorf("an acknowledged session is unknown: status %d", status)
		}
	case s.fate == live && doc.State == curfew.StateEnded:
		t.Errorf("session %s was acknowledged, and has ended: %s", doc.ID, doc.Reason)
	case s.fate == ended && doc.State != curfew.StateEnded:
		t.Errorf("session %s came back to life", doc.ID)
	case doc.State != curfew.StateEnded:
		// Another second, since times are rounded.
		if limit := s.active.Add(curfew.DefaultLifetime + curfew.DefaultGrace + time.Second); doc.EndsAt.After(limit) {
			t.Errorf("session %s ends %v later than its activity allows", doc.ID, doc.EndsAt.Sub(limit))
		}
	}
}

func (c *crasher) count(f fate) int {
	n := 0
	for _, s := range c.signs {
		if s.fate == f {
			n++
		}
	}
	return n
}
