package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// paceArg makes this program the process that says when to ask.
const paceArg = "pace"

// pacer is a process of its own that asks on several pipes by turns, at a steady pace, as people do from elsewhere. Whatever
// keeps this process from answering does not keep that one from asking, and what it asks arrives like requests from the network: a sleep
// in this process would be measured too, which the scheduler may let go on for another 10 ms while the garbage is collected.
type pacer struct {
	cmd   *exec.Cmd
	pipes []*os.File
}

func startPacer(pipes int, every time.Duration) (*pacer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &pacer{cmd: exec.Command(self, paceArg, fmt.Sprint(pipes), every.String())}
	p.cmd.Stderr = os.Stderr
	for range pipes {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		defer w.Close()
		p.pipes, p.cmd.ExtraFiles = append(p.pipes, r), append(p.cmd.ExtraFiles, w)
	}
	return p, p.cmd.Start()
}

// next waits until it is asked on a pipe, and returns when that was.
func (p *pacer) next(pipe int) (time.Time, error) {
	var at [8]byte
	if _, err := io.ReadFull(p.pipes[pipe], at[:]); err != nil {
		return time.Time{}, err
	}
	return time.Unix(0, int64(binary.LittleEndian.Uint64(at[:]))), nil
}

// stop ends the process; who waits for next gets an error when all is read.
func (p *pacer) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // it says "killed"
}

func (p *pacer) close() error {
	var errs []error
	for _, f := range p.pipes {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// runPacer is the process. It sleeps by the kernel's own clock, which wakes it within some 50 µs.
func runPacer(pipesArg, everyArg string) error {
	pipes, err1 := strconv.Atoi(pipesArg)
	every, err2 := time.ParseDuration(everyArg)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	runtime.LockOSThread()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return err
	}
	due := now.Nano()
	for i := 0; ; i++ {
		due += int64(every)
		at := unix.NsecToTimespec(due)
		for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &at, nil) == unix.EINTR {
		}
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(time.Now().UnixNano()))
		if _, err := unix.Write(3+i%pipes, b[:]); err != nil {
			return err // the parent is gone
		}
	}
}
