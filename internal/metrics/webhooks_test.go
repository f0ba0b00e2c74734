package metrics

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/webhook"
)

func TestWebhooks(t *testing.T) {
	m := New("test")
	hooks := []webhook.Status{
		{Name: "crm", URL: "https://crm.example/hook", Sent: map[webhook.Outcome]int{webhook.Taken: 7}},
		{Name: "chat", Behind: 4, Oldest: time.Now().Add(-time.Hour), Skipped: 2, Lost: 9, Off: true, Error: "it answered 410", Sent: map[webhook.Outcome]int{webhook.Gone: 1, webhook.Refused: 10}},
	}
	var broken error
	m.FollowWebhooks(func(context.Context) ([]webhook.Status, error) { return hooks, broken })
	text := scrape(m)
	for _, want := range []string{
		`curfew_webhook_backlog_records{webhook="crm"} 0`, `curfew_webhook_backlog_seconds{webhook="crm"} 0`, `curfew_webhook_off{webhook="crm"} 0`,
		`curfew_webhook_sends_total{outcome="taken",webhook="crm"} 7`, `curfew_webhook_sends_total{outcome="unanswered",webhook="crm"} 0`,
		`curfew_webhook_backlog_records{webhook="chat"} 4`, `curfew_webhook_off{webhook="chat"} 1`, `curfew_webhook_given_up_total{webhook="chat"} 2`, `curfew_webhook_lost_records_total{webhook="chat"} 9`,
		`curfew_webhook_sends_total{outcome="refused",webhook="chat"} 10`, `curfew_webhook_sends_total{outcome="gone",webhook="chat"} 1`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
	if !regexp.MustCompile(`\ncurfew_webhook_backlog_seconds{webhook="chat"} 360\d`).MatchString(text) || strings.Contains(text, "example") {
		t.Errorf("got\n%s", text)
	}
	broken = errors.New("disk full")
	if text := scrape(m); strings.Contains(text, "curfew_webhook_") || !strings.Contains(text, "curfew_build_info") {
		t.Errorf("while the store does not answer:\n%s", text)
	}
}

// scrape returns what Prometheus reads.
func scrape(m *Metrics) string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}
