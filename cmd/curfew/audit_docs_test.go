package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/audit"
)

// docs/audit.md has a row for each event, in their order, and for no other.
func TestAuditDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(text), "\n## Events\n")
	part, _, _ = strings.Cut(part, "\n## ")
	var got []audit.Event
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(part, -1) {
		got = append(got, audit.Event(m[1]))
	}
	if !slices.Equal(got, audit.Events) {
		t.Errorf("the page has %v, there are %v", got, audit.Events)
	}
}
