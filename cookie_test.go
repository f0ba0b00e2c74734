package curfew_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
)

func TestSetCookie(t *testing.T) {
	token := curfew.NewToken()
	for name, tt := range map[string]struct {
		secure     bool
		set, clear string
	}{
		"secure": {true,
			"__Host-curfew=" + token.Reveal() + "; Path=/; HttpOnly; Secure; SameSite=Lax",
			"__Host-curfew=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"},
		"plain": {false,
			"curfew=" + token.Reveal() + "; Path=/; HttpOnly; SameSite=Lax",
			"curfew=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/signin", nil)
			if tt.secure {
				r.TLS = &tls.ConnectionState{}
			}
			set, clear := httptest.NewRecorder(), httptest.NewRecorder()
			curfew.SetCookie(set, r, token)
			equal(t, "Set-Cookie", strings.Join(set.Header()["Set-Cookie"], "\n"), tt.set)
			curfew.ClearCookie(clear, r)
			equal(t, "Set-Cookie to clear", strings.Join(clear.Header()["Set-Cookie"], "\n"), tt.clear)
			if n := len(set.Header().Get("Set-Cookie")); n > 4096 {
				t.Errorf("a cookie of %d bytes", n)
			}

			next := httptest.NewRequest("GET", "/", nil)
			next.TLS = r.TLS
			for _, c := range set.Result().Cookies() {
				next.AddCookie(c)
			}
			if got, ok := curfew.TokenOf(next); !ok || got.Hash() != token.Hash() {
				t.Error("the cookie isn't read back")
			}
		})
	}
}

// lookups counts what reaches a store.
type lookups struct {
	curfew.Store
	n atomic.Int64
}

func (l *lookups) Find(ctx context.Context, hash *curfew.TokenHash, id curfew.SessionID) (curfew.Record, error) {
	l.n.Add(1)
	return l.Store.Find(ctx, hash, id)
}

