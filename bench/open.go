package main

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// measureOpen kills a process while people sign in, and opens what it leaves.
func (b *bench) measureOpen() error {
	dir, err := b.copySeed(b.sessions)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var took spread
	for range 3 {
		c, err := startChild("start", dir)
		if err != nil {
			return err
		}
		if _, err := c.killAfter(2 * time.Second); err != nil {
			return err
		}
		s, err := openSite(b.ctx, dir, 0)
		if err != nil {
			return err
		}
		took = append(took, float64(s.took))
		if err := s.close(); err != nil {
			return err
		}
	}
	slices.Sort(took)
	b.within(fmt.Sprintf("start-up after kill -9, %s sessions", showCount(b.sessions)), 2e9, took)
	return nil
}
