package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/console"
	"github.com/curfewhq/curfew/gate"
	"github.com/curfewhq/curfew/httpapi"
	"github.com/curfewhq/curfew/internal/mount"
	"github.com/curfewhq/curfew/internal/weborigin"
	"github.com/curfewhq/curfew/webhook"
)

// service is what serve runs: the site for strangers, the socket for commands, metrics for Prometheus, and what is done by itself.
type service struct {
	site
	set      settings
	listener net.Listener  // for strangers
	stopping chan struct{} // closed when the server stops
	failed   chan error    // of what no longer answers
}

func newService(set settings, h *house, listener net.Listener) (*service, error) {
	gates, err := gate.New(gate.Options{
		Sessions: h.sessions, Apps: set.apps, ConsoleHost: string(set.ConsoleHost), Role: h.role, Checked: h.checked(), Transport: h.traces.Transport, Logger: h.log,
	})
	if err != nil {
		return nil, err
	}
	told, err := webhook.New(webhook.Options{Log: h.records, Store: h.db, Endpoints: set.hooks, Now: h.sessions.Now, Logger: h.log})
	if err != nil {
		return nil, err
	}
	stopping := make(chan struct{})
	return &service{
		set: set, listener: listener, stopping: stopping,
		failed: make(chan error, 3), // as many as there are servers, so that none waits for a reader
		site: site{
			house: h, gate: gates, setup: console.NewSetup(h.sessions.Now), stopping: stopping, health: newHealth(h.sessions, stopping), webhooks: told,
			forwardAuth: set.ForwardAuth, keepAudit: time.Duration(set.KeepAudit),
			edge: curfew.Edge{TrustedProxies: prefixes(set.TrustedProxy), CookieDomain: string(set.CookieDomain)},
		},
	}, nil
}

// run serves until ctx ends, or something fails that can't go on. It says on out where the server is.
func (s *service) run(ctx context.Context, out io.Writer) error {
	stopAudit, err := s.beginAudit(ctx, s.keepAudit)
	if err != nil {
		return err
	}
	stopTelling := tell(ctx, s.webhooks)
	err = s.serve(ctx, out)
	stopTelling()
	return errors.Join(err, stopAudit())
}

// shutdownTime is how long requests under way may take when the server stops, and streamTime what is open in apps: much of
// that would not end by itself. Within socketTime more the clients of WebSockets are told. All of it is within shutdownTime; what then
// is still in memory is written.
const (
	shutdownTime = 8 * time.Second
	streamTime   = 2 * time.Second
	socketTime   = 2 * time.Second
)

// tell runs the sender of webhooks until the returned function is called.
func tell(ctx context.Context, told *webhook.Sender) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // what happens while the server stops is told too
	var running sync.WaitGroup
	running.Go(func() { told.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// serve answers until ctx ends, the disk fails, or what answers does.
func (s *service) serve(ctx context.Context, out io.Writer) error {
	socket, err := listenUnix(ctx, s.set.socket())
	if err != nil {
		return err
	}
	address := s.address()
	site := newHTTPServer(s.handler(), s.log)
	control := newHTTPServer(httpapi.NewControl(httpapi.ControlOptions{
		Sessions: s.sessions, Accounts: s.accounts, Audit: s.records, Webhooks: s.webhooks, Logger: s.log, Stopping: s.stopping,
		Status: httpapi.Status{Version: version(), PID: os.Getpid(), Address: address},
		Backup: s.db.Backup,
	}), s.log)
	stopMetrics, err := s.serveMetrics(ctx)
	if err != nil {
		return err
	}
	defer stopMetrics()
	go func() { s.failed <- site.Serve(s.listener) }()
	go func() { s.failed <- control.Serve(socket) }()
	if err := s.announce(ctx, out, address); err != nil {
		return err
	}
	notify(s.log, daemon.SdNotifyReady)
	watched, unwatch := context.WithCancel(ctx)
	defer unwatch()
	go s.watchdog(watched)
	s.set.warn(s.log, s.listener)
	go logApps(ctx, s.log, s.gate.Apps)

	select {
	case <-ctx.Done():
	case err = <-s.failed:
	case <-s.db.Failed():
		err = errors.New("the disk has failed under the database; nothing more is written, restart when it is well")
	}
	return errors.Join(err, s.shutDown(site, control))
}

// shutDown ends what is under way: requests, and what is open in apps.
func (s *service) shutDown(servers ...*http.Server) (err error) {
	notify(s.log, daemon.SdNotifyStopping)
	close(s.stopping)
	defer time.AfterFunc(streamTime, s.gate.Close).Stop()
	ends, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	for _, server := range servers {
		err = errors.Join(err, shutdown(ends, server))
	}
	sockets, cancel := context.WithTimeout(ends, streamTime+socketTime)
	defer cancel()
	s.gate.Wait(sockets)
	return err
}

// shutdown lets a server's requests end until ctx does.
func shutdown(ctx context.Context, server *http.Server) error {
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("some requests were cut off: %w", err), server.Close())
	}
	return nil
}

// announce tells whoever started the server where it is and, while there is no account, how to make the first. The setup
// code goes to standard output alone, never to the log.
func (s *service) announce(ctx context.Context, out io.Writer, address string) error {
	empty, err := s.accounts.Empty(ctx)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("Curfew is at %s\n", address)
	if empty {
		text += fmt.Sprintf("There is no account yet. Make the first one, within 15 minutes, at\n%s/setup?code=%s\n", address, s.setup.NewCode())
	}
	fmt.Fprint(out, text) // at once: who waits for the first line may look for the others
	return nil
}

// address is where people reach the console.
func (s *service) address() string {
	scheme, at, console := "http", s.listener.Addr().String(), string(s.set.ConsoleHost)
	if s.set.TLSCert != "" {
		scheme = "https"
	}
	switch {
	case console == "" && s.gate.Serves(at): // the root is an app's
		return weborigin.Join(scheme, at) + mount.Base
	case console == "":
		return weborigin.Join(scheme, at)
	case len(s.set.TrustedProxy) > 0: // the proxy encrypts, and nobody else gets to the console
		return "https://" + console
	default:
		return weborigin.Join(scheme, console+at[strings.LastIndexByte(at, ':'):])
	}
}

func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second, // event streams lift it
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // strangers' broken connections
	}
}

const socketMode = 0o600

// listenUnix listens on the socket for commands, which only this user may use. A socket that is there already was left
// behind: this process owns the folder.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the socket for commands can't be made: %w", err)
	}
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		// On Linux the file gets the mode that its socket has, so there is no moment at which others could connect.
		return raw.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), socketMode) })
	}}
	l, err := config.Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EINVAL) {
		return nil, fmt.Errorf("the path of the socket %s is too long (at most 107 bytes); use a shorter --data", path)
	}
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, socketMode)
}
