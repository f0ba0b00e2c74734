package sqlite

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

var statx = unix.Statx // tests have other file systems

// births are the ways to tell a file from copies of it, the best first. When it was made, to the nanosecond, is best, since nobody can set that. Its
// number within the file system is there everywhere.
func births(f *os.File) (ways []string, err error) {
	var s unix.Statx_t
	err = statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &s)
	if err == nil && s.Mask&unix.STATX_BTIME != 0 {
		ways = append(ways, fmt.Sprintf("made %d.%09d", s.Btime.Sec, s.Btime.Nsec))
	}
	var number unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &number); err != nil {
		return nil, err
	}
	return append(ways, fmt.Sprintf("number %d", number.Ino)), nil
}
