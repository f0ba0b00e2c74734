package gate_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/gate"
)

func get(method, etag string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, gate.GuardPath, nil)
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	w := httptest.NewRecorder()
	gate.Guard().ServeHTTP(w, r)
	return w
}

func TestGuardIsServed(t *testing.T) {
	w := get(http.MethodGet, "")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "curfew:state") {
		t.Fatalf("status %d, body of %d bytes", w.Code, w.Body.Len())
	}
	for name, want := range map[string]string{
		"Content-Type":                 "text/javascript; charset=utf-8",
		"Cache-Control":                "no-cache",
		"X-Content-Type-Options":       "nosniff",
		"Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if w := get(http.MethodHead, ""); w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("HEAD: status %d, %d bytes", w.Code, w.Body.Len())
	}
}

func TestGuardIsRevalidated(t *testing.T) {
	etag := get(http.MethodGet, "").Header().Get("ETag")
	if w := get(http.MethodGet, etag); etag == "" || w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("same ETag %q: status %d, %d bytes", etag, w.Code, w.Body.Len())
	}
	if w := get(http.MethodGet, `"old"`); w.Code != http.StatusOK {
		t.Errorf("other ETag: status %d", w.Code)
	}
}

func TestGuardIsOnlyRead(t *testing.T) {
	w := get(http.MethodPost, "")
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: status %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

// A page's Content-Security-Policy may forbid what these do.
func TestGuardNeedsNoLeave(t *testing.T) {
	script := get(http.MethodGet, "").Body.String()
	for _, word := range []string{"eval(", "new Function", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "'style'", "import("} {
		if strings.Contains(script, word) {
			t.Errorf("guard.js uses %s", word)
		}
	}
}
