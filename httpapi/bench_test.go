package httpapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// BenchmarkGuard measures what the guard asks for most.
func BenchmarkGuard(b *testing.B) {
	for _, call := range []struct{ name, method, path, body string }{
		{"session", "GET", "/api/v1/session", ""},
		{"activity", "POST", "/api/v1/session/activity", `{"age_ms":5}`},
	} {
		b.Run(call.name, func(b *testing.B) {
			k := newKit(b)
			a := k.user("amara", account.Admin)
			tokens := make([]curfew.Token, 2000) // no session is over the limit
			for i := range tokens {
				st := curfew.Start{User: curfew.User{ID: a.ID, Name: "amara"}, Lifetime: time.Hour}
				var err error
				if _, tokens[i], err = k.sessions.Start(b.Context(), st); err != nil {
					b.Fatal(err)
				}
			}
			w := &nowhere{http.Header{}}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				k.api.ServeHTTP(w, request(call.method, call.path, call.body, tokens[i%len(tokens)]))
				i++
			}
		})
	}
}

// nowhere takes any answer.
type nowhere struct{ header http.Header }

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) WriteHeader(int)             {}
func (w *nowhere) Write(b []byte) (int, error) { return len(b), nil }
