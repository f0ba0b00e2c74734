package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
)

// warm is a manager that has all its sessions in memory, and their tokens.
type warm struct {
	*curfew.Manager
	tokens []curfew.Token
}

// quiet is a store in memory that isn't asked every second what is due: it would walk a million sessions to find that
// none is, and that walk is not what is measured.
type quiet struct{ *memory.Sessions }

func (q quiet) End(ctx context.Context, now time.Time, sel curfew.Selection, e curfew.Ending) (int, []curfew.Key, error) {
	if sel.Due {
		return 0, nil, nil
	}
	return q.Sessions.End(ctx, now, sel, e)
}

// newWarm starts n sessions.
func (b *bench) newWarm(n int) (*warm, error) {
	m, err := curfew.New(b.ctx, quiet{memory.NewSessions()}, curfew.Options{CacheSize: roomFor(n)})
	if err != nil {
		return nil, err
	}
	w := &warm{m, make([]curfew.Token, n)}
	for i := range w.tokens {
		if _, w.tokens[i], err = m.Start(b.ctx, startOf(i)); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// roomFor is the cache that n sessions fit into, however unevenly they fall into its shards.
func roomFor(n int) int { return n + n/4 + 10_000 }

// startOf is the sign-in of somebody, who has ten sessions.
func startOf(i int) curfew.Start {
	return curfew.Start{
		User: userOf(i / 10), Credential: curfew.CredentialPassword, Client: clientOf(i),
		Lifetime: 8 * time.Hour, Grace: curfew.DefaultGrace,
	}
}

// texts are the tokens as they stand in cookies.
func (w *warm) texts() []tokenText {
	texts := make([]tokenText, len(w.tokens))
	for i, t := range w.tokens {
		copy(texts[i][:], t.Reveal())
	}
	return texts
}

// check is one warm check, which must find its session.
func (b *bench) check(w *warm, act curfew.Activity, i uint64) {
	if _, err := w.Check(b.ctx, w.tokens[scatter(i, len(w.tokens))], act); err != nil {
		panic(err)
	}
}

// measureCheck compares the hot path with the least that it could be.
func (b *bench) measureCheck() error {
	for _, n := range []int{100, b.sessions} {
		if err := b.measureCheckOf(n); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) measureCheckOf(n int) error {
	w, err := b.newWarm(n)
	if err != nil {
		return err
	}
	defer w.Close()
	texts := w.texts()
	bare := newPrototype(texts)
	prototype := func() float64 {
		return cost(func(_ int, i uint64) {
			if bare.check(&texts[scatter(i, n)]) == nil {
				panic("the prototype lost a session")
			}
		})
	}
	for _, act := range []curfew.Activity{curfew.Passive, curfew.Active} {
		what := fmt.Sprintf("warm Check, %s, %s sessions", nameOf(act), showCount(n))
		full, least, ratio := compare(func() float64 {
			return cost(func(_ int, i uint64) { b.check(w, act, i) })
		}, prototype)
		b.add(what, "≤ 1.3 × bare", fmt.Sprintf("%s: %s, bare %s", showSpread(ratio, showTimes),
			show(full.median()), show(least.median())), ratio.median() <= 1.3)
		i := uint64(0)
		allocs := testing.AllocsPerRun(1000, func() { b.check(w, act, i); i++ })
		b.add(what+": allocations", "0", fmt.Sprint(allocs), allocs == 0)
	}
	return nil
}

func nameOf(act curfew.Activity) string {
	if act == curfew.Active {
		return "active"
	}
	return "passive"
}
