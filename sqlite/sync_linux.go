package sqlite

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncLog brings what was written to a file to the disk, and its length, but no times (fdatasync(2)). Tests have other disks.
var syncLog = func(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}
