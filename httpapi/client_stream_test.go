package httpapi_test

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/httpapi"
)

// runStreams runs a test of what streams, in process and over a connection: runControl's answers come whole.
func runStreams(t *testing.T, f func(*testing.T, *kit, *httpapi.Client)) {
	for _, over := range []string{"in process", "over a connection"} {
		t.Run(over, func(t *testing.T) {
			k := newKit(t)
			defer k.close()
			h := httpapi.NewControl(httpapi.ControlOptions{Sessions: k.sessions, Accounts: k.accounts, Stopping: k.stopping})
			c := httpapi.NewClient(httpapi.HandlerTransport(h))
			if over != "in process" {
				server := httptest.NewServer(h)
				defer server.Close()
				c = httpapi.NewClient(server.Client().Transport)
				c.Server = server.URL
			}
			f(t, k, c)
		})
	}
}

func TestExport(t *testing.T) {
	runStreams(t, func(t *testing.T, k *kit, c *httpapi.Client) {
		k.user("arslan", account.User)
		const many = curfew.MaxPage + 1
		for range many {
			k.signIn("arslan")
		}
		if _, err := c.End(t.Context(), httpapi.End{Others: true}); err != nil {
			t.Fatal(err)
		}
		for format, count := range map[string]func(io.Reader) (int, error){
			"csv": func(r io.Reader) (int, error) {
				rows, err := csv.NewReader(r).ReadAll()
				return len(rows) - 1, err
			},
			"ndjson": func(r io.Reader) (n int, err error) {
				lines := bufio.NewScanner(r)
				for lines.Scan() {
					n++
				}
				return n, lines.Err()
			},
		} {
			var all bytes.Buffer
			if err := c.Export(t.Context(), httpapi.HistoryQuery{Format: format}, &all); err != nil {
				t.Fatal(err)
			}
			if n, err := count(&all); n != many || err != nil {
				t.Errorf("%s: %d, %v", format, n, err)
			}
		}
		err := c.Export(t.Context(), httpapi.HistoryQuery{Format: "csv", Reason: "boredom"}, io.Discard)
		wantCode(t, err, curfew.CodeInvalid, "reason")
	})
}

// An answer that is broken off ends with an error, also without a connection.
func TestBrokenOff(t *testing.T) {
	c := httpapi.NewClient(httpapi.HandlerTransport(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		io.WriteString(w, "ended_at,reason\n")
		panic(http.ErrAbortHandler)
	})))
	var got strings.Builder
	if err := c.Export(t.Context(), httpapi.HistoryQuery{Format: "csv"}, &got); got.String() != "ended_at,reason\n" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q, %v", got.String(), err)
	}
}

// What is not Curfew is never taken for it, and gets no second look at whose the request is.
func TestNotCurfew(t *testing.T) {
	var asked atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer elsewhere.Close()
	for name, test := range map[string]struct {
		status             int
		mediaType, content string
		code               curfew.Code
		words              string
	}{
		"a page":            {200, "text/html; charset=utf-8", "<title>Welcome</title>", curfew.CodeInternal, "not Curfew: it says 200 OK, with text/html"},
		"no such page":      {404, "text/html", "<h1>Not Found</h1>", curfew.CodeInternal, "not Curfew: it says 404 Not Found"},
		"nothing":           {200, "", "", curfew.CodeInternal, "not Curfew"},
		"another address":   {302, "", "", curfew.CodeInternal, "leads on to " + elsewhere.URL},
		"a proxy alone":     {502, "text/html", "<h1>Bad Gateway</h1>", curfew.CodeUnavailable, "502"},
		"nobody's problem":  {401, "application/problem+json", `{"title":"Unauthorized","detail":"sign in first"}`, curfew.CodeDenied, "sign in first"},
		"JSON, but no list": {200, "application/json", `[`, curfew.CodeInternal, "read the server's answer"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header()["Content-Type"] = []string{test.mediaType}
				w.Header().Set("Location", elsewhere.URL)
				w.WriteHeader(test.status)
				io.WriteString(w, test.content)
			}))
			defer server.Close()
			c := httpapi.NewClient(http.DefaultTransport)
			c.Server = server.URL
			_, err := c.Account(t.Context())
			wantCode(t, err, test.code, test.words)
			if name == "JSON, but no list" {
				return
			}
			wantCode(t, c.EndSession(t.Context(), "4k2v"), test.code, test.words)
			_, err = c.Watch(t.Context(), "")
			wantCode(t, err, test.code, test.words)
			wantCode(t, c.Export(t.Context(), httpapi.HistoryQuery{Format: "csv"}, io.Discard), test.code, test.words)
		})
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
}
