package sqlite

import (
	"testing"

	"golang.org/x/sys/unix"
)

// OnFilesystem has all folders be on file systems of the kind, a magic number of statfs(2), until the test ends.
func OnFilesystem(t *testing.T, kind uint32) {
	t.Cleanup(func() { statfs = unix.Statfs })
	statfs = func(_ string, st *unix.Statfs_t) error {
		setKind(&st.Type, kind)
		return nil
	}
}

// setKind sets a field that has another size on each architecture, and a sign on some.
func setKind[T int32 | uint32 | int64](field *T, kind uint32) { *field = T(kind) }
