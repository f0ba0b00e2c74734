package mount

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestUnder(t *testing.T) {
	h := Under(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if Of(r) != Base {
			t.Errorf("%s: the base is %q", r.URL, Of(r))
		}
		w.Write([]byte(r.URL.EscapedPath() + "?" + r.URL.RawQuery))
	}))
	for path, want := range map[string]string{
		"/.curfew/":            "/?",
		"/.curfew/users?q=1":   "/users?q=1",
		"/.curfew/a%2Fb":       "/a/b?",
		"/.curfew%2fusers":     "/users?",
		"/.curfew%2f%2fusers":  "308 /.curfew/users",
		"/%2ecurfew/users":     "/users?",
		"/.curfew/.curfew/x":   "/.curfew/x?",
		"/.curfew":             "308 /.curfew/",
		"/.curfew?x":           "308 /.curfew/?x",
		"/.curfew//users?q":    "308 /.curfew/users?q",
		"/.curfew/a/../users/": "308 /.curfew/users/",
		"/.curfew/../../x":     "308 /.curfew/x",
		"/.curfew//":           "308 /.curfew/",
		"/.curfewx":            "404 ",
		"/":                    "404 ",
		"/x/.curfew/":          "404 ",
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		got := w.Body.String()
		switch w.Code {
		case http.StatusPermanentRedirect:
			got = "308 " + w.Header().Get("Location")
		case http.StatusNotFound:
			got = "404 "
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if base := Of(httptest.NewRequest(http.MethodGet, "/", nil)); base != "" {
		t.Errorf("without Under the base is %q", base)
	}
}
