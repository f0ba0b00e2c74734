package gate

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/mount"
)

// Limits of the proxy. An answer may take as long as the app likes, and a body as long as it moves on.
const (
	dialTimeout     = 10 * time.Second
	idleTimeout     = 90 * time.Second // of connections to apps; theirs are often longer
	continueTimeout = time.Second      // for an app to say 100 Continue before it gets the body anyway
	maxIdle         = 256              // connections kept to an app
	maxAnswerHeader = 1 << 20
	connBuffer      = 1 << 10 // of a connection to an app, each way: for headers, since bodies have their own
)

// Proxy returns the handler that lets requests through to the apps, as their reverse proxy. It must be told of proxies
// before it by curfew.Edge, as all of Curfew.
//
// What it lets through it does not change, but for who sends it: Remote-User, Remote-Name, Remote-Role and X-Forwarded-*
// are ours, and our cookies are taken out. When a session ends, what is open in it is cut within a second: WebSockets with
// status 1008, streams and downloads by breaking them off.
//
// Whoever is signed out is led to Options.SignIn if they asked for a page, and else gets 401 with a problem document.
func (g *Gate) Proxy() http.Handler {
	p := &proxy{Gate: g, open: newOpenings(g.Sessions, g.Logger), ways: map[*App]*httputil.ReverseProxy{}}
	for _, app := range g.apps {
		if app.Upstream != nil {
			p.ways[app] = p.way(app)
		}
	}
	g.open = append(g.open, p.open)
	return p
}

type proxy struct {
	*Gate
	open *openings
	ways map[*App]*httputil.ReverseProxy
}

// ServeHTTP decides about the request and lets it through.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := p.admit(w, r)
	if q == nil {
		return
	}
	q.begin(r)
	defer q.finish()
	p.ways[q.app].ServeHTTP(q, q.request)
	if q.stream != nil {
		q.pump()
	}
}

// admit returns the passage of a request that may pass, and answers any other. It is a function of its own so that what it
// needs of the stack is not held for as long as the request takes.
//
//go:noinline
func (p *proxy) admit(w http.ResponseWriter, r *http.Request) *passage {
	q := &passage{ResponseWriter: w, open: p.open}
	a, err := askedOf(r)
	if err == nil {
		p.decide(&q.decision, r, &a)
		err = q.err
	}
	if err == nil && p.ways[q.app] == nil {
		err = errNoApp
	}
	if err != nil {
		p.refuse(w, r, &a, q.session.User, err)
		return nil
	}
	return q
}

// way is the reverse proxy for one app.
func (p *proxy) way(app *App) *httputil.ReverseProxy {
	target, transport := dial(app.Upstream)
	if p.Transport != nil {
		transport = p.Transport(transport)
	}
	guard, own := newGuardTag(mount.Base, p.SignIn, cmp.Or(p.SignOut, ownSignOut)), newOwnHost(target)
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			if app.OwnHost {
				own.ask(r.In, r.Out)
			}
			q := passageOf(r.Out.Context())
			q.rewrite(r.In, r.Out)
			if q.guarded() {
				guard.ask(r.Out)
			}
		},
		ModifyResponse: func(res *http.Response) error {
			if isUnaskedSwitch(res) {
				return errUnasked
			}
			q := passageOf(res.Request.Context())
			q.answer(res)
			if app.OwnHost {
				own.answer(q.request, res.Header)
			}
			if q.guarded() {
				if err := guard.into(res); err != nil {
					return err
				}
			}
			q.length = res.ContentLength
			q.takeStream(res)
			return nil
		},
		ErrorHandler: p.failed,
		Transport:    transport,
		BufferPool:   bodyBuffers,
		ErrorLog:     slog.NewLogLogger(p.Logger.Handler(), slog.LevelDebug), // broken connections
	}
}

// dial returns how an app is reached.
func dial(upstream *url.URL) (target url.URL, transport http.RoundTripper) {
	target = *upstream
	dialer := &net.Dialer{Timeout: dialTimeout}
	connect := dialer.DialContext
	if upstream.Scheme == "unix" {
		target = url.URL{Scheme: "http", Host: "localhost"}
		connect = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", upstream.Path)
		}
	}
	transport = &http.Transport{
		DialContext:            connect,
		TLSHandshakeTimeout:    dialTimeout,
		IdleConnTimeout:        idleTimeout,
		ExpectContinueTimeout:  continueTimeout,
		MaxIdleConnsPerHost:    maxIdle,
		MaxResponseHeaderBytes: maxAnswerHeader,
		WriteBufferSize:        connBuffer,
		ReadBufferSize:         connBuffer,
		DisableCompression:     true, // what the client and the app agree on is theirs
		ForceAttemptHTTP2:      true,
	}
	if _, plain := canonicalHost(target.Host); target.Scheme == "http" && plain { // http.Transport knows other names too
		address := net.JoinHostPort(target.Hostname(), cmp.Or(target.Port(), "80"))
		transport = &streams{dial: connect, address: address, others: transport}
	}
	return target, transport
}

// failed answers a request that got no answer from its app.
func (p *proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	q := passageOf(r.Context())
	a, _ := askedOf(q.request)
	if reason := q.broken(); reason != nil {
		w.Header().Set("Connection", "close") // the rest of the request's body may never come
		p.refuse(w, q.request, &a, q.session.User, reason)
		return
	}
	if q.request.Context().Err() != nil {
		p.Logger.DebugContext(r.Context(), "the client left", "path", a.path)
	} else {
		p.Logger.WarnContext(r.Context(), "an app can't be reached", "host", a.host, "upstream", q.app.Upstream.String(), "error", err)
	}
	p.refuse(w, q.request, &a, q.session.User, upstreamError(err))
}

// errUpstream and errUpstreamLate are what strangers learn of an app that does not answer.
var (
	errUpstream     = &statusError{http.StatusBadGateway, "the app does not answer"}
	errUpstreamLate = &statusError{http.StatusGatewayTimeout, "the app does not answer in time"}
)

func upstreamError(err error) error {
	if _, ok := errors.AsType[*statusError](err); ok {
		return err
	}
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return errUpstreamLate
	}
	return errUpstream
}

// bufferPool is an httputil.BufferPool, of buffers of one size.
type bufferPool struct{ sync.Pool }

func newBufferPool(size int) *bufferPool {
	return &bufferPool{sync.Pool{New: func() any { b := make([]byte, size); return &b }}}
}

// Buffers for what is on its way. A WebSocket holds two for as long as it is open, so those are small; streams have their own.
var (
	bodyBuffers   = newBufferPool(32 << 10)
	socketBuffers = newBufferPool(4 << 10)
)

// Get returns a buffer.
func (p *bufferPool) Get() []byte { return *p.Pool.Get().(*[]byte) }

// Put takes it back.
func (p *bufferPool) Put(b []byte) { p.Pool.Put(&b) }
