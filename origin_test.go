package curfew_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
)

var proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("fe80::/10")}

// originOf returns the origin that a handler behind TrustProxies sees.
func originOf(trusted []netip.Prefix, r *http.Request) (o curfew.Origin) {
	curfew.TrustProxies(trusted, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		o = curfew.OriginOf(r)
	})).ServeHTTP(httptest.NewRecorder(), r)
	return o
}

func TestTrustProxies(t *testing.T) {
	const untrusted, trusted = "192.0.2.66:1234", "10.0.0.1:1234"
	direct := curfew.Origin{Addr: "10.0.0.1", Host: "inner"}
	from := func(addr string) curfew.Origin { return curfew.Origin{Addr: addr, Host: "inner"} }
	tests := []struct {
		name   string
		peer   string
		header http.Header
		want   curfew.Origin
	}{
		{"no headers", trusted, nil, direct},
		{"all headers", trusted, http.Header{
			"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"app.example.com"},
		}, curfew.Origin{Addr: "203.0.113.9", Secure: true, Host: "app.example.com"}},
		{"of a stranger", untrusted, http.Header{
			"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"app.example.com"},
		}, from("192.0.2.66")},
		{"other headers", trusted, http.Header{
			"Forwarded": {"for=203.0.113.9;proto=https"}, "X-Real-Ip": {"203.0.113.9"}, "X-Forwarded-Ssl": {"on"}, "Front-End-Https": {"on"},
		}, direct},

		{"written by the client", trusted, http.Header{"X-Forwarded-For": {"1.1.1.1, 203.0.113.9"}}, from("203.0.113.9")},
		{"of the client's invention, trusted", trusted, http.Header{"X-Forwarded-For": {"10.9.9.9, 203.0.113.9"}}, from("203.0.113.9")},
		{"several proxies", trusted, http.Header{"X-Forwarded-For": {"1.1.1.1, 203.0.113.9, 10.0.0.3,10.0.0.2"}}, from("203.0.113.9")},
		{"several lines", trusted, http.Header{"X-Forwarded-For": {"203.0.113.9", "10.0.0.3", "10.0.0.2"}}, from("203.0.113.9")},
		{"proxies only", trusted, http.Header{"X-Forwarded-For": {"10.0.0.3, 10.0.0.2"}}, from("10.0.0.3")},
		{"garbage first", trusted, http.Header{"X-Forwarded-For": {"unknown, 203.0.113.9"}}, from("203.0.113.9")},
		{"garbage in the middle", trusted, http.Header{"X-Forwarded-For": {"203.0.113.9, <script>, 10.0.0.2"}}, from("10.0.0.2")},
		{"garbage last", trusted, http.Header{"X-Forwarded-For": {"203.0.113.9, _hidden"}}, direct},
		{"with a port", trusted, http.Header{"X-Forwarded-For": {"203.0.113.9:4711"}}, direct},
		{"empty", trusted, http.Header{"X-Forwarded-For": {""}}, direct},
		{"commas", trusted, http.Header{"X-Forwarded-For": {",,,"}}, direct},
		{"spaces and tabs", trusted, http.Header{"X-Forwarded-For": {" \t203.0.113.9\t "}}, from("203.0.113.9")},
		{"octal", trusted, http.Header{"X-Forwarded-For": {"0203.0.113.9"}}, direct},
		{"line break", trusted, http.Header{"X-Forwarded-For": {"203.0.113.9\r\nSet-Cookie: a=b"}}, direct},

		{"IPv6", trusted, http.Header{"X-Forwarded-For": {"2001:DB8:0::1"}}, from("2001:db8::1")},
		{"IPv6 with a zone", trusted, http.Header{"X-Forwarded-For": {"2001:db8::1%<b>"}}, from("2001:db8::1")},
		{"IPv6 of a proxy, with a zone", trusted, http.Header{"X-Forwarded-For": {"203.0.113.9, fd00::2%eth0"}}, from("203.0.113.9")},
		{"IPv4 within IPv6", trusted, http.Header{"X-Forwarded-For": {"::ffff:203.0.113.9"}}, from("203.0.113.9")},
		{"proxy's IPv4 within IPv6", trusted, http.Header{"X-Forwarded-For": {"203.0.113.9, ::ffff:10.0.0.2"}}, from("203.0.113.9")},
		{"peer's IPv4 within IPv6", "[::ffff:10.0.0.1]:1234", http.Header{"X-Forwarded-For": {"203.0.113.9"}}, from("203.0.113.9")},
		{"peer with a zone", "[fe80::1%eth0]:1234", http.Header{"X-Forwarded-For": {"203.0.113.9"}}, from("203.0.113.9")},
		{"peer on a Unix socket", "@", http.Header{"X-Forwarded-For": {"203.0.113.9"}}, from("@")},

		{"HTTPS in capitals", trusted, http.Header{"X-Forwarded-Proto": {"HTTPS"}}, curfew.Origin{Addr: "10.0.0.1", Secure: true, Host: "inner"}},
		{"http", trusted, http.Header{"X-Forwarded-Proto": {"http"}}, direct},
		{"two protocols", trusted, http.Header{"X-Forwarded-Proto": {"https", "http"}}, direct},
		{"two protocols in a line", trusted, http.Header{"X-Forwarded-Proto": {"https,https"}}, direct},
		{"wss", trusted, http.Header{"X-Forwarded-Proto": {"wss"}}, direct},

		{"host with a port", trusted, http.Header{"X-Forwarded-Host": {"app.example.com:8443"}}, curfew.Origin{Addr: "10.0.0.1", Host: "app.example.com:8443"}},
		{"IPv6 host", trusted, http.Header{"X-Forwarded-Host": {"[2001:db8::1]:8443"}}, curfew.Origin{Addr: "10.0.0.1", Host: "[2001:db8::1]:8443"}},
		{"two hosts", trusted, http.Header{"X-Forwarded-Host": {"a.example.com", "b.example.com"}}, direct},
		{"two hosts in a line", trusted, http.Header{"X-Forwarded-Host": {"a.example.com, b.example.com"}}, direct},
		{"empty host", trusted, http.Header{"X-Forwarded-Host": {""}}, direct},
		{"host with a path", trusted, http.Header{"X-Forwarded-Host": {"a.example.com/x"}}, direct},
		{"host with a user", trusted, http.Header{"X-Forwarded-Host": {"a@b.example.com"}}, direct},
		{"host with a line break", trusted, http.Header{"X-Forwarded-Host": {"a.example.com\r\nX: y"}}, direct},
		{"host in Unicode", trusted, http.Header{"X-Forwarded-Host": {"ä.example.com"}}, direct},
		{"long host", trusted, http.Header{"X-Forwarded-Host": {strings.Repeat("a", 262)}}, direct},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "http://inner/", nil)
			r.RemoteAddr = tt.peer
			if tt.header != nil {
				r.Header = tt.header
			}
			equal(t, "origin", originOf(proxies, r), tt.want)
		})
	}
}

