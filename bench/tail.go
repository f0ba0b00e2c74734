package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew"
)

// What asks all the time while something big happens: so many callers, each at its own steady pace.
const (
	loadCallers = 8
	loadPace    = 1600 * time.Microsecond
	loadLimit   = 5e6 // ns
)

// load checks sessions when a pacer asks for it, and notes how long after that each check was answered.
type load struct {
	pacer   *pacer
	done    sync.WaitGroup
	samples [loadCallers][]sample
}

// sample has no pointers: the collector of the process that is measured shall not have to look through what is noted of it.
type sample struct {
	due, began int64         // Unix nanoseconds
	took       time.Duration // since due
	ok         bool          // the session was live
}

// startLoad checks the sessions with the tokens.
func (s *site) startLoad(ctx context.Context, tokens []curfew.Token) (*load, error) {
	return startLoad(func(i int) error {
		_, err := s.Check(ctx, tokens[scatter(uint64(i), len(tokens))], curfew.Active)
		return err
	})
}

// startLoad calls check, with other numbers each time.
func startLoad(check func(i int) error) (*load, error) {
	pacer, err := startPacer(loadCallers, loadPace/loadCallers)
	if err != nil {
		return nil, err
	}
	l := &load{pacer: pacer}
	for caller := range l.samples {
		l.samples[caller] = make([]sample, 0, 1<<16)
		l.done.Go(func() {
			for i := 0; ; i++ {
				due, err := pacer.next(caller)
				if err != nil {
					return
				}
				asked := time.Now()
				err = check(i*loadCallers + caller)
				l.samples[caller] = append(l.samples[caller], sample{due.UnixNano(), asked.UnixNano(), time.Since(due), err == nil})
			}
		})
	}
	return l, nil
}

// end stops the load and returns all samples.
func (l *load) end() ([]sample, error) {
	l.pacer.stop()
	l.done.Wait()
	return slices.Concat(l.samples[:]...), l.pacer.close()
}

// latencies are those of the checks that were due from one moment to another.
func latencies(samples []sample, from, until time.Time) spread {
	var s spread
	for _, x := range samples {
		if x.due >= from.UnixNano() && x.due < until.UnixNano() {
			s = append(s, float64(x.took))
		}
	}
	slices.Sort(s)
	return s
}

// round is a time in which something happened while checks were timed, and before which all was quiet.
type round struct {
	samples     []sample
	from, until time.Time
}

// windows divides a round into n of the same length.
func (r round) windows(n int) []round {
	length := r.until.Sub(r.from) / time.Duration(n)
	all := make([]round, n)
	for i := range all {
		from := r.from.Add(time.Duration(i) * length)
		all[i] = round{r.samples, from, from.Add(length)}
	}
	return all
}

// tail adds the row about how long checks took. Each round has its own 99th percentile, and the median of those counts: for some hundredths of a second
// now and then a shared machine does nothing for us at all.
func (b *bench) tail(what string, rounds []round) {
	var p99s, all spread
	for _, r := range rounds {
		s := latencies(r.samples, r.from, r.until)
		p99s, all = append(p99s, s.quantile(0.99)), append(all, s...)
	}
	slices.Sort(p99s)
	slices.Sort(all)
	quiet := latencies(rounds[0].samples, rounds[0].from.Add(-time.Minute), rounds[0].from)
	b.add("Check, p99 "+what, "≤ "+show(loadLimit), fmt.Sprintf("%s of %d rounds; of all %d checks %s, median %s, worst %s; before it p99 %s",
		showSpread(p99s, show), len(rounds), len(all), show(all.quantile(0.99)), show(all.median()), show(all.quantile(1)), show(quiet.quantile(0.99))),
		p99s.median() <= loadLimit)
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

// tailRounds is of how many percentiles the median counts.
const tailRounds = 5

// measureFloor asks at the same pace where there is nothing to do, alone and beside a thread that never rests: no program answers sooner on
// this machine in this minute.
func (b *bench) measureFloor() error {
	alone, err := floor()
	if err != nil {
		return err
	}
	var stop atomic.Bool
	var busy sync.WaitGroup
	busy.Go(func() {
		for !stop.Load() {
		}
	})
	beside, err := floor()
	stop.Store(true)
	busy.Wait()
	if err != nil {
		return err
	}
	b.figure("nothing at all, p99 at the same pace", fmt.Sprintf("%s; beside a thread that never rests %s", show(alone), show(beside)))
	return nil
}

func floor() (p99 float64, err error) {
	l, err := startLoad(func(int) error { return nil })
	if err != nil {
		return 0, err
	}
	from := time.Now()
	time.Sleep(quietTime)
	samples, err := l.end()
	return latencies(samples, from, time.Now()).quantile(0.99), err
}

// measureExpiry lets all sessions end by themselves within a second, while others are checked.
func (b *bench) measureExpiry() error {
	var all []round
	for range tailRounds {
		r, err := b.expire()
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	b.tail(fmt.Sprintf("while %s sessions expire in one second", showCount(b.sessions)), all)
	return nil
}

func (b *bench) expire() (round, error) {
	s, err := b.newSite(b.sessions, 0)
	if err != nil {
		return round{}, err
	}
	outliving, seeded, err := s.loadTokens(b.ctx)
	if err != nil {
		return round{}, err
	}
	s.clock.jumpTo(seedEnd.Add(-quietTime))
	from := time.Now().Add(quietTime)
	l, err := s.startLoad(b.ctx, slices.Concat(outliving, seeded))
	if err != nil {
		return round{}, err
	}
	time.Sleep(quietTime + 5*time.Second)
	samples, err := l.end()
	return round{samples, from, time.Now()}, errors.Join(err, s.remove())
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
	l, err := s.startLoad(b.ctx, slices.Concat(outliving, seeded))
	if err != nil {
		return err
	}
	time.Sleep(quietTime)
	from := time.Now()
	ctx, cancel := context.WithTimeout(b.ctx, tailRounds*3*time.Second)
	defer cancel()
	if err := storm(ctx, s.Manager, func(curfew.Token) {}); err != nil {
		return err
	}
	samples, err := l.end()
	if err != nil {
		return err
	}
	r := round{samples, from, time.Now()}
	b.tail(fmt.Sprintf("while %d callers sign in, %s sessions", stormCallers, showCount(b.sessions)), r.windows(tailRounds))
	return s.remove()
}
