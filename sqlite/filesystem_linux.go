package sqlite

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// remote are the magic numbers, of statfs(2), of file systems on which WAL mode or locks can't be relied on.
var remote = []uint32{
	unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC,
	unix.V9FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.CODA_SUPER_MAGIC, unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC,
}

var statfs = unix.Statfs // tests have other file systems

func checkFilesystem(dir string) error {
	var st unix.Statfs_t
	if err := statfs(dir, &st); err != nil {
		return fmt.Errorf("look at the data folder: %w", err)
	}
	if slices.Contains(remote, uint32(st.Type)) {
		return fmt.Errorf("the data folder %s is on a network or FUSE file system, where a database can be lost; "+
			"use a local disk, or --any-filesystem if you know better", dir)
	}
	return nil
}
