package webhook

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/memory"
)

// TestOffForDays has an endpoint that was switched off for longer than messages wait. They are older than that when it is switched on, and still come.
func TestOffForDays(t *testing.T) {
	h := newHook(t)
	h.answers(func(w http.ResponseWriter, n int) { w.WriteHeader(http.StatusGone) })
	s := h.sender(h.endpoint("gone"))
	h.run(s)
	h.note(time.Now().Add(-usualPace.age-time.Hour), started("s1"), started("s2"))
	h.until("it is off", func() bool { return h.status(s).Off })
	h.answers(func(w http.ResponseWriter, n int) { // it needs a moment
		if n == 1 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	if err := s.Retry(t.Context(), byAmara, "gone"); err != nil {
		t.Fatal(err)
	}
	if got := h.have(2); got[0].Data.Session.ID != "s1" || got[1].Data.Session.ID != "s2" {
		t.Errorf("%+v", got)
	}
	if st := h.status(s); st.Skipped != 0 {
		t.Errorf("status %+v", st)
	}
}

// TestRefusedWhileItComesBack has a receiver that is away and, while it starts, refuses what it later takes: what came before does not count as a refusal.
func TestRefusedWhileItComesBack(t *testing.T) {
	h := newHook(t)
	h.answers(func(w http.ResponseWriter, n int) {
		switch {
		case n <= 2*usualPace.refusal:
			w.WriteHeader(http.StatusBadGateway)
		case n < 3*usualPace.refusal:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	s := h.sender(h.endpoint("starting"))
	h.run(s)
	h.note(time.Now(), started("s1"), started("s2"))
	if got := h.have(2); got[0].Data.Session.ID != "s1" {
		t.Errorf("%+v", got)
	}
	if st := h.status(s); st.Skipped != 0 {
		t.Errorf("status %+v", st)
	}
}

// TestReceiverWritesNoErrors has receivers that answer with what should be in no log: the query of the URL, and much of it.
func TestReceiverWritesNoErrors(t *testing.T) {
	for name, answer := range map[string]string{
		"no HTTP":          "hidden " + strings.Repeat("x", 40_000) + "\r\n\r\n",
		"no header":        "HTTP/1.1 200 OK\r\nhidden " + strings.Repeat("x", 40_000) + "\r\n\r\n",
		"no length":        "HTTP/1.1 200 OK\r\nContent-Length: hidden\r\n\r\n",
		"a strange place":  "HTTP/1.1 302 Found\r\nLocation: http://%zz/?token=hidden\r\nContent-Length: 0\r\n\r\n",
		"a strange status": "HTTP/1.1 500 hidden\r\nContent-Length: 6\r\n\r\nhidden",
		"none":             "",
	} {
		t.Run(name, func(t *testing.T) {
			h := newHook(t)
			e := h.endpoint("e")
			e.URL = must(url.Parse("http://" + answering(t, answer) + "/?token=hidden"))
			err := h.sender(e).Test(t.Context(), byAmara, "e")
			if err == nil || strings.Contains(err.Error(), "hidden") || len(err.Error()) > 300 {
				t.Errorf("error of %d bytes: %.200v", len(fmt.Sprint(err)), err)
			}
		})
	}
}

// answering listens on an address, and gives whoever comes one answer.
func answering(t *testing.T, answer string) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := c.Read(make([]byte, 4096)); err == nil {
				c.Write([]byte(answer))
			}
			c.Close()
		}
	}()
	return l.Addr().String()
}

// TestErrorsSayWhy has receivers that can't be reached: what is wrong is said.
func TestErrorsSayWhy(t *testing.T) {
	h := newHook(t)
	secure := httptest.NewTLSServer(nil)
	t.Cleanup(secure.Close)
	closed := httptest.NewServer(nil)
	closed.Close()
	for at, want := range map[string]string{
		secure.URL: "certificate", closed.URL: "connection refused", strings.Replace(h.URL, "http:", "https:", 1): "HTTP response to HTTPS client",
	} {
		e := h.endpoint("e")
		e.URL = must(url.Parse(at))
		if err := h.sender(e).Test(t.Context(), byAmara, "e"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", at, err, want)
		}
	}
}

func TestOutcomes(t *testing.T) {
	for want, err := range map[Outcome]error{
		Taken: nil, Refused: &failure{status: 422, refused: true}, Failed: &failure{status: 503}, Gone: &failure{status: 410, gone: true}, Unanswered: errors.New("it did not answer in time"),
	} {
		if got := outcomeOf(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

// TestRetryAfter reads both forms that RFC 9110, section 10.2.3, has.
func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"120": 2 * time.Minute, time.Now().Add(2 * time.Minute).UTC().Format(http.TimeFormat): 2 * time.Minute,
		"": 0, "-5": 0, "soon": 0, "Mon, 02 Jan 2006 15:04:05 GMT": 0,
	} {
		got := retryAfter(text, time.Now())
		if got > want || got < want-2*time.Second {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// failing keeps cursors, but not at first.
type failing struct {
	*memory.Audit
	left int
}

func (f *failing) Cursors(ctx context.Context) (map[string]audit.Cursor, error) {
	if f.left--; f.left >= 0 {
		return nil, errors.New("the disk is full")
	}
	return f.Audit.Cursors(ctx)
}

// TestStoreFailsAtFirst has a store that does not say where the endpoints are: it is asked again, and the log says why nothing is told.
func TestStoreFailsAtFirst(t *testing.T) {
	h := newHook(t)
	if err := h.log.SetCursor(t.Context(), time.Now(), "e", audit.Cursor{}); err != nil {
		t.Fatal(err)
	}
	h.note(time.Now(), started("s1"))
	s := h.sender(h.endpoint("e"))
	s.Options.Store = &failing{h.log, 2}
	h.run(s)
	h.have(1)
	if n := strings.Count(h.text(), "the disk is full"); n != 2 {
		t.Errorf("said %d times:\n%s", n, h.text())
	}
}
