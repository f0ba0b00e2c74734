package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// password is everybody's in these tests.
const password = "a horse, a battery"

// server is a running Curfew, in this process.
type server struct {
	t     *testing.T
	data  string
	base  string
	setup string // the link to make the first account, if there was none
	log   *syncBuffer
	stop  func() // ends it and waits
}

// serve runs a server on a free port until the test ends.
func serve(t *testing.T, data string, args ...string) *server {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, w := io.Pipe()
	s := &server{t: t, data: data, log: &syncBuffer{}}
	done := make(chan int, 1)
	go func() {
		args := append([]string{"serve", "--listen", "127.0.0.1:0", "--data", data}, args...)
		done <- run(ctx, args, streams{strings.NewReader(""), w, s.log})
		w.Close()
	}()
	var once sync.Once
	s.stop = func() {
		once.Do(func() {
			cancel()
			if status := <-done; status != exitOK {
				t.Errorf("the server's exit status is %d:\n%s", status, s.log)
			}
		})
	}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("the server said:\n%s", s.log)
		}
	})
	s.read(bufio.NewScanner(out))
	return s
}

// read reads what the server prints when it is ready.
func (s *server) read(out *bufio.Scanner) {
	s.t.Helper()
	for out.Scan() {
		if address, ok := strings.CutPrefix(out.Text(), "Curfew is at "); ok {
			s.base = address
			break
		}
	}
	if s.base == "" {
		s.t.Fatalf("the server did not start:\n%s", s.log)
	}
	if users := s.curfew("", "user", "list"); !strings.Contains(users, "admin") {
		for out.Scan() && s.setup == "" {
			if strings.Contains(out.Text(), "/setup?code=") {
				s.setup = out.Text()
				break
			}
		}
	}
	go func() {
		for out.Scan() {
		}
	}()
}

// curfew runs a command on the server's data, which must succeed, and returns what it prints.
func (s *server) curfew(stdin string, args ...string) string {
	s.t.Helper()
	var out, errs bytes.Buffer
	status := run(s.t.Context(), append(args, "--data", s.data), streams{strings.NewReader(stdin), &out, &errs})
	if status != exitOK {
		s.t.Fatalf("curfew %s: status %d: %s", strings.Join(args, " "), status, errs.String())
	}
	return out.String()
}

func (s *server) addUser(name string, args ...string) {
	s.t.Helper()
	s.curfew(password, append([]string{"user", "add", name, "--password-stdin"}, args...)...)
}

// serveHouse runs a server with the accounts of most tests: amara is admin, otto auditor, arslan, mia and noor are users.
func serveHouse(t *testing.T, args ...string) *server {
	t.Helper()
	data := t.TempDir()
	buildOnce.Do(func() { built = build(t) })
	if built == nil {
		t.Fatal("no accounts: the first test that wants them failed")
	}
	for name, content := range built {
		if err := os.WriteFile(filepath.Join(data, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return serve(t, data, args...)
}

// built is the data folder that all these begin with: hashing five passwords for each test takes long.
var (
	buildOnce sync.Once
	built     map[string][]byte
)

func build(t *testing.T) map[string][]byte {
	t.Helper()
	s := serve(t, t.TempDir())
	s.addUser("amara", "--role", "admin", "--full-name", "Amara Okafor")
	s.addUser("otto", "--role", "auditor", "--full-name", "Otto Lind")
	s.addUser("arslan", "--full-name", "Emre Arslan")
	s.addUser("mia", "--full-name", "Mia Chen")
	s.addUser("noor", "--full-name", "Noor Haddad", "--lifetime", "2147482")
	s.stop()
	files := map[string][]byte{}
	entries, err := os.ReadDir(s.data)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		if files[e.Name()], err = os.ReadFile(filepath.Join(s.data, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// client is somebody with curl: cookies, and no Fetch Metadata.
type client struct {
	*http.Client
	s *server
}

func (s *server) client() *client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &client{&http.Client{
		Jar: jar, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, s}
}

// signIn signs in, which must succeed.
func (s *server) signIn(name string) *client {
	s.t.Helper()
	c := s.client()
	if status := c.post("/signin", "username", name, "password", password); status != http.StatusSeeOther {
		s.t.Fatalf("sign in as %s: status %d", name, status)
	}
	return c
}

// post sends a form and returns the status.
func (c *client) post(path string, fields ...string) int {
	c.s.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	resp, err := c.PostForm(c.s.base+path, form)
	if err != nil {
		c.s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// get returns status and body.
func (c *client) get(path string) (int, string) {
	c.s.t.Helper()
	resp, err := c.Client.Get(c.s.base + path)
	if err != nil {
		c.s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.s.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// syncBuffer is a bytes.Buffer for many goroutines.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// take returns what was written since the last time.
func (b *syncBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.buf.Reset()
	return b.buf.String()
}
