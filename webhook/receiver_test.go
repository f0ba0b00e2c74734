package webhook

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

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
			err := h.sender(e).Test(t.Context(), "e")
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
		if err := h.sender(e).Test(t.Context(), "e"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", at, err, want)
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
