package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// Where things are, from the folder of the module.
const (
	vendorDir = "console/static/vendor"
	axeDir    = "internal/axe"
	iconList  = "console/static/icons.txt"
	iconFile  = vendorDir + "/icons.svg"
	lockPath  = vendorDir + "/vendor.lock"
)

// source is an npm package and what we take of it.
type source struct {
	name, version string
	files         map[string]string // path in the package: path in the module
	icons         []string          // names of icons to put into iconFile
}

func (p source) String() string { return p.name + "@" + p.version }

// sources are all packages we take files of.
func sources(icons []string) []source {
	return []source{
		{name: "htmx.org", version: "4.0.1", files: map[string]string{
			"dist/htmx.min.js": vendorDir + "/htmx.min.js",
			"LICENSE":          vendorDir + "/LICENSE-htmx.txt",
		}},
		{name: "@fontsource-variable/geist", version: "5.3.0", files: map[string]string{
			"files/geist-latin-wght-normal.woff2":     vendorDir + "/geist-latin-wght-normal.woff2",
			"files/geist-latin-ext-wght-normal.woff2": vendorDir + "/geist-latin-ext-wght-normal.woff2",
			"LICENSE": vendorDir + "/LICENSE-geist.txt",
		}},
		{name: "@fontsource-variable/geist-mono", version: "5.3.0", files: map[string]string{
			"files/geist-mono-latin-wght-normal.woff2": vendorDir + "/geist-mono-latin-wght-normal.woff2",
			"LICENSE": vendorDir + "/LICENSE-geist-mono.txt",
		}},
		{name: "lucide-static", version: "1.62.0", icons: icons, files: map[string]string{
			"LICENSE": vendorDir + "/LICENSE-lucide.txt",
		}},
		{name: "axe-core", version: "4.14.1", files: map[string]string{
			"axe.min.js":            axeDir + "/axe.min.js",
			"LICENSE":               axeDir + "/LICENSE",
			"LICENSE-3RD-PARTY.txt": axeDir + "/LICENSE-3RD-PARTY.txt",
		}},
	}
}

// collect adds the package's files, and the icons in one, to files.
func (p source) collect(tgz []byte, files map[string][]byte) error {
	want := map[string]bool{}
	for from := range p.files {
		want[from] = true
	}
	for _, name := range p.icons {
		want[iconPath(name)] = true
	}
	have, err := extract(tgz, want)
	if err != nil {
		return err
	}
	for from, to := range p.files {
		files[to] = have[from]
	}
	if len(p.icons) == 0 {
		return nil
	}
	files[iconFile], err = sprite(p, have)
	return err
}

func iconPath(name string) string { return "icons/" + name + ".svg" }

// npmPack lets npm download the package and verify it against the registry's own checksum.
func npmPack(p source) ([]byte, error) {
	dir, err := os.MkdirTemp("", "vendored-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", dir, p.String())
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("npm pack: %w", err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("npm pack left %d tarballs", len(found))
	}
	return os.ReadFile(found[0])
}

// maxFile is more than any file we take has; a larger one is not what we wanted.
const maxFile = 8 << 20

// extract returns the wanted files of an npm tarball, each of which must be there.
func extract(tgz []byte, want map[string]bool) (map[string][]byte, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(tgz))
	if err != nil {
		return nil, err
	}
	have := map[string][]byte{}
	for archive := tar.NewReader(unzipped); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		name, err := filepath.Rel("package", h.Name)
		if err != nil || !want[name] || h.Typeflag != tar.TypeReg {
			continue
		}
		if h.Size > maxFile {
			return nil, fmt.Errorf("%s has %d bytes", name, h.Size)
		}
		if have[name], err = io.ReadAll(archive); err != nil {
			return nil, err
		}
	}
	for name := range want {
		if _, ok := have[name]; !ok {
			return nil, fmt.Errorf("has no file %s", name)
		}
	}
	return have, nil
}
