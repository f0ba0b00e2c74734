package httpapi_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/internal/mount"
)

// The page shows each call and each object of the document, and needs nothing but its style sheet.
func TestDocsPage(t *testing.T) {
	run(t, func(k *kit) {
		k.user("arslan", account.User)
		_, token := k.signIn("arslan")
		for _, base := range []string{"", mount.Base} {
			if base != "" {
				k.api = mount.Under(k.api)
			}
			w := k.do(request("GET", base+"/api/docs", "", token))
			text := w.Body.String()
			if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || strings.Contains(w.Header().Get("Content-Security-Policy"), "unsafe") {
				t.Fatalf("status %d, %v", w.Code, w.Header())
			}
			document, err := os.ReadFile(documentPath)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`"operationId": "(\w+)"|"#/components/schemas/(\w+)"`).FindAllStringSubmatch(string(document), -1) {
				if !strings.Contains(text, `<section id="`+m[1]+m[2]+`">`) {
					t.Errorf("%s is not on the page", m[1]+m[2])
				}
			}
			for _, m := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(text, -1) {
				if !strings.HasPrefix(m[1], "#") && !strings.HasPrefix(m[1], base+"/") {
					t.Errorf("the page leads to %s", m[1])
				}
				if id, ok := strings.CutPrefix(m[1], "#"); ok && !strings.Contains(text, `id="`+id+`"`) {
					t.Errorf("the page leads to %s, which is nowhere", m[1])
				}
			}
			if m := regexp.MustCompile(`<script|style=|<style| on\w+=|ZgotmplZ`).FindString(text); m != "" {
				t.Errorf("the page has %s", m)
			}
			if w := k.do(request("GET", base+"/api/docs.css", "", token)); w.Code != 200 || w.Header().Get("Content-Type") != "text/css; charset=utf-8" {
				t.Errorf("its style: status %d, %v", w.Code, w.Header())
			}
		}
	})
}

func TestDocsAreForTheSignedIn(t *testing.T) {
	run(t, func(k *kit) {
		for _, path := range []string{"/api/openapi.json", "/api/docs", "/api/docs.css"} {
			if status, _ := k.call("GET", path, "", curfew.Token{}); status != http.StatusUnauthorized {
				t.Errorf("%s: status %d", path, status)
			}
		}
	})
}
