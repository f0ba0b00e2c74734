package fault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// reported reports an error of a request, and returns the ID and what an operator's log then holds.
func reported(ctx context.Context, err error) (id, lines string) {
	var log bytes.Buffer
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	id = Report(r, slog.New(slog.NewTextHandler(&log, nil)), err, "path", "/sessions")
	return id, log.String()
}

func TestReport(t *testing.T) {
	id, lines := reported(t.Context(), errors.New("oh dear"))
	if len(id) != 10 || !strings.Contains(lines, fmt.Sprintf(`level=ERROR msg="a request failed" id=%s method=GET path=/sessions error="oh dear"`, id)) {
		t.Errorf("ID %q in the log\n%s", id, lines)
	}
}

func TestReportOfWhoHungUp(t *testing.T) {
	ctx, hangUp := context.WithCancel(t.Context())
	err := fmt.Errorf("read the sessions: %w", context.Canceled)
	if _, lines := reported(ctx, err); lines == "" {
		t.Error("nothing is said of what was cancelled though the client is there")
	}
	hangUp()
	if _, lines := reported(ctx, err); lines != "" {
		t.Errorf("the log holds\n%s", lines)
	}
}

func TestRecovered(t *testing.T) {
	fail := func(v any) (err error) {
		defer func() {
			if p := Recovered(recover()); p != nil {
				err = p
			}
		}()
		if v != nil {
			panic(v)
		}
		return nil
	}
	if err := fail(nil); err != nil {
		t.Errorf("without a panic: %v", err)
	}
	err := fail("oh dear")
	if err == nil || err.Error() != "panic: oh dear" {
		t.Errorf("error %v", err)
	}
	if _, lines := reported(t.Context(), err); !strings.Contains(lines, "TestRecovered") {
		t.Errorf("the log has no stack:\n%s", lines)
	}
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("a broken off answer goes on as %v", v)
		}
	}()
	fail(http.ErrAbortHandler)
	t.Error("a broken off answer is taken for a fault")
}
