package main

import (
	"fmt"
	"slices"

	"github.com/curfewhq/curfew"
)

// scaleSizes are how many live sessions there are while the cost of each call is measured; the last is b.sessions.
var scaleSizes = []int{1000, 10_000, 100_000}

// measureScale measures what calls cost from a thousand sessions to a million. It has no target of its own.
func (b *bench) measureScale() error {
	sizes := slices.Concat(scaleSizes, []int{b.sessions})
	for _, c := range []struct {
		name string
		cost func(n int) (spread, error)
	}{
		{"Check, warm", b.checkCost},
		{"Start, one of 64 at once", b.startCost},
		{"List, first page", b.pageCost},
		{"EndAll, all others", b.endCost},
	} {
		curve := curve{name: c.name}
		text := ""
		for _, n := range sizes {
			cost, err := c.cost(n)
			if err != nil {
				return err
			}
			curve.points = append(curve.points, point{n, cost.median()})
			text += fmt.Sprintf(" %s: %s,", showCount(n), show(cost.median()))
		}
		b.curves = append(b.curves, curve)
		b.figure("growth of "+c.name, text[1:len(text)-1])
	}
	return nil
}

func (b *bench) checkCost(n int) (spread, error) {
	w, err := b.newWarm(n)
	if err != nil {
		return nil, err
	}
	s := rounds(compareRounds, func() float64 {
		return cost(func(_ int, i uint64) { b.check(w, curfew.Active, i) })
	})
	return s, w.Close()
}

// startCost is the time of the whole machine that one sign-in takes.
func (b *bench) startCost(n int) (spread, error) {
	rate, err := b.startRate(n)
	if err != nil {
		return nil, err
	}
	return spread{1e9 / rate.median()}, nil
}

func (b *bench) pageCost(n int) (spread, error) {
	s, err := b.newSite(n, 0)
	if err != nil {
		return nil, err
	}
	took, err := repeat(func() error {
		_, err := s.List(b.ctx, curfew.Query{})
		return err
	})
	if err != nil {
		return nil, err
	}
	return took, s.remove()
}

func (b *bench) endCost(n int) (spread, error) {
	s, err := b.newSite(n, 0)
	if err != nil {
		return nil, err
	}
	own, err := s.Check(b.ctx, s.tokens[0], curfew.Passive)
	if err != nil {
		return nil, err
	}
	took, err := seconds(func() error {
		sel, ending := terminate(own)
		_, err := s.EndAll(b.ctx, sel, ending)
		return err
	})
	if err != nil {
		return nil, err
	}
	return spread{took * 1e9}, s.remove()
}
