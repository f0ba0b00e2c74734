package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/gate"
)

func TestAppsAreLogged(t *testing.T) {
	up, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	socket := filepath.Join(t.TempDir(), "s")
	unix, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	var b bytes.Buffer
	logApps(t.Context(), slog.New(slog.NewTextHandler(&b, nil)), []gate.App{
		{Upstream: &url.URL{Scheme: "http", Host: up.Addr().String()}, Rules: make([]gate.Rule, 2)},
		{Host: "wiki.example.com", Upstream: &url.URL{Scheme: "unix", Path: socket}, NoGuard: true},
		{Host: "shop.example.com", Upstream: &url.URL{Scheme: "http", Host: gone.Addr().String()}},
		{Host: "asks.example.com"},
	})
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	for i, want := range []string{
		fmt.Sprintf("level=INFO msg=app host=(any) upstream=http://%s rules=2 guard=true", up.Addr()),
		fmt.Sprintf("level=INFO msg=app host=wiki.example.com upstream=unix://%s rules=0 guard=false", socket),
		fmt.Sprintf(`level=WARN msg="app, which can't be reached now" host=shop.example.com upstream=http://%s rules=0 guard=true error=`, gone.Addr()),
		`level=INFO msg="app behind a proxy that asks" host=asks.example.com rules=0`,
	} {
		if len(lines) != 4 || !strings.Contains(lines[i], want) {
			t.Errorf("line %d of the log is not %q:\n%s", i, want, b.String())
		}
	}
}
