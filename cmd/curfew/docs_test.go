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

var updateDocs = flag.Bool("update", false, "write the tables of flags into docs/configuration.md")

const configurationPage = "../../docs/configuration.md"

// TestConfigurationPage compares the tables of flags in docs/configuration.md with what --help says.
func TestConfigurationPage(t *testing.T) {
	page, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	want := string(page)
	parser, err := newParser(streams{os.Stdin, os.Stdout, os.Stderr}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	tables := regexp.MustCompile(`(?s)<!-- flags of (curfew[a-z ]*) -->\n.*?<!-- end -->`)
	want = tables.ReplaceAllStringFunc(want, func(old string) string {
		name := tables.FindStringSubmatch(old)[1]
		node := find(parser.Model.Node, strings.Fields(name)[1:])
		if node == nil {
			t.Errorf("the page has a table for %q, which is no command", name)
			return old
		}
		documented[name] = true
		return fmt.Sprintf("<!-- flags of %s -->\n%s<!-- end -->", name, flagTable(node))
	})
	for _, leaf := range parser.Model.Leaves(true) {
		if name := commandName(leaf); len(leaf.Flags) > 1 && !documented[name] {
			t.Errorf("the page has no table for %q", name)
		}
	}
	if want == string(page) {
		return
	}
	if !*updateDocs {
		t.Fatal("docs/configuration.md differs from --help; run: go test ./cmd/curfew -run TestConfigurationPage -update")
	}
	if err := os.WriteFile(configurationPage, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// commandName is what one types for a command.
func commandName(n *kong.Node) string {
	if n.Parent == nil {
		return n.Name
	}
	return commandName(n.Parent) + " " + n.Name
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

func flagTable(n *kong.Node) string {
	var b strings.Builder
	b.WriteString("| flag | variable | default | meaning |\n|---|---|---|---|\n")
	for _, f := range n.Flags {
		if f.Name == "help" {
			continue
		}
		def := ""
		if f.Default != "" {
			def = "`" + f.Default + "`"
		}
		fmt.Fprintf(&b, "| `--%s` | `%s` | %s | %s |\n", f.Name, strings.Join(f.Envs, "`, `"), def, f.Help)
	}
	return b.String()
}
