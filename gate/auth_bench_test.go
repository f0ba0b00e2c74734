package gate

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/curfewhq/curfew"
)

var localEdge = curfew.Edge{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}

// asNginx is a request by which nginx asks.
func asNginx(method, uri string) *http.Request {
	r := httptest.NewRequest("GET", "http://app.example.com"+AuthPath, nil)
	r.Header = http.Header{
		"X-Original-Method": {method}, "X-Original-Uri": {uri}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"app.example.com"},
		"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"empty"},
	}
	return r
}

// unread is an answer that nobody reads.
type unread struct{ header http.Header }

func (w unread) Header() http.Header       { return w.header }
func (unread) Write(b []byte) (int, error) { return len(b), nil }
func (unread) WriteHeader(int)             {}

func BenchmarkAuth(b *testing.B) {
	h := newHouse(b, nil)
	g, err := New(Options{Sessions: h.Manager, Role: roles, Apps: []App{{}}})
	if err != nil {
		b.Fatal(err)
	}
	auth := g.Auth(localEdge)
	r := asNginx("GET", "/reports?a=b")
	r.Header.Set("Cookie", curfew.SecureCookie+"="+h.amara.Reveal())
	w := unread{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		auth.ServeHTTP(w, r)
	}
	if w.header.Get(headerUser) != "amara" {
		b.Fatalf("refused: %v", w.header)
	}
}
