package curfew_test

import (
	"errors"
	"fmt"
	"go/build"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/curfewhq/curfew"

// arrows says which of our folders the code of each folder may import; "." is the root. A new folder needs a row.
var (
	arrows = map[string][]string{
		".":         nil,
		"audit":     {"."},
		"webhook":   {".", "audit"},
		"account":   {".", "audit"},
		"memory":    adapter,
		"sqlite":    adapter,
		"storetest": adapter,
		"httpapi":   adapter,
		"gate":      adapter,
		"console":   adapter,
		"internal":  {".", "account", "audit", "webhook"},
		"bench":     {".", "memory", "sqlite", "gate"},
		"cmd":       {".", "account", "audit", "webhook", "memory", "sqlite", "httpapi", "gate", "console", "internal"},
	}
	adapter = []string{".", "account", "audit", "webhook", "internal"}

	// forTests is what all tests may import as well.
	forTests = []string{".", "account", "audit", "webhook", "memory", "storetest", "internal"}

	// shown is what a folder's examples may show beside it.
	shown = map[string][]string{".": {"gate", "httpapi"}}

	// onlyTests is in no program.
	onlyTests = []string{module + "/storetest", module + "/internal/axe", module + "/internal/browsertest", module + "/internal/tracetest"}
)

func TestArrows(t *testing.T) {
	for _, p := range listPackages(t) {
		for _, complaint := range complaints(p) {
			t.Error(complaint)
		}
	}
}

func TestArrowsRefuse(t *testing.T) {
	for name, p := range map[string]*build.Package{
		"root imports a module":             {ImportPath: module, Imports: []string{"example.com/x"}},
		"root imports a folder":             {ImportPath: module, Imports: []string{module + "/account"}},
		"account imports an adapter":        {ImportPath: module + "/account", Imports: []string{module + "/memory"}},
		"adapter imports an adapter":        {ImportPath: module + "/console", Imports: []string{module + "/httpapi"}},
		"adapter imports a part of another": {ImportPath: module + "/console", Imports: []string{module + "/gate/part"}},
		"adapter's tests import another":    {ImportPath: module + "/console", XTestImports: []string{module + "/sqlite"}},
		"program imports what tests need":   {ImportPath: module + "/cmd/curfew", Imports: []string{module + "/internal/axe"}},
		"folder without a row":              {ImportPath: module + "/elsewhere"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := complaints(p); len(got) != 1 {
				t.Errorf("got %q, want one complaint", got)
			}
		})
	}
}

// listPackages reads the files itself, because then `go test` knows that its answer depends on them and doesn't repeat an
// older one.
func listPackages(t *testing.T) []*build.Package {
	t.Helper()
	var packages []*build.Package
	err := filepath.WalkDir(".", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); name == "testdata" || len(name) > 1 && strings.HasPrefix(name, ".") {
			return fs.SkipDir
		}
		p, err := build.ImportDir(dir, 0)
		if _, empty := errors.AsType[*build.NoGoError](err); empty {
			return nil
		}
		p.ImportPath = path.Join(module, filepath.ToSlash(dir))
		packages = append(packages, p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

// complaints are the package's imports that no arrow allows.
func complaints(p *build.Package) []string {
	from := folder(p.ImportPath)
	code, ok := arrows[from]
	if !ok {
		return []string{fmt.Sprintf("%s: folder %q has no row in arrows", p.ImportPath, from)}
	}
	var found []string
	for _, to := range p.Imports {
		program := !slices.Contains(onlyTests, p.ImportPath)
		if !allowed(code, from, to) || program && slices.Contains(onlyTests, to) || from == "." && !isStandard(to) {
			found = append(found, fmt.Sprintf("%s must not import %s", p.ImportPath, to))
		}
	}
	for _, to := range slices.Concat(p.TestImports, p.XTestImports) {
		if !allowed(slices.Concat(code, forTests, shown[from]), from, to) {
			found = append(found, fmt.Sprintf("tests of %s must not import %s", p.ImportPath, to))
		}
	}
	return found
}

// allowed reports whether the folder may import the package. Within itself a folder may do as it likes, and of other
// modules there is nothing to say here.
func allowed(may []string, from, to string) bool {
	target := folder(to)
	return target == "" || target == from || slices.Contains(may, target)
}

// folder is the first folder of a package's path in this module, "." for the root, and "" for other modules' packages.
func folder(path string) string {
	if path == module {
		return "."
	}
	rest, ours := strings.CutPrefix(path, module+"/")
	if !ours {
		return ""
	}
	first, _, _ := strings.Cut(rest, "/")
	return first
}

// isStandard tells the standard library from modules, whose paths begin with a domain.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}
