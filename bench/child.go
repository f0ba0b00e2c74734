package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/curfewhq/curfew"
)

// childArg makes this program the process that is killed.
const childArg = "child"

// runChild does what the parent asks for, and says on standard output what has been acknowledged, until it is killed.
func runChild(deed string, args []string) error {
	s, err := openSite(context.Background(), args[0], 0)
	if err != nil {
		return err
	}
	switch deed {
	case "start":
		return storm(context.Background(), s.Manager, func(t curfew.Token) { fmt.Println(t.Reveal()) })
	case "end-others":
		return endOthers(context.Background(), s, args[1])
	default:
		return fmt.Errorf("no deed %q", deed)
	}
}

// child is a process of this program over a folder.
type child struct {
	cmd    *exec.Cmd
	spoken chan struct{} // closed when it has said something, or can't any more
	ended  chan struct{}
	said   []string // its lines, once it has ended
}

func startChild(args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(self, append([]string{childArg}, args...)...)}
	c.spoken, c.ended = make(chan struct{}), make(chan struct{})
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if _, err := c.cmd.StdinPipe(); err != nil { // open for as long as this process lives
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go c.listen(out)
	return c, nil
}

func (c *child) listen(out io.Reader) {
	defer close(c.ended)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		c.said = append(c.said, lines.Text())
		if len(c.said) == 1 {
			close(c.spoken)
		}
	}
	if len(c.said) == 0 {
		close(c.spoken)
	}
}

// killAfter lets the process go on for a while after its first word, ends it as `kill -9` does, and returns what it said.
func (c *child) killAfter(d time.Duration) ([]string, error) {
	<-c.spoken
	time.Sleep(d)
	if err := c.cmd.Process.Kill(); err != nil {
		return nil, err
	}
	<-c.ended
	_ = c.cmd.Wait() // it says "killed"
	if len(c.said) == 0 {
		return nil, errors.New("the child said nothing")
	}
	return c.said, nil
}
