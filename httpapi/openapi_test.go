package httpapi_test

import (
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/curfewhq/curfew/account"
)

var update = flag.Bool("update", false, "write docs/openapi.json and the table of docs/api.md anew")

const documentPath = "../docs/openapi.json"

// The document that is checked in is what the server answers with.
func TestOpenAPIDocument(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.User)
		_, token := k.signIn("amara")
		w := k.do(request("GET", "/api/openapi.json", "", token))
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/openapi+json" {
			t.Fatalf("status %d, %v", w.Code, w.Header())
		}
		got := w.Body.String()
		if *update {
			if err := os.WriteFile(documentPath, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(documentPath)
		if err != nil || got != string(want) {
			t.Errorf("%s is not what the server says (%v): run go test ./httpapi -run OpenAPI -update", documentPath, err)
		}
	})
}

// TestProblemsMayHoldMore lets clients take problems that have a field more one day (RFC 9457, section 3.2).
func TestProblemsMayHoldMore(t *testing.T) {
	text, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Components struct {
			Schemas map[string]struct{ AdditionalProperties *bool }
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Problem", "FieldError", "Session"} {
		if more := doc.Components.Schemas[name].AdditionalProperties; more == nil || !*more {
			t.Errorf("%s is closed to what it may hold one day", name)
		}
	}
}
