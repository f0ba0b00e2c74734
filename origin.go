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

type originKey struct{}

// OriginOf returns where a request came from. Without TrustProxies around the handler that is the peer of the connection.
func OriginOf(r *http.Request) Origin {
	if o, ok := r.Context().Value(originKey{}).(Origin); ok {
		return o
	}
	return peer(r)
}

// isSecure is OriginOf(r).Secure, for who needs no more.
func isSecure(r *http.Request) bool {
	if o, ok := r.Context().Value(originKey{}).(Origin); ok {
		return o.Secure
	}
	return r.TLS != nil
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

// TrustProxies makes OriginOf believe X-Forwarded-For, -Proto and -Host from peers in the prefixes, and from nobody
// else. The request's Host becomes the one the client asked for. Of several addresses the last that is not itself a trusted proxy counts, since anybody can write the ones
// before it. A header that is malformed or given twice where one is due is not believed.
func TrustProxies(trusted []netip.Prefix, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := peer(r)
		if isTrusted(trusted, o.Addr) {
			o = forwarded(trusted, r, o)
		}
		r = r.WithContext(context.WithValue(r.Context(), originKey{}, o))
		r.Host = o.Host
		next.ServeHTTP(w, r)
	})
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
	if err != nil {
		return false
	}
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
