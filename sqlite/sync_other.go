//go:build !linux

package sqlite

import "os"

// syncLog brings what was written to a file to the disk. Tests have other disks.
var syncLog = (*os.File).Sync
