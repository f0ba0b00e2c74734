package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew"
)

// stormCallers is how many people sign in at once.
const stormCallers = 64

// storm signs people in until the context ends, and hands on every token once it was answered.
func storm(ctx context.Context, m *curfew.Manager, started func(curfew.Token)) error {
	var n atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, stormCallers)
	for range stormCallers {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, t, err := m.Start(ctx, startOf(int(n.Add(1))))
				if err != nil {
					errs <- err
					return
				}
				started(t)
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// measureStart measures sign-ins, but for the hashing of passwords, and that none is lost.
func (b *bench) measureStart() error {
	if err := b.measureSync(); err != nil {
		return err
	}
	rate, err := b.startRate(0)
	if err != nil {
		return err
	}
	b.add("sign-ins, durable, 64 callers", "≥ 20000 a second", showSpread(rate, showRate), rate.median() >= 20_000)
	if err := b.measureCrowd(); err != nil {
		return err
	}
	return b.measureLostStarts()
}

// crowd is more sign-ins without a pause than the store puts off taking into its indexes.
const crowd = 300_000

// measureCrowd measures sign-ins when so many have come before that each has to wait for another one to be indexed.
func (b *bench) measureCrowd() error {
	s, err := b.newSite(0, 0)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	var started atomic.Int64
	if err := storm(ctx, s.Manager, func(curfew.Token) {
		if started.Add(1) == crowd {
			cancel()
		}
	}); err != nil {
		return err
	}
	rate, err := s.startRate(b.ctx)
	if err != nil {
		return err
	}
	b.figure(fmt.Sprintf("sign-ins a second after %s without a pause", showCount(crowd)), showSpread(rate, showRate))
	return s.remove()
}

// measureSync measures what every commit waits for, to judge the figures of a disk that others use too.
func (b *bench) measureSync() error {
	f, err := os.CreateTemp(b.sites, "sync-")
	if err != nil {
		return err
	}
	defer f.Close()
	took, err := repeat(func() error {
		_, err := f.Write(make([]byte, 4096))
		return errors.Join(err, f.Sync())
	})
	if err != nil {
		return err
	}
	b.figure("fsync of 4 KiB on this disk", showSpread(took, show))
	return nil
}

func showRate(x float64) string { return fmt.Sprintf("%.0f", x) }

// startRate returns how many sign-ins a second there are beside n live sessions.
func (b *bench) startRate(n int) (spread, error) {
	s, err := b.newSite(n, 0)
	if err != nil {
		return nil, err
	}
	rate, err := s.startRate(b.ctx)
	if err != nil {
		return nil, err
	}
	return rate, s.remove()
}

// startRate lets people sign in for five times a second.
func (s *site) startRate(ctx context.Context) (rate spread, err error) {
	rate = rounds(5, func() float64 {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		var started atomic.Int64
		began := time.Now()
		if e := storm(ctx, s.Manager, func(curfew.Token) { started.Add(1) }); e != nil {
			err = e
		}
		return float64(started.Load()) / time.Since(began).Seconds()
	})
	return rate, err
}

// measureLostStarts kills a process in the middle of sign-ins and looks for all that it had answered.
func (b *bench) measureLostStarts() error {
	dir, err := b.copySeed(0)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := startChild("start", dir)
	if err != nil {
		return err
	}
	answered, err := c.killAfter(2 * time.Second)
	if err != nil {
		return err
	}
	s, err := openSite(b.ctx, dir, 0)
	if err != nil {
		return err
	}
	found := 0
	for _, text := range answered {
		t, _ := curfew.ParseToken(text)
		if _, err := s.Check(b.ctx, t, curfew.Passive); err == nil {
			found++
		}
	}
	b.all("sign-ins found again after kill -9", found, len(answered))
	return s.remove()
}
