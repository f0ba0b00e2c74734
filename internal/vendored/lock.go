package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
)

// lock holds SHA-256 sums in hexadecimal: of the packages we trust, and of the files made of them.
type lock map[string]string

func packageKey(p source) string { return "package " + p.String() }
func fileKey(name string) string { return filePrefix + name }

const filePrefix = "file "

// readLock reads the lock file, whose lines are "SUM package NAME@VERSION" or "SUM file PATH". One that is not
// there trusts nothing.
func readLock(name string) (lock, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return lock{}, nil
	}
	if err != nil {
		return nil, err
	}
	l := lock{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		sum, key, ok := strings.Cut(line, " ")
		if !ok || l[key] != "" {
			return nil, fmt.Errorf("%s: bad line %q", name, line)
		}
		l[key] = sum
	}
	return l, nil
}

// check returns an error unless the tarball is the one that the lock knows the package by.
func (l lock) check(p source, tgz []byte) error {
	switch want := l[packageKey(p)]; want {
	case "":
		return fmt.Errorf("%s is not in the lock file", p)
	case sum(tgz):
		return nil
	default:
		return fmt.Errorf("%s has SHA-256 %s, but the lock file says %s", p, sum(tgz), want)
	}
}

// files are the paths of the locked files, in order.
func (l lock) files() []string {
	var names []string
	for _, key := range slices.Sorted(maps.Keys(l)) {
		if name, ok := strings.CutPrefix(key, filePrefix); ok {
			names = append(names, name)
		}
	}
	return names
}

func (l lock) format() []byte {
	var b bytes.Buffer
	b.WriteString("# SHA-256 of packages and of the files taken out of them. Written by internal/vendored.\n")
	for _, key := range slices.Sorted(maps.Keys(l)) {
		fmt.Fprintln(&b, l[key], key)
	}
	return b.Bytes()
}
