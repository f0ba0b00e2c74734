package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/console"
	"github.com/curfewhq/curfew/gate"
	"github.com/curfewhq/curfew/httpapi"
	"github.com/curfewhq/curfew/internal/metrics"
	"github.com/curfewhq/curfew/internal/mount"
	"github.com/curfewhq/curfew/internal/tracing"
	"github.com/curfewhq/curfew/webhook"
)

type serveCmd struct {
	dataFlags
	Listen        string     `default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address to listen on."`
	Upstream      []upstream `sep:"none" placeholder:"[HOST=]URL" help:"Web app to stand in front of, such as http://127.0.0.1:3000, for all hosts or for one. May be repeated."`
	Config        string     `placeholder:"FILE" complete:"file" help:"File with more about apps: who may use which paths."`
	TLSCert       string     `name:"tls-cert" placeholder:"FILE" complete:"file" help:"Certificate chain, PEM. With --tls-key it makes the server speak HTTPS."`
	TLSKey        string     `name:"tls-key" placeholder:"FILE" complete:"file" help:"Private key, PEM."`
	TrustedProxy  []proxy    `placeholder:"CIDR" help:"Proxies whose X-Forwarded-For, -Proto and -Host are believed. None by default."`
	ForwardAuth   bool       `help:"Answer proxies that ask at /.curfew/auth whether a request may pass. Needs --trusted-proxy."`
	CookieDomain  domain     `placeholder:"DOMAIN" help:"One sign-in for all hosts of this domain, such as example.com: each of them gets the session cookie."`
	ConsoleHost   hostName   `placeholder:"HOST" help:"Host that alone serves the console, such as console.example.com. The hosts of apps then serve only what apps need of Curfew."`
	MetricsListen string     `placeholder:"ADDR" help:"Address at which Prometheus finds /metrics, such as 127.0.0.1:9090. Without it nothing is counted."`
	MaxAge        duration   `default:"30d" placeholder:"TIME" help:"Absolute limit: a session ends this long after its start, however active."`
	MaxSessions   int        `default:"0" placeholder:"N" help:"How many sessions one account may have at once; 0 means any number."`
	AtMax         string     `default:"end-oldest" enum:"end-oldest,refuse" help:"What a sign-in past --max-sessions does: end-oldest or refuse."`
	KeepHistory   duration   `default:"90d" placeholder:"TIME" help:"How long the history of ended sessions is kept."`
	KeepAudit     duration   `default:"365d" placeholder:"TIME" help:"How long the audit log is kept."`
	LogLevel      string     `default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
	LogFormat     string     `default:"text" enum:"text,json" help:"text or json."`
}

// shutdownTime is how long requests under way may take when the server stops, and streamTime what is open in apps: much of
// that would not end by itself. Within socketTime more the clients of WebSockets are told. All of it is within shutdownTime; what then
// is still in memory is written.
const (
	shutdownTime = 8 * time.Second
	streamTime   = 2 * time.Second
	socketTime   = 2 * time.Second
	traceTime    = 2 * time.Second // for the last traces, at the very end
)

// Run serves until ctx ends.
func (c serveCmd) Run(ctx context.Context, std streams) error {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return usage("--tls-cert and --tls-key go together")
	}
	if c.MaxSessions < 0 {
		return usage("--max-sessions must be 0, for any number, or more")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return usage(fmt.Sprintf("--listen %s must be an address and a port, such as 127.0.0.1:8080, or :8080 for all addresses", c.Listen))
	}
	if c.MaxAge == 0 || c.KeepHistory == 0 || c.KeepAudit == 0 {
		return usage("--max-age, --keep-history and --keep-audit must be more than 0")
	}
	c, apps, hooks, err := c.withFile()
	if err != nil {
		return err
	}
	if c.ForwardAuth && len(c.TrustedProxy) == 0 {
		return usage("--forward-auth needs --trusted-proxy: whoever may ask says in whose name, so that must be your proxy alone")
	}
	certificate, err := c.certificate()
	if err != nil {
		return err
	}
	var counts *metrics.Metrics
	if c.MetricsListen != "" {
		if _, _, err := net.SplitHostPort(c.MetricsListen); err != nil {
			return usage(fmt.Sprintf("--metrics-listen %s must be an address and a port, such as 127.0.0.1:9090", c.MetricsListen))
		}
		counts = metrics.New(version())
	}
	log := c.logger(std.err)
	traces, err := tracing.New(version(), log)
	if err != nil {
		return err
	}
	log = traces.Logger(log)
	defer stopTraces(traces, log)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return listenError("--listen", c.Listen, err)
	}
	defer listener.Close()
	if i := slices.IndexFunc(apps, func(a gate.App) bool { return isSelf(a.Upstream, listener.Addr()) }); i >= 0 {
		return usage(fmt.Sprintf("the upstream %s is Curfew itself; give the address of the app, or another --listen", apps[i].Upstream))
	}
	h, err := openHouse(ctx, c.dataFlags, c.policy(), counts, traces, log)
	if err != nil {
		return err
	}
	if certificate != nil {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{*certificate}, NextProtos: []string{"h2", "http/1.1"}})
	}
	gates, err := gate.New(gate.Options{Sessions: h.sessions, Apps: apps, ConsoleHost: string(c.ConsoleHost), Role: h.role, Checked: checkedBy(counts), Transport: traces.Transport, Logger: log})
	if err != nil {
		return errors.Join(err, h.Close())
	}
	stopAudit, err := h.keepAudit(ctx, time.Duration(c.KeepAudit), log)
	if err != nil {
		return errors.Join(err, h.Close())
	}
	told, err := webhook.New(webhook.Options{Log: audit.NewLog(h.db), Cursors: h.db, Endpoints: hooks, Logger: log})
	if err != nil {
		return errors.Join(err, stopAudit(), h.Close())
	}
	stopTelling := tell(ctx, told)
	err = c.serve(ctx, std.out, log, h, gates, told, listener, counts, traces)
	stopTelling()
	return errors.Join(err, stopAudit(), h.Close())
}

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

// stopTraces sends the spans that wait to be sent, if whoever takes them does so in time.
func stopTraces(t *tracing.Tracer, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), traceTime)
	defer cancel()
	if err := t.Stop(ctx); err != nil {
		log.Warn("the last traces were not sent", "error", err)
	}
}

func listenError(flag, addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("the address %s is in use by another program; choose one with %s", addr, flag)
	}
	return err
}

// isSelf reports whether the upstream is where the server itself listens.
func isSelf(upstream *url.URL, listen net.Addr) bool {
	at, err := netip.ParseAddrPort(listen.String())
	if err != nil || upstream == nil || upstream.Port() != strconv.Itoa(int(at.Port())) {
		return false
	}
	host, err := netip.ParseAddr(upstream.Hostname())
	if upstream.Hostname() == "localhost" {
		return at.Addr().IsLoopback() || at.Addr().IsUnspecified()
	}
	host = host.Unmap()
	return err == nil && (host == at.Addr().Unmap() || host.IsUnspecified() || at.Addr().IsUnspecified() && host.IsLoopback())
}

// withFile returns the command with what its file says where no flag does, the apps of both, and the file's webhooks.
func (c serveCmd) withFile() (_ serveCmd, apps []gate.App, hooks []webhook.Endpoint, err error) {
	for _, u := range c.Upstream {
		apps = append(apps, gate.App(u))
	}
	if c.Config != "" {
		file, more, endpoints, err := readConfig(c.Config, c.ForwardAuth)
		if err != nil {
			return c, nil, nil, err
		}
		hooks = endpoints
		apps = append(apps, more...)
		c.ForwardAuth = c.ForwardAuth || file.ForwardAuth
		c.CookieDomain = cmp.Or(c.CookieDomain, file.CookieDomain.domain)
		c.ConsoleHost = cmp.Or(c.ConsoleHost, file.ConsoleHost.hostName)
		c.MetricsListen = cmp.Or(c.MetricsListen, file.MetricsListen)
		if len(c.TrustedProxy) == 0 {
			c.TrustedProxy = file.TrustedProxies
		}
	}
	if err := gate.CheckApps(apps); err != nil {
		return c, nil, nil, usage("--upstream: " + err.Error())
	}
	if err := gate.CheckConsoleHost(string(c.ConsoleHost), apps); err != nil {
		return c, nil, nil, usage("--console-host: " + err.Error())
	}
	if c.ForwardAuth && !slices.ContainsFunc(apps, func(a gate.App) bool { return a.Upstream == nil || a.Host == "" }) {
		apps = append(apps, gate.App{}) // proxies may ask for any host
	}
	return c, apps, hooks, nil
}

func (c serveCmd) policy() curfew.Policy {
	p := curfew.Policy{MaxAge: time.Duration(c.MaxAge), MaxSessions: c.MaxSessions, Keep: time.Duration(c.KeepHistory)}
	if c.AtMax == "refuse" {
		p.AtMax = curfew.RefuseNew
	}
	return p
}

var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

func (c serveCmd) logger(w io.Writer) *slog.Logger {
	opt := &slog.HandlerOptions{Level: logLevels[c.LogLevel]}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}

// serve runs the site and the socket until one of them fails, the disk does, or ctx ends.
func (c serveCmd) serve(ctx context.Context, out io.Writer, log *slog.Logger, h *house, gates *gate.Gate, told *webhook.Sender, listener net.Listener, counts *metrics.Metrics, traces *tracing.Tracer) error {
	socket, err := listenUnix(ctx, c.socket())
	if err != nil {
		return err
	}
	address := c.address(listener)
	if c.ConsoleHost == "" && gates.Serves(listener.Addr().String()) {
		address += mount.Base // the root is an app's
	}
	setup := console.NewSetup(h.sessions.Now)
	stopping := make(chan struct{})
	health := newHealth(h.sessions, stopping)
	site := newServer(siteHandler(siteOptions{
		house: h, gate: gates, setup: setup, log: log, stopping: stopping, health: health, metrics: counts, traces: traces, forwardAuth: c.ForwardAuth,
		keepAudit: time.Duration(c.KeepAudit), webhooks: told,
		edge: curfew.Edge{TrustedProxies: prefixes(c.TrustedProxy), CookieDomain: string(c.CookieDomain)},
	}), log)
	control := newServer(httpapi.NewControl(httpapi.ControlOptions{
		Sessions: h.sessions, Accounts: h.accounts, Audit: audit.NewLog(h.db), Webhooks: told, Logger: log, Stopping: stopping,
		Status: httpapi.Status{Version: version(), PID: os.Getpid(), Address: address},
		Backup: h.db.Backup,
	}), log)

	failed := make(chan error, 3)
	stopMetrics, err := c.serveMetrics(ctx, counts, h, told, health, log, failed)
	if err != nil {
		return err
	}
	defer stopMetrics()
	go func() { failed <- site.Serve(listener) }()
	go func() { failed <- control.Serve(socket) }()
	if err := announce(ctx, out, address, h, setup); err != nil {
		return err
	}
	notify(log, daemon.SdNotifyReady)
	watched, unwatch := context.WithCancel(ctx)
	defer unwatch()
	go h.watchdog(watched, log)
	c.warn(log, listener)
	go logApps(ctx, log, gates.Apps)

	select {
	case <-ctx.Done():
	case err = <-failed:
	case <-h.db.Failed():
		err = errors.New("the disk has failed under the database; nothing more is written, restart when it is well")
	}
	notify(log, daemon.SdNotifyStopping)
	close(stopping)
	defer time.AfterFunc(streamTime, gates.Close).Stop()
	ends, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	err = errors.Join(err, shutdown(ends, site), shutdown(ends, control))
	sockets, cancel := context.WithTimeout(ends, streamTime+socketTime)
	defer cancel()
	gates.Wait(sockets)
	return err
}

// certificate reads the certificate, if there is to be one.
func (c serveCmd) certificate() (*tls.Certificate, error) {
	if c.TLSCert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert and --tls-key can't be used: %w", err)
	}
	return &pair, nil
}

// address is where people reach the server.
func (c serveCmd) address(l net.Listener) string {
	scheme, at := "http", l.Addr().String()
	if c.TLSCert != "" {
		scheme = "https"
	}
	switch {
	case c.ConsoleHost == "":
	case len(c.TrustedProxy) > 0: // the proxy encrypts, and nobody else gets to the console
		scheme, at = "https", string(c.ConsoleHost)
	default:
		at = string(c.ConsoleHost) + at[strings.LastIndexByte(at, ':'):]
	}
	return scheme + "://" + at
}

// announce tells whoever started the server where it is and, while there is no account, how to make the first. The setup
// code goes to standard output alone, never to the log.
func announce(ctx context.Context, out io.Writer, address string, h *house, setup *console.Setup) error {
	empty, err := h.accounts.Empty(ctx)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("Curfew is at %s\n", address)
	if empty {
		text += fmt.Sprintf("There is no account yet. Make the first one, within 15 minutes, at\n%s/setup?code=%s\n", address, setup.NewCode())
	}
	fmt.Fprint(out, text) // at once: who waits for the first line may look for the others
	return nil
}

// warn says openly what a plain-HTTP server is for.
func (c serveCmd) warn(log *slog.Logger, l net.Listener) {
	for _, p := range c.TrustedProxy {
		if netip.Prefix(p).Bits() == 0 {
			log.Warn("--trusted-proxy believes EVERYBODY: whoever reaches this server says from where they come, and over what; name your proxy's own address",
				"range", netip.Prefix(p).String())
		}
	}
	if c.TLSCert != "" || len(c.TrustedProxy) > 0 {
		return
	}
	log.Warn("serving plain HTTP: for development, or behind a proxy that encrypts, named by --trusted-proxy; the session cookie is unprotected",
		"address", l.Addr().String())
}

func newServer(h http.Handler, log *slog.Logger) *http.Server {
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

func shutdown(ctx context.Context, s *http.Server) error {
	if err := s.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("some requests were cut off: %w", err), s.Close())
	}
	return nil
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
