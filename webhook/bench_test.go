package webhook

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/memory"
)

// BenchmarkDeliver sends messages to a receiver on this machine, which verifies nothing.
func BenchmarkDeliver(b *testing.B) {
	log := memory.NewAudit()
	done, n := make(chan struct{}), 0
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if n++; n == b.N {
			close(done)
		}
	}))
	defer receiver.Close()
	e := Endpoint{Name: "e", URL: must(url.Parse(receiver.URL)), Secrets: []string{secret}}
	s, err := New(Options{Log: audit.NewLog(log), Store: log, Endpoints: []Endpoint{e}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	if err := log.SetCursor(b.Context(), time.Now(), "e", audit.Cursor{}); err != nil {
		b.Fatal(err)
	}
	records := make([]audit.Record, b.N)
	for i := range records {
		records[i] = started("s1")
	}
	if err := log.AppendAudit(b.Context(), time.Now(), records...); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	go s.Run(b.Context())
	<-done
}
