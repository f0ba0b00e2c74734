package main

import (
	"bytes"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/tracetest"
)

// traced runs a server that sends its traces to the receiver. Tests that call it are not parallel: the environment is everybody's.
func traced(t *testing.T, args ...string) (*server, *tracetest.Receiver) {
	t.Helper()
	to := tracetest.New(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", to.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=canary-of-the-receiver")
	return serveHouse(t, append(args, "--log-level", "debug", "--log-format", "json")...), to
}

// TestTraces follows a sign-in, a page, a call of the API, a question of a proxy and a request to an app, and finds the spans when the
// server has stopped.
func TestTraces(t *testing.T) {
	var told string
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told = r.Header.Get("Traceparent") }))
	defer app.Close()
	s, to := traced(t, "--forward-auth", "--trusted-proxy", "127.0.0.1", "--upstream", "app.example.com="+app.URL)
	c := s.signIn("amara")
	c.get("/users/no-such-user")
	c.get("/.curfew/api/v1/session")
	c.do(http.MethodGet, "/.curfew/auth", "", "X-Original-URI", "/", "X-Original-Method", "GET", "X-Forwarded-Proto", "http")
	const theirs = "0af7651916cd43dd8448eb211c80319c"
	c.do(http.MethodGet, "/", "", "X-Forwarded-Host", "app.example.com", "Traceparent", "00-"+theirs+"-b7ad6b7169203331-01")
	s.stop()

	signIn, step, hash := to.Span("POST /signin"), to.Span("sign-in"), to.Span("hash-password")
	if !bytes.Equal(step.ParentSpanId, signIn.SpanId) || !bytes.Equal(hash.ParentSpanId, step.SpanId) || !bytes.Equal(to.Span("store insert").TraceId, signIn.TraceId) {
		t.Error("the spans of the sign-in are not below each other")
	}
	if line := regexp.MustCompile(`.*"signed in".*`).FindString(s.log.String()); !strings.Contains(line, `"trace_id":"`+hex.EncodeToString(signIn.TraceId)+`"`) {
		t.Errorf("the log does not say in which trace the sign-in is:\n%s", line)
	}
	for name, part := range map[string]string{
		"POST /signin": "console", "GET /users/{id}": "console", "GET /.curfew/api/v1/session": "api", "GET /.curfew/auth": "forward-auth",
	} {
		if got := tracetest.Attribute(to.Span(name), "curfew.part"); got != part {
			t.Errorf("%s is for %q, want %q", name, got, part)
		}
	}
	if !strings.HasPrefix(told, "00-"+theirs+"-") || strings.Contains(told, "b7ad6b7169203331") {
		t.Errorf("the app is told of the trace %q", told)
	}
	if n := len(to.Spans("GET")); n != 2 { // to us, and ours to the app
		t.Errorf("the request to the app has %d spans", n)
	}
}

// TestTracesHoldNoSecrets looks for what is secret, or somebody's, in all spans, and for secrets in all lines of the log, with debug
// lines and an API key in use.
func TestTracesHoldNoSecrets(t *testing.T) {
	app := httptest.NewServer(http.NotFoundHandler())
	s, to := traced(t, "--forward-auth", "--trusted-proxy", "127.0.0.1", "--upstream", "app.example.com="+app.URL)
	key := strings.TrimSpace(s.curfew("", "key", "new", "amara", "script", "--role", "admin"))
	c := s.signIn("amara")
	token := curfew.NewToken().Reveal()
	odd := []string{
		"Cookie", curfew.PlainCookie + "=" + token + "; other=canary-of-a-cookie", "User-Agent", "canary-agent", "Referer", "http://canary-referrer/",
		"Traceparent", "00-canary-of-a-trace-01", "Baggage", "user=canary-baggage",
	}
	for _, path := range []string{"/sessions?q=canary-of-a-query", "/unlock?code=canary-of-a-code", "/.curfew/signin?next=/canary-next", "/canary-path"} {
		c.get(path)
		s.client().do(http.MethodGet, path, "", odd...)
		s.client().do(http.MethodGet, path, "", append(odd, "X-Forwarded-Host", "app.example.com")...)
		s.client().do("CANARY", path, "", odd...)
	}
	s.client().post("/signin", "username", "canary-name@example.com", "password", "canary-of-a-password")
	for _, bearer := range []string{key, key + "canary-of-a-key"} {
		s.client().do(http.MethodGet, "/api/v1/users?q=canary", "", "Authorization", "Bearer "+bearer)
		s.client().do(http.MethodPost, "/api/v1/users", `{"username":"canary","password":"canary-of-a-password"}`, "Authorization", "Bearer "+bearer, "Content-Type", "application/json")
	}
	s.client().do(http.MethodGet, "/.curfew/auth", "", append(odd, "X-Original-URI", "/?canary", "X-Original-Method", "GET", "X-Forwarded-Proto", "http")...)
	app.Close()
	c.do(http.MethodGet, "/canary-path?canary-of-a-query", "", "X-Forwarded-Host", "app.example.com")
	s.stop()

	if len(to.Spans("GET /api/v1/users")) == 0 || len(to.Spans("HTTP")) == 0 {
		t.Error("there is nothing to look at")
	}
	cookies := []string{token}
	base, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range c.Jar.Cookies(base) {
		cookies = append(cookies, cookie.Value)
	}
	secrets := append(cookies, password, key, "canary-of-")
	spans := string(bytes.ToLower(to.Raw()))
	for _, word := range append(secrets, "canary", "amara", "okafor", "example.com") {
		if i := strings.Index(spans, strings.ToLower(word)); i >= 0 {
			t.Errorf("%q is in a span: …%q…", word, spans[max(0, i-40):min(len(spans), i+60)])
		}
	}
	log := s.log.String()
	for _, word := range secrets {
		if i := strings.Index(log, word); i >= 0 {
			t.Errorf("%q is in the log: …%s…", word, log[max(0, i-200):min(len(log), i+100)])
		}
	}
}

// TestTracesMistakes has the environment ask for what there is not.
func TestTracesMistakes(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	var errs bytes.Buffer
	if status := run(t.Context(), []string{"serve", "--data", t.TempDir()}, streams{strings.NewReader(""), &errs, &errs}); status != exitUsage || !strings.Contains(errs.String(), "OTEL_EXPORTER_OTLP_PROTOCOL") {
		t.Errorf("status %d: %s", status, errs.String())
	}
}

// TestHelpNamesTraces looks in the server's help for each variable that docs/operations.md explains.
func TestHelpNamesTraces(t *testing.T) {
	page, err := os.ReadFile(operationsPage)
	if err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	if status := run(t.Context(), []string{"serve", "--help"}, streams{strings.NewReader(""), &out, &errs}); status != exitOK {
		t.Fatalf("status %d: %s", status, errs.String())
	}
	help := out.String()
	names := regexp.MustCompile("(?m)^\\| `(OTEL_[A-Z_]+)`").FindAllStringSubmatch(string(page), -1)
	if len(names) < 10 {
		t.Fatalf("the page explains %q", names)
	}
	for _, m := range names {
		short := strings.Replace(m[1], "OTEL_EXPORTER_OTLP_", "", 1)
		if !strings.Contains(help, m[1]) && !strings.Contains(help, ", _"+short) {
			t.Errorf("the help lacks %s", m[1])
		}
	}
}
