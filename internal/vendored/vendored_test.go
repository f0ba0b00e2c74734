package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const moonSVG = `<!-- @license a comment -->
<svg class="lucide" xmlns="http://www.w3.org/2000/svg" width="24" height="24" viewBox="0 0 24 24"
  fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">
  <path d="M1 2" />
</svg>
`

// The committed files are the ones that the lock knows, without asking anybody.
func TestFilesMatchLock(t *testing.T) {
	const root = "../.."
	locked, err := readLock(filepath.Join(root, lockPath))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range locked.files() {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
		} else if got := sum(data); got != locked[fileKey(name)] {
			t.Errorf("%s has SHA-256 %s, but the lock file says %s", name, got, locked[fileKey(name)])
		}
	}
	here, err := fs.Glob(os.DirFS(root), vendorDir+"/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range here {
		if name != lockPath && locked[fileKey(name)] == "" {
			t.Errorf("%s is not in the lock file", name)
		}
	}
}

// Whoever changes a version, a file or an icon also runs the program.
func TestLockMatchesSources(t *testing.T) {
	const root = "../.."
	icons, err := readIcons(filepath.Join(root, iconList))
	if err != nil {
		t.Fatal(err)
	}
	locked, err := readLock(filepath.Join(root, lockPath))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{fileKey(iconFile)}
	for _, p := range sources(icons) {
		want = append(want, packageKey(p))
		for _, to := range p.files {
			want = append(want, fileKey(to))
		}
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(locked)); !slices.Equal(got, want) {
		t.Errorf("the lock file has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	svg, err := os.ReadFile(filepath.Join(root, iconFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range icons {
		if !bytes.Contains(svg, []byte(`<symbol id="`+name+`"`)) {
			t.Errorf("icon %s is in %s but not in %s: run go generate ./console", name, iconList, iconFile)
		}
	}
	if got := bytes.Count(svg, []byte("<symbol ")); got != len(icons) {
		t.Errorf("%s has %d icons, %s has %d: run go generate ./console", iconFile, got, iconList, len(icons))
	}
}

func TestRunTakesWhatIsListedAndNothingElse(t *testing.T) {
	root := newRoot(t)
	fetch := tarballs(t, nil)
	if err := run(root, true, fetch); err != nil {
		t.Fatal(err)
	}
	want := []string{iconList, iconFile, lockPath}
	for _, p := range sources(nil) {
		want = slices.AppendSeq(want, maps.Values(p.files))
	}
	slices.Sort(want)
	if got := filesIn(t, root); !slices.Equal(got, want) {
		t.Errorf("got files\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := read(t, root, vendorDir+"/htmx.min.js"); got != "htmx.org dist/htmx.min.js" {
		t.Errorf("htmx.min.js holds %q", got)
	}
	if err := run(root, false, fetch); err != nil {
		t.Errorf("second run: %v", err)
	}
}

func TestRunRefusesAnotherPackage(t *testing.T) {
	root := newRoot(t)
	if err := run(root, false, tarballs(t, nil)); err == nil || !strings.Contains(err.Error(), "htmx.org@") {
		t.Errorf("without a lock: %v", err)
	}
	if err := run(root, true, tarballs(t, nil)); err != nil {
		t.Fatal(err)
	}
	before := read(t, root, lockPath)
	changed := tarballs(t, map[string]string{"axe.min.js": "changed"})
	if err := run(root, false, changed); err == nil || !strings.Contains(err.Error(), "has SHA-256") {
		t.Errorf("changed package: %v", err)
	}
	if read(t, root, lockPath) != before || read(t, root, axeDir+"/axe.min.js") == "changed" {
		t.Error("a refused package changed files")
	}
	if err := run(root, true, changed); err != nil {
		t.Fatal(err)
	}
	if read(t, root, lockPath) == before || read(t, root, axeDir+"/axe.min.js") != "changed" {
		t.Error("-update did not take the changed package")
	}
}

func TestRunRemovesWhatItNoLongerTakes(t *testing.T) {
	root := newRoot(t)
	const gone = vendorDir + "/gone.js"
	put(t, root, gone, "old")
	put(t, root, lockPath, sum([]byte("old"))+" "+fileKey(gone)+"\n")
	if err := run(root, true, tarballs(t, nil)); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(filesIn(t, root), gone) {
		t.Error("the file is still there")
	}
}

func TestExtractMissingFile(t *testing.T) {
	_, err := extract(tarball(t, map[string]string{"package/a": "1"}), map[string]bool{"a": true, "b": true})
	if err == nil || !strings.Contains(err.Error(), "has no file b") {
		t.Errorf("got %v", err)
	}
}

func TestReadLockRefusesBadLines(t *testing.T) {
	for _, text := range []string{"sumwithoutkey\n", "1 file a\n2 file a\n"} {
		root := t.TempDir()
		put(t, root, "lock", text)
		if _, err := readLock(filepath.Join(root, "lock")); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestReadIcons(t *testing.T) {
	root := t.TempDir()
	put(t, root, "icons", "# ours\nsun\n\nmoon\nsun\n")
	got, err := readIcons(filepath.Join(root, "icons"))
	if err != nil || !slices.Equal(got, []string{"moon", "sun"}) {
		t.Errorf("got %q, %v", got, err)
	}
	put(t, root, "icons", "../LICENSE\n")
	if _, err := readIcons(filepath.Join(root, "icons")); err == nil {
		t.Error("a path was read as a name")
	}
}

func TestSprite(t *testing.T) {
	p := source{name: "icons", version: "1", icons: []string{"moon"}}
	got, err := sprite(p, map[string][]byte{"icons/moon.svg": []byte(moonSVG)})
	if err != nil {
		t.Fatal(err)
	}
	want := `<svg xmlns="http://www.w3.org/2000/svg">
<!-- icons 1, see LICENSE-lucide.txt -->
<symbol id="moon" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"><path d="M1 2"></path></symbol>
</svg>
`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSpriteRefusesWhatIsNoDrawing(t *testing.T) {
	for name, svg := range map[string]string{
		"script":        `<svg><script>x()</script></svg>`,
		"handler":       `<svg><path onclick="x()"/></svg>`,
		"link":          `<svg><path xmlns:xlink="x" xlink:href="https://example.com"/></svg>`,
		"style":         `<svg><path style="fill:red"/></svg>`,
		"no svg":        `<html></html>`,
		"not closed":    `<svg><path>`,
		"nested styles": `<svg><g><style>*{}</style></g></svg>`,
	} {
		t.Run(name, func(t *testing.T) {
			if err := symbol(new(bytes.Buffer), "moon", []byte(svg)); err == nil {
				t.Error("was taken")
			}
		})
	}
}

// newRoot returns a module of which there is only the list of icons.
func newRoot(t *testing.T) string {
	root := t.TempDir()
	put(t, root, iconList, "moon\n")
	return root
}

// tarballs fetches packages that have all the listed files, and one more. Contents can be changed by the file's path.
func tarballs(t *testing.T, contents map[string]string) fetcher {
	return func(p source) ([]byte, error) {
		files := map[string]string{"package/extra.js": "not wanted", "elsewhere/LICENSE": "not wanted"}
		for from := range p.files {
			files["package/"+from] = p.name + " " + from
			if c, ok := contents[from]; ok {
				files["package/"+from] = c
			}
		}
		for _, name := range p.icons {
			files["package/"+iconPath(name)] = moonSVG
		}
		return tarball(t, files), nil
	}
}

func tarball(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	archive := tar.NewWriter(zipped)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		must(t, archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))}))
		_, err := archive.Write([]byte(files[name]))
		must(t, err)
	}
	must(t, archive.Close())
	must(t, zipped.Close())
	return b.Bytes()
}

func filesIn(t *testing.T, root string) []string {
	t.Helper()
	var names []string
	must(t, fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	}))
	return names
}

func put(t *testing.T, root, name, text string) {
	t.Helper()
	must(t, writeFile(filepath.Join(root, name), []byte(text)))
}

func read(t *testing.T, root, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	must(t, err)
	return string(data)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
