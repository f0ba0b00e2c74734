package curfew

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Origin is what is known of the far end of a request.
type Origin struct {
	Addr   string // the client's network address, without a port
	Secure bool   // the client's own connection is encrypted
	Host   string // the host the client asked for
}

// Edge is what the server must be told about the way that requests come. The zero Edge is for a server that clients
// reach directly, and whose session cookie is for one host.
type Edge struct {
	// TrustedProxies are the addresses from which X-Forwarded-For, -Proto and -Host are believed.
	TrustedProxies []netip.Prefix
	// CookieDomain is a domain, in lower case, for all of whose hosts the session cookie is good, so that one sign-in
	// does for several apps. Then each of these hosts gets the cookie, and can plant one: see docs/security.md. It must not
	// be a domain below which strangers have hosts, such as com or co.uk. Requests for other hosts are not concerned.
	CookieDomain string
}

// arrival is a request's context with what its Edge knows in it: one allocation for both.
type arrival struct {
	context.Context
	origin Origin
	edge   *Edge
}

type arrivalKey struct{}

// Value returns the arrival itself for arrivalKey.
func (a *arrival) Value(key any) any {
	if key == (arrivalKey{}) {
		return a
	}
	return a.Context.Value(key)
}

func arrivalOf(r *http.Request) (*arrival, bool) {
	a, ok := r.Context().Value(arrivalKey{}).(*arrival)
	return a, ok
}

// OriginOf returns where a request came from. Without an Edge around the handler that is the peer of the connection.
func OriginOf(r *http.Request) Origin {
	if a, ok := arrivalOf(r); ok {
		return a.origin
	}
	return peer(r)
}

// OriginFrom returns where the request came from in whose context something is done, if an Edge is around the handler.
func OriginFrom(ctx context.Context) (Origin, bool) {
	if a, ok := ctx.Value(arrivalKey{}).(*arrival); ok {
		return a.origin, true
	}
	return Origin{}, false
}

// isSecure is OriginOf(r).Secure, for who needs no more.
func isSecure(r *http.Request) bool {
	if a, ok := arrivalOf(r); ok {
		return a.origin.Secure
	}
	return r.TLS != nil
}

// SessionCookie returns how the session cookie is called for a host, which may have a port, over an encrypted
// connection or not.
func (e Edge) SessionCookie(secure bool, host string) SessionCookie {
	if e.CookieDomain == "" || !isBelow(host, e.CookieDomain) {
		return SessionCookie{Secure: secure}
	}
	return SessionCookie{Secure: secure, Domain: e.CookieDomain}
}

// isBelow reports whether a host, with a port or without, is the domain or below it (RFC 6265, 5.1.3).
func isBelow(host, domain string) bool {
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	above := len(host) - len(domain)
	return above >= 0 && strings.EqualFold(host[above:], domain) && (above == 0 || host[above-1] == '.')
}

func peer(r *http.Request) Origin {
	return Origin{Addr: peerAddr(r), Secure: r.TLS != nil, Host: r.Host}
}

func peerAddr(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().WithZone("").String()
	}
	return host
}

// TrustProxies is the Handler of an Edge that has proxies and nothing else.
func TrustProxies(trusted []netip.Prefix, next http.Handler) http.Handler {
	e := Edge{TrustedProxies: trusted}
	return e.Handler(next)
}

// Handler makes OriginOf believe X-Forwarded-For, -Proto and -Host from trusted proxies, and from nobody
// else; and the session cookie be what the Edge says. The request's Host becomes the one the client asked for. Of several addresses the last that is not
// itself a trusted proxy counts, since anybody can write the ones before it. A header that is malformed or given twice where one is due is not believed.
func (e Edge) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &arrival{r.Context(), peer(r), &e}
		if isTrusted(e.TrustedProxies, a.origin.Addr) {
			a.origin = forwarded(e.TrustedProxies, r, a.origin)
		}
		r = r.WithContext(a)
		r.Host = a.origin.Host
		next.ServeHTTP(w, r)
	})
}

// Trusts reports whether the request's peer is one of the trusted proxies.
func (e Edge) Trusts(r *http.Request) bool {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && isTrustedAddr(e.TrustedProxies, a.Addr().Unmap().WithZone(""))
}

func forwarded(trusted []netip.Prefix, r *http.Request, o Origin) Origin {
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		a, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		o.Addr = a.Unmap().WithZone("").String()
		if !isTrusted(trusted, o.Addr) {
			break
		}
	}
	if v := r.Header.Values("X-Forwarded-Proto"); len(v) == 1 {
		switch strings.ToLower(v[0]) {
		case "https":
			o.Secure = true
		case "http":
			o.Secure = false
		}
	}
	if v := r.Header.Values("X-Forwarded-Host"); len(v) == 1 && isHost(v[0]) {
		o.Host = v[0]
	}
	return o
}

func isTrusted(trusted []netip.Prefix, addr string) bool {
	a, err := netip.ParseAddr(addr)
	return err == nil && isTrustedAddr(trusted, a)
}

func isTrustedAddr(trusted []netip.Prefix, a netip.Addr) bool {
	for _, p := range trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// isHost allows what a Host header may hold, and nothing that could end one.
func isHost(s string) bool {
	return s != "" && len(s) <= 261 && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(".-:[]_", r))
	})
}
