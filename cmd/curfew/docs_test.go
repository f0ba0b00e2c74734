package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var updateDocs = flag.Bool("update", false, "write the tables of flags into docs/configuration.md and docs/commands.md")

// pages say which flags there are. What commands share that ask a server is in one table.
var pages = []string{"../../docs/configuration.md", "../../docs/commands.md"}

var (
	flagTables  = regexp.MustCompile(`(?s)<!-- flags of (curfew[a-z ]*) -->\n.*?<!-- end -->`)
	sharedTable = regexp.MustCompile(`(?s)<!-- shared flags -->\n.*?<!-- end -->`)
)

// TestFlagTables compares the tables of flags in the pages with what --help says.
func TestFlagTables(t *testing.T) {
	parser, err := newParser(streams{os.Stdin, os.Stdout, os.Stderr}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		want := flagTables.ReplaceAllStringFunc(string(text), func(old string) string {
			name := flagTables.FindStringSubmatch(old)[1]
			node := find(parser.Model.Node, strings.Fields(name)[1:])
			if node == nil {
				t.Errorf("%s has a table for %q, which is no command", page, name)
				return old
			}
			documented[name] = true
			return fmt.Sprintf("<!-- flags of %s -->\n%s<!-- end -->", name, tableOf(ownFlags(node)))
		})
		want = sharedTable.ReplaceAllStringFunc(want, func(string) string {
			return "<!-- shared flags -->\n" + tableOf(sharedFlags()) + "<!-- end -->"
		})
		if want == string(text) {
			continue
		}
		if !*updateDocs {
			t.Errorf("%s differs from --help; run: go test ./cmd/curfew -run TestFlagTables -update", page)
		} else if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	statuses, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range exits {
		if row := fmt.Sprintf("| %d | %s |\n", e.status, e.means); !strings.Contains(string(statuses), row) {
			t.Errorf("docs/commands.md lacks the exit status %s", row)
		}
	}
	for _, leaf := range parser.Model.Leaves(true) {
		if name := commandName(leaf); len(ownFlags(leaf)) > 0 && !documented[name] {
			t.Errorf("no page has a table for %q", name)
		}
	}
}

// find returns the command with the words.
func find(n *kong.Node, words []string) *kong.Node {
	for _, word := range words {
		var child *kong.Node
		for _, c := range n.Children {
			if c.Name == word {
				child = c
			}
		}
		if n = child; n == nil {
			return nil
		}
	}
	return n
}

func tableOf(flags []*kong.Flag) string {
	if len(flags) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("| flag | variable | default | meaning |\n|---|---|---|---|\n")
	for _, f := range flags {
		def, envs := "", ""
		if f.Default != "" {
			def = "`" + f.Default + "`"
		}
		if len(f.Envs) > 0 {
			envs = "`" + strings.Join(f.Envs, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `--%s` | %s | %s | %s |\n", f.Name, envs, def, f.Help)
	}
	return b.String()
}
