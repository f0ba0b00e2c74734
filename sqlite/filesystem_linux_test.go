package sqlite_test

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/curfewhq/curfew/sqlite"
)

func TestFilesystem(t *testing.T) {
	for name, kind := range map[string]uint32{
		"NFS": unix.NFS_SUPER_MAGIC, "SMB": unix.SMB_SUPER_MAGIC, "SMB 2": unix.SMB2_SUPER_MAGIC, "CIFS": unix.CIFS_SUPER_MAGIC,
		"FUSE": unix.FUSE_SUPER_MAGIC, "9P": unix.V9FS_MAGIC, "Ceph": unix.CEPH_SUPER_MAGIC, "Coda": unix.CODA_SUPER_MAGIC,
		"AFS": unix.AFS_SUPER_MAGIC, "AFS of the kernel": unix.AFS_FS_MAGIC,
	} {
		t.Run(name, func(t *testing.T) {
			sqlite.OnFilesystem(t, kind)
			dir := t.TempDir()
			refuses(t, dir, "network or FUSE", "--any-filesystem", dir)
			if made, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(made) > 0 {
				t.Errorf("the folder has %v, %v; want nothing", made, err)
			}
			db, err := sqlite.Open(t.Context(), dir, sqlite.Options{AnyFilesystem: true})
			if err != nil {
				t.Fatalf("forced: %v", err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	for name, kind := range map[string]uint32{
		"ext4": unix.EXT4_SUPER_MAGIC, "XFS": unix.XFS_SUPER_MAGIC, "Btrfs": unix.BTRFS_SUPER_MAGIC, "F2FS": unix.F2FS_SUPER_MAGIC,
		"overlay": unix.OVERLAYFS_SUPER_MAGIC, "tmpfs": unix.TMPFS_MAGIC, "ZFS": 0x2fc12fc1,
	} {
		t.Run(name, func(t *testing.T) {
			sqlite.OnFilesystem(t, kind)
			open(t, t.TempDir())
		})
	}
}
