package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/curfewhq/curfew/httpapi"
	"github.com/curfewhq/curfew/sqlite"
)

type backupCmd struct {
	dataFlags
	File      string `arg:"" default:"." help:"File to write, a folder in which it gets a name with the time, or - for standard output."`
	Overwrite bool   `help:"Replace the file if there is one."`
	Keep      int    `placeholder:"N" help:"In a folder: keep the latest N backups there with such names, and delete the others."`
}

// backupName is the name of a backup in a folder, and backupNames are all such names.
const (
	backupName  = "curfew-20060102T150405Z.db"
	backupNames = "curfew-????????T??????Z.db"
)

// Run copies the database.
func (c backupCmd) Run(ctx context.Context, std streams) error {
	to, folder := c.target(time.Now())
	switch {
	case c.Keep < 0 || c.Keep > 0 && folder == "":
		return usage("--keep is how many backups stay in a folder; give a folder to write to")
	case c.Overwrite:
	case exists(to):
		return fmt.Errorf("%s is there already; --overwrite replaces it", to)
	}
	part, err := c.fetch(ctx, to)
	if err != nil {
		return err
	}
	defer os.Remove(part) // unless it has its name by then
	if err := sqlite.CheckBackup(ctx, part); err != nil {
		return err
	}
	if c.File == "-" {
		return appendFile(std.out, part)
	}
	if err := c.publish(part, to); err != nil {
		return err
	}
	if err := c.prune(folder, filepath.Base(to)); err != nil {
		return err
	}
	return printBackup(std.out, to)
}

// target is the file to write and, if it is one with the time in its name, its folder.
func (c backupCmd) target(now time.Time) (file, folder string) {
	if c.File == "-" {
		return "", ""
	}
	if info, err := os.Stat(c.File); err == nil && info.IsDir() {
		return filepath.Join(c.File, now.UTC().Format(backupName)), c.File
	}
	return c.File, ""
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

// fetch has the database copied, and moves the copy beside where it is to be: under a name that begins with a dot or, for standard
// output, in the system's folder for such things.
func (c backupCmd) fetch(ctx context.Context, to string) (part string, err error) {
	dir, pattern := filepath.Dir(to), "."+filepath.Base(to)+".*"
	if to == "" {
		dir, pattern = "", "curfew-backup-*"
	}
	f, err := os.CreateTemp(dir, pattern) // mode 0600
	if err != nil {
		if failed, ok := errors.AsType[*fs.PathError](err); ok {
			err = failed.Err // without its path, which nobody gave
		}
		return "", fmt.Errorf("can't write to the folder %s: %w", cmp.Or(dir, os.TempDir()), err)
	}
	err = c.with(ctx, false, func(api *httpapi.Client) error {
		b, err := api.Backup(ctx)
		if err != nil {
			return err
		}
		file := filepath.Join(c.Data, b.File)
		return errors.Join(appendFile(f, file), os.Remove(file))
	})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func appendFile(to io.Writer, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(to, f)
	return err
}

// publish gives a checked backup its name.
func (c backupCmd) publish(part, to string) error {
	if c.Overwrite {
		return errors.Join(os.Rename(part, to), syncFolder(filepath.Dir(to)))
	}
	switch err := os.Link(part, to); { // unlike a rename, it takes no other's name
	case errors.Is(err, fs.ErrExist):
		return err
	case err != nil: // a file system without links
		if err := os.Rename(part, to); err != nil {
			return err
		}
	}
	return syncFolder(filepath.Dir(to))
}

// syncFolder has the disk keep the names that are in the folder now.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// prune deletes the oldest backups of a folder. Their names are in the order of time, but the new one stays even if a clock was wrong.
func (c backupCmd) prune(folder, made string) error {
	if c.Keep == 0 {
		return nil
	}
	files, err := fs.Glob(os.DirFS(folder), backupNames)
	if err != nil {
		return err
	}
	files = slices.DeleteFunc(files, func(name string) bool { return name == made })
	slices.Sort(files)
	for _, old := range files[:max(0, len(files)-(c.Keep-1))] {
		if err := os.Remove(filepath.Join(folder, old)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func printBackup(out io.Writer, file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "Backed up to %s (%.1f MB), and checked.\n", file, float64(info.Size())/1e6)
	return err
}
