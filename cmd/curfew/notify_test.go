package main

import (
	"database/sql"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/sqlite"
)

// manager is who started the server, as systemd would: it hears what the server says of itself.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{t, conn}
}

// hears returns what the server says within the time, or "".
func (m *manager) hears(within time.Duration) string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		m.t.Fatal(err)
	}
	b := make([]byte, 1<<10)
	n, err := m.conn.Read(b)
	if err != nil {
		return ""
	}
	return string(b[:n])
}

// want waits for a message that begins so.
func (m *manager) want(state string) {
	m.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if strings.HasPrefix(m.hears(time.Second), state) {
			return
		}
	}
	m.t.Fatalf("the server never says %s", state)
}

// TestServiceManager has the server say that it is ready, that it is well, and that it stops; and say nothing while its store hangs.
func TestServiceManager(t *testing.T) {
	m := newManager(t)
	const within = 100 * time.Millisecond
	t.Setenv("WATCHDOG_USEC", "100000")
	s := serve(t, t.TempDir())
	m.want("READY=1")
	m.want("WATCHDOG=1\nSTATUS=0 sessions of 0 users")

	// Another program holds the lock of the database, for which SQLite waits.
	other, err := sql.Open("sqlite", filepath.Join(s.data, sqlite.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetMaxOpenConns(1)
	if _, err := other.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	for m.hears(within/2) != "" { // said before
	}
	if said := m.hears(5 * within); said != "" {
		t.Errorf("while the store hangs the server says %q", said)
	}
	if _, err := other.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	m.want("WATCHDOG=1")

	s.stop()
	m.want("STOPPING=1")
}

// TestNoServiceManager has nobody want to know.
func TestNoServiceManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	s := serve(t, t.TempDir())
	s.stop()
	if log := s.log.String(); strings.Contains(log, "service manager") {
		t.Errorf("the log holds\n%s", log)
	}
}
