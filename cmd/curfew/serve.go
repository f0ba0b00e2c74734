package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/gate"
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

// Help names what else the server reads.
func (serveCmd) Help() string {
	return `Besides these flags, the variables of OpenTelemetry say whether requests are traced, and where to. Without an
endpoint nothing is. docs/operations.md says more of each:

  OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT   where the collector is
  OTEL_TRACES_EXPORTER, OTEL_SDK_DISABLED                           whether there are traces at all
  OTEL_EXPORTER_OTLP_HEADERS, _TIMEOUT, _COMPRESSION, _PROTOCOL     how to send them
  OTEL_EXPORTER_OTLP_CERTIFICATE, _CLIENT_CERTIFICATE, _CLIENT_KEY  whom to believe, and what to show
  OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES                       what they are of
  OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG                      which requests
  OTEL_BSP_MAX_QUEUE_SIZE                                           how many spans may wait

A proxy on the way to webhooks and to the collector is taken from HTTPS_PROXY.`
}

// Run serves until ctx ends.
func (c serveCmd) Run(ctx context.Context, std streams) error {
	defer takeBallast()()
	set, err := c.settings()
	if err != nil {
		return err
	}
	seen, err := newInstruments(set, std.err)
	if err != nil {
		return err
	}
	defer seen.stop()
	listener, err := set.listen(ctx)
	if err != nil {
		return err
	}
	defer listener.Close()
	h, err := openHouse(ctx, set.dataFlags, set.policy(), seen)
	if err != nil {
		return err
	}
	s, err := newService(set, h, listener)
	if err == nil {
		err = s.run(ctx, std.out)
	}
	return errors.Join(err, h.Close())
}

// settings are what the command line and its file say together.
type settings struct {
	serveCmd
	apps  []gate.App
	hooks []webhook.Endpoint
}

// settings adds what the file says where no flag does, and checks all of it.
func (c serveCmd) settings() (settings, error) {
	if err := c.check(); err != nil {
		return settings{}, err
	}
	set := settings{serveCmd: c}
	for _, u := range c.Upstream {
		set.apps = append(set.apps, gate.App(u))
	}
	if c.Config != "" {
		if err := set.addFile(); err != nil {
			return settings{}, err
		}
	}
	if err := gate.CheckApps(set.apps); err != nil {
		return settings{}, usage("--upstream: " + err.Error())
	}
	if err := gate.CheckConsoleHost(string(set.ConsoleHost), set.apps); err != nil {
		return settings{}, usage("--console-host: " + err.Error())
	}
	if set.ForwardAuth && len(set.TrustedProxy) == 0 {
		return settings{}, usage("--forward-auth needs --trusted-proxy: whoever may ask says in whose name, so that must be your proxy alone")
	}
	if _, _, err := net.SplitHostPort(set.MetricsListen); set.MetricsListen != "" && err != nil {
		return settings{}, usage(fmt.Sprintf("--metrics-listen %s must be an address and a port, such as 127.0.0.1:9090", set.MetricsListen))
	}
	if set.ForwardAuth && !slices.ContainsFunc(set.apps, func(a gate.App) bool { return a.Upstream == nil || a.Host == "" }) {
		set.apps = append(set.apps, gate.App{}) // proxies may ask for any host
	}
	return set, nil
}

// check checks what the command line alone says.
func (c serveCmd) check() error {
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
	return nil
}

// addFile adds what the file says.
func (set *settings) addFile() error {
	file, apps, hooks, err := readConfig(set.Config, set.ForwardAuth)
	if err != nil {
		return err
	}
	set.apps, set.hooks = append(set.apps, apps...), hooks
	set.ForwardAuth = set.ForwardAuth || file.ForwardAuth
	set.CookieDomain = cmp.Or(set.CookieDomain, file.CookieDomain.domain)
	set.ConsoleHost = cmp.Or(set.ConsoleHost, file.ConsoleHost.hostName)
	set.MetricsListen = cmp.Or(set.MetricsListen, file.MetricsListen)
	if len(set.TrustedProxy) == 0 {
		set.TrustedProxy = file.TrustedProxies
	}
	return nil
}

// listen takes the address for strangers, which must not be that of an app.
func (set settings) listen(ctx context.Context) (net.Listener, error) {
	certificate, err := set.certificate()
	if err != nil {
		return nil, err
	}
	listener, err := listenTCP(ctx, "--listen", set.Listen)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(set.apps, func(a gate.App) bool { return isSelf(a.Upstream, listener.Addr()) }); i >= 0 {
		err := usage(fmt.Sprintf("the upstream %s is Curfew itself; give the address of the app, or another --listen", set.apps[i].Upstream))
		return nil, errors.Join(err, listener.Close())
	}
	if certificate != nil {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{*certificate}, NextProtos: []string{"h2", "http/1.1"}})
	}
	return listener, nil
}

// listenTCP takes the address that a flag says.
func listenTCP(ctx context.Context, flag, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is in use by another program; choose one with %s", address, flag)
	}
	return listener, err
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

func (c serveCmd) policy() curfew.Policy {
	p := curfew.Policy{MaxAge: time.Duration(c.MaxAge), MaxSessions: c.MaxSessions, Keep: time.Duration(c.KeepHistory)}
	if c.AtMax == "refuse" {
		p.AtMax = curfew.RefuseNew
	}
	return p
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