// wire reads the request that a client sends with the header lines, in which TOKEN stands for the token.
func wire(t *testing.T, token curfew.Token, lines ...string) *http.Request {
	t.Helper()
	raw := "GET / HTTP/1.1\r\nHost: example.com\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(raw, "TOKEN", token.Reveal()))))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTokenOf(t *testing.T) {
	second := curfew.NewToken().Reveal()
	tests := []struct {
		name   string
		secure bool
		lines  []string
		ok     bool
	}{
		{"plain", false, []string{"Cookie: curfew=TOKEN"}, true},
		{"secure", true, []string{"Cookie: __Host-curfew=TOKEN"}, true},
		{"among others", false, []string{"Cookie: a=b; curfew=TOKEN; theme=dark"}, true},
		{"without spaces", false, []string{"Cookie: a=b;curfew=TOKEN;theme=dark"}, true},
		{"over two lines", false, []string{"Cookie: a=b", "Cookie: curfew=TOKEN"}, true},
		{"header in small letters", false, []string{"cookie: curfew=TOKEN"}, true},
		{"beside an empty pair", false, []string{"Cookie: ; curfew=TOKEN;"}, true},
		{"beside a longer name", false, []string{"Cookie: curfew2=x; xcurfew=y; curfew=TOKEN"}, true},
		{"beside one of the other kind", true, []string{"Cookie: curfew=" + second + "; __Host-curfew=TOKEN"}, true},

		{"no header", false, nil, false},
		{"none of ours", false, []string{"Cookie: a=TOKEN"}, false},
		{"plain cookie on a secure connection", true, []string{"Cookie: curfew=TOKEN"}, false},
		{"secure cookie on a plain connection", false, []string{"Cookie: __Host-curfew=TOKEN"}, false},
		{"twice", false, []string{"Cookie: curfew=TOKEN; curfew=TOKEN"}, false},
		{"planted first", false, []string{"Cookie: curfew=" + second + "; curfew=TOKEN"}, false},
		{"planted last", false, []string{"Cookie: curfew=TOKEN; curfew=" + second}, false},
		{"planted in a line of its own", false, []string{"Cookie: curfew=TOKEN", "Cookie: curfew=" + second}, false},
		{"planted empty", false, []string{"Cookie: curfew=TOKEN; curfew="}, false},
		{"planted without a value", false, []string{"Cookie: curfew=TOKEN; curfew"}, false},
		{"planted in capitals", false, []string{"Cookie: curfew=TOKEN; Curfew=" + second}, false},
		{"planted, secure, in small letters", true, []string{"Cookie: __Host-curfew=TOKEN; __host-curfew=" + second}, false},
		{"planted with a space after the name", false, []string{"Cookie: curfew=TOKEN; curfew =" + second}, false},
		{"planted with a tab before the name", false, []string{"Cookie: curfew=TOKEN;\tcurfew=" + second}, false},
		{"planted with a no-break space", false, []string{"Cookie: curfew=TOKEN; \u00a0curfew=" + second}, false},
		{"planted with a Unicode space", false, []string{"Cookie: curfew=TOKEN; curfew\u2003=" + second}, false},
		{"planted with quotes", false, []string{`Cookie: curfew=TOKEN; "curfew"=` + second}, false},
		{"planted with a dollar", false, []string{"Cookie: $Version=1; $curfew=" + second + "; curfew=TOKEN"}, false},
		{"with a space before the equals", false, []string{"Cookie: curfew =TOKEN"}, false},
		{"in capitals alone", false, []string{"Cookie: CURFEW=TOKEN"}, false},
		{"nameless", false, []string{"Cookie: TOKEN"}, false},
		{"nameless with an equals", false, []string{"Cookie: =TOKEN"}, false},
		{"nameless with our name", false, []string{"Cookie: =curfew=TOKEN"}, false},
		{"$Version with commas", false, []string{"Cookie: $Version=1, curfew=TOKEN, $Path=/"}, false},
		{"quoted value", false, []string{`Cookie: curfew="TOKEN"`}, false},
		{"value with a space", false, []string{"Cookie: curfew= TOKEN"}, false},
		{"value with more", false, []string{"Cookie: curfew=TOKEN=x"}, false},
		{"value percent-encoded", false, []string{"Cookie: curfew=cft%5FTOKEN"}, false},
		{"malformed", false, []string{"Cookie: curfew=deadbeef"}, false},
		{"oversized", false, []string{"Cookie: curfew=TOKEN" + strings.Repeat("A", 1<<20)}, false},
		{"oversized and good", false, []string{"Cookie: curfew=" + strings.Repeat("A", 1<<20) + "; curfew=TOKEN"}, false},
		{"ten thousand", false, []string{"Cookie: " + strings.Repeat("curfew=TOKEN; ", 10_000)}, false},
	}
	store := &lookups{Store: memory.NewSessions()}
	m := manage(t, store, curfew.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token := curfew.NewToken()
			r := wire(t, token, tt.lines...)
			if tt.secure {
				r.TLS = &tls.ConnectionState{}
			}
			got, ok := curfew.TokenOf(r)
			if ok != tt.ok {
				t.Fatalf("TokenOf: %v, want %v", ok, tt.ok)
			}
			if ok && got.Hash() != token.Hash() || !ok && got.Reveal() != "" {
				t.Error("TokenOf returned another token")
			}
			before := store.n.Load()
			m.Authenticate(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
			if looked := store.n.Load() > before; looked != tt.ok {
				t.Errorf("looked up: %v, want %v", looked, tt.ok)
			}
		})
	}
}

func FuzzTokenOf(f *testing.F) {
	good := "curfew=" + curfew.NewToken().Reveal()
	for _, seed := range []string{"", good, good + "; " + good, "a=b; " + good, `"curfew"=x; ` + good, "$Version=1; " + good, "=; =;;="} {
		f.Add(seed, "")
		f.Add("a=b", seed)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Cookie"] = []string{one, two}
		token, ok := curfew.TokenOf(r)
		if !ok {
			return
		}
		if _, again := curfew.ParseToken(token.Reveal()); !again {
			t.Errorf("malformed token of %q, %q", one, two)
		}
		// The strict reader may refuse what the standard one takes, but must never take anything else.
		if c, err := r.Cookie("curfew"); err != nil || c.Value != token.Reveal() || len(r.CookiesNamed("curfew")) != 1 {
			t.Errorf("%q, %q: net/http reads it otherwise", one, two)
		}
	})
}
