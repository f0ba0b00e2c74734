// Command vendored brings the files of other projects that the console is made of into this repository: a script
// library, two fonts, the icons, and what the browser tests check accessibility with. It asks npm for the packages,
// but only whoever upgrades them needs npm: the result is committed.
//
//	go generate ./console                             after a change of console/static/icons.txt
//	go run ./internal/vendored -update                after a change of a version in packages.go
//
// A package whose SHA-256 differs from the one in the lock file is refused. Whoever runs -update has looked at what
// changed.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("root", ".", "the folder of the module")
	update := flag.Bool("update", false, "accept packages that the lock file does not know, and write them there")
	flag.Parse()
	if err := run(*root, *update, npmPack); err != nil {
		fmt.Fprintln(os.Stderr, "vendored:", err)
		os.Exit(1)
	}
}

// fetcher returns the tarball of a package.
type fetcher func(p source) ([]byte, error)

// run collects all files first, so that a refusal leaves everything as it was.
func run(root string, update bool, fetch fetcher) error {
	old, err := readLock(filepath.Join(root, lockPath))
	if err != nil {
		return err
	}
	icons, err := readIcons(filepath.Join(root, iconList))
	if err != nil {
		return err
	}
	files, locked := map[string][]byte{}, lock{}
	for _, p := range sources(icons) {
		tgz, err := fetch(p)
		if err != nil {
			return fmt.Errorf("fetch %s: %w", p, err)
		}
		if err := old.check(p, tgz); err != nil && !update {
			return fmt.Errorf("%w; -update accepts it", err)
		}
		locked[packageKey(p)] = sum(tgz)
		if err := p.collect(tgz, files); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	for name, data := range files {
		locked[fileKey(name)] = sum(data)
	}
	return write(root, files, old, locked)
}

// write puts the files and the lock in place and removes what an older lock had and this one has not.
func write(root string, files map[string][]byte, old, locked lock) error {
	for _, name := range old.files() {
		if _, stays := files[name]; stays {
			continue
		}
		if err := os.Remove(filepath.Join(root, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	files[lockPath] = locked.format()
	for name, data := range files {
		if err := writeFile(filepath.Join(root, name), data); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(name string, data []byte) error {
	if have, err := os.ReadFile(name); err == nil && bytes.Equal(have, data) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}
