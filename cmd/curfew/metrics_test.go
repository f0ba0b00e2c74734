package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

const operationsPage = "../../docs/operations.md"

var metricsAddress = regexp.MustCompile(`msg=metrics address=(\S+)`)

// metrics returns what Prometheus reads, and how.
func (s *server) metrics() (text string, header http.Header) {
	s.t.Helper()
	found := metricsAddress.FindStringSubmatch(s.log.String())
	if found == nil {
		s.t.Fatalf("the log has no address of metrics:\n%s", s.log)
	}
	res, err := http.Get(found[1])
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("metrics: status %d, %v", res.StatusCode, err)
	}
	return string(body), res.Header
}

// TestMetrics does some of everything, and looks at what was counted.
func TestMetrics(t *testing.T) {
	inTurn(t)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
	defer app.Close()
	s := serveHouse(t, "--metrics-listen", "127.0.0.1:0", "--forward-auth", "--trusted-proxy", "127.0.0.1", "--upstream", "app.example.com="+app.URL)
	c := s.signIn("amara")
	s.signIn("mia").post("/signout")
	s.client().post("/signin", "username", "amara", "password", "a wrong password")
	c.get("/sessions")
	c.get("/api/v1/session")
	c.do(http.MethodGet, "/.curfew/auth", "", "X-Original-URI", "/", "X-Original-Method", "GET", "X-Forwarded-Proto", "http")
	s.client().do(http.MethodGet, "/.curfew/auth", "", "X-Original-URI", "/", "X-Original-Method", "GET", "X-Forwarded-Proto", "http")
	s.client().do(http.MethodGet, "/", "", "X-Forwarded-Host", "app.example.com")
	events, err := c.Client.Get(s.base + "/api/v1/session/events")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()

	text, header := s.metrics()
	for _, want := range []string{
		`curfew_sessions_live 1`, `curfew_users_signed_in 1`, `curfew_ready 1`,
		`curfew_sessions_started_total 2`, `curfew_sessions_ended_total{reason="signed-out"} 1`, `curfew_sessions_ended_total{reason="idle"} 0`,
		`curfew_sign_ins_total{outcome="ok"} 2`, `curfew_sign_ins_total{outcome="denied"} 1`, `curfew_sign_in_seconds_count 3`,
		`curfew_forward_auth_answers_total{status="200"} 1`, `curfew_forward_auth_answers_total{status="401"} 1`,
		`curfew_http_requests_total{part="app",status="4xx"} 1`, `curfew_http_requests_total{part="api",status="2xx"} 1`,
		`curfew_store_seconds_count{operation="insert"} 2`, `curfew_store_errors_total{operation="update-account"} 0`, `curfew_store_errors_total{operation="insert"} 0`,
		`curfew_streams_open{kind="events"} 1`, `curfew_streams_open{kind="websocket"} 0`,
		`curfew_build_info{`, `go_goroutines `, `process_open_fds `,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("there is no %s in\n%s", want, ours(text))
		}
	}
	if regexp.MustCompile(`curfew_store_seconds_count{operation="find-account"} 0\n`).MatchString(text) {
		t.Error("no look-up of an account was measured")
	}
	if regexp.MustCompile(`curfew_check_seconds_count 0\n`).MatchString(text) {
		t.Error("no check was measured")
	}
	for _, word := range []string{"amara", "mia", "127.0.0.1", "example.com", "wrong", password, "cft_"} {
		if strings.Contains(ours(text), word) {
			t.Errorf("the metrics tell %q", word)
		}
	}
	if header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the header is %v", header)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
	if status, _ := c.get("/metrics"); status != http.StatusNotFound {
		t.Errorf("on the site: status %d", status)
	}
}

// ours are the lines about Curfew itself.
func ours(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "curfew_") {
			b.WriteString(line)
		}
	}
	return b.String()
}

var (
	helpLine = regexp.MustCompile(`(?m)^# HELP (curfew_\w+) (.*)$`)
	typeLine = regexp.MustCompile(`(?m)^# TYPE (\w+) (\w+)$`)
	named    = regexp.MustCompile(`\b(?:curfew|go|process|promhttp)_[a-z0-9_]+`)
)

// TestOperationsPage compares the table of metrics in docs/operations.md with what is there, and looks for every metric that the
// dashboard and the alerts name.
func TestOperationsPage(t *testing.T) {
	inTurn(t)
	s := serve(t, t.TempDir(), "--metrics-listen", "127.0.0.1:0", "--config", newHookReceiver(t).config())
	text, _ := s.metrics()
	types := map[string]string{}
	for _, m := range typeLine.FindAllStringSubmatch(text, -1) {
		types[m[1]] = m[2]
	}
	var table strings.Builder
	table.WriteString("| metric | kind | meaning |\n|---|---|---|\n")
	for _, m := range helpLine.FindAllStringSubmatch(text, -1) {
		fmt.Fprintf(&table, "| `%s%s` | %s | %s |\n", m[1], labels(text, m[1]), types[m[1]], m[2])
	}
	checkTable(t, operationsPage, "metrics", table.String())
	for _, name := range []string{"../../docs/grafana/curfew.json", "../../docs/prometheus/alerts.yml"} {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		metrics := named.FindAllString(string(file), -1)
		if len(metrics) == 0 {
			t.Errorf("%s names no metric", name)
		}
		for _, metric := range metrics {
			base := regexp.MustCompile(`_(?:bucket|count|sum)$`).ReplaceAllString(metric, "")
			if types[metric] == "" && types[base] != "histogram" {
				t.Errorf("%s names %s, which there is not", name, metric)
			}
		}
	}
}

// labels are those of a metric, without the histograms' own.
func labels(text, metric string) string {
	found := regexp.MustCompile(`(?m)^` + metric + `(?:_count)?\{(.*)\} `).FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	var names []string
	for _, m := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(found[1], -1) {
		if m[1] != "le" {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return "{" + strings.Join(names, ", ") + "}"
}

// checkTable compares a table of a page with what it should be.
func checkTable(t *testing.T, page, name, want string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	place := regexp.MustCompile(`(?s)<!-- ` + name + ` -->\n.*?<!-- end -->`)
	if !place.Match(text) {
		t.Fatalf("%s has no table of %s", page, name)
	}
	is := place.ReplaceAllLiteralString(string(text), "<!-- "+name+" -->\n"+want+"<!-- end -->")
	if is == string(text) {
		return
	}
	if !*updateDocs {
		t.Fatalf("%s differs; run: go test ./cmd/curfew -run %s -update", page, t.Name())
	}
	if err := os.WriteFile(page, []byte(is), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestDashboard reads it as Grafana does.
func TestDashboard(t *testing.T) {
	file, err := os.ReadFile("../../docs/grafana/curfew.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title, UID string
		Panels     []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(file, &board); err != nil || board.Title == "" || board.UID == "" || len(board.Panels) == 0 {
		t.Fatalf("%+v, %v", board, err)
	}
	seen := map[int]bool{}
	for _, p := range board.Panels {
		if p.Title == "" || len(p.Targets) == 0 || seen[p.ID] {
			t.Errorf("panel %d %q has %d targets", p.ID, p.Title, len(p.Targets))
		}
		seen[p.ID] = true
	}
}