// TestTrustProxiesOverTLS has proxies that speak TLS with us: what they say of the client's connection counts, and what
// nobody understands changes nothing.
func TestTrustProxiesOverTLS(t *testing.T) {
	for _, tt := range []struct {
		proto []string
		want  bool
	}{
		{nil, true}, {[]string{"https"}, true}, {[]string{"http"}, false}, {[]string{"HTTP"}, false},
		{[]string{""}, true}, {[]string{"https, http"}, true}, {[]string{"http", "http"}, true}, {[]string{"\x00"}, true},
	} {
		r := httptest.NewRequest("GET", "https://inner/", nil)
		r.RemoteAddr = "10.0.0.1:1234"
		r.TLS = &tls.ConnectionState{}
		r.Header["X-Forwarded-Proto"] = tt.proto
		if got := originOf(proxies, r).Secure; got != tt.want {
			t.Errorf("X-Forwarded-Proto %q: secure %v, want %v", tt.proto, got, tt.want)
		}
	}
}

func TestOriginOfWithoutProxies(t *testing.T) {
	for peer, want := range map[string]string{
		"192.0.2.66:1234": "192.0.2.66", "[2001:db8::1]:1234": "2001:db8::1", "[::ffff:192.0.2.66]:1234": "192.0.2.66",
		"[fe80::1%eth0]:1234": "fe80::1", "@": "@", "": "",
	} {
		r := httptest.NewRequest("GET", "http://inner/", nil)
		r.RemoteAddr = peer
		r.Header.Set("X-Forwarded-For", "203.0.113.9")
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("X-Forwarded-Host", "app.example.com")
		equal(t, "origin without TrustProxies", curfew.OriginOf(r), curfew.Origin{Addr: want, Host: "inner"})
		equal(t, "origin with nobody to trust", originOf(nil, r), curfew.Origin{Addr: want, Host: "inner"})
	}
	r := httptest.NewRequest("GET", "https://inner/", nil)
	r.TLS = &tls.ConnectionState{}
	if !curfew.OriginOf(r).Secure {
		t.Error("TLS is not secure")
	}
}

func FuzzTrustProxies(f *testing.F) {
	f.Add("10.0.0.1:1", "203.0.113.9, 10.0.0.2", "https", "app.example.com")
	f.Add("192.0.2.66:1", "203.0.113.9", "https", "app.example.com")
	f.Add("@", ",,%", "\x00", "[::1]:1")
	f.Add("[fe80::1%eth0]:1", "fe80::1%a,b", "HTTPS", "a\r\nb")
	f.Fuzz(func(t *testing.T, peer, forwardedFor, proto, host string) {
		r := httptest.NewRequest("GET", "http://inner/", nil)
		r.RemoteAddr = peer
		alone := curfew.OriginOf(r)
		r.Header = http.Header{"X-Forwarded-For": {forwardedFor}, "X-Forwarded-Proto": {proto}, "X-Forwarded-Host": {host}}
		got := originOf(proxies, r)
		addr, err := netip.ParseAddr(alone.Addr)
		isProxy := err == nil && (proxies[0].Contains(addr) || proxies[1].Contains(addr) || proxies[2].Contains(addr))
		if !isProxy && got != alone {
			t.Errorf("a stranger, %q, was believed: %+v", peer, got)
		}
		if a, err := netip.ParseAddr(got.Addr); got.Addr != alone.Addr && (err != nil || a.Zone() != "" || a.Is4In6()) {
			t.Errorf("address %q", got.Addr)
		}
		if strings.ContainsAny(got.Host, "\r\n\x00/\\@<> ,") {
			t.Errorf("host %q", got.Host)
		}
	})
}
