package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
)

// What asks all the time while something big happens: so many callers, each at its own steady pace.
const (
	loadCallers = 8
	loadPace    = 1600 * time.Microsecond
	loadLimit   = 5e6 // ns
)

// load checks sessions at a steady rate, and notes for each check how long after the moment at which it was due it was
// answered. So whoever is kept waiting counts, even those whose turn would have come while everything stood still.
type load struct {
	stop    context.CancelFunc
	done    sync.WaitGroup
	samples [loadCallers][]sample
}

type sample struct {
	due, began time.Time
	took       time.Duration // since due
	ok         bool          // the session was live
}

func (s *site) startLoad(ctx context.Context, tokens []curfew.Token) *load {
	ctx, stop := context.WithCancel(ctx)
	l := &load{stop: stop}
	for caller := range l.samples {
		l.samples[caller] = make([]sample, 0, 1<<16)
		l.done.Go(func() {
			began := time.Now().Add(loadPace * time.Duration(caller) / loadCallers)
			for i := 0; ctx.Err() == nil; i++ {
				due := began.Add(time.Duration(i) * loadPace)
				time.Sleep(time.Until(due))
				token := tokens[scatter(uint64(i*loadCallers+caller), len(tokens))]
				asked := time.Now()
				_, err := s.Check(ctx, token, curfew.Active)
				l.samples[caller] = append(l.samples[caller], sample{due, asked, time.Since(due), err == nil})
			}
		})
	}
	return l
}

// end stops the load and returns all samples.
func (l *load) end() []sample {
	l.stop()
	l.done.Wait()
	return slices.Concat(l.samples[:]...)
}

// latencies are those of the checks that were due from one moment to another.
func latencies(samples []sample, from, until time.Time) spread {
	var s spread
	for _, x := range samples {
		if !x.due.Before(from) && x.due.Before(until) {
			s = append(s, float64(x.took))
		}
	}
	slices.Sort(s)
	return s
}

// tail adds the row about how long checks took from one moment to another; before it, all was quiet.
func (b *bench) tail(what string, samples []sample, from, until time.Time) {
	busy, quiet := latencies(samples, from, until), latencies(samples, from.Add(-time.Minute), from)
	p99 := busy.quantile(0.99)
	b.add("Check, p99 "+what, "≤ "+show(loadLimit), fmt.Sprintf("%s (median %s, worst %s, %d checks; quiet p99 %s)",
		show(p99), show(busy.median()), show(busy.quantile(1)), len(busy), show(quiet.quantile(0.99))), p99 <= loadLimit)
}

// loadTokens starts sessions that outlive the seeded ones, and returns their tokens and as many of seeded ones, all warm.
func (s *site) loadTokens(ctx context.Context) (outliving, seeded []curfew.Token, err error) {
	const n = 5000
	outliving, seeded = make([]curfew.Token, n), s.tokens[:min(n, len(s.tokens))]
	err = each(stormCallers, n, func(i int) (err error) {
		_, outliving[i], err = s.Start(ctx, startOf(i))
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return outliving, seeded, each(2, len(seeded), func(i int) error {
		_, err := s.Check(ctx, seeded[i], curfew.Passive)
		return err
	})
}

// quietTime is how long the load goes on before what it is there to suffer.
const quietTime = 2 * time.Second

// measureExpiry lets all sessions end by themselves within a second, while others are checked.
func (b *bench) measureExpiry() error {
	s, err := b.newSite(b.sessions, 0)
	if err != nil {
		return err
	}
	outliving, seeded, err := s.loadTokens(b.ctx)
	if err != nil {
		return err
	}
	s.clock.jumpTo(seedEnd.Add(-quietTime))
	from := time.Now().Add(quietTime)
	l := s.startLoad(b.ctx, slices.Concat(outliving, seeded))
	time.Sleep(quietTime + 10*time.Second)
	b.tail(fmt.Sprintf("while %s sessions expire in one second", showCount(b.sessions)), l.end(), from, time.Now())
	return s.remove()
}

// measureStorm lets people sign in as fast as they can, while others are checked.
func (b *bench) measureStorm() error {
	s, err := b.newSite(b.sessions, 0)
	if err != nil {
		return err
	}
	outliving, seeded, err := s.loadTokens(b.ctx)
	if err != nil {
		return err
	}
	l := s.startLoad(b.ctx, slices.Concat(outliving, seeded))
	time.Sleep(quietTime)
	from := time.Now()
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	if err := storm(ctx, s.Manager, func(curfew.Token) {}); err != nil {
		return err
	}
	b.tail(fmt.Sprintf("while %d callers sign in, %s sessions", stormCallers, showCount(b.sessions)), l.end(), from, time.Now())
	return s.remove()
}
