// Package docs checks the documents: what they point to is there.
package docs

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// link finds where a Markdown link, an image or a picture's source points to, and the part of the page after #.
var link = regexp.MustCompile(`(?:\]\(|src="|srcset=")([^)"#\s]*)(?:#([^)"\s]+))?`)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, name := range find(t, ".md") {
		for _, m := range link.FindAllStringSubmatch(read(t, name), -1) {
			to, part := m[1], m[2]
			if strings.Contains(to, "://") {
				continue
			}
			page := name
			if to != "" {
				page = filepath.Join(filepath.Dir(name), filepath.FromSlash(to))
			}
			if _, err := os.Stat(page); err != nil {
				t.Errorf("%s: %v", name, err)
			} else if part != "" && !slices.Contains(parts(read(t, page)), part) {
				t.Errorf("%s: %s has no part #%s", name, page, part)
			}
		}
	}
}

var (
	heading = regexp.MustCompile("(?m)^#+ +(.+)$")
	noPart  = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// parts are the anchors that a page's headings make, as forges make them.
func parts(page string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		all = append(all, strings.ReplaceAll(noPart.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return all
}

var goProgram = regexp.MustCompile("(?s)```go\n(package main\n.*?)```")

// TestProgramsBuild has the compiler look at each whole program in the pages.
func TestProgramsBuild(t *testing.T) {
	programs := 0
	for _, name := range find(t, ".md") {
		for _, m := range goProgram.FindAllStringSubmatch(read(t, name), -1) {
			programs++
			file := filepath.Join(t.TempDir(), "main.go")
			if err := os.WriteFile(file, []byte(m[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			vet := exec.Command("go", "vet", file)
			vet.Dir = root
			if out, err := vet.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
			formatted, err := format.Source([]byte(m[1]))
			if err != nil || string(formatted) != m[1] {
				t.Errorf("%s: a program is not formatted: %v", name, err)
			}
		}
	}
	if programs == 0 {
		t.Error("README.md has no program")
	}
}

// TestMapsAreWhole wants each package's folder named where newcomers look for it, but what is ours alone.
func TestMapsAreWhole(t *testing.T) {
	folders := map[string]bool{}
	for _, name := range find(t, ".go") {
		if rest, err := filepath.Rel(root, name); err == nil && filepath.Dir(rest) != "." {
			folders[strings.Split(filepath.ToSlash(rest), "/")[0]] = true
		}
	}
	for _, page := range []string{"README.md", "docs/design.md", "curfew.go"} {
		text := read(t, filepath.Join(root, page))
		for folder := range folders {
			if folder != "bench" && folder != "internal" && !regexp.MustCompile(`\b`+folder+`\b`).MatchString(text) {
				t.Errorf("%s does not name the folder %s", page, folder)
			}
		}
	}
}

var numbered = regexp.MustCompile(`^(\d{4})-.*\.md$`)

// TestDecisionsAreListed wants each decision in the list of them, under the title that it has, and no number left out or given twice.
func TestDecisionsAreListed(t *testing.T) {
	const folder = "docs/decisions"
	list, next := read(t, filepath.Join(root, folder, "README.md")), 1
	for _, name := range find(t, ".md") {
		m := numbered.FindStringSubmatch(filepath.Base(name))
		if m == nil || !strings.HasSuffix(filepath.ToSlash(filepath.Dir(name)), folder) {
			continue
		}
		if m[1] != fmt.Sprintf("%04d", next) {
			t.Errorf("%s is not number %d", m[0], next)
		}
		next++
		head, _, _ := strings.Cut(read(t, name), "\n")
		number, title, _ := strings.Cut(strings.TrimPrefix(head, "# "), ". ")
		if row := fmt.Sprintf("| %s | [%s](%s) |", number, title, m[0]); !strings.Contains(list, row) {
			t.Errorf("%s/README.md has no row %s", folder, row)
		}
	}
}

var direct = regexp.MustCompile(`(?m)^\t(\S+) v\S+$`)

// TestModulesHaveReasons wants each module that go.mod names for us, and not for others, in the list of what they are for.
func TestModulesHaveReasons(t *testing.T) {
	reasons := strings.ReplaceAll(read(t, filepath.Join(root, "CONTRIBUTING.md")), "`…/", "`go.opentelemetry.io/")
	for _, m := range direct.FindAllStringSubmatch(read(t, filepath.Join(root, "go.mod")), -1) {
		if !strings.Contains(reasons, "`"+m[1]+"`") {
			t.Errorf("CONTRIBUTING.md does not say what %s is for", m[1])
		}
	}
}

var testName = regexp.MustCompile(`\b(?:Test|Fuzz|Example)[A-Z][A-Za-z0-9_]*`)

// The map of promises names tests; a test that is renamed or removed takes its promise's proof away.
func TestNamedTestsExist(t *testing.T) {
	have := testFunctions(t)
	for _, name := range testName.FindAllString(read(t, filepath.Join(root, "docs/security.md")), -1) {
		if !have[name] {
			t.Errorf("docs/security.md names %s, which is no test", name)
		}
	}
}

func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	have := map[string]bool{}
	for _, name := range find(t, ".go") {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				have[f.Name.Name] = true
			}
		}
	}
	return have
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// find returns the files of this repository whose names end so.
func find(t *testing.T, ending string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != "..":
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(name, ending):
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
